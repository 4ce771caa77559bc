import CGantry
import Foundation
import Glibc
import PluginHarness
import Testing

/// A log that writes to a file of its own.
final class LogDriver {
  let plugin: PluginHarness
  let path: String

  init(_ parameters: [String: ParameterText] = [:], isLive: Bool = false, types: [UInt32] = [8, 9, 10, 13]) throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("log-\(UUID().uuidString)").path
    plugin = try PluginHarness(
      "log", parameters: parameters.merging(["path": .init(path)]) { given, _ in given },
      instruments: [.eurusd, HarnessInstrument("BTCUSD", base: "BTC", quote: "USD", priceDigits: 2, quantityDigits: 8)],
      inputs: types.map { .init(port: "events", columns: $0 == 5 ? ["ema_10", "rsi_14"] : [], type: $0, fromNode: "node\($0)") }, isLive: isLive)
  }

  deinit { unlink(path) }

  func send<Event: ABIEvent>(_ event: Event, edge: Int, text: String = "") throws { try plugin.send([event], edge: edge, arena: Array(text.utf8)) }

  var written: String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

  /// What is in the file once the log has stopped.
  func lines() throws -> [String] {
    try plugin.stop()
    return written.split(separator: "\n").map(String.init)
  }
}

private func fill() -> gantry_execution {
  var fill = gantry_execution()
  fill.header = gantry_header(eventNs: 1_398_916_800_292_000_000)
  fill.header.chain = 57
  fill.order_id = 3
  fill.execution_id = 4
  fill.order_chain = 57
  fill.order_origin = 1
  fill.kind = UInt8(GANTRY_EXEC_FILL)
  fill.side = UInt8(GANTRY_BUY)
  fill.quantity = 10000
  fill.price = 138_712
  fill.cumulative = 10000
  fill.position = 10000
  fill.commission = 12
  fill.profit = -345
  return fill
}

private func alert(_ text: String, severity: UInt32 = 3) -> gantry_alert {
  var alert = gantry_alert()
  alert.header = gantry_header(eventNs: 1_398_916_800_000_000_000)
  alert.header.chain = 9
  alert.length = UInt32(text.utf8.count)
  alert.code = 2
  alert.severity = severity
  return alert
}

