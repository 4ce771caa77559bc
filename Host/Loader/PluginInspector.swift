import FoundationEssentials
import GantryBase
import Glibc

/// Looks at plugins without running their code in this process: a throwaway child loads them and
/// prints what they say of themselves. A plugin that crashes, hangs or eats memory costs the child.
public struct PluginInspector: Sendable {
  /// What is started: this very executable, which answers the verb `__inspect` with `childMain`.
  public var executable = "/proc/self/exe"
  /// How long one plugin may take.
  public var deadlineNs: Int64 = 5_000_000_000
  public var options = LoaderOptions()

  public static let verb = "__inspect"

  public init(executable: String = "/proc/self/exe") { self.executable = executable }

  /// Describes plugin files, with this executable as the child.
  public static func describe(paths: [String]) -> [String: Result<[PluginDescription], GantryError>] {
    PluginInspector().describe(paths: paths)
  }

  /// Describes plugin files: one child for all of them, and a further one after each that dies.
  public func describe(paths: [String]) -> [String: Result<[PluginDescription], GantryError>] {
    var answers: [String: Result<[PluginDescription], GantryError>] = [:]
    var open: [String] = []
    for path in paths where !open.contains(path) { open.append(path) }
    while !open.isEmpty {
      let child = ChildProcess(executable: executable, arguments: [Self.verb] + open, deadlineNs: deadlineNs)
      let (ending, errors) = child.run { line in
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(line)), open.first == answer.path else { return }
        answers[answer.path] = answer.result
        open.removeFirst()
      }
      guard let culprit = open.first else { break }
      answers[culprit] = .failure(Self.failure(culprit, ending, errors, deadlineNs))
      open.removeFirst()
      if case .notStarted = ending {
        for path in open { answers[path] = .failure(Self.failure(path, ending, errors, deadlineNs)) }
        break
      }
    }
    return answers
  }

  /// Describes one plugin file.
  public func describe(path: String) throws(GantryError) -> [PluginDescription] {
    guard let answer = describe(paths: [path])[path] else { return [] }
    return try answer.get()
  }

  static func failure(_ path: String, _ ending: ChildProcess.Ending, _ errors: [UInt8], _ deadlineNs: Int64) -> GantryError {
    let said = String(decoding: errors, as: UTF8.self).split(separator: "\n").last { $0.contains { $0 != " " } }
    let help = said.map { ["its last words: \(String($0).printable)"] } ?? []
    switch ending {
    case .signalled(let signal):
      return GantryError(
        LoaderCode.crashed, "\(path): ended the throwaway child that looked at it, by \(ChildProcess.describe(signal: signal))",
        help: help + ["the entry must do nothing but fill in constants; run the plugin's own tests under a debugger"])
    case .exited(let code):
      return GantryError(
        LoaderCode.crashed, "\(path): ended the throwaway child that looked at it, with exit code \(code)",
        help: help + ["a plugin must never call exit"])
    case .silent:
      return GantryError(
        LoaderCode.deadline, "\(path): did not say what it offers within \(deadlineNs / 1_000_000) ms",
        help: help + ["the entry must do nothing but fill in constants: no files, threads, network"])
    case .notStarted(let error):
      return GantryError(
        LoaderCode.child, "\(path): the throwaway child could not be started: \(String(cString: strerror(error)))", help: help, exit: .failed)
    }
  }

  /// One line of the child's answer.
  struct Answer: Codable {
    var path: String
    var plugins: [PluginDescription]?
    var diagnostics: [Diagnostic]?
    var exitCode: ExitCode?

    init(_ path: String, _ result: Result<[PluginDescription], GantryError>) {
      self.path = path
      switch result {
      case .success(let plugins): self.plugins = plugins
      case .failure(let error):
        diagnostics = error.diagnostics
        exitCode = error.exitCode
      }
    }

    var result: Result<[PluginDescription], GantryError> {
      if let plugins { return .success(plugins) }
      return .failure(GantryError(diagnostics ?? [], exitCode ?? .bug))
    }
  }
}

extension PluginInspector {
  static let childMemoryBytes: UInt64 = 2 << 30
  static let childFileBytes: UInt64 = 64 << 20

  /// The whole of the hidden verb `__inspect PATH...`: one JSON line a path on standard output.
  /// Whatever the plugins print goes to standard error.
  ///
  /// - Returns: the exit code; the caller passes it to `_exit`, so that no plugin code runs again.
  public static func childMain(arguments paths: [String]) -> Int32 {
    let output = ChildOutput(cpuSeconds: UInt64(5 * max(paths.count, 1)))
    var options = LoaderOptions()
    options.residentMaxBytes = .max
    let loader = Loader(options: options, mapsInPlace: true)
    for path in paths {
      var result: Result<[PluginDescription], GantryError>
      do throws(GantryError) {
        let generation = try loader.load(path: path)
        result = .success(generation.plugins.map(\.description))
        generation.unload()
      } catch {
        result = .failure(error)
      }
      guard output.write(Answer(path, result)) else { return ExitCode.failed.rawValue }
    }
    return ExitCode.done.rawValue
  }
}

/// The standard output of a throwaway child, out of its plugins' reach, and its limits.
struct ChildOutput {
  private let descriptor: Int32

  init(cpuSeconds: UInt64) {
    confineChild(cpuSeconds)
    descriptor = fcntl(1, F_DUPFD_CLOEXEC, 100)
    dup2(2, 1)
  }

  func write(_ value: some Encodable) -> Bool {
    guard var bytes = try? Array(JSONEncoder().encode(value)) else { return false }
    bytes.append(10)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }
}
