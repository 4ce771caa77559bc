import Glibc
import Synchronization

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
    guard mkdtemp(&template) != nil else { throw FixtureError("no temporary folder") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    Kept.shared.add(path)
    return path
  }

  /// A copy of a broken plugin's `.so`, in a folder of its own.
  public static func plugin(_ name: String, as file: String = "libbroken.so", flags: String = "") throws -> String {
    let source = "\(root)/Tests/Fixtures/BrokenPlugins/\(name)/plugin.c"
    let compiled = try Kept.shared.value(source + flags) { try compile(source, flags: flags) }
    let path = try temporaryFolder() + "/" + file
    guard Glibc.system("cp '\(compiled)' '\(path)'") == 0 else { throw FixtureError("cannot copy \(compiled)") }
    return path
  }

  /// Compiles a C plugin into a folder of its own.
  public static func compile(_ source: String, as file: String = "libbroken.so", flags: String = "") throws -> String {
    let path = try temporaryFolder() + "/" + file
    let command = "cc -shared -fPIC -std=c11 -O0 -D_GNU_SOURCE -fvisibility=hidden -I'\(root)/SDK/C/include' -o '\(path)' '\(source)' \(flags)"
    guard Glibc.system(command) == 0 else { throw FixtureError("cannot compile \(source)") }
    return path
  }
}

/// A fixture that could not be made.
public struct FixtureError: Error, CustomStringConvertible {
  public var description: String
  init(_ text: String) { description = text }
}

/// What has been compiled, and the folders to remove when the process ends.
private final class Kept: Sendable {
  static let shared = Kept()
  private let paths = Mutex<[String: String]>([:])
  private let folders = Mutex<[String]>([])

  init() { atexit { Kept.shared.clean() } }

  func value(_ key: String, _ make: () throws -> String) throws -> String {
    if let known = paths.withLock({ $0[key] }) { return known }
    let made = try make()
    paths.withLock { $0[key] = made }
    return made
  }

  func add(_ folder: String) { folders.withLock { $0.append(folder) } }

  private func clean() {
    let all = folders.withLock { $0 }
    if !all.isEmpty { _ = Glibc.system("rm -rf " + all.map { "'\($0)'" }.joined(separator: " ")) }
  }
}
