import CLinux

/// Monotonic time in nanoseconds.
func nowNs() -> Int64 { clinux_monotonic_ns() }

/// How long `body` took, in nanoseconds.
func timed(_ body: () throws -> Void) rethrows -> Double {
  let start = nowNs()
  try body()
  return Double(nowNs() - start)
}

/// The measurements of one thing, one a round.
struct Series {
  var values: [Double] = []
  var median: Double { percentile(0.5) }
  var low: Double { percentile(0.1) }
  var high: Double { percentile(0.9) }

  var mean: Double { values.reduce(0, +) / Double(max(values.count, 1)) }

  /// The value that a share of the values does not exceed.
  func share(_ share: Double) -> Double { percentile(share) }

  private func percentile(_ share: Double) -> Double {
    guard !values.isEmpty else { return .nan }
    let sorted = values.sorted()
    return sorted[min(sorted.count - 1, Int((Double(sorted.count - 1) * share).rounded()))]
  }
}

/// Runs several measurements in turn, round by round, so that a drift of the machine meets them all
/// alike. The first round warms up and is not counted.
struct Interleaved {
  private var bodies: [(name: String, body: () throws -> Double)] = []
  private(set) var series: [String: Series] = [:]

  mutating func add(_ name: String, _ body: @escaping () throws -> Double) { bodies.append((name, body)) }

  mutating func run(rounds: Int, title: String) throws {
    for round in 0...rounds {
      progress("\(title): round \(round) of \(rounds)")
      for (name, body) in bodies {
        let value = try body()
        if round > 0 { series[name, default: Series()].values.append(value) }
      }
    }
    progress("")
  }

  subscript(name: String) -> Series { series[name] ?? Series() }
}

func decimal(_ value: Double, _ digits: Int = 1) -> String {
  guard value.isFinite else { return "-" }
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let rounded = Int64((value.magnitude * scale).rounded())
  var text = String(rounded / Int64(scale))
  if digits > 0 {
    let fraction = String(rounded % Int64(scale))
    text += "." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
  return (value < 0 && rounded != 0 ? "-" : "") + text
}
