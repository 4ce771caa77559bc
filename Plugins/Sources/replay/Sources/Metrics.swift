import GantrySDK

/// The counters of the source: rows read, events given out, and each kind of fault.
struct Metrics {
  private var numbers: [UInt32] = []
  private var last: [UInt64] = []

  /// In `start`.
  mutating func define(_ host: Host) {
    numbers = [
      host.defineMetric("rows", counter: true, unit: "rows", help: "lines read as rows"),
      host.defineMetric("events", counter: true, unit: "events", help: "events given out"),
      host.defineMetric("broken_lines", counter: true, unit: "rows", help: "lines that cannot be read"),
      host.defineMetric("wrong_field_counts", counter: true, unit: "rows", help: "lines with too many or too few fields"),
      host.defineMetric("bad_numbers", counter: true, unit: "rows", help: "rows with a price that is no positive number"),
      host.defineMetric("times_backwards", counter: true, unit: "rows", help: "rows with a time before that of the row before"),
      host.defineMetric("crossed_quotes", counter: true, unit: "rows", help: "rows with an ask below the bid"),
    ]
    last = [UInt64](repeating: 0, count: numbers.count)
  }

  /// Adds what is new.
  mutating func update(_ host: Host, _ parser: borrowing CSVParser, events: UInt64) {
    set(host, 0, parser.rows)
    set(host, 1, events)
    for index in 0..<RowFault.count { set(host, 2 + index, parser.faults[index].count) }
  }

  @inline(__always)
  private mutating func set(_ host: Host, _ index: Int, _ value: UInt64) {
    if value == last[index] { return }
    host.updateMetric(numbers[index], Double(value - last[index]))
    last[index] = value
  }
}
