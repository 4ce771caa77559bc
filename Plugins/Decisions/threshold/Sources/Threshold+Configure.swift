import CGantry
import GantrySDK

extension Threshold {
  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    upper = configuration.number(P.upper)
    lower = configuration.number(P.lower)
    try Threshold.check(upper: upper, lower: lower)
    usesProbability = configuration.integer(P.use) == 1
    holdsBetween = !configuration.bool(P.flatBetween)
    wishAbove = configuration.integer(P.mode) == 2 ? 0 : 1
    wishBelow = configuration.integer(P.mode) == 1 ? 0 : -1
    cooldownNs = configuration.integer(P.cooldown)
    retryAfterNs = configuration.integer(P.retryAfter)
    usesLimit = configuration.integer(P.orderType) == 1
    limitOffset = configuration.integer(P.limitOffset)
    limitMaxAgeNs = configuration.integer(P.limitMaxAge)
    isConfirmed = configuration.schema(ofPort: Threshold.executionsPort) != nil
    if usesLimit && configuration.schema(ofPort: Threshold.ticksPort) == nil {
      throw Failure.invalid("order_type: limit needs quotes to start from; add the tick source to `from`")
    }
    if usesLimit && !isConfirmed {
      throw Failure.invalid("order_type: limit needs to know what was filled; add the broker's executions to `from`, as `broker.executions~`")
    }
    try readInstruments(configuration)
    notes = host.chain
    ordersMetric = host.defineMetric("orders", counter: true, help: "new orders sent")
    ignoredMetric = host.defineMetric("ignored", counter: true, help: "predictions that were not a number, or of no traded instrument")
  }

  private mutating func readInstruments(_ configuration: borrowing Configuration) throws(Failure) {
    slotCount = configuration.instrumentCount
    guard slotCount > 0 else { throw Failure.invalid("threshold has nothing to trade: list the graph's `instruments:`") }
    slots.deallocate()
    rules.deallocate()
    slots = UnsafeMutablePointer<Slot>.allocate(capacity: slotCount)
    rules = UnsafeMutablePointer<Rule>.allocate(capacity: slotCount)
    slots.initialize(repeating: Slot(), count: slotCount)
    let only = configuration.isSet(P.instrument) ? configuration.integer(P.instrument) : 0
    let quantity = configuration.decimal(P.quantity)
    for slot in 0..<slotCount {
      guard let instrument = host.instrument(UInt32(slot + 1)), let quote = host.currency(instrument.quote_currency) else {
        throw Failure.bug("threshold: the host does not know instrument \(slot + 1) of its own table")
      }
      let terms = try InstrumentTerms(instrument, quote)
      let isTraded = only == 0 || only == Int64(slot + 1)
      let units = terms.quantity(quantity)
      guard !isTraded || (units != nil && units! > 0 && units! <= 1 << 60) else {
        throw Failure.invalid(
          "quantity: \(quantity.mantissa, digits: quantity.digits) is not a whole number of lots of \(TextView(instrument.symbol)), whose lot is \(terms.lotSize, digits: terms.quantityDigits); choose a multiple of it, or set `instrument:` when this node trades another one"
        )
      }
      (rules + slot).initialize(to: Rule(terms: terms, quantity: units ?? 0, isTraded: isTraded))
    }
  }
}

/// `gantry.state/1`: the slots, field by field of eight bytes.
extension Threshold {
  static var stateSchema: (name: StaticString, version: UInt32) { ("threshold", 1) }

  func stateBound() -> Int { 8 + slotCount * MemoryLayout<Slot>.stride }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) { try writer.write(slots, count: slotCount) }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("threshold reads states of version 1, not \(version)") }
    try reader.read(into: slots, count: slotCount)
    for index in 0..<slotCount {
      let slot = slots[index]
      guard slot.wish >= -1, slot.wish <= 1, slot.position.magnitude <= 1 << 62, slot.inFlight.magnitude <= 1 << 62,
        (slot.orderID == 0) == (slot.inFlight == 0), slot.orderID != 0 || slot.cancelID == 0,
        slot.bid == 0 || (slot.bid > 0 && slot.ask >= slot.bid && slot.ask < .infinity)
      else { throw Failure.invalid("the saved state of instrument \(index + 1) does not fit together") }
      // The size of a position is a parameter, and may have changed.
      slots[index].goal = slot.wish * rules[index].quantity
    }
  }
}
