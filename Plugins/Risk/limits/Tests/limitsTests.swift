import CGantry
import PluginHarness
import Testing

@Suite struct LimitsTests {
  @Test func `an order within all limits passes unchanged`() throws {
    let limits = try LimitsDriver(["max_position": 10000, "max_order": 10000])
    let order = limits.order(buy, 10000, type: GANTRY_ORDER_LIMIT, price: 110_000, flags: GANTRY_ORDER_POST_ONLY)
    let outputs = try limits.send(order)
    #expect(outputs.count == 1 && outputs.alerts.isEmpty)
    let passed = try #require(outputs.passed.first)
    #expect(passed.order_id == order.order_id && passed.quantity == 10000 && passed.price == 110_000 && passed.flags == order.flags)
    #expect(passed.side == order.side && passed.order_type == order.order_type && passed.time_in_force == order.time_in_force)
  }

  @Test func `a refused order gives an alert that names limit, value and bound, and a reject`() throws {
    let limits = try LimitsDriver(["max_order": 5000])
    var order = limits.order(sell, 5001)
    order.header.chain = 77
    let outputs = try limits.send(order)
    #expect(outputs.alerts == ["max_order: sell 5001 EURUSD refused, the order is too large: 5001, the bound is 5000"])
    #expect(outputs.passed.isEmpty && outputs.rejects.count == 1)
    let reject = outputs.rejects[0]
    #expect(UInt32(reject.kind) == GANTRY_EXEC_REJECTED && reject.reason == GANTRY_REASON_RISK && reject.order_id == order.order_id)
    #expect(reject.order_chain == 77 && reject.execution_id != 0 && UInt32(reject.side) == sell)
    #expect(limits.plugin.metrics["refused"] == 1)
  }

  @Test func `all orders on their way count as filled`() throws {
    let limits = try LimitsDriver(["max_position": 100])
    #expect(try limits.passes(limits.order(buy, 60)))
    let refused = try limits.send(limits.order(buy, 41))
    #expect(refused.alerts == ["max_position: buy 41 EURUSD refused, the position could become too large: 101, the bound is 100"])
    #expect(try limits.passes(limits.order(buy, 40)))
    #expect(try limits.passes(limits.order(sell, 100)), "the other side has its own worst case")
    #expect(try limits.send(limits.order(sell, 1)).alerts[0].hasSuffix("-101, the bound is -100"))
  }

  @Test func `a position can be turned around to the limit on the other side`() throws {
    let limits = try LimitsDriver(["max_position": 100])
    let first = limits.order(buy, 100)
    #expect(try limits.passes(first))
    try limits.fill(first, position: 100)
    #expect(try !limits.passes(limits.order(buy, 1)))
    #expect(try !limits.passes(limits.order(sell, 201)))
    #expect(try limits.passes(limits.order(sell, 200)))
  }

  @Test func `what is cancelled, expired or refused no longer counts`() throws {
    for kind in [GANTRY_EXEC_CANCELLED, GANTRY_EXEC_EXPIRED, GANTRY_EXEC_REJECTED] {
      let limits = try LimitsDriver(["max_position": 100])
      let order = limits.order(buy, 100)
      #expect(try limits.passes(order))
      try limits.say(GANTRY_EXEC_FILL, order, quantity: 30, price: 110_000, leaves: 70, cumulative: 30, position: 30)
      try limits.say(kind, order, cumulative: 30, position: 30)
      #expect(try limits.passes(limits.order(buy, 70)))
      #expect(try !limits.passes(limits.order(buy, 1)))
    }
  }

  @Test func `cancels and reduce-only orders pass every limit`() throws {
    let limits = try LimitsDriver(["max_order": 1, "max_position": 1, "orders_per_second": 1, "on_breach": "halt"])
    let order = limits.order(buy, 1)
    #expect(try limits.passes(order))
    #expect(try !limits.passes(limits.order(buy, 50)))
    #expect(try limits.passes(limits.cancel(order)))
    #expect(try limits.passes(limits.order(sell, 50, flags: reduceOnly)))
    let strict = try LimitsDriver(["max_order": 1, "allow_reduce": false])
    #expect(try !strict.passes(strict.order(sell, 50, flags: reduceOnly)))
  }

  @Test func `at most so many orders pass in any second, and refused ones do not count`() throws {
    let limits = try LimitsDriver(["orders_per_second": 3, "max_order": 10])
    for time in [0, 300, 600] as [Int64] {
      limits.now = second + time * 1_000_000
      #expect(try limits.passes(limits.order(buy, 1)))
      #expect(try !limits.passes(limits.order(buy, 11)))
    }
    limits.now = 2 * second - 1
    #expect(try limits.send(limits.order(buy, 1)).alerts[0].hasSuffix("too many orders in one second: 4, the bound is 3"))
    limits.now = 2 * second
    #expect(try limits.passes(limits.order(buy, 1)))
    #expect(try !limits.passes(limits.order(buy, 1)))
    limits.now = 2 * second + 300_000_000
    #expect(try limits.passes(limits.order(buy, 1)))
  }

