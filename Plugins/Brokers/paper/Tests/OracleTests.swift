import CGantry
import Foundation
import Glibc
import PluginHarness
import Testing

/// Random order flows, through the plugin and through `oracle.py`, which computes the same account
/// with fractions. Every execution and every account must agree, line by line.
@Suite(.enabled(if: Oracle.python != nil, "python3 is not installed")) struct OracleTests {
  @Test(arguments: 1...24)
  func `random order flows agree with an account computed in fractions`(_ seed: UInt64) throws {
    var flow = OrderFlow(seed: seed)
    let actual = try flow.run(events: 700)
    let expected = try Oracle.answer(flow.script)
    let difference = zip(actual, expected).enumerated().first { $0.element.0 != $0.element.1 }
    if let difference {
      Issue.record("seed \(seed), line \(difference.offset): \(difference.element.0), the oracle says \(difference.element.1)")
    }
    #expect(actual.count == expected.count, "seed \(seed)")
    #expect(flow.faults.isEmpty, "seed \(seed): \(flow.faults)")
  }

  @Test(arguments: 101...112)
  func `an account that is saved and taken over in the middle goes on as if nothing had happened`(_ seed: UInt64) throws {
    var whole = OrderFlow(seed: seed)
    var moved = OrderFlow(seed: seed)
    moved.movesEvery = 37
    let expected = try whole.run(events: 300)
    #expect(try moved.run(events: 300) == expected, "seed \(seed)")
  }
}

enum Oracle {
  static let python: String? = ["/usr/bin/python3", "/usr/local/bin/python3"].first { FileManager.default.isExecutableFile(atPath: $0) }

  static func answer(_ script: [String]) throws -> [String] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    let input = FileManager.default.temporaryDirectory.appendingPathComponent("paper-oracle-\(UUID().uuidString)").path
    try (script.joined(separator: "\n") + "\n").write(toFile: input, atomically: true, encoding: .utf8)
    defer { unlink(input) }
    guard let stream = popen("'\(python!)' '\(folder)/oracle.py' < '\(input)'", "r") else { throw OracleFailed() }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&buffer, 1, buffer.count, stream)
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    guard pclose(stream) == 0 else { throw OracleFailed() }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  struct OracleFailed: Error {}
}

/// A seeded sequence of quotes and orders, the script for the oracle, and what must always hold.
struct OrderFlow {
  var script: [String] = []
  /// Broken invariants, said in words.
  var faults: [String] = []
  /// Every so many events the state goes to a new instance.
  var movesEvery = Int.max
  private var random: SeededNumbers
  private let parameters: [String: ParameterText]
  private let instruments: [HarnessInstrument]
  private var now: Int64 = 1_700_000_000_000_000_000
  private var chain: UInt64 = 1
  private var lastID: UInt64 = 0
  private var orders: [gantry_order] = []
  private var middles: [Double]
  private var plugin: PluginHarness
  private var executionIDs: Set<UInt64> = []
  private var positions: [UInt32: Int64] = [:]
  private var cash: Int64 = 0
  private var killOrders: [UInt64: Int64] = [:]
  private var reduceOnly: Set<UInt64> = []

