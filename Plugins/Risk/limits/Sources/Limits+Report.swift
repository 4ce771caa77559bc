import CGantry
import GantrySDK

/// What the node says: alerts and rejects.
extension Limits {
  var cashDigits: UInt32 { book[0].terms.cashDigits }

  /// An amount of money in cash, for people; the largest number where it does not fit.
  func shown(_ amount: Int128, _ rounding: Rounding) -> Int64 {
    guard let cash = try? Exact.divide(amount, by: money.cashFactor, rounding) else { return Int64.max }
    return Int64(clamping: cash)
  }

  /// The fall from the peak in percent, with four digits.
  func fallen() -> Int64 {
    guard money.peak > 0, let scaled = try? Exact.multiply(money.fall, 1_000_000) else { return 1_000_000 }
    return Int64(clamping: scaled / money.peak)
  }

  /// Refuses an order: an alert for people, an execution for the decision, and a halt where the
  /// graph asks for one.
  mutating func refuse(
    _ order: UnsafePointer<gantry_order>, _ breach: Breach, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let slot = Int(order.pointee.header.instrument) - 1
    let isKnown = slot >= 0 && slot < bookCount
    guard let row = outputs.reserve(Limits.rejectsOut, cause: cause, as: gantry_execution.self) else { throw Failure.full }
    row.pointee.header.instrument = order.pointee.header.instrument
    row.pointee.order_id = order.pointee.order_id
    row.pointee.execution_id = host.nextID()
    row.pointee.order_chain = order.pointee.header.chain
    row.pointee.quantity = 0
    row.pointee.price = 0
    row.pointee.leaves = 0
    row.pointee.cumulative = 0
    row.pointee.commission = 0
    row.pointee.profit = 0
    row.pointee.position = isKnown ? book[slot].position : 0
    row.pointee.kind = UInt8(truncatingIfNeeded: GANTRY_EXEC_REJECTED)
    row.pointee.side = order.pointee.side
    row.pointee.order_origin = order.pointee.header.origin
    row.pointee.reason = breach.alarm == .halted ? GANTRY_REASON_HALTED : GANTRY_REASON_RISK
    row.pointee.account = order.pointee.account
    row.pointee.reserved = 0
    outputs.commit(Limits.rejectsOut)
    host.updateMetric(refusedMetric, 1)

    text.clear()
    text.append(breach.alarm.name)
    text.append(": ")
    text.append(order.pointee.side == UInt8(GANTRY_BUY) ? "buy " : "sell ")
    text.append(order.pointee.quantity, digits: isKnown ? book[slot].terms.quantityDigits : 0)
    if isKnown, let instrument = host.instrument(order.pointee.header.instrument) {
      text.append(byte: 32)
      text.append(TextView(instrument.symbol))
    }
    text.append(" refused, ")
    text.append(breach.reason)
    if breach.hasValues {
      text.append(": ")
      text.append(breach.value, digits: breach.digits)
      text.append(", the bound is ")
      text.append(breach.bound, digits: breach.digits)
    }
    if breach.alarm == .halted {
      text.append("; halted by ")
      text.append(halt.name)
    }
    try tell(breach.alarm, .warning, order.pointee.header.instrument, cause, outputs)
    let isLimit = breach.alarm != .invalid && breach.alarm != .halted && breach.alarm != .range
    if isLimit && bounds.haltsOnBreach { try stopTrading(breach.alarm, order.pointee.header.instrument, cause, outputs) }
  }

  mutating func tellLoss(_ alarm: Alarm, _ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    text.clear()
    text.append(alarm.name)
    if alarm == .maxDailyLoss {
      text.append(": lost ")
      text.append(shown(money.dayLoss, .down), digits: cashDigits)
      text.append(" since the day began, the bound is ")
      text.append(shown(money.maxDailyLoss, .up), digits: cashDigits)
    } else {
      text.append(": equity ")
      text.append(shown(money.equity, .down), digits: cashDigits)
      text.append(" is ")
      text.append(fallen(), digits: 4)
      text.append("% below its peak ")
      text.append(shown(money.peak, .up), digits: cashDigits)
      text.append(", the bound is ")
      text.append(money.maxDrawdownBillionths / 1000, digits: 4)
      text.append(byte: 37)
    }
    text.append("; only reductions pass now")
    try tell(alarm, .error, 0, cause, outputs)
    if bounds.haltsOnBreach { try stopTrading(alarm, 0, cause, outputs) }
  }

  mutating func warnOfPosition(
    _ exposure: UnsafeMutablePointer<Exposure>, _ slot: Int, known: Int64, told: Int64, _ cause: Int,
    _ outputs: borrowing Outputs
  ) throws(Failure) {
    let digits = exposure.pointee.terms.quantityDigits
    text.clear()
    text.append(Alarm.position.name)
    text.append(": the broker says ")
    text.append(told, digits: digits)
    text.append(", the fills add up to ")
    text.append(known, digits: digits)
    text.append("; the broker's word counts")
    try tell(.position, .warning, UInt32(slot + 1), cause, outputs)
  }

  /// Halts, once; said in an alert of its own.
  private mutating func stopTrading(
    _ alarm: Alarm, _ instrument: UInt32, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    guard halt == .none else { return }
    halt = alarm
    host.updateMetric(haltedMetric, 1)
    text.clear()
    text.append("halted by ")
    text.append(alarm.name)
    text.append(
      alarm == .maxDailyLoss
        ? ": only reductions pass until the next day starts or `reset` is changed" as StaticString
        : ": only reductions pass until `reset` is changed")
    try tell(.halted, .error, instrument, cause, outputs)
  }

  /// Sends `text` as an alert.
  private func tell(
    _ alarm: Alarm, _ severity: Host.Severity, _ instrument: UInt32, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    guard outputs.isConnected(Limits.alertsOut) else { return }
    guard let row = outputs.reserve(Limits.alertsOut, cause: cause, as: gantry_alert.self),
      let offset = outputs.append(text.bytes, to: Limits.alertsOut)
    else { throw Failure.full }
    row.pointee.header.instrument = instrument
    row.pointee.offset = offset
    row.pointee.length = UInt32(text.count)
    row.pointee.code = alarm.rawValue
    row.pointee.severity = severity.rawValue
    row.pointee.reserved = 0
    outputs.commit(Limits.alertsOut)
  }
}
