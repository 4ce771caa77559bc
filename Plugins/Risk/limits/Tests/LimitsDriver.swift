import CGantry
import PluginHarness

/// A risk node with what the tests do to it.
final class LimitsDriver {
  let plugin: PluginHarness
  var now: Int64 = 1_000_000_000
  private var lastID: UInt64 = 100

  init(
    _ parameters: [String: ParameterText] = [:], ports: [String] = ["orders", "executions", "ticks", "account"], instruments: [HarnessInstrument] = [.eurusd],
    isLive: Bool = false, starts: Bool = true
  ) throws {
    plugin = try PluginHarness(
      "limits", parameters: parameters, instruments: instruments, inputs: ports.map { .init(port: $0, isFeedback: $0 == "executions" || $0 == "account") },
      isLive: isLive, rowCapacity: 16, starts: starts)
  }

  /// Goes on with the ids of another one.
  func skipIDs(to other: LimitsDriver) { lastID = other.lastID }

  func order(
    _ side: UInt32, _ quantity: Int64, type: UInt32 = GANTRY_ORDER_MARKET, price: Int64 = 0, stop: Int64 = 0, flags: UInt32 = 0, instrument: UInt32 = 1
  ) -> gantry_order {
    lastID += 1
    var order = gantry_order()
    order.header = gantry_header(eventNs: now, instrument: instrument)
    order.order_id = lastID
    order.quantity = quantity
    order.price = price
    order.stop_price = stop
    order.action = UInt8(GANTRY_ORDER_NEW)
    order.side = UInt8(side)
    order.order_type = UInt8(type)
    order.time_in_force = UInt8(GANTRY_GTC)
    order.flags = flags
    return order
  }

  func change(_ target: gantry_order, to quantity: Int64) -> gantry_order {
    var order = target
    lastID += 1
    order.header = gantry_header(eventNs: now, instrument: target.header.instrument)
    order.target_id = target.order_id
    order.order_id = lastID
    order.quantity = quantity
    order.action = UInt8(GANTRY_ORDER_MODIFY)
    return order
  }

  func cancel(_ target: gantry_order) -> gantry_order {
    var order = change(target, to: target.quantity)
    order.action = UInt8(GANTRY_ORDER_CANCEL)
    return order
  }

  @discardableResult
  func send(_ order: gantry_order) throws -> [HarnessOutput] {
    var order = order
    order.header.event_ns = now
    return try plugin.send(order)
  }

  /// Sends a new order and says whether it passed.
  func passes(_ order: gantry_order) throws -> Bool { try send(order).contains { $0.port == "orders" } }

  @discardableResult
  func say(
    _ kind: UInt32, _ order: gantry_order, quantity: Int64 = 0, price: Int64 = 0, leaves: Int64 = 0, cumulative: Int64 = 0, commission: Int64 = 0,
    position: Int64 = 0
  ) throws -> [HarnessOutput] {
    var execution = gantry_execution()
    execution.header = gantry_header(eventNs: now, instrument: order.header.instrument)
    execution.order_id = order.order_id
    execution.kind = UInt8(kind)
    execution.side = order.side
    execution.quantity = quantity
    execution.price = price
    execution.leaves = leaves
    execution.cumulative = cumulative
    execution.commission = commission
    execution.position = position
    return try plugin.send(execution)
  }

  /// A whole fill of an order.
  @discardableResult
  func fill(_ order: gantry_order, price: Int64 = 110_000, commission: Int64 = 0, position: Int64) throws -> [HarnessOutput] {
    try say(GANTRY_EXEC_FILL, order, quantity: order.quantity, price: price, cumulative: order.quantity, commission: commission, position: position)
  }

  @discardableResult
  func quote(_ bid: Double, _ ask: Double, instrument: UInt32 = 1) throws -> [HarnessOutput] {
    try plugin.send(gantry_tick(bid: bid, ask: ask, at: now, instrument: instrument))
  }
}

extension [HarnessOutput] {
  var passed: [gantry_order] { filter { $0.port == "orders" }.map(\.order) }
  var rejects: [gantry_execution] { filter { $0.port == "rejects" }.map(\.execution) }
  var alerts: [String] { filter { $0.port == "alerts" }.map(\.text) }
}

let buy = GANTRY_BUY
let sell = GANTRY_SELL
let second: Int64 = 1_000_000_000
let reduceOnly = GANTRY_ORDER_REDUCE_ONLY
