import CGantry
import GantrySDK

/// `gantry.state/1`: positions, orders on their way, money, the last orders' times and a halt.
extension Limits {
  static var stateSchema: (name: StaticString, version: UInt32) { ("limits", 1) }

  func stateBound() -> Int {
    256 + bookCount * 128 + table.count * MemoryLayout<OpenOrder>.stride + rate.capacity * 8
  }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(halt.rawValue)
    try writer.write(resetCount)
    try writer.write(money.digits)
    try writer.write(money.profit)
    try writer.write(money.base)
    try writer.write(UInt8(money.isBaseKnown ? 1 : 0))
    try writer.write(money.peak)
    try writer.write(money.dayEquity)
    try writer.write(money.dayEndsNs)
    try writer.write(UInt8(money.isDayLost ? 1 : 0))
    try writer.write(UInt8(money.isDrawnDown ? 1 : 0))
    try writer.write(UInt64(bookCount))
    for slot in 0..<bookCount {
      let exposure = book[slot]
      try writer.write(exposure.position)
      try writer.write(exposure.bid)
      try writer.write(exposure.ask)
      try writer.write(exposure.lastPrice)
      try writer.write(exposure.flow)
      try writer.write(exposure.value)
    }
    try writer.write(UInt64(table.count))
    for index in 0..<table.count {
      let order = table.orders[index]
      try writer.write(order.id)
      try writer.write(order.slot)
      try writer.write(order.quantity)
      try writer.write(order.wished)
      try writer.write(order.filled)
      try writer.write(order.changeID)
      try writer.write(UInt8((order.isBuy ? 1 : 0) | (order.isReduceOnly ? 2 : 0)))
    }
    try writer.write(UInt64(rate.next))
    try writer.write(UInt64(rate.count))
    try writer.write(rate.times, count: rate.capacity)
  }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("limits reads states of version 1, not \(version)") }
    guard let halt = Alarm(rawValue: try reader.read(as: UInt32.self)) else { throw Limits.damaged }
    self.halt = halt
    // A halt outlives the instance, but not a reset that was set meanwhile.
    if try reader.read(as: Int64.self) != resetCount { self.halt = .none }
    guard try reader.read(as: UInt32.self) == money.digits else {
      throw Failure.unsupported("the saved limits were kept for instruments with other digits")
    }
    money.profit = try reader.read(as: Int128.self)
    money.base = try reader.read(as: Int128.self)
    money.isBaseKnown = try reader.read(as: UInt8.self) != 0
    money.peak = try reader.read(as: Int128.self)
    money.dayEquity = try reader.read(as: Int128.self)
    money.dayEndsNs = try reader.read(as: Int64.self)
    money.isDayLost = try reader.read(as: UInt8.self) != 0
    money.isDrawnDown = try reader.read(as: UInt8.self) != 0
    for amount in [money.profit, money.base, money.peak, money.dayEquity] where amount.magnitude >> 125 != 0 {
      throw Limits.damaged
    }
    guard try reader.read(as: UInt64.self) == UInt64(bookCount) else {
      throw Failure.unsupported("the saved limits were kept for another number of instruments")
    }
    for slot in 0..<bookCount { try loadExposure(book + slot, &reader) }
    let count = try reader.read(as: UInt64.self)
    guard count <= UInt64(OrderTable.capacity) else { throw Limits.damaged }
    table.removeAll()
    for _ in 0..<count { try loadOrder(&reader) }
    let next = try reader.read(as: UInt64.self)
    let used = try reader.read(as: UInt64.self)
    try reader.read(into: rate.times, count: rate.capacity)
    try rate.restore(next: Int(clamping: next), count: Int(clamping: used))
  }

  private static var damaged: Failure { Failure.invalid("the saved limits do not fit together") }

  private func loadExposure(_ exposure: UnsafeMutablePointer<Exposure>, _ reader: inout StateReader) throws(Failure) {
    exposure.pointee.position = try reader.read(as: Int64.self)
    exposure.pointee.bid = try reader.read(as: Double.self)
    exposure.pointee.ask = try reader.read(as: Double.self)
    exposure.pointee.lastPrice = try reader.read(as: Int64.self)
    exposure.pointee.flow = try reader.read(as: Int128.self)
    exposure.pointee.value = try reader.read(as: Int128.self)
    exposure.pointee.buying = 0
    exposure.pointee.selling = 0
    exposure.pointee.buyingBack = 0
    exposure.pointee.sellingOff = 0
    let quote = (exposure.pointee.bid, exposure.pointee.ask)
    guard exposure.pointee.position.magnitude <= 1 << 62,
      (quote.0 == 0 && quote.1 == 0) || (quote.0 > 0 && quote.1 >= quote.0 && quote.1 < .infinity)
    else { throw Limits.damaged }
  }

  private mutating func loadOrder(_ reader: inout StateReader) throws(Failure) {
    let id = try reader.read(as: UInt64.self)
    let slot = try reader.read(as: UInt64.self)
    let quantity = try reader.read(as: Int64.self)
    let wished = try reader.read(as: Int64.self)
    let filled = try reader.read(as: Int64.self)
    let changeID = try reader.read(as: UInt64.self)
    let bits = try reader.read(as: UInt8.self)
    guard id != 0, slot < UInt64(bookCount), quantity > 0, quantity <= 1 << 60, wished > 0, wished <= 1 << 60,
      filled >= 0, filled <= 1 << 60, table.find(id) == nil
    else { throw Limits.damaged }
    let order = OpenOrder(
      id: id, slot: slot, quantity: quantity, wished: wished, filled: filled, changeID: changeID, isBuy: bits & 1 != 0,
      isReduceOnly: bits & 2 != 0)
    try book[Int(slot)].addPending(buy: order.isBuy, reduceOnly: order.isReduceOnly, order.leaves)
    table.append(order)
  }
}
