import CGantry
import PluginHarness
import Testing

@Suite struct PaperTests {
  @Test func `a market order crosses the spread on the quote that caused it`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.10000, 1.10010)
    let bought = try paper.market(buy, 10000)
    #expect(bought.kinds == [accepted, filled])
    #expect(bought.fills[0].price == 110_010 && bought.fills[0].position == 10000 && bought.fills[0].leaves == 0)
    #expect(bought.accounts.map(\.equity) == [10_000_000 - 100], "the spread is paid: 10000 * 0.0001")
    try paper.quote(1.10020, 1.10030)
    let sold = try paper.market(sell, 10000)
    #expect(sold.fills[0].price == 110_020 && sold.fills[0].profit == 100 && sold.fills[0].position == 0)
    #expect(sold.accounts[0].balance == 10_000_100 && sold.accounts[0].unrealised == 0 && sold.accounts[0].exposure == 0)
  }

  @Test func `an order never fills on a quote older than its cause`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.1, 1.2)
    paper.now += 1
    paper.chain += 1
    #expect(try paper.market(buy, 5).kinds == [accepted])
    #expect(try paper.quote(1.3, 1.4).fills.map(\.price) == [140_000])
  }

  @Test func `of two quotes of one nanosecond only the one that caused the order fills it`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.1, 1.2)
    paper.chain += 1
    #expect(try paper.market(buy, 5).kinds == [accepted], "same time, later chain")
    var tick = gantry_tick(bid: 1.3, ask: 1.4, at: paper.now)
    tick.header.chain = paper.chain
    #expect(try paper.plugin.send(tick).fills.map(\.price) == [140_000])
  }

  @Test func `before the first quote an order is rejected, or waits when the graph says so`() throws {
    let strict = try PaperDriver()
    #expect(try strict.market(buy, 1).executions.map(\.reason) == [GANTRY_REASON_NO_MARKET])
    let patient = try PaperDriver(["no_market": "wait"])
    #expect(try patient.market(buy, 1).kinds == [accepted])
    #expect(try patient.quote(1, 2).fills.count == 1)
  }

  @Test(arguments: [(Double.nan, 1.2), (1.2, Double.nan), (1.3, 1.2), (0, 1.2), (-1, 1.2), (1.1, .infinity)])
  func `a crossed or broken quote fills nothing and marks nothing`(_ bid: Double, _ ask: Double) throws {
    let paper = try PaperDriver()
    try paper.quote(1.1, 1.2)
    try paper.quote(bid, ask)
    #expect(try paper.market(buy, 100).kinds == [accepted])
    #expect(try paper.quote(1.1, 1.2).fills.count == 1)
    try paper.quote(bid, ask)
    #expect(try paper.plugin.flush().accounts[0].unrealised == -1000)
  }

  @Test func `a limit order takes what is better at once, and rests at its price else`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.10000, 1.10010)
    #expect(try paper.send(paper.order(buy, 10, type: GANTRY_ORDER_LIMIT, price: 110_050)).fills.map(\.price) == [110_010])
    let resting = paper.order(buy, 10, type: GANTRY_ORDER_LIMIT, price: 109_990)
    #expect(try paper.send(resting).kinds == [accepted])
    #expect(try paper.quote(1.09990, 1.09991).kinds.isEmpty)
    let outputs = try paper.quote(1.09970, 1.09980)
    #expect(outputs.fills.map(\.price) == [109_990], "a resting order gets its own price")
    #expect(outputs.fills.map(\.order_id) == [resting.order_id])
  }

  @Test func `a stop triggers on its side of the quote and then fills as a market order`() throws {
    let paper = try PaperDriver(["slippage_points": 3])
    try paper.quote(1.10000, 1.10010)
    #expect(try paper.send(paper.order(buy, 10, type: GANTRY_ORDER_STOP, stop: 110_050)).kinds == [accepted])
    #expect(try paper.send(paper.order(sell, 10, type: GANTRY_ORDER_STOP, stop: 109_950)).kinds == [accepted])
    #expect(try paper.quote(1.10039, 1.10049).kinds.isEmpty)
    let up = try paper.quote(1.10050, 1.10060)
    #expect(up.kinds == [triggered, filled] && up.fills[0].price == 110_063)
    let down = try paper.quote(1.09940, 1.09960)
    #expect(down.kinds == [triggered, filled] && down.fills[0].price == 109_937)
  }

  @Test func `a stop-limit order that triggers beyond its limit rests`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.10000, 1.10010)
    _ = try paper.send(paper.order(buy, 10, type: GANTRY_ORDER_STOP_LIMIT, price: 110_055, stop: 110_050))
    #expect(try paper.quote(1.10060, 1.10070).kinds == [triggered])
    #expect(try paper.quote(1.10040, 1.10050).fills.map(\.price) == [110_055])
  }

  @Test func `slippage is worse for the account, within the limit, and never reaches zero`() throws {
    let paper = try PaperDriver(["slippage_points": 7])
    try paper.quote(1.10000, 1.10010)
    #expect(try paper.market(buy, 1).fills.map(\.price) == [110_017])
    #expect(try paper.market(sell, 1).fills.map(\.price) == [109_993])
    #expect(try paper.send(paper.order(buy, 1, type: GANTRY_ORDER_LIMIT, price: 110_012)).fills.map(\.price) == [110_012])
    try paper.quote(0.00003, 0.00004)
    #expect(try paper.market(sell, 1).fills.map(\.price) == [1])
  }

  @Test func `commission adds up exactly and is rounded up once`() throws {
    let paper = try PaperDriver(["commission_per_unit": "0.00003", "commission_per_fill": "0.001", "commission_percent": "0.002"])
    try paper.quote(1.10000, 1.10010)
    // 1234 * 0.00003 + 0.001 + 0.00002 * 1357.5234... = 0.03702 + 0.001 + 0.02715... = 0.0652
    #expect(try paper.market(buy, 1234).fills.map(\.commission) == [7])
    #expect(try paper.plugin.flush().accounts[0].commission == 7)
  }

  @Test func `immediate orders fill what they can, fill-or-kill all or nothing`() throws {
    let paper = try PaperDriver(["respect_size": true])
    try paper.quote(1.1, 1.2, sizes: (50, 30))
    let some = try paper.send(paper.order(buy, 40, tif: GANTRY_IOC))
    #expect(some.kinds == [accepted, filled, cancelled] && some.fills[0].quantity == 30 && some.fills[0].leaves == 10)
    #expect(some.executions[2].reason == GANTRY_REASON_UNFILLED && some.executions[2].cumulative == 30)
    try paper.quote(1.1, 1.2, sizes: (50, 30))
    #expect(try paper.send(paper.order(buy, 31, tif: GANTRY_FOK)).kinds == [accepted, cancelled])
    #expect(try paper.send(paper.order(buy, 30, tif: GANTRY_FOK)).kinds == [accepted, filled])
    #expect(try paper.send(paper.order(buy, 1, tif: GANTRY_FOK)).kinds == [accepted, cancelled], "the size is used up")
    let rest = try paper.send(paper.order(sell, 80))
    #expect(rest.fills.map(\.quantity) == [50])
    #expect(try paper.quote(1.1, 1.2, sizes: (10, 10)).fills.map(\.quantity) == [10])
    #expect(try paper.quote(1.1, 1.2, sizes: (100, 10)).fills.map(\.quantity) == [20])
  }

  @Test func `a size of zero means that the source does not say`() throws {
    let paper = try PaperDriver(["respect_size": true])
    try paper.quote(1.1, 1.2)
    #expect(try paper.market(buy, 1_000_000).fills.map(\.quantity) == [1_000_000])
  }

  @Test func `an order with a date expires with the first quote at or after it`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.1, 1.2)
    let order = paper.order(buy, 1, type: GANTRY_ORDER_LIMIT, price: 1000, tif: GANTRY_GTD, expire: paper.now + 1_500_000)
    #expect(try paper.send(order).kinds == [accepted])
    #expect(try paper.quote(1.1, 1.2).kinds.isEmpty)
    #expect(try paper.quote(0.001, 0.002).kinds == [GANTRY_EXEC_EXPIRED])
    #expect(try paper.send(paper.order(buy, 1, type: GANTRY_ORDER_LIMIT, price: 1000, tif: GANTRY_GTD, expire: paper.now)).reasons == [GANTRY_REASON_INVALID])
  }

  @Test func `post-only orders never take, reduce-only orders never open`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.10000, 1.10010)
    #expect(try paper.send(paper.order(buy, 1, type: GANTRY_ORDER_LIMIT, price: 110_010, flags: GANTRY_ORDER_POST_ONLY)).reasons == [GANTRY_REASON_POST_ONLY])
    #expect(try paper.send(paper.order(buy, 1, type: GANTRY_ORDER_LIMIT, price: 110_009, flags: GANTRY_ORDER_POST_ONLY)).kinds == [accepted])
    #expect(try paper.quote(1.09990, 1.10000).fills.map(\.price) == [110_009])
    #expect(try paper.send(paper.order(buy, 1, flags: GANTRY_ORDER_REDUCE_ONLY)).reasons == [GANTRY_REASON_REDUCE_ONLY])
    let close = try paper.send(paper.order(sell, 5, flags: GANTRY_ORDER_REDUCE_ONLY))
    #expect(close.kinds == [accepted, filled, cancelled] && close.fills[0].quantity == 1 && close.fills[0].position == 0)
    #expect(close.executions[2].reason == GANTRY_REASON_REDUCE_ONLY)
  }

  @Test func `a cancel ends an order, and one of an unknown order is refused under its own id`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.1, 1.2)
    let order = paper.order(buy, 1, type: GANTRY_ORDER_LIMIT, price: 100_000)
    try paper.send(order)
    let done = try paper.send(paper.cancel(order))
    #expect(done.kinds == [cancelled] && done.executions[0].order_id == order.order_id && done.reasons == [GANTRY_REASON_REQUESTED])
    let again = paper.cancel(order)
    let refused = try paper.send(again)
    #expect(refused.kinds == [rejected] && refused.executions[0].order_id == again.order_id && refused.reasons == [GANTRY_REASON_UNKNOWN_ORDER])
    #expect(try paper.quote(0.9, 0.95).kinds.isEmpty)
  }

  @Test func `a change names the whole order anew and may make it fill`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.10000, 1.10010)
    let order = paper.order(buy, 10, type: GANTRY_ORDER_LIMIT, price: 109_000)
    try paper.send(order)
    var change = paper.order(buy, 25, price: 110_020)
    change.action = UInt8(GANTRY_ORDER_MODIFY)
    change.target_id = order.order_id
    let outputs = try paper.send(change)
    #expect(outputs.kinds == [GANTRY_EXEC_MODIFIED, filled] && outputs.executions.allSatisfy { $0.order_id == order.order_id })
    #expect(outputs.executions[0].leaves == 25 && outputs.fills[0].price == 110_010 && outputs.fills[0].quantity == 25)
  }

  @Test func `with a delay an order meets only later quotes`() throws {
    let paper = try PaperDriver(["delay": "2ms"])
    try paper.quote(1.1, 1.2)
    #expect(try paper.market(buy, 1).kinds == [accepted])
    #expect(try paper.quote(1.1, 1.2).kinds.isEmpty)
    #expect(try paper.quote(1.3, 1.4).fills.map(\.price) == [140_000])
  }

  @Test func `orders whose numbers make no sense are rejected as invalid`() throws {
    let coarse = HarnessInstrument("EURUSD", base: "EUR", quote: "USD", priceDigits: 5, tickSize: 10, lotSize: 100)
    let paper = try PaperDriver(["max_open_orders": 1], instruments: [coarse])
    try paper.quote(1.1, 1.2)
    typealias Change = (inout gantry_order) -> Void
    let wrongs: [Change] = [
      { $0.quantity = 0 }, { $0.quantity = -100 }, { $0.quantity = 150 }, { $0.quantity = Int64.max / 100 * 100 }, { $0.price = 0 }, { $0.price = 100_005 },
      { $0.side = 3 }, { $0.order_type = 5 }, { $0.order_type = 0 }, { $0.time_in_force = 0 }, { $0.action = 9 }, { $0.order_id = 0 }, { $0.account = 7 },
      { $0.flags = 8 }, { $0.order_type = UInt8(GANTRY_ORDER_STOP) },
      {
        $0.flags = GANTRY_ORDER_POST_ONLY; $0.time_in_force = UInt8(GANTRY_IOC)
      },
    ]
    for (number, wrong) in wrongs.enumerated() {
      var order = paper.order(buy, 100, type: GANTRY_ORDER_LIMIT, price: 100_000)
      wrong(&order)
      #expect(try paper.send(order).reasons == [GANTRY_REASON_INVALID], "case \(number)")
    }
    let good = paper.order(buy, 100, type: GANTRY_ORDER_LIMIT, price: 100_000)
    #expect(try paper.send(good).kinds == [accepted])
    #expect(try paper.send(good).reasons == [GANTRY_REASON_INVALID], "the same id twice")
    #expect(try paper.send(paper.order(buy, 100, type: GANTRY_ORDER_LIMIT, price: 100_000)).reasons == [GANTRY_REASON_INVALID], "the table is full")
    #expect(try paper.send(paper.order(buy, 100, instrument: 2)).reasons == [GANTRY_REASON_UNKNOWN_INSTRUMENT])
  }

  @Test func `a fill that leaves the range of exact numbers cancels its order and changes nothing`() throws {
    let wide = HarnessInstrument("EURUSD", base: "EUR", quote: "USD", priceDigits: 5, contractUnits: 1_000_000_000)
    let paper = try PaperDriver(instruments: [wide])
    try paper.quote(1.1, 1.2)
    let outputs = try paper.market(buy, 1 << 60)
    #expect(outputs.kinds == [accepted, cancelled] && outputs.executions[1].reason == GANTRY_REASON_INVALID)
    #expect(outputs.executions[1].position == 0)
    #expect(try paper.plugin.flush().accounts[0].balance == 10_000_000)
  }

  @Test func `an account in another currency than an instrument is refused with the remedy`() throws {
    let failure = try #require(throws: PluginFailure.self) { try PaperDriver(instruments: [.eurusd, .usdjpy]) }
    #expect(failure.status == GANTRY_INVALID && failure.text.contains("USDJPY is quoted in JPY, but the account is in USD"))
    #expect(failure.text.contains("`currency: JPY`"))
    let paper = try PaperDriver(["currency": "JPY", "instruments": ["USDJPY"], "deposit": 5000], instruments: [.eurusd, .usdjpy])
    try paper.quote(101.5, 101.6, instrument: 2)
    try paper.quote(1, 2)
    let outputs = try paper.send(paper.order(buy, 1, instrument: 1))
    #expect(outputs.reasons == [GANTRY_REASON_UNKNOWN_INSTRUMENT])
    #expect(throws: PluginFailure.self) { try PaperDriver(["deposit": "0.005"]) }
    #expect(throws: PluginFailure.self) { try PaperDriver(["instruments": ["EURUSX"]]) }
  }

  @Test func `the metrics say fills, equity and net profit`() throws {
    let paper = try PaperDriver()
    try paper.quote(1.1, 1.2)
    try paper.market(buy, 100)
    #expect(paper.plugin.metrics["fills"] == 1 && paper.plugin.metrics["equity"] == 99990 && paper.plugin.metrics["net_profit"] == -10)
  }
}
