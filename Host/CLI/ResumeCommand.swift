import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry resume`: lets a paused source go on.
struct ResumeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Let a paused source go on.",
    discussion: """
      EXAMPLES
        gantry resume ticks
      """)

  @Argument(help: ArgumentHelp("The source's name.", valueName: "node"), completion: NodeCompletion.sources)
  var node: String
  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let answer = try host.ask(.resume, ["node": .text(node)], for: LiveHost.PauseAnswer.self)
    guard !host.output.json else { return }
    host.terminal.out(answer.hasChanged ? "  \(node) goes on" : "  \(node) was not paused")
  }
}
