import BrokenPlugins
import GantryBase
import Glibc

/// The real executable as a child, in a folder of its own with the fixtures' plugins.
struct Host {
  let folder: String

  /// Makes the folder: `graph.yaml`, and `plugins/` with the fixtures.
  init(_ yaml: String) throws {
    folder = try Fixture.temporaryFolder()
    mkdir("\(folder)/plugins", 0o700)
    let lane = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/LanePlugins/plugins.c", as: "liblane.so")
    for (id, file) in try Cells.files() { symlink(file, "\(folder)/plugins/lib\(id).so") }
    for id in ["beat", "beat-fresh", "trail"] { symlink(lane, "\(folder)/plugins/lib\(id).so") }
    guard let file = fopen("\(folder)/graph.yaml", "w") else { throw HostError.noFile }
    fputs(yaml, file)
    fclose(file)
  }

  enum HostError: Error { case noFile, notStarted }

  /// What a verb left: its exit code as a shell says it, and what it wrote to standard error.
  struct End {
    var code: Int32
    var errors: String
  }

  /// Starts `gantry` with `arguments` and returns its pid.
  func start(_ arguments: String, environment: String = "") throws -> pid_t {
    let command = "cd '\(folder)' && \(environment.isEmpty ? "" : "export \(environment) && ")exec '\(Cells.gantry)' \(arguments) >out.txt 2>err.txt"
    let line: [String] = ["/bin/sh", "-c", command]
    var words = line.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, "/bin/sh", nil, nil, &words, environ) == 0 else { throw HostError.notStarted }
    return pid
  }

  func end(_ pid: pid_t) -> End {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7F
    return End(code: signal == 0 ? status >> 8 & 0xFF : 128 + signal, errors: text("err.txt"))
  }

  func run(_ arguments: String, environment: String = "") throws -> End { end(try start(arguments, environment: environment)) }

  func text(_ name: String) -> String {
    guard let file = fopen("\(folder)/\(name)", "r") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Processes whose parent is `pid`.
  static func children(of pid: pid_t) -> [pid_t] {
    guard let directory = opendir("/proc") else { return [] }
    defer { closedir(directory) }
    var list: [pid_t] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let other = pid_t(name), let file = fopen("/proc/\(name)/stat", "r") else { continue }
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 1024)
      guard fgets(&line, 1024, file) != nil else { continue }
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard let after = text.lastIndex(of: ")") else { continue }
      let fields = text[text.index(after: after)...].split(separator: " ")
      if fields.count > 1, pid_t(fields[1]) == pid { list.append(other) }
    }
    return list
  }
}
