import CGantry
import GantrySDK

/// Why an order may not pass: the limit, the value that would break it and its bound.
struct Breach {
  var alarm: Alarm
  var reason: StaticString
  /// Shown with `digits`, unless the reason says all.
  var value: Int64 = 0
  var bound: Int64 = 0
  var digits: UInt32 = 0
  var hasValues = false

  init(_ alarm: Alarm, _ reason: StaticString) {
    self.alarm = alarm
    self.reason = reason
  }

  init(_ alarm: Alarm, _ reason: StaticString, _ value: Int64, _ bound: Int64, digits: UInt32) {
    self.alarm = alarm
    self.reason = reason
    self.value = value
    self.bound = bound
    self.digits = digits
    hasValues = true
  }
}

/// Orders as they arrive.
extension Limits {
  mutating func onOrder(
    _ order: UnsafePointer<gantry_order>, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let breach: Breach?
    switch UInt32(order.pointee.action) {
    case GANTRY_ORDER_CANCEL: breach = nil
    case GANTRY_ORDER_NEW:
      do { breach = try checkNew(order) } catch { breach = Limits.outOfRange }
    case GANTRY_ORDER_MODIFY:
      do { breach = try checkChange(order) } catch { breach = Limits.outOfRange }
    default: breach = Breach(.invalid, "the action is none that orders have")
    }
    if let breach { return try refuse(order, breach, cause, outputs) }
    guard let row = outputs.reserve(Limits.ordersOut, cause: cause, as: gantry_order.self) else { throw Failure.full }
    row.pointee = order.pointee
    outputs.commit(Limits.ordersOut)
    host.updateMetric(passedMetric, 1)
  }

  static var outOfRange: Breach { Breach(.range, "the sums it leads to do not fit into exact numbers") }

  /// Checks a new order and, when it may pass, counts it as on its way.
  private mutating func checkNew(_ order: UnsafePointer<gantry_order>) throws(Failure) -> Breach? {
    let slot = Int(order.pointee.header.instrument) - 1
    guard slot >= 0, slot < bookCount else { return Breach(.invalid, "it names no instrument of the graph") }
    let isBuy = order.pointee.side == UInt8(GANTRY_BUY)
    let quantity = order.pointee.quantity
    guard isBuy || order.pointee.side == UInt8(GANTRY_SELL) else { return Breach(.invalid, "it has no side") }
    guard quantity > 0, quantity <= 1 << 60 else { return Breach(.invalid, "its quantity is not above 0 or beyond 2^60") }
    guard order.pointee.order_id != 0, table.find(order.pointee.order_id) == nil else {
      return Breach(.invalid, "an order of this id is already on its way")
    }
    let isReduceOnly = order.pointee.flags & GANTRY_ORDER_REDUCE_ONLY != 0
    let now = order.pointee.header.receive_ns
    if !(isReduceOnly && bounds.allowsReduce) {
      let breach = try check(
        order, slot: slot, isBuy: isBuy, isReduceOnly: isReduceOnly, quantity: quantity, adding: quantity, isNew: true)
      if let breach { return breach }
    }
    if table.isFull { return Breach(.maxOpenOrders, "too many orders are open", Int64(table.count) + 1, Int64(OrderTable.capacity), digits: 0) }
    let exposure = book + slot
    if hasExecutions {
      try exposure.pointee.addPending(buy: isBuy, reduceOnly: isReduceOnly, quantity)
      table.append(
        OpenOrder(
          id: order.pointee.order_id, slot: UInt64(slot), quantity: quantity, wished: quantity, filled: 0, changeID: 0,
          isBuy: isBuy, isReduceOnly: isReduceOnly))
    } else {
      let counted = isReduceOnly ? min(quantity, max(0, isBuy ? 0 - exposure.pointee.position : exposure.pointee.position)) : quantity
      exposure.pointee.position = try isBuy ? Exact.add(exposure.pointee.position, counted) : Exact.subtract(exposure.pointee.position, counted)
    }
    rate.record(now)
    return nil
  }

  /// Checks a change of an order, and when it may pass, counts the larger of the two as on its way.
  private mutating func checkChange(_ order: UnsafePointer<gantry_order>) throws(Failure) -> Breach? {
    guard hasExecutions else { return Breach(.invalid, "a change needs the broker's executions: add `broker.executions~` to `from`") }
    guard let open = table.find(order.pointee.target_id) else {
      return Breach(.invalid, "the order it would change is not on its way")
    }
    guard open.pointee.changeID == 0 else { return Breach(.invalid, "another change of that order is still on its way") }
    let quantity = order.pointee.quantity
    guard order.pointee.order_id != 0, quantity > 0, quantity <= 1 << 60 else {
      return Breach(.invalid, "its quantity is not above 0 or beyond 2^60")
    }
    let slot = Int(open.pointee.slot)
    let isBuy = open.pointee.isBuy
    let isReduceOnly = open.pointee.isReduceOnly
    let more = max(0, quantity - max(open.pointee.quantity, open.pointee.filled))
    if !(isReduceOnly && bounds.allowsReduce) {
      let breach = try check(
        order, slot: slot, isBuy: isBuy, isReduceOnly: isReduceOnly, quantity: quantity, adding: more, isNew: false)
      if let breach { return breach }
    }
    try book[slot].addPending(buy: isBuy, reduceOnly: isReduceOnly, more)
    open.pointee.wished = quantity
    open.pointee.changeID = order.pointee.order_id
    rate.record(order.pointee.header.receive_ns)
    return nil
  }

