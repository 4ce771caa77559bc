import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry pause`: stops the intake of one source of a running graph.
struct PauseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause", abstract: "Stop the intake of a source of the running graph.",
    discussion: """
      What the source has given is run; nothing further is taken in until `gantry resume`. With the
      replay clock other sources wait for the paused one, since events go by their times.

      EXAMPLES
        gantry pause ticks
        gantry pause ticks --graph eurusd-momentum
      """)

  @Argument(help: ArgumentHelp("The source's name.", valueName: "node"), completion: NodeCompletion.sources)
  var node: String
  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let answer = try host.ask(.pause, ["node": .text(node)], for: LiveHost.PauseAnswer.self)
    guard !host.output.json else { return }
    host.terminal.out(answer.hasChanged ? "  \(node) is paused; `gantry resume \(node)` lets it go on" : "  \(node) was paused already")
  }
}
