import CGantry
import PluginHarness
import Testing

@Suite struct PaperStateTests {
  /// An account with a position and three orders of different kinds at work.
  private func busy() throws -> PaperDriver {
    let paper = try PaperDriver(Self.parameters)
    try paper.quote(1.10000, 1.10010, sizes: (500, 500))
    try paper.market(buy, 300)
    _ = try paper.send(paper.order(sell, 300, type: GANTRY_ORDER_LIMIT, price: 110_500, flags: GANTRY_ORDER_REDUCE_ONLY))
    _ = try paper.send(paper.order(sell, 300, type: GANTRY_ORDER_STOP, stop: 109_500))
    _ = try paper.send(paper.order(buy, 50, type: GANTRY_ORDER_LIMIT, price: 109_900, tif: GANTRY_GTD, expire: paper.now + 1_000_000_000))
    return paper
  }

  private static let parameters: [String: ParameterText] = ["respect_size": true, "commission_percent": "0.002"]

  private func fresh() throws -> PluginHarness {
    try PluginHarness(
      "paper", parameters: Self.parameters, inputs: [.init(port: "ticks"), .init(port: "orders")], starts: false)
  }

  @Test func `a state cut off, made longer or of another version is refused`() throws {
    let (version, bytes) = try busy().plugin.saveState()
    #expect(throws: PluginFailure.self) { try fresh().loadState(version: version + 1, bytes) }
    #expect(throws: PluginFailure.self) { try fresh().loadState(version: version, bytes + [0]) }
    for length in 0..<bytes.count {
      #expect(throws: PluginFailure.self) { try fresh().loadState(version: version, Array(bytes[..<length])) }
    }
  }

  @Test func `any damaged state is refused or leaves an account that adds up`() throws {
    let (version, bytes) = try busy().plugin.saveState()
    var random = SeededNumbers(seed: 11)
    for _ in 0..<400 {
      var damaged = bytes
      damaged[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8(1) << UInt8.random(in: 0...7, using: &random)
      let next = try fresh()
      guard (try? next.loadState(version: version, damaged)) != nil else { continue }
      try next.start()
      try next.send(gantry_tick(bid: 1.06, ask: 1.07, at: 5_000_000_000, bidSize: 1e6, askSize: 1e6))
      // A bit of a price or a quantity may have changed; what must hold of an account still does.
      do { try next.flush() } catch let failure as PluginFailure { #expect(failure.status != GANTRY_BUG) }
    }
  }

  @Test func `a ledger that does not balance and a position that does not add up are refused`() throws {
    let (version, bytes) = try busy().plugin.saveState()
    for (offset, text) in [(8, "does not balance"), (64, "does not add up")] {
      var damaged = bytes
      damaged[offset] ^= 1
      let failure = try #require(throws: PluginFailure.self) { try fresh().loadState(version: version, damaged) }
      #expect(failure.text.contains(text))
    }
  }

  @Test func `quotes in blocks and one at a time leave the same account`() throws {
    let (single, block) = (try busy(), try busy())
    var random = SeededNumbers(seed: 3)
    let quotes = (1...200).map { number in
      let bid = Double(109_000 + Int.random(in: 0...2000, using: &random)) / 100_000
      return gantry_tick(bid: bid, ask: bid + 0.0001, at: single.now + Int64(number) * 1_000_000, bidSize: 20, askSize: 20)
    }
    let one = try quotes.flatMap { try single.plugin.send($0) }.map(\.bytes)
    var many: [[UInt8]] = []
    var rest = quotes[...]
    while !rest.isEmpty {
      let size = Int.random(in: 1...64, using: &random)
      many += try block.plugin.send(Array(rest.prefix(size))).sorted { ($0.cause, $0.portIndex) < ($1.cause, $1.portIndex) }.map(\.bytes)
      rest = rest.dropFirst(size)
    }
    #expect(one.count == many.count && one.count > 5)
    #expect(try single.plugin.saveState().bytes == block.plugin.saveState().bytes)
  }
}
