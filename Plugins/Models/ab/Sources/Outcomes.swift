import CGantry
import GantrySDK

/// What the arms said of each instrument and is not scored yet, and the instrument's last quote.
///
/// One at a time for each instrument: what the arms say while one is open belongs to no outcome, so outcomes
/// do not share prices. Fixed memory.
struct Outcomes {
  /// One arm's prediction; NaN and 0 where it was silent.
  struct Said {
    var probability = Double.nan
    /// +1 it says up, -1 down, 0 it says nothing.
    var direction = 0.0
  }

  private struct Open {
    /// NaN before the first quote.
    var price = Double.nan
    var startPrice = 0.0
    var dueNs: Int64 = 0
    var chain: UInt64 = 0
    var origin: UInt64 = 0
    var isOpen: UInt64 = 0
  }

  let instruments: Int
  let arms: Int
  private let open: UnsafeMutablePointer<Open>
  private let all: UnsafeMutablePointer<Said>

  init(instruments: Int, arms: Int) {
    self.instruments = instruments
    self.arms = arms
    open = .allocate(capacity: instruments + 1)
    open.initialize(repeating: Open(), count: instruments + 1)
    all = .allocate(capacity: (instruments + 1) * arms)
    all.initialize(repeating: Said(), count: (instruments + 1) * arms)
  }

  func destroy() {
    open.deallocate()
    all.deallocate()
  }

  @inline(__always)
  func slot(_ instrument: UInt32) -> Int { Int(instrument) <= instruments ? Int(instrument) : 0 }

  func said(_ slot: Int) -> UnsafePointer<Said> { UnsafePointer(all + slot &* arms) }

  func quoted(_ slot: Int, _ tick: UnsafePointer<gantry_tick>) {
    let mid = Outcomes.mid(tick)
    if mid > 0 { open[slot].price = mid }
  }

  /// Takes an arm's prediction: it begins an outcome where none is open, or joins that of its own chain.
  func predicted(_ slot: Int, arm: Int, _ prediction: UnsafePointer<gantry_prediction>, horizonNs: Int64) {
    let header = prediction.pointee.header
    if prediction.pointee.value.isNaN || open[slot].price.isNaN { return }
    if open[slot].isOpen == 0 {
      let own = prediction.pointee.horizon_ns
      let (due, overflow) = header.event_ns.addingReportingOverflow(own > 0 ? own : horizonNs)
      if overflow { return }
      open[slot].isOpen = 1
      open[slot].dueNs = due
      open[slot].startPrice = open[slot].price
      open[slot].chain = header.chain
      open[slot].origin = UInt64(header.origin)
      for other in 0..<arms { all[slot &* arms &+ other] = Said() }
    } else if open[slot].chain != header.chain || open[slot].origin != UInt64(header.origin) {
      return
    }
    let probability = prediction.pointee.probability
    let score = probability.isNaN ? prediction.pointee.value : probability - 0.5
    all[slot &* arms &+ arm] = Said(probability: probability, direction: score > 0 ? 1 : score < 0 ? -1 : 0)
  }

  func isDue(_ slot: Int, _ tick: UnsafePointer<gantry_tick>) -> Bool {
    open[slot].isOpen != 0 && tick.pointee.header.event_ns >= open[slot].dueNs && Outcomes.mid(tick) > 0
  }

  /// Ends the outcome: the price's change as a fraction.
  func close(_ slot: Int, _ tick: UnsafePointer<gantry_tick>) -> Double {
    open[slot].isOpen = 0
    return Outcomes.mid(tick) / open[slot].startPrice - 1
  }

  private static func mid(_ tick: UnsafePointer<gantry_tick>) -> Double { (tick.pointee.bid + tick.pointee.ask) / 2 }

  // MARK: state

  var stateBound: Int { 16 + (instruments + 1) * (48 + arms * 16) }

  func save(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(UInt64(instruments))
    try writer.write(UInt64(arms))
    for slot in 0...instruments {
      try writer.write(open[slot])
      for arm in 0..<arms { try writer.write(all[slot * arms + arm]) }
    }
  }

  func load(_ reader: inout StateReader) throws(Failure) {
    guard try reader.read(as: UInt64.self) == UInt64(instruments), try reader.read(as: UInt64.self) == UInt64(arms) else {
      throw Failure.unsupported("the saved state is of other arms or instruments")
    }
    for slot in 0...instruments {
      open[slot] = try reader.read(as: Open.self)
      guard open[slot].isOpen <= 1, open[slot].isOpen == 0 || open[slot].startPrice > 0 else { throw Failure.invalid("the saved state is damaged") }
      for arm in 0..<arms { all[slot * arms + arm] = try reader.read(as: Said.self) }
    }
  }
}
