import ArgumentParser
import GantryAdmin
import GantryBase
import GantryRuntime

/// `gantry loglevel`: how much a running host says.
struct LogLevelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loglevel", abstract: "Change how much the running host logs.",
    discussion: """
      EXAMPLES
        gantry loglevel debug
        gantry loglevel trace model
      """)

  @Argument(
    help: ArgumentHelp("trace, debug, info, warning or error.", valueName: "level"), completion: .list(LogLine.Severity.all.map(\.name)))
  var level: String
  @Argument(help: ArgumentHelp("Only lines of this node; otherwise of all.", valueName: "node"), completion: NodeCompletion.nodes)
  var node: String?
  @OptionGroup var host: HostArguments

  func validate() throws {
    guard LogLine.Severity(name: level) != nil else {
      throw ValidationError("loglevel takes \(LogLine.Severity.all.map(\.name).joined(separator: ", ")), not '\(level)'.")
    }
  }

  mutating func run() throws {
    let arguments = JSONValue.arguments(["level": .text(level), "node": .ifGiven(node)])
    _ = try host.ask(.loglevel, arguments, for: LiveHost.LevelAnswer.self)
    if !host.output.json { host.terminal.out("  \(node ?? "the host") logs from \(level) on") }
  }
}
