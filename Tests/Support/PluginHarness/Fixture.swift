import Glibc

/// Compiles the C plugins of `Tests/Fixtures/BrokenPlugins` when a test asks for one. Each is compiled
/// once a process, into a folder that is removed when the process ends.
public enum Fixture {
  /// Whether there is a C compiler; tests that need one are skipped otherwise.
  public static let hasCompiler = Glibc.system("cc --version >/dev/null 2>&1") == 0

  /// The repository's root.
  public static var root: String {
    let parts = #filePath.split(separator: "/")
    return "/" + parts.dropLast(4).joined(separator: "/")
  }

  /// A new folder that nobody else uses.
  public static func temporaryFolder() throws -> String {
    var template = Array("/tmp/gantry-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw HarnessError("no temporary folder") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    Cleaner.add(path)
    return path
  }

  /// The path of a broken plugin's `.so`.
  public static func plugin(_ name: String, flags: String = "") throws -> String {
    try compile("\(root)/Tests/Fixtures/BrokenPlugins/\(name)/plugin.c", flags: flags)
  }

  /// Compiles a C plugin into `libbroken.so` in a folder of its own.
  public static func compile(_ source: String, as file: String = "libbroken.so", flags: String = "") throws -> String {
    let path = try temporaryFolder() + "/" + file
    let command = "cc -shared -fPIC -std=c11 -O1 -D_GNU_SOURCE -fvisibility=hidden -I'\(root)/SDK/C/include' -o '\(path)' '\(source)' \(flags)"
    guard Glibc.system(command) == 0 else { throw HarnessError("cannot compile \(source)") }
    return path
  }
}

/// Removes the tests' folders when the process ends.
private enum Cleaner {
  nonisolated(unsafe) private static var folders: [String] = []  // guarded by `lock`
  nonisolated(unsafe) private static var lock = pthread_mutex_t()
  private static let once: Void = {
    pthread_mutex_init(&lock, nil)
    atexit { Cleaner.clean() }
  }()

  static func add(_ folder: String) {
    _ = once
    pthread_mutex_lock(&lock)
    folders.append(folder)
    pthread_mutex_unlock(&lock)
  }

  private static func clean() {
    for folder in folders { _ = Glibc.system("rm -rf '\(folder)'") }
  }
}