  /// The first limit that `order` would break, by adding `more` to what is on its way.
  private func check(
    _ order: UnsafePointer<gantry_order>, slot: Int, isBuy: Bool, isReduceOnly: Bool, quantity: Int64,
    adding more: Int64, isNew: Bool
  ) throws(Failure) -> Breach? {
    let exposure = book + slot
    let isReduction = isReduceOnly || exposure.pointee.isReduction(buy: isBuy, quantity: more)
    if !isReduction, let breach = try checkLosses() { return breach }
    let digits = exposure.pointee.terms.quantityDigits
    if quantity > exposure.pointee.maxOrder {
      return Breach(.maxOrder, "the order is too large", quantity, exposure.pointee.maxOrder, digits: digits)
    }
    if exposure.pointee.maxPosition != Int64.max, let breach = try checkPosition(exposure, isBuy, isReduceOnly, more) {
      return breach
    }
    if bounds.maxNotional != nil, let breach = try checkNotional(order, slot, isBuy, isReduceOnly, more) { return breach }
    if isNew, let bound = bounds.maxOpenOrders, Int64(table.count) >= bound {
      return Breach(.maxOpenOrders, "too many orders are open", Int64(table.count) + 1, bound, digits: 0)
    }
    if let band = bounds.priceBandBillionths, let breach = try checkBand(order, band, exposure) { return breach }
    if !rate.allows(order.pointee.header.receive_ns) {
      return Breach(.ordersPerSecond, "too many orders in one second", Int64(rate.capacity) + 1, Int64(rate.capacity), digits: 0)
    }
    return nil
  }

  private func checkLosses() throws(Failure) -> Breach? {
    if halt != .none { return Breach(.halted, "trading is halted; only reductions pass") }
    if try money.hasLostDay() {
      return Breach(.maxDailyLoss, "the day's loss has reached its bound", shown(money.dayLoss, .down), shown(money.maxDailyLoss, .up), digits: cashDigits)
    }
    if try money.hasDrawnDown() {
      return Breach(.maxDrawdown, "equity has fallen too far from its peak; in percent", fallen(), money.maxDrawdownBillionths / 1000, digits: 4)
    }
    return nil
  }

  private func checkPosition(
    _ exposure: UnsafeMutablePointer<Exposure>, _ isBuy: Bool, _ isReduceOnly: Bool, _ more: Int64
  ) throws(Failure) -> Breach? {
    var next = exposure.pointee
    try next.addPending(buy: isBuy, reduceOnly: isReduceOnly, more)
    let bound = exposure.pointee.maxPosition
    // An order that only buys cannot be blamed for a short position, and the reverse. A reduce-only
    // one can push what rests on its own side past zero.
    let reached = try isBuy ? next.highest() : next.lowest()
    guard isBuy ? reached > bound : reached < 0 - bound else { return nil }
    return Breach(.maxPosition, "the position could become too large", reached, isBuy ? bound : 0 - bound, digits: exposure.pointee.terms.quantityDigits)
  }

  private func checkNotional(
    _ order: UnsafePointer<gantry_order>, _ slot: Int, _ isBuy: Bool, _ isReduceOnly: Bool, _ more: Int64
  ) throws(Failure) -> Breach? {
    var next = book[slot]
    try next.addPending(buy: isBuy, reduceOnly: isReduceOnly, more)
    let before = try Limits.largest(book[slot])
    let after = try Limits.largest(next)
    if after <= before { return nil }
    let asked = max(order.pointee.price, order.pointee.stop_price)
    var sum: Int128 = 0
    for index in 0..<bookCount {
      let size = index == slot ? after : try Limits.largest(book[index])
      if size == 0 { continue }
      let price = try book[index].highestPrice(index == slot ? asked : 0)
      guard price > 0 else { return Breach(.maxNotional, "no price is known yet to value it at; connect ticks") }
      sum = try Exact.add(sum, Exact.multiply(book[index].terms.notional(price: price, quantity: size), book[index].moneyFactor))
    }
    guard let bound = maxNotional, sum > bound else { return nil }
    return Breach(.maxNotional, "positions and orders would be worth too much", shown(sum, .up), shown(bound, .down), digits: cashDigits)
  }

  /// The largest position, of either sign, that can come of what is on its way.
  private static func largest(_ exposure: Exposure) throws(Failure) -> Int64 {
    max(abs(try exposure.highest()), abs(try exposure.lowest()))
  }

  private func checkBand(
    _ order: UnsafePointer<gantry_order>, _ band: Int64, _ exposure: UnsafeMutablePointer<Exposure>
  ) throws(Failure) -> Breach? {
    if let breach = try checkBand(order.pointee.price, band, exposure) { return breach }
    return try checkBand(order.pointee.stop_price, band, exposure)
  }

  /// Compares twice the price with bid + ask, in integers.
  private func checkBand(
    _ price: Int64, _ band: Int64, _ exposure: UnsafeMutablePointer<Exposure>
  ) throws(Failure) -> Breach? {
    if price == 0 { return nil }
    guard exposure.pointee.bid > 0 else { return Breach(.priceBand, "there is no quote yet to compare its price with") }
    let terms = exposure.pointee.terms
    let middle = Int128(try terms.price(exposure.pointee.bid, .halfEven)) + Int128(try terms.price(exposure.pointee.ask, .halfEven))
    let reach = try Exact.multiply(middle, Int128(band))
    let distance = try Exact.multiply(2 * Int128(price) - middle, 1_000_000_000)
    if distance.magnitude <= reach.magnitude { return nil }
    let edge = try Exact.multiply(middle, 1_000_000_000) + (distance > 0 ? reach : 0 - reach)
    let bound = try Exact.narrow(Exact.divide(edge, by: 2_000_000_000, distance > 0 ? .down : .up))
    return Breach(.priceBand, "its price is too far from the market", price, bound, digits: terms.priceDigits)
  }
}