  @Test func `limit and stop prices stay within the band around the last mid`() throws {
    let limits = try LimitsDriver(["price_band": "1%"])
    let priced = { (price: Int64) in limits.order(buy, 1, type: GANTRY_ORDER_LIMIT, price: price) }
    #expect(try limits.send(priced(110_000)).alerts[0].hasSuffix("there is no quote yet to compare its price with"))
    try limits.quote(1.09990, 1.10010)
    #expect(try limits.passes(priced(111_100)))
    #expect(try limits.send(priced(111_101)).alerts[0].hasSuffix("its price is too far from the market: 1.11101, the bound is 1.11100"))
    #expect(try limits.passes(priced(108_900)))
    #expect(try !limits.passes(priced(108_899)))
    #expect(try !limits.passes(limits.order(sell, 1, type: GANTRY_ORDER_STOP, stop: 100_000)))
    #expect(try limits.passes(limits.order(sell, 1)))
    try limits.quote(.nan, 1.2)
    try limits.quote(1.3, 1.2)
    #expect(try limits.passes(priced(110_000)), "broken quotes are not used")
  }

  @Test func `the value of all positions and orders together stays within max_notional`() throws {
    let gold = HarnessInstrument("XAUUSD", base: "XAU", quote: "USD", priceDigits: 2, contractUnits: 100)
    let limits = try LimitsDriver(["max_notional": 12000], instruments: [.eurusd, gold])
    #expect(try limits.send(limits.order(buy, 100)).alerts[0].hasSuffix("no price is known yet to value it at; connect ticks"))
    try limits.quote(1.0, 1.1)
    try limits.quote(10, 10.5, instrument: 2)
    #expect(try limits.passes(limits.order(buy, 1000)), "1000 * 1.1")
    #expect(try limits.passes(limits.order(sell, 10, instrument: 2)), "10 * 100 * 10.5")
    #expect(try limits.send(limits.order(buy, 400)).alerts[0].hasSuffix("worth too much: 12040.00, the bound is 12000.00"))
    #expect(try limits.passes(limits.order(buy, 363)))
    #expect(try limits.passes(limits.order(buy, 5, instrument: 2)), "it makes the worst case no worse")
  }

  @Test func `the day's loss stops everything but reductions until the next day`() throws {
    let limits = try LimitsDriver(["max_daily_loss": 50, "day_start": "22h"])
    limits.now = 21 * 3600 * second
    try limits.quote(1.1, 1.1)
    let order = limits.order(buy, 10000)
    #expect(try limits.passes(order))
    try limits.fill(order, commission: 100, position: 10000)
    #expect(try limits.quote(1.09511, 1.09511).alerts.isEmpty, "lost 48.90 and 1.00 of commission")
    #expect(try limits.quote(1.0951, 1.0951).alerts == ["max_daily_loss: lost 50.00 since the day began, the bound is 50.00; only reductions pass now"])
    #expect(try limits.quote(1.0951, 1.0952).alerts.isEmpty, "told once")
    #expect(try limits.send(limits.order(buy, 1)).alerts[0].hasPrefix("max_daily_loss: buy 1 EURUSD refused"))
    #expect(try !limits.passes(limits.order(sell, 10001)), "it would open the other side")
    let part = limits.order(sell, 4000)
    #expect(try limits.passes(part))
    #expect(try !limits.passes(limits.order(sell, 6001)), "with what is on its way it would be too much")
    limits.now = 22 * 3600 * second
    #expect(try limits.passes(limits.order(buy, 1)))
  }

