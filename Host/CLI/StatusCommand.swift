import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry status`: how a running host is doing.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show how the running graph is doing.",
    discussion: """
      Nodes with their plugin and generation, rates over the last ten seconds, latencies, errors and
      breakers; queues with depth and drops; the order gate; changes under way; loaded code.

      EXAMPLES
        gantry status
        gantry status --graph eurusd-momentum
        gantry status --json
      """)

  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let status = try host.ask(.status, for: HostStatus.self)
    if !host.output.json { host.terminal.out(StatusText.render(status, paint: host.terminal.paint)) }
  }
}