  init(seed: UInt64) {
    random = SeededNumbers(seed: seed)
    let cashDigits: UInt32 = [2, 0, 8][Int(seed % 3)]
    instruments = [
      HarnessInstrument("EURUSD", base: "EUR", quote: "USD", priceDigits: 5, cashDigits: cashDigits),
      HarnessInstrument("BTCUSD", base: "BTC", quote: "USD", priceDigits: 2, quantityDigits: 8, tickSize: 5, lotSize: 1000, cashDigits: cashDigits),
      HarnessInstrument("XAUUSD", base: "XAU", quote: "USD", priceDigits: 2, quantityDigits: 2, lotSize: 10, contractUnits: 100, cashDigits: cashDigits),
      HarnessInstrument("IDXUSD", base: "IDX", quote: "USD", priceDigits: 0, tickSize: 25, cashDigits: cashDigits),
    ]
    middles = [1.1, 43210.55, 2345.6, 15000]
    let slippage = random.chance(0.5) ? 0 : Int.random(in: 1...30, using: &random)
    let perUnit = ["0", "0.00003", "0.5"].randomElement(using: &random)!
    let perFill = ["0", "0.1", "2.3457"].randomElement(using: &random)!
    let percent = ["0", "0.002", "0.12345"].randomElement(using: &random)!
    let delayMs = random.chance(0.7) ? 0 : Int.random(in: 1...5, using: &random)
    let respectsSize = random.chance(0.5)
    let waits = random.chance(0.5)
    let maxOpen = random.chance(0.2) ? 3 : 1000
    parameters = [
      "deposit": "50000", "slippage_points": .init("\(slippage)"), "commission_per_unit": .init(perUnit), "commission_per_fill": .init(perFill),
      "commission_percent": .init(percent), "delay": .init("\(delayMs)ms"), "respect_size": .init("\(respectsSize)"),
      "no_market": waits ? "wait" : "reject", "max_open_orders": .init("\(maxOpen)"), "instruments": ["EURUSD", "BTCUSD", "XAUUSD"],
    ]
    script.append(
      "config 50000 \(slippage) \(perUnit) \(perFill) \(percent) \(delayMs * 1_000_000) \(respectsSize ? 1 : 0) \(waits ? 1 : 0) \(maxOpen) \(cashDigits)")
    for (number, instrument) in instruments.enumerated() {
      script.append(
        "instrument \(instrument.priceDigits) \(instrument.quantityDigits) \(instrument.tickSize) \(instrument.lotSize) \(instrument.contractUnits) \(number < 3 ? 1 : 0)"
      )
    }
    cash = 50000
    for _ in 0..<cashDigits { cash *= 10 }
    plugin = try! OrderFlow.start(parameters, instruments)
  }

  private static func start(_ parameters: [String: ParameterText], _ instruments: [HarnessInstrument], starts: Bool = true) throws -> PluginHarness {
    try PluginHarness(
      "paper", parameters: parameters, instruments: instruments, inputs: [.init(port: "ticks"), .init(port: "orders")], starts: starts)
  }

  mutating func run(events: Int) throws -> [String] {
    var lines: [String] = []
    for number in 1...events {
      if random.chance(0.6) { now += Int64.random(in: 0...3, using: &random) * 500_000 }
      chain += random.chance(0.7) ? 1 : 0
      lines += say(random.chance(0.55) ? try tick() : try order())
      if number % movesEvery == 0 { try move() }
    }
    script.append("flush")
    lines += say(try plugin.flush())
    return lines
  }

  private mutating func move() throws {
    let (version, bytes) = try plugin.saveState()
    plugin = try OrderFlow.start(parameters, instruments, starts: false)
    try plugin.loadState(version: version, bytes)
    try plugin.start()
    executionIDs = []
  }

  private mutating func tick() throws -> [HarnessOutput] {
    let number = Int.random(in: 0...3, using: &random)
    let unit = [0.00001, 0.05, 0.01, 25][number]
    middles[number] = max(middles[number] + Double(Int.random(in: -20...20, using: &random)) * unit, 40 * unit)
    let half = Double(Int.random(in: 0...8, using: &random)) * unit / 2
    var bid = middles[number] - half
    var ask = middles[number] + half
    if random.chance(0.6) {
      // As files have them: decimals of the instrument's digits.
      bid = (bid / unit).rounded() / (1 / unit)
      ask = max(bid, (ask / unit).rounded() / (1 / unit))
    }
    if random.chance(0.03) { bid = [.nan, 0, -1, ask * 1.01].randomElement(using: &random)! }
    let sizes = (0..<2).map { _ in random.chance(0.3) ? 0 : Double.random(in: 0...30, using: &random) * [1000, 0.01, 0.1, 1][number] }
    var tick = gantry_tick(bid: bid, ask: ask, at: now, instrument: UInt32(number + 1), bidSize: sizes[0], askSize: sizes[1])
    tick.header.chain = chain
    script.append("tick \(number + 1) \(now) \(chain) \(hexadecimal(bid)) \(hexadecimal(ask)) \(hexadecimal(sizes[0])) \(hexadecimal(sizes[1]))")
    return try plugin.send(tick)
  }

