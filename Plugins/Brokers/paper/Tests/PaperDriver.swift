import CGantry
import PluginHarness

/// A broker with what the tests do to it: quotes and orders of one moving clock.
final class PaperDriver {
  let plugin: PluginHarness
  var now: Int64 = 1_000_000_000
  var chain: UInt64 = 0
  private var lastID: UInt64 = 0

  init(_ parameters: [String: ParameterText] = [:], instruments: [HarnessInstrument] = [.eurusd]) throws {
    plugin = try PluginHarness(
      "paper", parameters: parameters, instruments: instruments,
      inputs: [.init(port: "ticks", fromNode: "ticks"), .init(port: "orders", fromNode: "risk")])
  }

  /// A quote one millisecond later, in a chain of its own.
  @discardableResult
  func quote(_ bid: Double, _ ask: Double, sizes: (Double, Double) = (0, 0), instrument: UInt32 = 1) throws -> [HarnessOutput] {
    now += 1_000_000
    chain += 1
    var tick = gantry_tick(bid: bid, ask: ask, at: now, instrument: instrument, bidSize: sizes.0, askSize: sizes.1)
    tick.header.chain = chain
    return try plugin.send(tick)
  }

  /// An order with an id of its own, caused by the last quote.
  func order(
    _ side: UInt32, _ quantity: Int64, type: UInt32 = GANTRY_ORDER_MARKET, price: Int64 = 0, stop: Int64 = 0, tif: UInt32 = GANTRY_GTC, flags: UInt32 = 0,
    expire: Int64 = 0, instrument: UInt32 = 1
  ) -> gantry_order {
    lastID += 1
    var order = gantry_order()
    order.header = gantry_header(eventNs: now, instrument: instrument)
    order.header.chain = chain
    order.order_id = lastID
    order.quantity = quantity
    order.price = price
    order.stop_price = stop
    order.expire_ns = expire
    order.action = UInt8(GANTRY_ORDER_NEW)
    order.side = UInt8(side)
    order.order_type = UInt8(type)
    order.time_in_force = UInt8(tif)
    order.flags = flags
    return order
  }

  func cancel(_ target: gantry_order) -> gantry_order {
    var order = order(GANTRY_BUY, 1)
    order.action = UInt8(GANTRY_ORDER_CANCEL)
    order.target_id = target.order_id
    return order
  }

  @discardableResult
  func send(_ order: gantry_order) throws -> [HarnessOutput] { try plugin.send(order) }

  @discardableResult
  func market(_ side: UInt32, _ quantity: Int64) throws -> [HarnessOutput] { try send(order(side, quantity)) }
}

extension [HarnessOutput] {
  var executions: [gantry_execution] { filter { $0.port == "executions" }.map(\.execution) }
  var accounts: [gantry_account] { filter { $0.port == "account" }.map(\.account) }
  var kinds: [UInt32] { executions.map { UInt32($0.kind) } }
  var fills: [gantry_execution] { executions.filter { UInt32($0.kind) == GANTRY_EXEC_FILL } }
  var reasons: [UInt32] { executions.map(\.reason) }
}

let accepted = GANTRY_EXEC_ACCEPTED
let rejected = GANTRY_EXEC_REJECTED
let filled = GANTRY_EXEC_FILL
let cancelled = GANTRY_EXEC_CANCELLED
let triggered = GANTRY_EXEC_TRIGGERED
let buy = GANTRY_BUY
let sell = GANTRY_SELL

/// splitmix64: the same numbers from the same seed everywhere.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }
}
