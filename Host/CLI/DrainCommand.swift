import ArgumentParser
import GantryAdmin
import GantryBase
import GantryRuntime

/// `gantry drain`: ends a running host after all that it has taken in has run.
struct DrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain", abstract: "Stop the sources, run everything out, then end the host.",
    discussion: """
      Waits until the run has ended and prints its summary.

      EXAMPLES
        gantry drain
      """)

  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let summary = try host.ask(.drain, timeoutNs: nil, for: RunSummary.self)
    if !host.output.json { host.terminal.out(SummaryText.render(summary, paint: host.terminal.paint)) }
  }
}
