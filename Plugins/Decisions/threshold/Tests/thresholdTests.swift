import CGantry
import PluginHarness
import Testing

/// One instance with what the tests do to it.
struct Decision {
  let plugin: PluginHarness

  init(_ parameters: [String: ParameterText] = [:], confirmed: Bool = true, ticks: Bool = false, instruments: [HarnessInstrument] = [.eurusd]) throws {
    var inputs: [PluginHarness.Input] = [.init(port: "predictions", fromNode: "model")]
    if confirmed { inputs.append(.init(port: "executions", isFeedback: true, fromNode: "broker")) }
    if ticks { inputs.append(.init(port: "ticks", fromNode: "ticks")) }
    plugin = try PluginHarness("threshold", parameters: parameters, instruments: instruments, inputs: inputs)
  }

  func predict(_ value: Double, at time: Int64 = 0) throws -> [gantry_order] {
    try plugin.send(gantry_prediction(value: value, at: time)).filter { $0.port == "orders" }.map(\.order)
  }

  @discardableResult
  func say(_ kind: UInt32, _ order: gantry_order, quantity: Int64 = 0, leaves: Int64 = 0, reason: UInt32 = GANTRY_REASON_NONE, at time: Int64 = 0) throws
    -> [HarnessOutput]
  {
    var execution = gantry_execution()
    execution.header = gantry_header(eventNs: time, instrument: order.header.instrument)
    execution.order_id = order.order_id
    execution.kind = UInt8(kind)
    execution.side = order.side
    execution.quantity = quantity
    execution.leaves = leaves
    execution.reason = reason
    return try plugin.send(execution)
  }

  func fill(_ order: gantry_order) throws { try say(GANTRY_EXEC_FILL, order, quantity: order.quantity) }
}

let second: Int64 = 1_000_000_000
let buy = UInt8(GANTRY_BUY)
let sell = UInt8(GANTRY_SELL)

@Suite struct ThresholdTests {
  @Test func `a prediction above upper buys a full position once`() throws {
    let decision = try Decision(["upper": "0.5", "lower": "-0.5", "quantity": 2500])
    #expect(try decision.predict(0.5).isEmpty)
    let orders = try decision.predict(0.6)
    #expect(orders.count == 1)
    #expect(orders[0].side == buy && orders[0].quantity == 2500 && orders[0].order_type == UInt8(GANTRY_ORDER_MARKET))
    #expect(orders[0].action == UInt8(GANTRY_ORDER_NEW) && orders[0].time_in_force == UInt8(GANTRY_GTC) && orders[0].order_id != 0)
    #expect(try decision.predict(0.7).isEmpty)
    try decision.fill(orders[0])
    #expect(try decision.predict(0.8).isEmpty)
    #expect(decision.plugin.notes.map(\.value) == ["above upper"])
  }

  @Test func `a turn of the prediction sells what is held and a full position more`() throws {
    let decision = try Decision()
    let orders = try decision.predict(1)
    try decision.fill(orders[0])
    let turn = try decision.predict(-1)
    #expect(turn.map(\.quantity) == [20000] && turn[0].side == sell)
    try decision.fill(turn[0])
    #expect(try decision.predict(1).map(\.quantity) == [20000])
  }

  @Test func `between the thresholds a position is held, or closed when the graph says so`() throws {
    for (flat, expected) in [("false", [Int64]()), ("true", [10000])] {
      let decision = try Decision(["upper": 1, "lower": -1, "flat_between": ParameterText(flat)])
      try decision.fill(try decision.predict(2)[0])
      #expect(try decision.predict(0).map(\.quantity) == expected)
    }
  }

  @Test func `long_only and short_only are flat instead of the other side`() throws {
    for (mode, first, side) in [("long_only", 1.0, buy), ("short_only", -1.0, sell)] {
      let decision = try Decision(["mode": ParameterText(mode)])
      #expect(try decision.predict(-first).isEmpty)
      let opening = try decision.predict(first)
      #expect(opening.map(\.quantity) == [10000] && opening[0].side == side)
      try decision.fill(opening[0])
      let closing = try decision.predict(-first)
      #expect(closing.map(\.quantity) == [10000] && closing[0].side != side)
    }
  }