@Suite struct LogTests {
  @Test func `a fill is one line with time, node, side, quantity, symbol, price and chain`() throws {
    let log = try LogDriver()
    try log.send(fill(), edge: 1)
    #expect(
      try log.lines() == [
        "2014-05-01 04:00:00.292  node9   fill       buy 10000 EURUSD @ 1.38712  position 10000  profit -3.45 USD  commission 0.12 USD  order 3  chain 1/57"
      ])
  }

  @Test func `orders, accounts and alerts read as sentences of their numbers`() throws {
    let log = try LogDriver()
    var order = gantry_order()
    order.header = gantry_header(eventNs: 1_398_916_800_000_000_000, instrument: 2)
    order.header.chain = 8
    order.order_id = 5
    order.quantity = 150_000_000
    order.price = 4_321_055
    order.action = UInt8(GANTRY_ORDER_NEW)
    order.side = UInt8(GANTRY_SELL)
    order.order_type = UInt8(GANTRY_ORDER_LIMIT)
    order.time_in_force = UInt8(GANTRY_GTC)
    order.flags = GANTRY_ORDER_POST_ONLY
    try log.send(order, edge: 0)
    order.action = UInt8(GANTRY_ORDER_CANCEL)
    order.target_id = 5
    order.order_id = 6
    try log.send(order, edge: 0)
    var account = gantry_account()
    account.header = gantry_header(eventNs: 1_398_916_800_000_000_000)
    account.header.chain = 8
    account.currency = 1
    account.equity = 9_999_900
    account.balance = 10_000_000
    account.unrealised = -100
    account.exposure = 1_100_100
    account.fills = 1
    try log.send(account, edge: 2)
    let text = "max_order: too\nlarge"
    try log.send(alert(text), edge: 3, text: text)
    #expect(
      try log.lines() == [
        "2014-05-01 04:00:00.000  node8   order      sell 1.5 BTCUSD limit @ 43210.55 gtc post_only  order 5  chain 1/8",
        "2014-05-01 04:00:00.000  node8   cancel     order 5 BTCUSD  by 6  chain 1/8",
        "2014-05-01 04:00:00.000  node10  account    equity 99999.00  balance 100000.00  open -1.00  commission 0.00  exposure 11001.00 USD  fills 1  chain 1/8",
        "2014-05-01 04:00:00.000  node13  warning    max_order: too large  chain 1/9",
      ])
  }

  @Test func `every JSON line is an object that says all exactly`() throws {
    let log = try LogDriver(["format": "json"], types: [1, 5, 6, 7, 8, 9, 10, 13])
    var quote = gantry_tick(bid: 1.10001, ask: 0.1 + 0.2, at: 1_398_916_800_292_000_001)
    quote.header.chain = 1
    try log.send(quote, edge: 0)
    try log.plugin.send(features: [FeatureRow([1.5, .nan])], edge: 1)
    try log.send(gantry_prediction(value: .infinity), edge: 2)
    try log.send(gantry_signal(), edge: 3)
    try log.send(gantry_order(), edge: 4)
    try log.send(fill(), edge: 5)
    try log.send(gantry_account(), edge: 6)
    let text = "a \"quoted\" \\ line\n\u{1} \u{e9}"
    try log.send(alert(text), edge: 7, text: text)
    let lines = try log.lines()
    let objects = try lines.map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
    #expect(objects.compactMap { $0["type"] as? String } == ["tick", "features", "prediction", "signal", "order", "execution", "account", "alert"])
    #expect(objects[0]["time"] as? String == "2014-05-01T04:00:00.292000001Z")
    #expect(lines[0].contains("\"bid\":1.10001,\"ask\":0.30000000000000004,"))
    #expect(lines[1].contains("\"columns\":{\"ema_10\":1.5,\"rsi_14\":null}") && lines[2].contains("\"value\":null"))
    #expect(lines[5].contains("\"quantity\":10000,\"price\":1.38712,") && lines[5].contains("\"commission\":0.12,\"profit\":-3.45,"))
    #expect(objects[7]["text"] as? String == text)
  }

  @Test func `sampling, types and severity leave lines out`() throws {
    let sampled = try LogDriver(["every": 3])
    for _ in 0..<7 { try sampled.send(fill(), edge: 1) }
    try sampled.send(alert(""), edge: 3)
    #expect(try sampled.lines().count == 4, "the 1st, 4th and 7th fill, and the 1st alert")
    let fills = try LogDriver(["types": ["execution.fill", "alert"], "every": 2])
    for _ in 0..<4 {
      var accepted = fill()
      accepted.kind = UInt8(GANTRY_EXEC_ACCEPTED)
      try fills.send(accepted, edge: 1)
      try fills.send(fill(), edge: 1)
    }
    #expect(try fills.lines().map { $0.contains("  fill  ") } == [true, true])
    let alerts = try LogDriver(["types": ["alert"], "min_severity": "error"])
    try alerts.send(fill(), edge: 1)
    try alerts.send(alert(""), edge: 3)
    try alerts.send(alert("", severity: 4), edge: 3)
    #expect(try alerts.lines().count == 1)
    let failure = try #require(throws: PluginFailure.self) { try LogDriver(["types": ["fills"]]) }
    #expect(failure.text.contains("there are no events called fills"))
  }

  @Test func `on a live clock a line waits for the timer, in a replay for the end`() throws {
    let live = try LogDriver(["flush_every": "1s"], isLive: true)
    try live.send(fill(), edge: 1)
    #expect(live.written.isEmpty && live.plugin.timers.count == 1)
    try live.send(fill(), edge: 1)
    #expect(live.plugin.timers.count == 1)
    try live.plugin.advance(to: 1_398_916_801_292_000_000)
    #expect(live.written.split(separator: "\n").count == 2 && live.plugin.timers.isEmpty)
    let replay = try LogDriver()
    try replay.send(fill(), edge: 1)
    #expect(replay.written.isEmpty && replay.plugin.timers.isEmpty)
    try replay.plugin.flush()
    #expect(replay.written.split(separator: "\n").count == 1)
  }

  @Test func `more lines than the buffer holds arrive whole and in order`() throws {
    let log = try LogDriver(["format": "json"])
    for number in 0..<3000 {
      var event = fill()
      event.order_id = UInt64(number)
      try log.send(event, edge: 1)
    }
    let lines = try log.lines()
    #expect(lines.count == 3000)
    #expect(lines.enumerated().allSatisfy { $0.element.contains("\"order\":\($0.offset),") && $0.element.hasSuffix("}") })
  }

  @Test func `lines are appended to what is there`() throws {
    let log = try LogDriver()
    try log.send(fill(), edge: 1)
    try log.plugin.stop()
    let again = try PluginHarness("log", parameters: ["path": .init(log.path)], inputs: [.init(port: "events", type: 9)])
    try again.send(fill())
    try again.stop()
    #expect(log.written.split(separator: "\n").count == 2)
  }

  @Test func `a full disk and a path that cannot be opened are errors of the node`() throws {
    let full = try PluginHarness("log", parameters: ["path": "/dev/full"], inputs: [.init(port: "events", type: 9)])
    try full.send(fill())
    let failure = try #require(throws: PluginFailure.self) { try full.flush() }
    #expect(failure.status == GANTRY_IO && failure.text.contains("No space left on device"))
    let missing = try #require(throws: PluginFailure.self) {
      try PluginHarness("log", parameters: ["path": "/nonexistent/log"], inputs: [.init(port: "events", type: 9)])
    }
    #expect(missing.call == "start" && missing.text.contains("/nonexistent/log"))
  }

  @Test func `a broken pipe is an error of the node and not the end of the process`() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    let log = try PluginHarness("log", parameters: ["path": "/dev/fd/\(ends[1])"], inputs: [.init(port: "events", type: 9)])
    close(ends[0])
    close(ends[1])
    try log.send(fill())
    let failure = try #require(throws: PluginFailure.self) { try log.flush() }
    #expect(failure.text.contains("Broken pipe"))
  }
}
