import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry halt`: closes the order gate of a running graph.
struct HaltCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "halt", abstract: "Refuse all new orders of the running graph, at once.",
    discussion: """
      The order gate in front of every broker closes within one event; only cancels and orders that
      reduce a position pass. Everything else goes on. It stays closed over restarts until
      `gantry unhalt`.

      EXAMPLES
        gantry halt
        gantry halt --reason "fills look wrong"
      """)

  @Option(help: ArgumentHelp("Why, for the audit log and for whoever looks next.", valueName: "text"))
  var reason: String?
  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let answer = try host.ask(.halt, JSONValue.arguments(["reason": .ifGiven(reason)]), for: LiveHost.HaltAnswer.self)
    guard !host.output.json else { return }
    let paint = host.terminal.paint
    host.terminal.out("  " + paint("trading is halted", .red, bold: true) + "; cancels and reduce-only orders pass")
    if !answer.survivesRestart { host.terminal.out("  the host keeps no state, so a restart would trade again") }
  }
}
