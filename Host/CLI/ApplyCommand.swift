import ArgumentParser
import GantryAdmin
import GantryBase
import GantryRuntime

/// `gantry apply`: makes the running graph into another one.
struct ApplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Make the running graph into the one of a file, all or nothing.",
    discussion: """
      Nodes that the file leaves as they are keep their instance and state. When anything fails the
      old graph runs on, and the reason is said. A newer apply supersedes one that is under way.

      EXAMPLES
        gantry apply trading.yaml
        gantry apply trading.yaml --set risk.max_position=200000
      """)

  @Argument(help: ArgumentHelp("The graph file.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var file: String
  @OptionGroup var changed: ChangedGraphArguments
  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let terminal = host.terminal
    let answer = try host.ask(.apply, changed.arguments(file), timeoutNs: nil, for: LiveHost.ApplyAnswer.self) { line in
      terminal.out(PlanText.line(try line.decode(ApplyStep.self), terminal.paint))
    }
    if !host.output.json { terminal.out(PlanText.end(answer, terminal.paint)) }
  }
}
