import CGantry
import GantrySDK

/// Stands in front of a broker and lets an order pass only when no limit could be broken by it,
/// whatever becomes of the orders that are already on their way.
///
/// Guarantees: every order that enters leaves as itself, or as a REJECTED execution and an alert
/// that names the limit, the value and the bound. Cancels always pass; reduce-only orders do while
/// `allow_reduce` is true. All sums are exact; one that leaves its range refuses the order.
struct Limits: Plugin {
  static var ordersPort: Int { 0 }
  static var executionsPort: Int { 1 }
  static var ticksPort: Int { 2 }
  static var accountPort: Int { 3 }
  static var ordersOut: Int { 0 }
  static var alertsOut: Int { 1 }
  static var rejectsOut: Int { 2 }

  static var descriptor: Descriptor {
    Descriptor(
      id: "limits", version: "1.0.0", kind: .risk,
      summary: "Refuses orders that could break a limit of size, exposure, rate, price or loss",
      inputs: [
        Port("orders", .order, many: true, help: "orders to check"),
        Port(
          "executions", .execution, optional: true, many: true, help: "the broker's executions, as feedback; without it every passed order counts as filled"),
        Port("ticks", .tick, optional: true, many: true, help: "quotes for price_band, max_notional and the value of open positions"),
        Port("account", .account, optional: true, help: "the broker's account, as feedback: the equity that max_drawdown starts from"),
      ],
      outputs: [
        Port("orders", .order, help: "orders that passed"),
        Port("alerts", .alert, help: "why an order was refused, and when trading was halted"),
        Port("rejects", .execution, help: "a REJECTED execution for each refused order; feed it back to the decision"),
      ],
      parameters: Bounds.parameters)
  }

  static var abilities: Abilities { [.state, .paramsLive] }

  let host: Host
  var bounds = Bounds()
  var book: UnsafeMutablePointer<Exposure>
  var bookCount = 0
  var table = OrderTable()
  var rate = RateWindow()
  var money = Money()
  var halt = Alarm.none
  /// In units of `Money`.
  var maxNotional: Int128?
  var resetCount: Int64 = 0
  var text = LaneText(capacity: 512)
  var hasExecutions = false
  var hasTicks = false
  var hasAccount = false
  /// The graph does not say what the equity is; a replay goes on with 100000.
  var assumesEquity = false
  /// One broker only: its `position` is the truth.
  var adoptsPosition = false
  var isLive = false
  var passedMetric: UInt32 = 0
  var refusedMetric: UInt32 = 0
  var haltedMetric: UInt32 = 0

  init(host: Host) {
    self.host = host
    book = UnsafeMutablePointer<Exposure>.allocate(capacity: 1)
  }

  func destroy() {
    book.deallocate()
    table.destroy()
    rate.destroy()
    text.destroy()
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let now = batch.header(index).pointee.receive_ns
      if now >= money.dayEndsNs { startDay(now) }
      do {
        switch batch.port {
        case Limits.ordersPort: try onOrder(batch.event(index, as: gantry_order.self), index, outputs)
        case Limits.executionsPort: try onExecution(batch.event(index, as: gantry_execution.self), index, outputs)
        case Limits.ticksPort: try onTick(batch.event(index, as: gantry_tick.self), index, outputs)
        default: try onAccount(batch.event(index, as: gantry_account.self), index, outputs)
        }
      } catch {
        outputs.setConsumed(index)
        throw error
      }
    }
    // Without a loss limit no quote changes anything but what a position is worth.
    outputs.setIdle(money.isWatched ? 0 : 1 << UInt64(Limits.ticksPort))
  }

  @inline(__always)
  private mutating func onTick(
    _ tick: UnsafePointer<gantry_tick>, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let slot = Int(tick.pointee.header.instrument) &- 1
    let bid = tick.pointee.bid
    let ask = tick.pointee.ask
    // False for NaN as well.
    guard slot >= 0, slot < bookCount, bid > 0, ask >= bid, ask < .infinity else { return }
    let exposure = book + slot
    exposure.pointee.bid = bid
    exposure.pointee.ask = ask
    guard money.isWatched, exposure.pointee.position != 0, exposure.pointee.closingQuote != exposure.pointee.valuedAt else { return }
    try revalue(exposure, cause, outputs)
  }

  private mutating func onAccount(
    _ account: UnsafePointer<gantry_account>, _ cause: Int, _ outputs: borrowing Outputs
  ) throws(Failure) {
    guard money.isTracked else { return }
    guard account.pointee.currency == money.currency else {
      throw Failure.invalid("limits: the account is not in the instruments' quote currency, so its equity cannot be compared")
    }
    if !money.isWatched { try revalueAll() }
    try money.rebase(equity: account.pointee.equity)
    try watchLosses(cause, outputs)
  }

  mutating func apply(_ values: LiveValues) throws(Failure) {
    let next = try Bounds { values.value($0) }
    try check(next)
    try useBounds(next)
    if next.reset != resetCount {
      resetCount = next.reset
      halt = .none
      money.forgetPeak()
    }
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Limits.self, request)
}
