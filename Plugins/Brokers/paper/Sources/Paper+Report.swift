import CGantry
import GantrySDK

/// The account at one moment, in cash of its currency.
struct Snapshot {
  var unrealised: Int64 = 0
  var exposure: Int64 = 0
  var equity: Int64 = 0
}

/// What the broker says: executions and accounts.
extension Paper {
  /// The account at the last quotes: profit rounded down, exposure rounded up, instrument by instrument.
  func accountNow() throws(Failure) -> Snapshot {
    var now = Snapshot()
    for slot in 0..<marketCount where markets[slot].position.quantity != 0 {
      let market = markets + slot
      let mark = try market.pointee.mark()
      let position = market.pointee.position
      let terms = market.pointee.terms
      now.unrealised = try Exact.add(now.unrealised, position.unrealised(at: mark, terms))
      let notional = try terms.notional(price: mark, quantity: abs(position.quantity))
      now.exposure = try Exact.add(now.exposure, terms.cash(fine: notional, .up))
    }
    now.equity = try Exact.add(ledger.cash, now.unrealised)
    return now
  }

  func publish(_ snapshot: Snapshot) {
    host.updateMetric(metrics.equity, Double(snapshot.equity) / cashScale)
    host.updateMetric(metrics.netProfit, Double(Int128(snapshot.equity) - Int128(ledger.initial)) / cashScale)
  }

  /// Reports something that happened to an accepted order.
  func emit(
    _ kind: UInt32, _ order: OpenOrder, _ market: UnsafeMutablePointer<Market>, _ cause: Int,
    _ outputs: borrowing Outputs, quantity: Int64 = 0, price: Int64 = 0, profit: Int64 = 0, commission: Int64 = 0,
    reason: UInt32 = GANTRY_REASON_NONE
  ) throws(Failure) {
    guard let row = outputs.reserve(Paper.executionsPort, cause: cause, as: gantry_execution.self) else { throw Failure.full }
    row.pointee.header.instrument = order.instrument
    row.pointee.order_id = order.id
    row.pointee.execution_id = host.nextID()
    row.pointee.order_chain = order.chain
    row.pointee.quantity = quantity
    row.pointee.price = price
    row.pointee.leaves = order.isFinished ? 0 : order.leaves
    row.pointee.cumulative = order.filled
    row.pointee.commission = commission
    row.pointee.profit = profit
    row.pointee.position = market.pointee.position.quantity
    row.pointee.kind = UInt8(truncatingIfNeeded: kind)
    row.pointee.side = order.side
    row.pointee.order_origin = order.origin
    row.pointee.reason = reason
    row.pointee.account = order.account
    row.pointee.reserved = 0
    outputs.commit(Paper.executionsPort)
  }

  /// Ends an accepted order without a fill.
  func close(
    _ order: inout OpenOrder, _ kind: UInt32, _ reason: UInt32, _ market: UnsafeMutablePointer<Market>, _ cause: Int,
    _ outputs: borrowing Outputs
  ) throws(Failure) {
    order.isFinished = true
    try emit(kind, order, market, cause, outputs, reason: reason)
  }

  /// Refuses an order, a change or a cancel: the execution carries the id of what was refused.
  func reject(
    _ order: UnsafePointer<gantry_order>, _ reason: UInt32, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    guard let row = outputs.reserve(Paper.executionsPort, cause: cause, as: gantry_execution.self) else { throw Failure.full }
    let slot = Int(order.pointee.header.instrument) - 1
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
    row.pointee.position = slot >= 0 && slot < marketCount ? markets[slot].position.quantity : 0
    row.pointee.kind = UInt8(truncatingIfNeeded: GANTRY_EXEC_REJECTED)
    row.pointee.side = order.pointee.side
    row.pointee.order_origin = order.pointee.header.origin
    row.pointee.reason = reason
    row.pointee.account = order.pointee.account
    row.pointee.reserved = 0
    outputs.commit(Paper.executionsPort)
    host.updateMetric(metrics.rejected, 1)
  }

  func emit(
    _ snapshot: Snapshot, instrument: UInt32, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    guard let row = outputs.reserve(Paper.accountPort, cause: cause, as: gantry_account.self) else { throw Failure.full }
    row.pointee.header.instrument = instrument
    row.pointee.initial = ledger.initial
    row.pointee.balance = ledger.cash
    row.pointee.equity = snapshot.equity
    row.pointee.unrealised = snapshot.unrealised
    row.pointee.commission = ledger.broker
    row.pointee.exposure = snapshot.exposure
    row.pointee.currency = accountCurrency
    row.pointee.account = 0
    row.pointee.fills = ledger.fills
    outputs.commit(Paper.accountPort)
  }
}
