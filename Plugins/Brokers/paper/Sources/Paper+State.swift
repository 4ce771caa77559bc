import CGantry
import GantrySDK

/// `gantry.state/1`: quotes, positions, ledger and open orders. Parameters are not part of it.
extension Paper {
  static var stateSchema: (name: StaticString, version: UInt32) { ("paper", 1) }

  func stateBound() -> Int {
    128 + marketCount * 160 + table.count * MemoryLayout<OpenOrder>.stride
  }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(UInt64(accountCurrency))
    try writer.write(ledger.cash)
    try writer.write(ledger.owner)
    try writer.write(ledger.market)
    try writer.write(ledger.broker)
    try writer.write(ledger.fills)
    try writer.write(UInt64(marketCount))
    for slot in 0..<marketCount { try save(markets[slot], writer) }
    try writer.write(UInt64(table.count))
    for index in 0..<table.count { try save(table.orders[index], writer) }
  }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("paper reads states of version 1, not \(version)") }
    guard try reader.read(as: UInt64.self) == UInt64(accountCurrency) else {
      throw Failure.unsupported("the saved account is in another currency")
    }
    let cash = try reader.read(as: Int64.self)
    let owner = try reader.read(as: Int64.self)
    let market = try reader.read(as: Int64.self)
    let broker = try reader.read(as: Int64.self)
    let fills = try reader.read(as: UInt64.self)
    ledger = try Ledger(cash: cash, owner: owner, market: market, broker: broker, fills: fills)
    guard try reader.read(as: UInt64.self) == UInt64(marketCount) else {
      throw Failure.unsupported("the saved account was kept for another number of instruments")
    }
    for slot in 0..<marketCount { try load(markets + slot, &reader) }
    let count = try reader.read(as: UInt64.self)
    guard count <= UInt64(table.capacity) else {
      throw Failure.unsupported("the saved account has \(count) open orders; raise max_open_orders to take it over")
    }
    table.setCapacity(table.capacity)
    for _ in 0..<count { try loadOrder(&reader) }
  }

  private func save(_ market: Market, _ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(market.position.quantity)
    try writer.write(market.position.cost)
    try writer.write(market.position.realised)
    try writer.write(market.position.residue)
    try writer.write(market.position.flow)
    try writer.write(market.bid)
    try writer.write(market.ask)
    try writer.write(market.bidSize)
    try writer.write(market.askSize)
    try writer.write(market.quoteNs)
    try writer.write(market.chain)
    try writer.write(UInt64(market.origin))
    try writer.write(UInt64(market.isUntouched ? 1 : 0))
    try writer.write(market.sizesLeft.bid)
    try writer.write(market.sizesLeft.ask)
  }

  private mutating func load(_ market: UnsafeMutablePointer<Market>, _ reader: inout StateReader) throws(Failure) {
    var position = Position()
    position.quantity = try reader.read(as: Int64.self)
    position.cost = try reader.read(as: Int128.self)
    position.realised = try reader.read(as: Int128.self)
    position.residue = try reader.read(as: Int128.self)
    position.flow = try reader.read(as: Int128.self)
    guard position.quantity.magnitude <= 1 << 62, position.quantity % market.pointee.terms.lotSize == 0 else {
      throw Failure.unsupported("the saved position is not a whole number of lots")
    }
    do { try position.verify() } catch { throw Failure.invalid("the saved position does not add up") }
    market.pointee.position = position
    market.pointee.bid = try reader.read(as: Double.self)
    market.pointee.ask = try reader.read(as: Double.self)
    market.pointee.bidSize = try reader.read(as: Double.self)
    market.pointee.askSize = try reader.read(as: Double.self)
    market.pointee.quoteNs = try reader.read(as: Int64.self)
    market.pointee.chain = try reader.read(as: UInt64.self)
    market.pointee.origin = UInt16(truncatingIfNeeded: try reader.read(as: UInt64.self))
    market.pointee.isUntouched = try reader.read(as: UInt64.self) != 0
    let bidLeft = try reader.read(as: Int64.self)
    let askLeft = try reader.read(as: Int64.self)
    market.pointee.sizesLeft = (bidLeft, askLeft)
    market.pointee.openOrders = 0
    guard !market.pointee.hasQuote || market.pointee.isGood else {
      throw Failure.invalid("the saved account holds a quote that it would not have taken")
    }
    guard market.pointee.hasQuote || position.quantity == 0 else {
      throw Failure.invalid("the saved account holds a position in an instrument that was never quoted")
    }
  }

  private func save(_ order: OpenOrder, _ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(order.id)
    try writer.write(order.chain)
    try writer.write(order.notBeforeNs)
    try writer.write(order.quantity)
    try writer.write(order.leaves)
    try writer.write(order.price)
    try writer.write(order.stopPrice)
    try writer.write(order.expireNs)
    try writer.write(order.instrument)
    try writer.write(order.account)
    try writer.write(order.origin)
    try writer.write(order.flags)
    try writer.write(order.side)
    try writer.write(order.type)
    try writer.write(order.timeInForce)
    try writer.write(order.bits)
  }

  private mutating func loadOrder(_ reader: inout StateReader) throws(Failure) {
    var raw = gantry_order()
    raw.order_id = try reader.read(as: UInt64.self)
    raw.header.chain = try reader.read(as: UInt64.self)
    let notBeforeNs = try reader.read(as: Int64.self)
    raw.quantity = try reader.read(as: Int64.self)
    let leaves = try reader.read(as: Int64.self)
    raw.price = try reader.read(as: Int64.self)
    raw.stop_price = try reader.read(as: Int64.self)
    raw.expire_ns = try reader.read(as: Int64.self)
    raw.header.instrument = try reader.read(as: UInt32.self)
    raw.account = try reader.read(as: UInt32.self)
    raw.header.origin = try reader.read(as: UInt16.self)
    raw.flags = UInt32(try reader.read(as: UInt16.self))
    raw.side = try reader.read(as: UInt8.self)
    raw.order_type = try reader.read(as: UInt8.self)
    raw.time_in_force = try reader.read(as: UInt8.self)
    var order = OpenOrder(raw, notBeforeNs: notBeforeNs)
    order.leaves = leaves
    order.bits = try reader.read(as: UInt8.self)
    let slot = Int(order.instrument) - 1
    guard slot >= 0, slot < marketCount, markets[slot].isTraded,
      order.isValid(markets[slot].terms, nowNs: Int64.min), leaves > 0, leaves <= order.quantity,
      !order.isFinished, table.find(order.id) == nil
    else { throw Failure.invalid("the saved account holds an open order that it would not have taken") }
    table.append(order)
    markets[slot].openOrders += 1
  }
}
