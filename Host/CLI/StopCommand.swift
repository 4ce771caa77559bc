import ArgumentParser
import GantryAdmin
import GantryBase
import GantryRuntime

/// `gantry stop`: ends a running host at the next event boundary.
struct StopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "End the running host at the next event boundary.",
    discussion: """
      Waits until the run has ended and prints its summary. Events that were read but not yet run
      are left: `gantry drain` runs those first.

      EXAMPLES
        gantry stop
        gantry stop --graph quickstart --json
      """)

  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let summary = try host.ask(.stop, timeoutNs: nil, for: RunSummary.self)
    if !host.output.json { host.terminal.out(SummaryText.render(summary, paint: host.terminal.paint)) }
  }
}
