import CGantry
import GantrySDK

extension Threshold {
  /// Acts on a wish that differs from the last one, or that is not fulfilled yet.
  mutating func decide(
    _ wish: Int64, _ number: Double, _ slot: UnsafeMutablePointer<Slot>, _ prediction: UnsafePointer<gantry_prediction>,
    _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let instrument = prediction.pointee.header.instrument
    let now = prediction.pointee.header.receive_ns
    let rule = rules + (Int(instrument) - 1)
    if wish != slot.pointee.wish {
      slot.pointee.wish = wish
      slot.pointee.goal = wish * rule.pointee.quantity
      try emitSignal(wish, instrument, cause, outputs)
    }
    if slot.pointee.orderID != 0 { return try reconsider(slot, instrument, now, cause, outputs) }
    let difference = try Exact.subtract(slot.pointee.goal, slot.pointee.position)
    guard difference != 0, now >= slot.pointee.notBeforeNs,
      slot.pointee.sentNs == Int64.min || now >= Slot.later(slot.pointee.sentNs, by: cooldownNs)
    else { return }
    let isBuy = difference > 0
    guard let price = usesLimit ? limitPrice(slot, rule, isBuy: isBuy) : 0 else { return }

    let row = try reserveOrder(GANTRY_ORDER_NEW, instrument, isBuy: isBuy, cause, outputs)
    row.pointee.quantity = Int64(difference.magnitude)
    row.pointee.price = price
    row.pointee.order_type = UInt8(truncatingIfNeeded: usesLimit ? GANTRY_ORDER_LIMIT : GANTRY_ORDER_MARKET)
    outputs.commit(Threshold.ordersPort)
    slot.pointee.sentNs = now
    if isConfirmed {
      slot.pointee.orderID = row.pointee.order_id
      slot.pointee.inFlight = difference
    } else {
      slot.pointee.position = slot.pointee.goal
    }
    host.updateMetric(ordersMetric, 1)
    notes?.note(cause: cause, "rule", number > upper ? "above upper" : number < lower ? "below lower" : "between")
  }

  /// An order is in flight: a limit order that is no longer wanted, or too old, is cancelled, once.
  private func reconsider(
    _ slot: UnsafeMutablePointer<Slot>, _ instrument: UInt32, _ now: Int64, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    guard usesLimit, slot.pointee.cancelID == 0 else { return }
    let reached = try Exact.add(slot.pointee.position, slot.pointee.inFlight)
    let isOld = limitMaxAgeNs > 0 && now >= Slot.later(slot.pointee.sentNs, by: limitMaxAgeNs)
    guard reached != slot.pointee.goal || isOld else { return }
    let row = try reserveOrder(GANTRY_ORDER_CANCEL, instrument, isBuy: slot.pointee.inFlight > 0, cause, outputs)
    row.pointee.target_id = slot.pointee.orderID
    row.pointee.order_type = UInt8(truncatingIfNeeded: GANTRY_ORDER_LIMIT)
    outputs.commit(Threshold.ordersPort)
    slot.pointee.cancelID = row.pointee.order_id
    notes?.note(cause: cause, "rule", reached != slot.pointee.goal ? "no longer wanted" : "too old")
  }

  /// A row with everything but what the caller knows better.
  private func reserveOrder(
    _ action: UInt32, _ instrument: UInt32, isBuy: Bool, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) -> UnsafeMutablePointer<gantry_order> {
    guard let row = outputs.reserve(Threshold.ordersPort, cause: cause, as: gantry_order.self) else { throw Failure.full }
    row.pointee.header.instrument = instrument
    row.pointee.order_id = host.nextID()
    row.pointee.target_id = 0
    row.pointee.quantity = 0
    row.pointee.price = 0
    row.pointee.stop_price = 0
    row.pointee.expire_ns = 0
    row.pointee.action = UInt8(truncatingIfNeeded: action)
    row.pointee.side = UInt8(truncatingIfNeeded: isBuy ? GANTRY_BUY : GANTRY_SELL)
    row.pointee.order_type = 0
    row.pointee.time_in_force = UInt8(truncatingIfNeeded: GANTRY_GTC)
    row.pointee.flags = 0
    row.pointee.account = 0
    row.pointee.reserved = 0
    return row
  }

  private func emitSignal(
    _ wish: Int64, _ instrument: UInt32, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    guard outputs.isConnected(Threshold.debugPort) else { return }
    guard let row = outputs.reserve(Threshold.debugPort, cause: cause, as: gantry_signal.self) else { throw Failure.full }
    row.pointee.header.instrument = instrument
    row.pointee.strength = Double(wish)
    row.pointee.price = .nan
    row.pointee.stop = .nan
    row.pointee.target = .nan
    outputs.commit(Threshold.debugPort)
  }

  /// The opposite quote and the offset, on the tick grid, never worse for the account than asked;
  /// nil before the first quote, and where no price above 0 is left.
  private func limitPrice(_ slot: UnsafeMutablePointer<Slot>, _ rule: UnsafeMutablePointer<Rule>, isBuy: Bool) -> Int64? {
    let quote = isBuy ? slot.pointee.ask : slot.pointee.bid
    guard quote > 0, let price = try? rule.pointee.terms.price(quote, .wishedPrice(buy: isBuy)) else { return nil }
    let (offset, isHuge) = limitOffset.multipliedReportingOverflow(by: rule.pointee.terms.tickSize)
    if isHuge { return nil }
    let (wished, overflow) = isBuy ? price.subtractingReportingOverflow(offset) : price.addingReportingOverflow(offset)
    return overflow || wished <= 0 ? nil : wished
  }
}