  @Test func `a prediction that is not a number changes nothing and is counted`() throws {
    let decision = try Decision()
    #expect(try decision.predict(.nan).isEmpty)
    #expect(try decision.plugin.send(gantry_prediction(value: 1, instrument: 0)).isEmpty)
    #expect(try decision.plugin.send(gantry_prediction(value: 1, instrument: 2)).isEmpty)
    #expect(try decision.predict(.infinity).count == 1)
    #expect(decision.plugin.metrics["ignored"]! > 0)
  }

  @Test func `the probability decides when it is to be used`() throws {
    let decision = try Decision(["use": "probability", "upper": "0.6", "lower": "0.4"])
    let outputs = try decision.plugin.send(gantry_prediction(value: -5, probability: 0.61))
    #expect(outputs.filter { $0.port == "orders" }.map { $0.order.side } == [buy])
    #expect(try decision.plugin.send(gantry_prediction(value: 5)).isEmpty)
  }

  @Test func `one order is in flight until it is done, and partial fills count`() throws {
    let decision = try Decision()
    let order = try decision.predict(1)[0]
    try decision.say(GANTRY_EXEC_ACCEPTED, order, leaves: 10000)
    #expect(try decision.predict(-1).isEmpty)
    try decision.say(GANTRY_EXEC_FILL, order, quantity: 4000, leaves: 6000)
    #expect(try decision.predict(-1).isEmpty)
    try decision.say(GANTRY_EXEC_CANCELLED, order, reason: GANTRY_REASON_REQUESTED)
    #expect(try decision.predict(-1).map(\.quantity) == [14000])
  }

  @Test func `a refused order is tried again only after retry_after`() throws {
    let decision = try Decision(["retry_after": "2s"])
    let order = try decision.predict(1, at: second)[0]
    try decision.say(GANTRY_EXEC_REJECTED, order, reason: GANTRY_REASON_RISK, at: second)
    #expect(try decision.predict(1, at: 2 * second).isEmpty)
    #expect(try decision.predict(1, at: 3 * second - 1).isEmpty)
    #expect(try decision.predict(1, at: 3 * second).map(\.quantity) == [10000])
  }

  @Test func `two orders of an instrument are a cooldown apart`() throws {
    let decision = try Decision(["cooldown": "10s"])
    try decision.fill(try decision.predict(1, at: second)[0])
    #expect(try decision.predict(-1, at: 10 * second).isEmpty)
    #expect(try decision.predict(1, at: 12 * second).isEmpty)
    #expect(try decision.predict(-1, at: 12 * second).map(\.quantity) == [20000])
  }

  @Test func `without executions every order counts as filled`() throws {
    let decision = try Decision(confirmed: false)
    #expect(try decision.predict(1).map(\.quantity) == [10000])
    #expect(try decision.predict(1).isEmpty)
    #expect(try decision.predict(-1).map(\.quantity) == [20000])
  }

  @Test func `executions of other nodes' orders are ignored`() throws {
    let decision = try Decision()
    var other = gantry_order()
    other.header.instrument = 1
    other.order_id = 999
    other.side = buy
    try decision.say(GANTRY_EXEC_FILL, other, quantity: 10000)
    #expect(try decision.predict(1).map(\.quantity) == [10000])
  }

  @Test func `a limit price is on the grid and never worse than the quote`() throws {
    let coarse = HarnessInstrument("EURUSD", base: "EUR", quote: "USD", priceDigits: 5, tickSize: 5)
    for (offset, value, price) in [(0, 1.0, Int64(110_010)), (3, 1.0, 109_995), (0, -1.0, 110_005), (2, -1.0, 110_015)] {
      let decision = try Decision(["order_type": "limit", "limit_offset_points": .init("\(offset)")], ticks: true, instruments: [coarse])
      #expect(try decision.predict(value).isEmpty, "no quote yet")
      try decision.plugin.send(gantry_tick(bid: 1.10003, ask: 1.10014))
      let orders = try decision.predict(value)
      #expect(orders.map(\.price) == [price] && orders[0].order_type == UInt8(GANTRY_ORDER_LIMIT))
    }
  }