  @Test func `the drawdown is measured from the highest equity`() throws {
    let limits = try LimitsDriver(["max_drawdown": "5%", "equity": 1000], ports: ["orders", "executions", "ticks"])
    try limits.quote(1.1, 1.1)
    let order = limits.order(buy, 10000)
    #expect(try limits.passes(order))
    try limits.fill(order, position: 10000)
    #expect(try limits.quote(1.2, 1.2).isEmpty)
    #expect(
      try limits.quote(1.19, 1.19).alerts.first
        == "max_drawdown: equity 1900.00 is 5.0000% below its peak 2000.00, the bound is 5.0000%; only reductions pass now")
    #expect(try !limits.passes(limits.order(buy, 1)))
    #expect(try limits.passes(limits.order(sell, 10000)))
    try limits.plugin.apply(["max_drawdown": "5%", "equity": 1000, "reset": 1])
    #expect(try limits.passes(limits.order(buy, 1)), "measured anew")
  }

  @Test func `the account's equity counts where it is connected`() throws {
    let limits = try LimitsDriver(["max_drawdown": "10%"], isLive: true)
    let order = limits.order(buy, 1000)
    #expect(try limits.passes(order))
    try limits.fill(order, price: 100_000, position: 1000)
    var account = gantry_account()
    account.equity = 100_000
    account.currency = 1
    try limits.plugin.send(account)
    #expect(try limits.quote(0.9001, 0.9002).alerts.isEmpty)
    #expect(try limits.quote(0.9, 0.9002).alerts.count == 1)
    account.currency = 0
    #expect(throws: PluginFailure.self) { try limits.plugin.send(account) }
  }

  @Test func `a live graph must say where the equity comes from, a replay assumes 100000`() throws {
    let failure = try #require(throws: PluginFailure.self) {
      try LimitsDriver(["max_drawdown": "5%"], ports: ["orders", "executions"], isLive: true)
    }
    #expect(failure.text.contains("`broker.account~`") && failure.text.contains("`equity:`"))
    let limits = try LimitsDriver(["max_drawdown": "5%"], ports: ["orders", "executions"])
    let order = limits.order(buy, 100_000)
    #expect(try limits.passes(order))
    try limits.fill(order, price: 110_000, position: 100_000)
    let close = limits.order(sell, 100_000)
    #expect(try limits.passes(close))
    #expect(try limits.fill(close, price: 105_001, position: 0).alerts.isEmpty)
    let again = limits.order(buy, 100_000)
    #expect(try limits.passes(again))
    #expect(try limits.fill(again, price: 105_001, commission: 100, position: 100_000).alerts.count == 1)
  }

  @Test func `only so many orders are open at once`() throws {
    let limits = try LimitsDriver(["max_open_orders": 2])
    let first = limits.order(buy, 1)
    #expect(try limits.passes(first))
    #expect(try limits.passes(limits.order(buy, 1)))
    #expect(try limits.send(limits.order(buy, 1)).alerts[0].hasSuffix("too many orders are open: 3, the bound is 2"))
    try limits.say(GANTRY_EXEC_CANCELLED, first)
    #expect(try limits.passes(limits.order(buy, 1)))
  }

  @Test func `with halt the first refusal stops all but reductions until reset changes`() throws {
    let limits = try LimitsDriver(["max_order": 10, "on_breach": "halt"])
    let first = limits.order(buy, 10)
    #expect(try limits.passes(first))
    try limits.fill(first, position: 10)
    let breach = try limits.send(limits.order(buy, 11))
    #expect(breach.alerts.count == 2 && breach.alerts[1] == "halted by max_order: only reductions pass until `reset` is changed")
    let refused = try limits.send(limits.order(buy, 1))
    #expect(refused.rejects.map(\.reason) == [GANTRY_REASON_HALTED])
    #expect(refused.alerts == ["halted: buy 1 EURUSD refused, trading is halted; only reductions pass; halted by max_order"])
    #expect(try limits.passes(limits.order(sell, 10)))
    try limits.plugin.apply(["max_order": 10, "on_breach": "halt", "reset": 1])
    #expect(try limits.passes(limits.order(buy, 1)))
  }

  @Test func `a halt by the day's loss ends with the day`() throws {
    let limits = try LimitsDriver(["max_daily_loss": 1, "on_breach": "halt"])
    let order = limits.order(buy, 100)
    #expect(try limits.passes(order))
    #expect(try limits.fill(order, commission: 100, position: 100).alerts.count == 2)
    #expect(try limits.send(limits.order(buy, 1)).rejects.map(\.reason) == [GANTRY_REASON_HALTED])
    limits.now += 86_400 * second
    #expect(try limits.passes(limits.order(buy, 1)))
  }

  @Test func `a change counts with the larger of both quantities until the broker has said`() throws {
    let limits = try LimitsDriver(["max_position": 100])
    let order = limits.order(buy, 50)
    #expect(try limits.passes(order))
    #expect(try !limits.passes(limits.change(order, to: 101)))
    let change = limits.change(order, to: 90)
    #expect(try limits.passes(change))
    #expect(try !limits.passes(limits.order(buy, 11)))
    #expect(try limits.send(limits.change(order, to: 20)).alerts[0].contains("still on its way"))
    try limits.say(GANTRY_EXEC_REJECTED, change)
    #expect(try limits.passes(limits.order(buy, 50)))
    let less = limits.change(order, to: 20)
    #expect(try limits.passes(less))
    #expect(try !limits.passes(limits.order(buy, 1)))
    try limits.say(GANTRY_EXEC_MODIFIED, order, leaves: 20)
    #expect(try limits.passes(limits.order(buy, 30)))
    #expect(try limits.send(limits.change(limits.order(buy, 1), to: 2)).alerts[0].contains("is not on its way"))
  }

  @Test func `the broker's word on the position counts, and a difference is told`() throws {
    let limits = try LimitsDriver(["max_position": 100])
    let order = limits.order(buy, 10)
    #expect(try limits.passes(order))
    let outputs = try limits.fill(order, position: 95)
    #expect(outputs.alerts == ["position: the broker says 95, the fills add up to 10; the broker's word counts"])
    #expect(try !limits.passes(limits.order(buy, 6)))
    #expect(try limits.passes(limits.order(buy, 5)))
  }

  @Test func `without executions every passed order counts as filled`() throws {
    let limits = try LimitsDriver(["max_position": 10], ports: ["orders"])
    #expect(try limits.passes(limits.order(buy, 10)))
    #expect(try !limits.passes(limits.order(buy, 1)))
    #expect(try limits.passes(limits.order(sell, 20)))
    #expect(try limits.send(limits.change(limits.order(buy, 1), to: 2)).alerts[0].contains("add `broker.executions~` to `from`"))
  }

  @Test(arguments: [
    (["price_band": "1%"] as [String: ParameterText], "price_band needs quotes"), (["max_daily_loss": 5], "need the fills"),
    (["max_open_orders": 5], "max_open_orders needs"),
  ])
  func `limits whose inputs are not connected are refused with a remedy`(_ parameters: [String: ParameterText], _ text: String) throws {
    let failure = try #require(throws: PluginFailure.self) { try LimitsDriver(parameters, ports: ["orders"]) }
    #expect(failure.status == GANTRY_INVALID && failure.text.contains(text))
  }

  @Test func `sums of money need one currency`() throws {
    let failure = try #require(throws: PluginFailure.self) { try LimitsDriver(["max_notional": 5], instruments: [.eurusd, .usdjpy]) }
    #expect(failure.text.contains("several currencies"))
    _ = try LimitsDriver(["max_position": 5], instruments: [.eurusd, .usdjpy])
  }

  @Test func `orders that make no sense are refused, and so is what exact numbers cannot hold`() throws {
    let limits = try LimitsDriver(["max_notional": 5])
    try limits.quote(1, 1)
    let good = limits.order(buy, 1)
    #expect(try limits.passes(good))
    #expect(try limits.send(good).alerts[0].hasPrefix("invalid: "))
    for wrong in [limits.order(buy, 0), limits.order(buy, -5), limits.order(3, 1), limits.order(buy, 1, instrument: 9), limits.order(buy, Int64.max)] {
      #expect(try limits.send(wrong).alerts[0].hasPrefix("invalid: "))
    }
    let wide = try LimitsDriver(
      ["max_notional": 5], instruments: [HarnessInstrument("A", base: "AAA", quote: "USD", priceDigits: 12, quantityDigits: 12, contractUnits: 1_000_000_000)])
    try wide.quote(1000, 1000)
    #expect(try wide.send(wide.order(buy, 1 << 60)).alerts == ["range: buy 1152921.504606846976 A refused, the sums it leads to do not fit into exact numbers"])
  }

  @Test func `a loss limit that is set while it runs measures from then on`() throws {
    let limits = try LimitsDriver(["max_order": 100_000], ports: ["orders", "executions", "ticks"])
    try limits.quote(1.1, 1.1)
    let order = limits.order(buy, 10000)
    #expect(try limits.passes(order))
    try limits.fill(order, position: 10000)
    try limits.quote(1.0, 1.0)
    try limits.plugin.apply(["max_daily_loss": 50, "max_drawdown": "1%"])
    #expect(try limits.passes(limits.order(buy, 1)))
    #expect(try limits.quote(0.99501, 0.99501).alerts.isEmpty)
    #expect(try limits.quote(0.995, 0.995).alerts.map { $0.prefix(15) } == ["max_daily_loss:"])
    #expect(try limits.quote(0.901, 0.901).alerts.map { $0.prefix(13) } == ["max_drawdown:"], "99000 equity, 990 lost")
  }

  @Test func `an assumed equity is told at the start`() throws {
    let limits = try LimitsDriver(["max_drawdown": "5%"], ports: ["orders", "executions"])
    #expect(limits.plugin.logLines.contains { $0.text.contains("an assumed equity of 100000") })
  }

  @Test func `a node without any limit says so`() throws {
    #expect(try LimitsDriver().plugin.logLines.contains { $0.text.contains("no limit is set") })
  }
}
