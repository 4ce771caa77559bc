import CGantry
import GantrySDK

/// A broker that fills orders against the quotes it is given, and keeps an exact account.
///
/// Guarantees: no order fills on a quote older than the event that caused it; takers cross the
/// spread; nothing fills on a crossed or broken quote; cash, cost and profit are exact integers
/// and the ledger sums to zero after every run.
struct Paper: Plugin {
  /// Parameters, in the order of the descriptor.
  enum P {
    static var deposit: Int { 0 }
    static var currency: Int { 1 }
    static var instruments: Int { 2 }
    static var slippagePoints: Int { 3 }
    static var commissionPerUnit: Int { 4 }
    static var commissionPerFill: Int { 5 }
    static var commissionPercent: Int { 6 }
    static var delay: Int { 7 }
    static var respectSize: Int { 8 }
    static var noMarket: Int { 9 }
    static var maxOpenOrders: Int { 10 }
  }

  static var ticksPort: Int { 0 }
  static var executionsPort: Int { 0 }
  static var accountPort: Int { 1 }

  static var descriptor: Descriptor {
    Descriptor(
      id: "paper", version: "1.0.0", kind: .broker,
      summary: "Fills orders against quotes and keeps an exact account; for backtests and paper trading",
      inputs: [
        Port("ticks", .tick, many: true, help: "quotes to fill against; list it before orders in `from`"),
        Port("orders", .order, many: true, help: "new orders, changes and cancels"),
      ],
      outputs: [
        Port("executions", .execution, help: "what became of each order"),
        Port("account", .account, help: "the account after every fill, and at the end at the last quote"),
      ],
      parameters: [
        Parameter("deposit", .decimal, default: "100000", minimum: 0, unit: "account currency", help: "cash at the start"),
        Parameter("currency", .text, help: "the account's currency; unset, the quote currency of the instruments"),
        Parameter("instruments", .texts, help: "symbols that are traded here; unset, all of the graph"),
        Parameter(
          "slippage_points", .integer, default: "0", minimum: 0, maximum: 1_000_000, unit: "ticks",
          help: "added to the disadvantage of every market and stop fill, and of limits that take liquidity, up to their limit"),
        Parameter("commission_per_unit", .decimal, default: "0", minimum: 0, unit: "account currency", help: "for each unit of quantity filled"),
        Parameter("commission_per_fill", .decimal, default: "0", minimum: 0, unit: "account currency", help: "for each fill"),
        Parameter(
          "commission_percent", .decimal, default: "0", minimum: 0, maximum: 100, unit: "% of notional", help: "of the value of each fill; 0.002 is 0.002 %"),
        Parameter("delay", .duration, default: "0", minimum: 0, help: "an order meets only quotes that are at least this much later than it"),
        Parameter("respect_size", .bool, default: "false", help: "fill at most the quoted size, and the rest on later quotes"),
        Parameter(
          "no_market", .choice, default: "reject", choices: ["reject", "wait"], help: "what becomes of an order before the first quote of its instrument"),
        Parameter(
          "max_open_orders", .integer, default: "1024", minimum: 1, maximum: 10_000, help: "orders that may rest at once; further ones are rejected as invalid"),
      ])
  }

  static var abilities: Abilities { .state }

  let host: Host
  var markets: UnsafeMutablePointer<Market>
  var marketCount = 0
  var table = OrderTable()
  var ledger = Ledger()
  var accountCurrency: UInt32 = 0
  var cashScale = 1.0
  var slippagePoints: Int64 = 0
  var delayNs: Int64 = 0
  var respectsSize = false
  var waitsForMarket = false
  var metrics = Metrics()

  struct Metrics {
    var fills: UInt32 = 0
    var rejected: UInt32 = 0
    var badQuotes: UInt32 = 0
    var netProfit: UInt32 = 0
    var equity: UInt32 = 0
  }

  init(host: Host) {
    self.host = host
    markets = UnsafeMutablePointer<Market>.allocate(capacity: 1)
  }

  func destroy() {
    markets.deallocate()
    table.destroy()
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    if batch.port == Paper.ticksPort {
      try onTicks(batch, outputs)
    } else {
      try onOrders(batch, outputs)
    }
    // While no order rests, a quote is remembered and no more.
    outputs.setIdle(table.count == 0 ? 1 << UInt64(Paper.ticksPort) : 0)
  }

  @inline(__always)
  private mutating func onTicks(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let tick = batch.event(index, as: gantry_tick.self)
      let bid = tick.pointee.bid
      let ask = tick.pointee.ask
      let slot = Int(tick.pointee.header.instrument) &- 1
      // False for NaN as well.
      guard slot >= 0, slot < marketCount, bid > 0, ask >= bid, ask < .infinity else {
        host.updateMetric(metrics.badQuotes, 1)
        continue
      }
      let market = markets + slot
      market.pointee.bid = bid
      market.pointee.ask = ask
      market.pointee.bidSize = tick.pointee.bid_size
      market.pointee.askSize = tick.pointee.ask_size
      market.pointee.quoteNs = tick.pointee.header.receive_ns
      market.pointee.chain = tick.pointee.header.chain
      market.pointee.origin = tick.pointee.header.origin
      market.pointee.isUntouched = true
      if market.pointee.openOrders != 0 {
        do { try matchAll(market, instrument: tick.pointee.header.instrument, index, outputs) } catch {
          outputs.setConsumed(index)
          throw error
        }
      }
    }
  }

  private mutating func onOrders(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let order = batch.event(index, as: gantry_order.self)
      do {
        switch UInt32(order.pointee.action) {
        case GANTRY_ORDER_NEW: try place(order, index, outputs)
        case GANTRY_ORDER_MODIFY: try modify(order, index, outputs)
        case GANTRY_ORDER_CANCEL: try cancel(order, index, outputs)
        default: try reject(order, GANTRY_REASON_INVALID, index, outputs)
        }
      } catch {
        outputs.setConsumed(index)
        throw error
      }
    }
  }

  mutating func flush(_ outputs: borrowing Outputs) throws(Failure) {
    try ledger.verify()
    for slot in 0..<marketCount { try markets[slot].position.verify() }
    let snapshot = try accountNow()
    try emit(snapshot, instrument: 0, 0, outputs)
    publish(snapshot)
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Paper.self, request)
}
