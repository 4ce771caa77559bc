import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry unhalt`: opens the order gate again.
struct UnhaltCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unhalt", abstract: "Let orders pass again after a halt.",
    discussion: """
      The gate stays closed while a risk node is quarantined; `gantry status` says so.

      EXAMPLES
        gantry unhalt
      """)

  @OptionGroup var host: HostArguments

  mutating func run() throws {
    _ = try host.ask(.unhalt, for: LiveHost.HaltAnswer.self)
    if !host.output.json { host.terminal.out("  orders pass again") }
  }
}
