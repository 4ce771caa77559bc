import CGantry
import GantrySDK

/// Turns a model's predictions into orders: long above `upper`, short below `lower`.
///
/// Guarantees, for each instrument: at most one order is in flight; an order asks for exactly the
/// difference between the wanted and the confirmed position; an order that is refused or cancelled
/// leaves the position as the fills made it. A prediction that is not a number changes nothing.
struct Threshold: Plugin {
  /// Parameters, in the order of the descriptor.
  enum P {
    static var upper: Int { 0 }
    static var lower: Int { 1 }
    static var use: Int { 2 }
    static var quantity: Int { 3 }
    static var mode: Int { 4 }
    static var flatBetween: Int { 5 }
    static var cooldown: Int { 6 }
    static var retryAfter: Int { 7 }
    static var orderType: Int { 8 }
    static var limitOffset: Int { 9 }
    static var limitMaxAge: Int { 10 }
    static var instrument: Int { 11 }
  }

  static var predictionsPort: Int { 0 }
  static var executionsPort: Int { 1 }
  static var ticksPort: Int { 2 }
  static var ordersPort: Int { 0 }
  static var debugPort: Int { 1 }

  static var descriptor: Descriptor {
    Descriptor(
      id: "threshold", version: "1.0.0", kind: .decision,
      summary: "Goes long above one threshold of a prediction and short below another", flags: .stops,
      inputs: [
        Port("predictions", .prediction, help: "what to decide by"),
        Port(
          "executions", .execution, optional: true, many: true,
          help: "what became of the orders: the broker's executions and the risk node's rejects, as feedback; without it every order counts as filled"),
        Port("ticks", .tick, optional: true, many: true, help: "quotes that limit prices start from"),
      ],
      outputs: [
        Port("orders", .order, help: "orders and cancels"),
        Port("debug", .signal, help: "the wanted position, whenever it changes: -1 short, 0 flat, 1 long"),
      ],
      parameters: [
        Parameter("upper", .number, default: "0", live: true, help: "above it the wanted position is long"),
        Parameter("lower", .number, default: "0", live: true, help: "below it the wanted position is short; not above `upper`"),
        Parameter("use", .choice, default: "value", choices: ["value", "probability"], help: "the field of the prediction to compare"),
        Parameter(
          "quantity", .decimal, default: "10000", minimum: 0, aboveMinimum: true, unit: "instrument units",
          help: "size of a full position; a whole number of lots"),
        Parameter(
          "mode", .choice, default: "reverse", choices: ["reverse", "long_only", "short_only"],
          help: "reverse holds either side; the others are flat instead of the other side"),
        Parameter("flat_between", .bool, default: "false", help: "go flat between the thresholds instead of holding on"),
        Parameter("cooldown", .duration, default: "0", minimum: 0, help: "least time between two orders of an instrument"),
        Parameter("retry_after", .duration, default: "1s", minimum: 0, help: "how long to wait after an order was refused or not filled"),
        Parameter("order_type", .choice, default: "market", choices: ["market", "limit"], help: "limit needs ticks in `from`"),
        Parameter(
          "limit_offset_points", .integer, default: "0", minimum: -1_000_000, maximum: 1_000_000, unit: "ticks",
          help: "how far a buy is below the ask and a sell above the bid"),
        Parameter("limit_max_age", .duration, default: "0", minimum: 0, help: "cancel a limit order that has worked for this long; 0 = never"),
        Parameter("instrument", .instrument, help: "decide for this one only; unset, for every instrument that is predicted"),
      ])
  }

  static var abilities: Abilities { [.state, .paramsLive] }

  let host: Host
  var upper = 0.0
  var lower = 0.0
  var usesProbability = false
  var holdsBetween = true
  var isConfirmed = false
  var usesLimit = false
  /// The wish that each side of the thresholds leads to.
  var wishAbove: Int64 = 1
  var wishBelow: Int64 = -1
  var cooldownNs: Int64 = 0
  var retryAfterNs: Int64 = 0
  var limitOffset: Int64 = 0
  var limitMaxAgeNs: Int64 = 0
  var slots: UnsafeMutablePointer<Slot>
  var slotCount = 0
  var rules: UnsafeMutablePointer<Rule>
  var notes: ChainNotes?
  var ordersMetric: UInt32 = 0
  var ignoredMetric: UInt32 = 0

  init(host: Host) {
    self.host = host
    slots = UnsafeMutablePointer<Slot>.allocate(capacity: 1)
    rules = UnsafeMutablePointer<Rule>.allocate(capacity: 1)
  }

  func destroy() {
    slots.deallocate()
    rules.deallocate()
  }

  @inline(__always)
  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    switch batch.port {
    case Threshold.predictionsPort: try onPredictions(batch, outputs)
    case Threshold.executionsPort: try onExecutions(batch, outputs)
    default: onTicks(batch)
    }
  }

  @inline(__always)
  private mutating func onPredictions(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let prediction = batch.event(index, as: gantry_prediction.self)
      let number = usesProbability ? prediction.pointee.probability : prediction.pointee.value
      let position = Int(prediction.pointee.header.instrument) &- 1
      guard number == number, position >= 0, position < slotCount, rules[position].isTraded else {
        host.updateMetric(ignoredMetric, 1)
        continue
      }
      let slot = slots + position
      let wish = number > upper ? wishAbove : number < lower ? wishBelow : holdsBetween ? slot.pointee.wish : 0
      // Nothing to do: the usual case.
      if wish == slot.pointee.wish && slot.pointee.isSettled { continue }
      do { try decide(wish, number, slot, prediction, index, outputs) } catch {
        outputs.setConsumed(index)
        throw error
      }
      if batch.untilOutput, outputs.hasRows { return outputs.setConsumed(index &+ 1) }
    }
  }

  private mutating func onTicks(_ batch: borrowing Batch) {
    for index in 0..<batch.count {
      let tick = batch.event(index, as: gantry_tick.self)
      let position = Int(tick.pointee.header.instrument) &- 1
      guard position >= 0, position < slotCount, tick.pointee.bid > 0, tick.pointee.ask >= tick.pointee.bid,
        tick.pointee.ask < .infinity
      else { continue }
      slots[position].bid = tick.pointee.bid
      slots[position].ask = tick.pointee.ask
    }
  }

  private mutating func onExecutions(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let execution = batch.event(index, as: gantry_execution.self)
      let position = Int(execution.pointee.header.instrument) &- 1
      guard position >= 0, position < slotCount else { continue }
      do { try slots[position].take(execution, retryAfterNs: retryAfterNs) } catch {
        outputs.setConsumed(index)
        throw error
      }
    }
  }

  mutating func apply(_ values: LiveValues) throws(Failure) {
    let upper = values.value(P.upper).number
    let lower = values.value(P.lower).number
    try Threshold.check(upper: upper, lower: lower)
    self.upper = upper
    self.lower = lower
  }

  static func check(upper: Double, lower: Double) throws(Failure) {
    guard upper >= lower else {
      throw Failure.invalid(
        "upper: \(upper, decimals: 9) is below lower: \(lower, decimals: 9); a prediction between them would be both: set upper to at least lower")
    }
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Threshold.self, request)
}
