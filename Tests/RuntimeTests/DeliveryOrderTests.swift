import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import PluginHarness
import Testing

/// The order of everything on one lane, seen by plugins that write down what they get.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct DeliveryOrderTests {
  /// `trail` writes the chain into bid and the edge into ask.
  private func steps(_ outcome: Outcome, _ port: String) -> [[Int]] {
    outcome.ticks(port).map { [Int($0.bid), Int($0.ask)] }
  }

  @Test(arguments: ["trail", "trail-single"], [["a", "b", "s"], ["s", "b", "a"], ["b", "s", "a"]])
  func `a node gets the edges of a chain in the order of its from`(plugin: String, from: [String]) throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 600 } }
        a: { plugin: fan, from: s, params: { rows_min: 1, rows_max: 1 } }
        b: { plugin: fan-single, from: s, params: { rows_min: 1, rows_max: 1 } }
        t: { plugin: \(plugin), from: [\(from.joined(separator: ", "))] }
        """))
    #expect(outcome.diagnostics.isEmpty)
    #expect(steps(outcome, "t.out") == (1...600).flatMap { chain in (0..<3).map { [chain, $0] } })
    // What came over the first edge is what that node emitted for this chain.
    let first = outcome.ticks(from[0] == "s" ? "s.ticks" : "\(from[0]).out").map(\.bid)
    let got = outcome.ticks("t.out").filter { $0.ask == 0 }.map(\.ask_size)
    #expect(got == first)
  }

  @Test func `all rows of one edge come before those of the next`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 500 } }
        a: { plugin: fan, from: s, params: { rows_max: 3, seed: 2 } }
        b: { plugin: fan, from: s, params: { rows_max: 3, seed: 3 } }
        t: { plugin: trail, from: [b, a] }
        """))
    let counts = Dictionary(grouping: outcome.ticks("a.out"), by: \.header.chain).mapValues(\.count)
    let others = Dictionary(grouping: outcome.ticks("b.out"), by: \.header.chain).mapValues(\.count)
    let expected = (1...500).flatMap { chain -> [[Int]] in
      Array(repeating: [chain, 0], count: others[UInt64(chain)] ?? 0) + Array(repeating: [chain, 1], count: counts[UInt64(chain)] ?? 0)
    }
    #expect(steps(outcome, "t.out") == expected)
  }

  @Test func `of the nodes that wait for nothing the first in the file runs next`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        last: { plugin: trail-single, from: [left, right], params: { log: 1 } }
        s: { plugin: beat, params: { count: 40 } }
        right: { plugin: trail-single, from: s, params: { log: 1 } }
        left: { plugin: trail-single, from: s, params: { log: 1 } }
        alone: { plugin: trail-single, from: s, params: { log: 1 } }
        """))
    #expect(outcome.log.map(\.node) == (0..<40).flatMap { _ in ["right", "left", "last", "last", "alone"] })
  }

  @Test func `feedback runs first-in first-out after the forward pass of its chain`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 300 } }
        e: { plugin: echo, from: [s, e.out~], params: { depth: 2, copies: 2 } }
        t: { plugin: trail-single, from: [e, s] }
        """))
    let echoes = outcome.ticks("e.out").prefix(6).map { [Int($0.bid), Int($0.ask)] }
    #expect(echoes == [[0, 2], [1, 2], [0, 1], [1, 1], [0, 0], [1, 0]])
    let forward = [0, 0, 1]
    let feedback = [0, 0, 0, 0]
    #expect(steps(outcome, "t.out") == (1...300).flatMap { chain in (forward + feedback).map { [chain, $0] } })
  }

  @Test func `two nodes that take one feedback edge get each row before the next is delivered`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 3 } }
        a: { plugin: decider, from: [s, broker.executions~], params: { one_in: 1, market: 1 } }
        b: { plugin: decider, from: [s, broker.executions~], params: { one_in: 1, market: 1, seed: 9 } }
        broker: { plugin: paper, from: [s, a.orders, b.orders] }
        """))
    #expect(outcome.diagnostics.isEmpty)
    let heard = outcome.sequence.filter { $0.port.hasSuffix(".heard") }
    #expect(!heard.isEmpty)
    for pair in stride(from: 0, to: heard.count - 1, by: 2) {
      #expect(heard[pair].port == "a.heard")
      #expect(heard[pair + 1].port == "b.heard")
      #expect(heard[pair].row.tick.bid == heard[pair + 1].row.tick.bid)
    }
  }

  @Test func `a chain may cause feedback_max feedback events and no more`() throws {
    func run(depth: Int, more: String = "") throws -> Outcome {
      try Bench.run(
        Bench.yaml(
          """
          s: { plugin: beat, params: { count: 10 } }
          e: { plugin: echo, from: [s, e.out~], params: { depth: \(depth), copies: 1 } }
          """, more: more))
    }
    // Rows of depth n, n - 1 ... 0 are n + 1 feedback events.
    let most = try run(depth: 63)
    #expect(most.diagnostics.isEmpty)
    #expect(most.rows("e.out").count == 640)
    let tooMany = try run(depth: 64)
    #expect(tooMany.codes == ["runtime.feedback-limit"])
    #expect(tooMany.exit == .failed)
    #expect(tooMany.diagnostics.first?.text == "one chain caused more than 64 feedback events, the last from e")
    #expect(try run(depth: 9, more: "feedback_max: 10").diagnostics.isEmpty)
    #expect(try run(depth: 10, more: "feedback_max: 10").codes == ["runtime.feedback-limit"])
    #expect(try run(depth: 4000, more: "feedback_max: 4096").rows("e.out").count == 40_010)
  }

  /// Whatever the graph, a market order is filled at the quote of the chain that caused it or a
  /// later one, and nothing is filled at an older one.
  @Test(arguments: Seeded.seeds(8))
  func `an order never fills on a quote older than its cause`(seed: UInt64) throws {
    var options = RandomGraph.Options()
    options.failures = false
    options.sources = 1...1
    let outcome = try Bench.run(RandomGraph(seed: seed, options).yaml)
    #expect(outcome.diagnostics.isEmpty, "seed \(seed)")
    var orders: [UInt64: gantry_order] = [:]
    for row in outcome.rows("risk.orders") {
      let order = row.as(gantry_order.self)
      orders[order.order_id] = order
    }
    // All quotes of the one source, by instrument.
    let quotes = Dictionary(grouping: outcome.ticks("s1.ticks"), by: \.header.instrument)
    var fills = 0
    for row in outcome.rows("broker.executions") {
      let execution = row.as(gantry_execution.self)
      guard UInt32(execution.kind) == GANTRY_EXEC_FILL, let order = orders[execution.order_id] else { continue }
      fills += 1
      #expect(execution.header.receive_ns >= order.header.receive_ns, "seed \(seed)")
      #expect(execution.order_chain == order.header.chain, "seed \(seed)")
      guard UInt32(order.order_type) == GANTRY_ORDER_MARKET else { continue }
      // The newest quote of the instrument when the fill was made.
      let quote = quotes[execution.header.instrument]?.last { $0.header.receive_ns <= execution.header.receive_ns }
      guard let quote else {
        Issue.record("seed \(seed): a fill without a quote")
        continue
      }
      let price = UInt32(order.side) == GANTRY_BUY ? quote.ask : quote.bid
      #expect(abs(Double(execution.price) / 100_000 - price) < 1e-9, "seed \(seed)")
    }
    #expect(outcome.summary?.fills == UInt64(fills), "seed \(seed)")
  }
}
