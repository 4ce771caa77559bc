import ArgumentParser
import GantryAdmin
import GantryBase
import GantryRuntime

/// `gantry commit`: ends the probation of a swap.
struct CommitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "commit", abstract: "End a swap's probation at once: the new instance stays.",
    discussion: """
      The old instance is let go, and a restart runs the graph with the new one.

      EXAMPLES
        gantry commit model
      """)

  @Argument(help: ArgumentHelp("The node.", valueName: "node"), completion: NodeCompletion.nodes)
  var node: String
  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let answer = try host.ask(.commit, ["node": .text(node)], timeoutNs: nil, for: LiveHost.SwapAnswer.self)
    if !host.output.json { host.terminal.out(SwapText.end(answer, host.terminal.paint)) }
    if let outcome = answer.report.outcome, outcome != .committed { throw VerbFailed(exitCode: .failed) }
  }
}