  private mutating func order() throws -> [HarnessOutput] {
    let number = random.chance(0.95) ? Int.random(in: 0...2, using: &random) : Int.random(in: 3...5, using: &random)
    let instrument = instruments[min(number, 3)]
    lastID += 1
    var order = gantry_order()
    order.header = gantry_header(eventNs: now, instrument: UInt32(number + 1))
    order.header.chain = chain
    order.order_id = lastID
    order.action = UInt8(random.chance(0.7) ? GANTRY_ORDER_NEW : random.chance(0.5) ? GANTRY_ORDER_MODIFY : GANTRY_ORDER_CANCEL)
    if order.action != UInt8(GANTRY_ORDER_NEW) { order.target_id = orders.suffix(12).randomElement(using: &random)?.order_id ?? 99 }
    order.side = UInt8.random(in: 1...2, using: &random)
    order.order_type = UInt8.random(in: 1...4, using: &random)
    order.time_in_force = random.chance(0.5) ? UInt8(GANTRY_GTC) : UInt8.random(in: 1...4, using: &random)
    order.quantity = Int64.random(in: 1...20, using: &random) * instrument.lotSize * (number == 0 ? 997 : 1)
    let middle = Int64(middles[min(number, 3)] * [100_000, 100, 100, 1][min(number, 3)]) / instrument.tickSize
    order.price = (middle + Int64.random(in: -25...25, using: &random)) * instrument.tickSize
    order.stop_price = (middle + Int64.random(in: -25...25, using: &random)) * instrument.tickSize
    if order.time_in_force == UInt8(GANTRY_GTD) || random.chance(0.1) { order.expire_ns = now + Int64.random(in: -1...30, using: &random) * 1_000_000 }
    if random.chance(0.25) { order.flags = UInt32.random(in: 1...3, using: &random) }
    if random.chance(0.02) { order.quantity += 1 }
    if random.chance(0.02) { order.price += 1 }
    if order.action == UInt8(GANTRY_ORDER_NEW) {
      orders.append(order)
      if order.time_in_force == UInt8(GANTRY_FOK) { killOrders[order.order_id] = order.quantity }
      if order.flags & GANTRY_ORDER_REDUCE_ONLY != 0 { reduceOnly.insert(order.order_id) }
    } else if let quantity = killOrders[order.target_id] {
      killOrders[order.target_id] = max(quantity, order.quantity)
    }
    let o = order
    script.append(
      "order \(number + 1) \(now) \(chain) \(o.action) \(o.order_id) \(o.target_id) \(o.side) \(o.order_type) \(o.quantity) \(o.price) \(o.stop_price) \(o.time_in_force) \(o.flags) \(o.expire_ns) \(o.account)"
    )
    return try plugin.send(order)
  }

  /// The lines as the oracle writes them; checks what must hold whatever the oracle says.
  private mutating func say(_ outputs: [HarnessOutput]) -> [String] {
    var lines: [String] = []
    for output in outputs.filter({ $0.port == "executions" }) {
      let e = output.execution
      lines.append(
        "E \(e.kind) \(e.order_id) \(e.side) \(e.reason) \(e.quantity) \(e.price) \(e.leaves) \(e.cumulative) \(e.commission) \(e.profit) \(e.position) \(e.header.instrument)"
      )
      if !executionIDs.insert(e.execution_id).inserted { faults.append("execution id \(e.execution_id) twice") }
      if UInt32(e.kind) == GANTRY_EXEC_FILL { check(e) }
    }
    let accounts = outputs.filter { $0.port == "account" }.map(\.account)
    // In the order of the calls: each fill is followed by its account.
    var merged: [String] = []
    var next = accounts.makeIterator()
    for line in lines {
      merged.append(line)
      if line.hasPrefix("E \(GANTRY_EXEC_FILL) "), let account = next.next() { merged.append(text(account)) }
    }
    while let account = next.next() { merged.append(text(account)) }
    if let last = accounts.last, last.balance != cash { faults.append("balance \(last.balance), the fills make \(cash)") }
    return merged
  }

  private mutating func check(_ fill: gantry_execution) {
    let before = positions[fill.header.instrument, default: 0]
    let after = before + (UInt32(fill.side) == GANTRY_BUY ? fill.quantity : -fill.quantity)
    positions[fill.header.instrument] = after
    cash += fill.profit - fill.commission
    if after != fill.position { faults.append("position \(fill.position), the fills make \(after)") }
    if let quantity = killOrders[fill.order_id], fill.leaves != 0 || fill.quantity > quantity { faults.append("a fill-or-kill order filled in part") }
    if reduceOnly.contains(fill.order_id), abs(after) >= abs(before) || (after > 0) != (before > 0) && after != 0 {
      faults.append("a reduce-only order increased the position")
    }
  }

  private func text(_ a: gantry_account) -> String { "A \(a.initial) \(a.balance) \(a.equity) \(a.unrealised) \(a.commission) \(a.exposure) \(a.fills)" }

  /// As Python's float.fromhex reads it, so that not a bit is lost.
  private func hexadecimal(_ value: Double) -> String { value.isNaN ? "nan" : String(format: "%a", value) }
}
