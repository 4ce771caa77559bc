import FoundationEssentials
import GantryBase

/// `gantry plugin check`: runs the conformance checks on anybody's plugin file in a throwaway child,
/// which may crash or hang without harm.
public struct PluginConformance: Sendable {
  public static let verb = "__check-plugin"

  /// What is started: this very executable, which answers the verb with `childMain`.
  public var executable = "/proc/self/exe"
  /// How long one check may take.
  public var deadlineNs: Int64 = 30_000_000_000

  public init(executable: String = "/proc/self/exe") { self.executable = executable }

  /// Checks a plugin file or a bundle. A crash fails the check that was running and ends the report.
  public func check(path: String, options: ConformanceOptions = ConformanceOptions()) throws(GantryError) -> ConformanceReport {
    guard let settings = try? String(decoding: JSONEncoder().encode(options), as: UTF8.self) else {
      throw GantryError(LoaderCode.child, "the options of the check cannot be written as JSON", exit: .bug)
    }
    var report = ConformanceReport(path: path)
    var running: (name: ConformanceCheck, plugin: String)?
    let child = ChildProcess(executable: executable, arguments: [Self.verb, settings, path], deadlineNs: deadlineNs)
    let (ending, errors) = child.run { bytes in
      guard let line = try? JSONDecoder().decode(ConformanceChild.Line.self, from: Data(bytes)) else { return }
      if let name = line.begun.flatMap(ConformanceCheck.init(rawValue:)) { running = (name, line.plugin ?? "") }
      if let check = line.check {
        report.checks.append(check)
        running = nil
      }
    }
    if ending == .exited(0), running == nil { return report }
    let failure = PluginInspector.failure(path, ending, errors, deadlineNs).diagnostics[0]
    guard failure.code != LoaderCode.child else { throw GantryError([failure], .failed) }
    let text =
      switch ending {
      case .signalled(let signal): "ended its process by \(ChildProcess.describe(signal: signal))"
      case .exited(let code): "ended its process with exit code \(code)"
      default: "did not come back within \(deadlineNs / 1_000_000_000) s"
      }
    report.checks.append(.init(running?.plugin ?? "", running?.name ?? .loads, .failed, text, help: failure.help.filter { $0.hasPrefix("its last words") }))
    return report
  }

  /// The whole of the hidden verb `__check-plugin OPTIONS PATH`.
  ///
  /// - Returns: the exit code, for `_exit`
  public static func childMain(arguments: [String]) -> Int32 {
    guard arguments.count == 2, let options = try? JSONDecoder().decode(ConformanceOptions.self, from: Data(arguments[0].utf8)) else {
      return ExitCode.usage.rawValue
    }
    return ConformanceChild(path: arguments[1], options: options).run()
  }
}