  @Test func `a limit order that is no longer wanted is cancelled once, and again only after a refusal`() throws {
    let decision = try Decision(["order_type": "limit"], ticks: true)
    try decision.plugin.send(gantry_tick(bid: 1.1, ask: 1.2))
    let order = try decision.predict(1)[0]
    let cancel = try decision.predict(-1)
    #expect(cancel.count == 1 && cancel[0].action == UInt8(GANTRY_ORDER_CANCEL) && cancel[0].target_id == order.order_id)
    #expect(try decision.predict(-1).isEmpty)
    try decision.say(GANTRY_EXEC_REJECTED, cancel[0], reason: GANTRY_REASON_UNKNOWN_ORDER)
    #expect(try decision.predict(-1).map(\.target_id) == [order.order_id])
    try decision.say(GANTRY_EXEC_CANCELLED, order, reason: GANTRY_REASON_REQUESTED)
    let next = try decision.predict(-1)
    #expect(next.map(\.quantity) == [10000] && next[0].side == sell)
  }

  @Test func `a limit order older than limit_max_age is cancelled`() throws {
    let decision = try Decision(["order_type": "limit", "limit_max_age": "5s"], ticks: true)
    try decision.plugin.send(gantry_tick(bid: 1.1, ask: 1.2, at: 1))
    let order = try decision.predict(1, at: second)[0]
    #expect(try decision.predict(1, at: 6 * second - 1).isEmpty)
    #expect(try decision.predict(1, at: 6 * second).map(\.target_id) == [order.order_id])
  }

  @Test func `the debug port says every change of the wanted position`() throws {
    let decision = try Decision(["flat_between": true, "upper": 1, "lower": -1])
    let strengths = try [2.0, 3, 0, -2, 2].flatMap { value in
      try decision.plugin.send(gantry_prediction(value: value)).filter { $0.port == "debug" }.map { $0.signal.strength }
    }
    #expect(strengths == [1, 0, -1, 1])
  }

  @Test func `only the named instrument is traded`() throws {
    let plugin = try PluginHarness(
      "threshold", parameters: ["instrument": "USDJPY", "quantity": 7],
      instruments: [HarnessInstrument("EURUSD", base: "EUR", quote: "USD", priceDigits: 5, lotSize: 1000), .usdjpy])
    #expect(try plugin.send(gantry_prediction(value: 1, instrument: 1)).isEmpty)
    let order = try plugin.send(gantry_prediction(value: 1, instrument: 2)).first { $0.port == "orders" }
    #expect(order?.order.quantity == 7 && order?.header.instrument == 2)
  }

  @Test(arguments: [
    (["upper": "1", "lower": "2"] as [String: ParameterText], "upper: 1.000000000 is below lower: 2.000000000"),
    (["quantity": "0.5"], "is not a whole number of lots of EURUSD, whose lot is 1"),
    (["order_type": "limit"], "order_type: limit needs quotes"),
  ])
  func `parameters that do not fit are refused with a remedy`(_ parameters: [String: ParameterText], _ text: String) throws {
    let failure = try #require(throws: PluginFailure.self) { try Decision(parameters) }
    #expect(failure.status == GANTRY_INVALID && failure.text.contains(text))
  }

  @Test func `the thresholds change while it runs, and wrong ones leave the old in force`() throws {
    let decision = try Decision(["upper": 1, "lower": -1])
    #expect(try decision.predict(0.5).isEmpty)
    #expect(throws: PluginFailure.self) { try decision.plugin.apply(["upper": 0, "lower": 1]) }
    #expect(try decision.predict(0.5).isEmpty)
    try decision.plugin.apply(["upper": "0.25", "lower": -1])
    #expect(try decision.predict(0.5).count == 1)
  }
}
