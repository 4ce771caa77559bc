/// How fast the time of recorded or made-up events passes: `max`, `real`, or `x10` (ten times real).
///
/// A paced source hands over the events up to `dueNs` and answers `.again` when there are none. It reads
/// the clock itself, once a pull, and gives it in: the first event is due at once, and an event that happened
/// d nanoseconds after it is due d / factor later.
public struct Pace: Sendable {
  /// Seconds of event time for a second of real time; 0 = as fast as events can be made.
  public let factor: Double
  private var firstNs: Int64 = 0
  private var startNs: Int64 = 0
  public private(set) var hasBegun = false

  /// `max`: every event is due at once.
  public static var unlimited: Pace { Pace(factor: 0) }

  private init(factor: Double) { self.factor = factor }

  /// Reads `max`, `real` or `xN`, N a decimal number from 0.001 to 1,000,000; nil for anything else.
  public init?(_ text: TextView) {
    if text == "max" {
      factor = 0
    } else if text == "real" {
      factor = 1
    } else {
      guard text.count >= 2, text.count <= 16, text[0] == UInt8(ascii: "x") else { return nil }
      var mantissa = 0.0
      var scale = 1.0
      var isFraction = false
      for index in 1..<text.count {
        let byte = text[index]
        if byte == UInt8(ascii: "."), !isFraction, index > 1, index + 1 < text.count {
          isFraction = true
        } else if byte &- 48 <= 9 {
          mantissa = mantissa * 10 + Double(byte &- 48)
          if isFraction { scale *= 10 }
        } else {
          return nil
        }
      }
      let value = mantissa / scale
      guard value >= 0.001, value <= 1_000_000 else { return nil }
      factor = value
    }
  }

  /// Whether every event is due at once.
  public var isUnlimited: Bool { factor == 0 }

  /// Starts the clock: the event of `firstNs` is due at `nowNs` of a clock that never goes back.
  public mutating func begin(firstNs: Int64, nowNs: Int64) {
    self.firstNs = firstNs
    startNs = nowNs
    hasBegun = true
  }

  /// The event time up to which events are due at `nowNs`.
  public func dueNs(at nowNs: Int64) -> Int64 {
    if factor == 0 { return .max }
    let elapsed = Double(nowNs &- startNs) * factor
    guard elapsed < 9e18 else { return .max }
    let (due, overflow) = firstNs.addingReportingOverflow(Int64(elapsed))
    return overflow ? .max : due
  }
}
