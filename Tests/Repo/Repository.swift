import Foundation

/// The checkout under test, the build the tests are part of, and shell commands in them.
enum Repository {
  /// The package's folder.
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// The folder with `gantry` and the plugins that were built together with these tests.
  static let build: String = {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let path = String(decoding: buffer.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return URL(filePath: path).deletingLastPathComponent().path
  }()

  static let scripts = "\(root)/Tests/Repo/Scripts"

  static func text(_ path: String) throws -> String { try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) }

  /// Files that git tracks, relative to the root; empty outside a git checkout.
  static func tracked(_ patterns: String...) -> [String] {
    let quoted = patterns.map { "'\($0)'" }.joined(separator: " ")
    let result = try? shell("git ls-files -- \(quoted)")
    return (result?.output ?? "").split(separator: "\n").map(String.init).sorted()
  }
}

struct ShellResult {
  var status: Int32
  /// Standard output and standard error, as they came.
  var output: String
}

/// Runs a line of bash with `gantry` of this build on the PATH. `GANTRY` names the checkout, as the
/// guides say.
func shell(_ line: String, in folder: String = Repository.root, seconds: Int = 900, environment: [String: String] = [:]) throws -> ShellResult {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = ["timeout", "--kill-after=5", "\(seconds)", "bash", "-euo", "pipefail", "-c", line]
  process.currentDirectoryURL = URL(filePath: folder)
  var variables = ProcessInfo.processInfo.environment
  variables["GANTRY"] = Repository.root
  variables["PATH"] = "\(Repository.build):\(variables["PATH"] ?? "/usr/bin:/bin")"
  variables.merge(environment) { $1 }
  process.environment = variables
  process.standardInput = FileHandle.nullDevice
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return ShellResult(status: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
}

/// A folder that is gone when the value is.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "gantry-repo-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) throws {
    let file = URL(filePath: path).appending(path: name)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try text.write(to: file, atomically: true, encoding: .utf8)
  }
}
