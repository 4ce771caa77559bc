import CGantry
import GantrySDK

/// Orders, changes and cancels as they arrive.
extension Paper {
  mutating func place(_ order: UnsafePointer<gantry_order>, _ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    let slot = Int(order.pointee.header.instrument) - 1
    guard slot >= 0, slot < marketCount, markets[slot].isTraded else {
      return try reject(order, GANTRY_REASON_UNKNOWN_INSTRUMENT, cause, outputs)
    }
    let market = markets + slot
    let now = order.pointee.header.receive_ns
    let (notBefore, isLate) = now.addingReportingOverflow(delayNs)
    var open = OpenOrder(order.pointee, notBeforeNs: isLate ? Int64.max : notBefore)
    guard order.pointee.flags & ~(GANTRY_ORDER_REDUCE_ONLY | GANTRY_ORDER_POST_ONLY) == 0,
      open.isValid(market.pointee.terms, nowNs: now), table.find(open.id) == nil, !table.isFull
    else { return try reject(order, GANTRY_REASON_INVALID, cause, outputs) }
    guard market.pointee.hasQuote || waitsForMarket else { return try reject(order, GANTRY_REASON_NO_MARKET, cause, outputs) }
    if open.isReduceOnly && reducible(open, market) == 0 { return try reject(order, GANTRY_REASON_REDUCE_ONLY, cause, outputs) }
    let canFill = mayFill(open, market)
    if open.isPostOnly && canFill {
      guard let isCrossing = try? isMarketable(open, market) else { return try reject(order, GANTRY_REASON_INVALID, cause, outputs) }
      if isCrossing { return try reject(order, GANTRY_REASON_POST_ONLY, cause, outputs) }
    }
    try emit(GANTRY_EXEC_ACCEPTED, open, market, cause, outputs)
    if canFill {
      try work(&open, market, cause, outputs)
      if open.isFinished { return }
    }
    table.append(open)
    market.pointee.openOrders += 1
  }

  /// A change names all numbers anew: the total quantity, the prices its type has, the expiry.
  mutating func modify(_ order: UnsafePointer<gantry_order>, _ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    guard let open = table.find(order.pointee.target_id) else {
      return try reject(order, GANTRY_REASON_UNKNOWN_ORDER, cause, outputs)
    }
    let market = markets + Int(open.pointee.instrument) - 1
    let now = order.pointee.header.receive_ns
    let (notBefore, isLate) = now.addingReportingOverflow(delayNs)
    var changed = open.pointee
    changed.quantity = order.pointee.quantity
    if changed.hasLimit { changed.price = order.pointee.price }
    if changed.hasStop && !changed.isTriggered { changed.stopPrice = order.pointee.stop_price }
    if changed.hasExpiry { changed.expireNs = order.pointee.expire_ns }
    guard changed.isValid(market.pointee.terms, nowNs: now), changed.quantity > open.pointee.filled else {
      return try reject(order, GANTRY_REASON_INVALID, cause, outputs)
    }
    changed.leaves = changed.quantity - open.pointee.filled
    changed.notBeforeNs = isLate ? Int64.max : notBefore
    changed.chain = order.pointee.header.chain
    changed.origin = order.pointee.header.origin
    changed.isFresh = true
    let canFill = mayFill(changed, market)
    if changed.isPostOnly && canFill {
      guard let isCrossing = try? isMarketable(changed, market) else { return try reject(order, GANTRY_REASON_INVALID, cause, outputs) }
      if isCrossing { return try reject(order, GANTRY_REASON_POST_ONLY, cause, outputs) }
    }
    open.pointee = changed
    try emit(GANTRY_EXEC_MODIFIED, changed, market, cause, outputs)
    if canFill {
      try work(&open.pointee, market, cause, outputs)
      if open.pointee.isFinished { remove(market) }
    }
  }

  mutating func cancel(_ order: UnsafePointer<gantry_order>, _ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    guard let open = table.find(order.pointee.target_id) else {
      return try reject(order, GANTRY_REASON_UNKNOWN_ORDER, cause, outputs)
    }
    let market = markets + Int(open.pointee.instrument) - 1
    try close(&open.pointee, GANTRY_EXEC_CANCELLED, GANTRY_REASON_REQUESTED, market, cause, outputs)
    remove(market)
  }

  /// Lets a new quote meet every open order of its instrument, in the order of their arrival.
  mutating func matchAll(
    _ market: UnsafeMutablePointer<Market>, instrument: UInt32, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    var failure: Failure?
    for index in 0..<table.count {
      let order = table.orders + index
      guard order.pointee.instrument == instrument else { continue }
      do {
        if order.pointee.hasExpiry && market.pointee.quoteNs >= order.pointee.expireNs {
          try close(&order.pointee, GANTRY_EXEC_EXPIRED, GANTRY_REASON_EXPIRED, market, cause, outputs)
        } else if mayFill(order.pointee, market) {
          try work(&order.pointee, market, cause, outputs)
        }
      } catch {
        failure = error
        break
      }
    }
    let before = table.count
    table.compact()
    market.pointee.openOrders -= Int32(before - table.count)
    if let failure { throw failure }
  }

  private mutating func remove(_ market: UnsafeMutablePointer<Market>) {
    market.pointee.openOrders -= 1
    table.compact()
  }

  @inline(__always)
  private func mayFill(_ order: OpenOrder, _ market: UnsafeMutablePointer<Market>) -> Bool {
    market.pointee.mayFill(notBeforeNs: order.notBeforeNs, chain: delayNs == 0 ? order.chain : 0, origin: order.origin)
  }
}
