import CGantry
import GantrySDK

/// What the broker says.
extension Limits {
  mutating func onExecution(
    _ execution: UnsafePointer<gantry_execution>, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let kind = UInt32(execution.pointee.kind)
    if kind == GANTRY_EXEC_REJECTED, execution.pointee.order_id != 0, let open = table.find(change: execution.pointee.order_id) {
      // The change was refused: the order is what it was.
      return try update(open) {
        $0.wished = $0.quantity; $0.changeID = 0
      }
    }
    // A position that the broker tells of is a fill of nothing: what was not seen being traded is adopted.
    if kind == GANTRY_EXEC_FILL || kind == GANTRY_EXEC_POSITION { try onFill(execution, cause, outputs) }
    guard let open = table.find(execution.pointee.order_id) else { return }
    switch kind {
    case GANTRY_EXEC_FILL:
      try update(open) { $0.filled = max($0.filled, execution.pointee.cumulative) }
      if execution.pointee.leaves <= 0 { try forget(open) }
    case GANTRY_EXEC_MODIFIED:
      let (quantity, overflow) = execution.pointee.leaves.addingReportingOverflow(execution.pointee.cumulative)
      if overflow { throw Failure.overflow("limits: the broker reports an order beyond 64 bits") }
      try update(open) {
        $0.quantity = quantity
        $0.wished = quantity
        $0.changeID = 0
      }
    case GANTRY_EXEC_REJECTED, GANTRY_EXEC_CANCELLED, GANTRY_EXEC_EXPIRED:
      try forget(open)
    default:
      break
    }
  }

  /// Changes what is known of an order, and what is on its way with it.
  private mutating func update(_ open: UnsafeMutablePointer<OpenOrder>, _ change: (inout OpenOrder) -> Void) throws(Failure) {
    let before = open.pointee.leaves
    change(&open.pointee)
    try book[Int(open.pointee.slot)].addPending(
      buy: open.pointee.isBuy, reduceOnly: open.pointee.isReduceOnly, open.pointee.leaves - before)
  }

  private mutating func forget(_ open: UnsafeMutablePointer<OpenOrder>) throws(Failure) {
    try book[Int(open.pointee.slot)].addPending(
      buy: open.pointee.isBuy, reduceOnly: open.pointee.isReduceOnly, 0 - open.pointee.leaves)
    table.remove(open)
  }

  /// Any fill of the account moves the position, whoever ordered it.
  private mutating func onFill(
    _ execution: UnsafePointer<gantry_execution>, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let slot = Int(execution.pointee.header.instrument) - 1
    guard slot >= 0, slot < bookCount else { throw Failure.invalid("limits: a fill names no instrument of the graph") }
    let exposure = book + slot
    let isBuy = execution.pointee.side == UInt8(GANTRY_BUY)
    let quantity = isBuy ? execution.pointee.quantity : 0 - execution.pointee.quantity
    var position = try Exact.add(exposure.pointee.position, quantity)
    if adoptsPosition && position != execution.pointee.position {
      try warnOfPosition(exposure, slot, known: position, told: execution.pointee.position, cause, outputs)
      // What was not seen being traded is valued from here on.
      let unseen = try Exact.subtract(execution.pointee.position, position)
      if money.isTracked { try addFlow(exposure, price: execution.pointee.price, quantity: unseen) }
      position = execution.pointee.position
    }
    guard position.magnitude <= 1 << 62 else { throw Failure.overflow("limits: a position of more than 2^62 units") }
    exposure.pointee.position = position
    exposure.pointee.lastPrice = execution.pointee.price
    guard money.isTracked else { return }
    try addFlow(exposure, price: execution.pointee.price, quantity: quantity)
    try money.addProfit(0 - Exact.multiply(Int128(execution.pointee.commission), money.cashFactor))
    if money.isWatched { try revalue(exposure, cause, outputs) }
  }

  private func addFlow(_ exposure: UnsafeMutablePointer<Exposure>, price: Int64, quantity: Int64) throws(Failure) {
    let paid = try Exact.multiply(exposure.pointee.terms.notional(price: price, quantity: quantity), exposure.pointee.moneyFactor)
    exposure.pointee.flow = try Exact.subtract(exposure.pointee.flow, paid)
  }

  /// Values one instrument anew and looks whether a loss limit is broken by it.
  mutating func revalue(
    _ exposure: UnsafeMutablePointer<Exposure>, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    try revalue(exposure)
    try watchLosses(cause, outputs)
  }

  /// Values everything, where nothing was valued at every quote.
  mutating func revalueAll() throws(Failure) {
    for slot in 0..<bookCount { try revalue(book + slot) }
  }

  private mutating func revalue(_ exposure: UnsafeMutablePointer<Exposure>) throws(Failure) {
    let value = try Exact.add(exposure.pointee.flow, exposure.pointee.worth())
    let change = try Exact.subtract(value, exposure.pointee.value)
    try money.addProfit(change)
    exposure.pointee.value = value
    exposure.pointee.valuedAt = exposure.pointee.closingQuote
  }

  /// Tells once when a loss limit is reached, and halts where the graph says so.
  mutating func watchLosses(_ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    let isDayLost = try money.hasLostDay()
    if isDayLost && !money.isDayLost { try tellLoss(.maxDailyLoss, cause, outputs) }
    money.isDayLost = isDayLost
    let isDrawnDown = try money.hasDrawnDown()
    if isDrawnDown && !money.isDrawnDown { try tellLoss(.maxDrawdown, cause, outputs) }
    money.isDrawnDown = isDrawnDown
  }

  mutating func startDay(_ now: Int64) {
    money.startDay(now)
    if halt == .maxDailyLoss { halt = .none }
  }
}
