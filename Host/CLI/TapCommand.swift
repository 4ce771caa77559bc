import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry tap`: events of a port as they flow.
struct TapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tap", abstract: "Show the events of a port of the running graph as they flow.",
    discussion: """
      The lane copies events into a ring and never waits; what does not fit is counted as dropped.
      The tap goes on over swaps. Ctrl-C ends it.

      EXAMPLES
        gantry tap ticks --sample 1/100
        gantry tap risk.orders --where side=buy --count 10
        gantry tap model.predictions --where 'probability>0.9' --json
      """)

  @Argument(help: ArgumentHelp("node.port, or node alone when it has one output.", valueName: "port"), completion: NodeCompletion.ports)
  var port: String
  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("Only events of which this holds: field=value, !=, <, <=, >, >=. May be given more than once.", valueName: "field=value"))
  var filters: [String] = []
  @Option(help: ArgumentHelp("One event in so many: 1/N.", valueName: "share"))
  var sample: String?
  @Option(help: ArgumentHelp("End after so many events.", valueName: "events"))
  var count: Int?
  @OptionGroup var host: HostArguments

  private func every() throws -> Int? {
    guard let sample else { return nil }
    let parts = sample.split(separator: "/")
    guard parts.count == 2, parts[0] == "1", let every = Int(parts[1]), (1...1_000_000).contains(every) else {
      throw ValidationError("--sample takes 1/N, not '\(sample)'.")
    }
    return every
  }

  func validate() throws {
    _ = try every()
    for filter in filters {
      do { _ = try TapFilter(filter) } catch { throw ValidationError(error.diagnostics.map { $0.text + "; " + $0.help.joined(separator: "; ") }.joined()) }
    }
    if let count, count < 1 { throw ValidationError("--count takes 1 or more.") }
  }

  mutating func run() throws {
    let terminal = host.terminal
    let paint = terminal.paint
    let arguments = JSONValue.arguments(
      ["port": .text(port), "where": .ifAny(filters), "sample": .ifGiven(try every()), "count": .ifGiven(count)])
    let end = try host.ask(.tap, arguments, timeoutNs: nil, for: LiveHost.TapAnswer.self) { answer in
      let event = try answer.decode(LiveHost.TapEvent.self)
      terminal.out(TapCommand.line(event, paint))
    }
    guard !host.output.json else { return }
    if end.dropped > 0 { terminal.error("\(grouped(end.dropped)) events could not be shown; use --where or --sample") }
    if end.reason != "count" { terminal.error(end.reason) }
  }

  /// Time, instrument, the fields, and the chain for `gantry chain show`.
  static func line(_ event: LiveHost.TapEvent, _ paint: Paint) -> String {
    var parts: [String] = []
    for field in event.fields where field.name != "chain" {
      switch field.name {
      case "event_ns": parts.append(paint(Int64(field.value).map(time) ?? field.value, .grey))
      case "instrument": parts.append(paint(field.value, .cyan))
      default: parts.append(paint(field.name + "=", .grey) + field.value)
      }
    }
    return parts.joined(separator: " ") + paint("  " + event.chain, .grey)
  }

  /// UTC, to the millisecond.
  private static func time(_ ns: Int64) -> String {
    let millis = ns / 1_000_000
    let second = millis / 1000 % 86_400
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let fraction = String(millis % 1000)
    return "\(two(second / 3600)):\(two(second % 3600 / 60)):\(two(second % 60))." + String(repeating: "0", count: max(0, 3 - fraction.count)) + fraction
  }
}
