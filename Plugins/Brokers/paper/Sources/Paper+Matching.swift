import CGantry
import GantrySDK

/// One order against one quote that may fill it.
extension Paper {
  /// Triggers, fills, cancels or leaves the order, by its type and time in force.
  mutating func work(
    _ order: inout OpenOrder, _ market: UnsafeMutablePointer<Market>, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let quote: Int64
    do { quote = try market.pointee.opposite(buy: order.isBuy) } catch {
      return try close(&order, GANTRY_EXEC_CANCELLED, GANTRY_REASON_INVALID, market, cause, outputs)
    }
    if order.hasStop && !order.isTriggered {
      guard order.isBuy ? quote >= order.stopPrice : quote <= order.stopPrice else { return }
      order.isTriggered = true
      order.isFresh = true
      try emit(GANTRY_EXEC_TRIGGERED, order, market, cause, outputs)
    }
    let isTaker = order.isFresh
    order.isFresh = false
    guard !order.hasLimit || (order.isBuy ? quote <= order.price : quote >= order.price) else {
      if order.isImmediate { try close(&order, GANTRY_EXEC_CANCELLED, GANTRY_REASON_UNFILLED, market, cause, outputs) }
      return
    }
    if order.isPostOnly && isTaker {
      return try close(&order, GANTRY_EXEC_CANCELLED, GANTRY_REASON_POST_ONLY, market, cause, outputs)
    }

    var quantity = order.leaves
    if order.isReduceOnly {
      quantity = min(quantity, reducible(order, market))
      if quantity == 0 { return try close(&order, GANTRY_EXEC_CANCELLED, GANTRY_REASON_REDUCE_ONLY, market, cause, outputs) }
    }
    if respectsSize { quantity = min(quantity, market.pointee.available(buy: order.isBuy)) }
    if order.isAllOrNothing && quantity < order.leaves { quantity = 0 }
    if quantity > 0 {
      let price = isTaker || !order.hasLimit ? takerPrice(order, quote, market) : order.price
      guard try fill(&order, quantity, price, market, cause, outputs) else { return }
    }
    if order.leaves == 0 {
      order.isFinished = true
    } else if order.isImmediate {
      try close(&order, GANTRY_EXEC_CANCELLED, GANTRY_REASON_UNFILLED, market, cause, outputs)
    } else if order.isReduceOnly && reducible(order, market) == 0 {
      try close(&order, GANTRY_EXEC_CANCELLED, GANTRY_REASON_REDUCE_ONLY, market, cause, outputs)
    }
  }

  /// How much of an order would make the position smaller.
  func reducible(_ order: OpenOrder, _ market: UnsafeMutablePointer<Market>) -> Int64 {
    let position = market.pointee.position.quantity
    return order.isBuy ? max(0, 0 - position) : max(0, position)
  }

  func isMarketable(_ order: OpenOrder, _ market: UnsafeMutablePointer<Market>) throws(Failure) -> Bool {
    let quote = try market.pointee.opposite(buy: order.isBuy)
    return order.isBuy ? quote <= order.price : quote >= order.price
  }

  /// The quote and the slippage, within the limit if there is one, and never below one tick.
  private func takerPrice(_ order: OpenOrder, _ quote: Int64, _ market: UnsafeMutablePointer<Market>) -> Int64 {
    let tick = market.pointee.terms.tickSize
    let (slippage, isHuge) = slippagePoints.multipliedReportingOverflow(by: tick)
    let most = Int64.max - quote
    var price = order.isBuy ? quote + (isHuge ? most : min(slippage, most)) : max(quote - (isHuge ? quote : min(slippage, quote)), tick)
    if order.hasLimit { price = order.isBuy ? min(price, order.price) : max(price, order.price) }
    return price
  }

  /// Books one fill and reports it, all of it or nothing: one that leaves the range of exact numbers
  /// cancels its order, and answers false.
  private mutating func fill(
    _ order: inout OpenOrder, _ quantity: Int64, _ price: Int64, _ market: UnsafeMutablePointer<Market>,
    _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) -> Bool {
    let before = (market.pointee.position, ledger)
    let profit: Int64
    let commission: Int64
    let snapshot: Snapshot
    do {
      let (position, booked) = try market.pointee.position.filled(
        buy: order.isBuy, quantity: quantity, price: price, market.pointee.terms)
      profit = booked
      commission = try market.pointee.commission.charge(
        quantity: quantity, notional: market.pointee.terms.notional(price: price, quantity: quantity))
      try ledger.fill(profit: profit, commission: commission)
      market.pointee.position = position
      snapshot = try accountNow()
    } catch {
      (market.pointee.position, ledger) = before
      try close(&order, GANTRY_EXEC_CANCELLED, GANTRY_REASON_INVALID, market, cause, outputs)
      return false
    }
    market.pointee.take(quantity, buy: order.isBuy)
    order.leaves -= quantity
    try emit(
      GANTRY_EXEC_FILL, order, market, cause, outputs, quantity: quantity, price: price, profit: profit,
      commission: commission)
    try emit(snapshot, instrument: order.instrument, cause, outputs)
    host.updateMetric(metrics.fills, 1)
    publish(snapshot)
    return true
  }
}
