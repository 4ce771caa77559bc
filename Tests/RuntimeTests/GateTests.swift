import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import PluginHarness
import Testing

/// The order gate in a running graph.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct GateTests {
  private func yaml(_ decide: String, risk: String = "") -> String {
    Bench.yaml(
      """
      s: { plugin: beat, params: { count: 400, price: 100000, step: 100000000 } }
      decide: { plugin: decider, from: [s, broker.executions~], params: { one_in: 1, market: 1, \(decide) } }
      risk: { plugin: guard, from: [s, decide.orders], params: { \(risk) }, on_error: skip }
      other: { plugin: decider, from: s, params: { one_in: 1, market: 1, seed: 4 } }
      broker: { plugin: paper, from: [s, risk, other.orders] }
      """)
  }

  private func kinds(_ outcome: Outcome) -> [UInt64: [UInt32]] {
    Dictionary(grouping: outcome.rows("broker.executions").map { $0.as(gantry_execution.self) }, by: \.header.chain)
      .mapValues { $0.map { UInt32($0.reason) } }
  }

  @Test func `a halt refuses every order, and the decision hears of it through executions`() throws {
    let outcome = try Bench.run(yaml("seed: 1"), during: { $0.halt(true) })
    #expect(outcome.diagnostics.isEmpty)
    let summary = try #require(outcome.summary)
    // The first orders may have passed before the halt; from then on none does.
    let refusals = outcome.rows("broker.executions").map { $0.as(gantry_execution.self) }.filter { $0.reason == GANTRY_REASON_HALTED }
    #expect(UInt64(refusals.count) == summary.refused)
    #expect(summary.refused + summary.orders == 800)
    let first = refusals.first?.header.chain ?? 401
    let later = outcome.rows("broker.executions").map { $0.as(gantry_execution.self) }.filter { $0.header.chain > first }
    #expect(later.allSatisfy { $0.reason == GANTRY_REASON_HALTED })
    // What the gate refuses comes back to the decision as a rejection in the same chain.
    let heard = outcome.ticks("decide.heard").filter { UInt32($0.bid_size) == GANTRY_REASON_HALTED }
    #expect(heard.count == refusals.count)
    #expect(heard.allSatisfy { UInt32($0.ask) == GANTRY_EXEC_REJECTED && UInt64($0.ask_size) == $0.header.chain })
  }

  @Test(arguments: [("action: 3", true), ("flags: 1", true), ("action: 2", false)])
  func `cancels and orders that only reduce pass a halted gate`(decide: String, passes: Bool) throws {
    let loaded = try Bench.load(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 50, price: 100000 } }
        decide: { plugin: decider, from: [s, broker.executions~], params: { one_in: 1, market: 1, \(decide) } }
        broker: { plugin: paper, from: [s, decide] }
        """))
    let run = try Run(graph: loaded.graph) { node throws(GantryError) in loaded.code[node] }
    run.halt(true)
    try run.start()
    run.wait()
    let summary = try run.finish()
    #expect(summary.orders == (passes ? 50 : 0))
    #expect(summary.refused == (passes ? 0 : 50))
  }

  @Test func `while a risk node is quarantined no order passes, by whatever way it comes`() throws {
    for block in [1, 256] {
      // A tick every 100 ms: it fails on two events of 101 and one of 102, is closed out for 1 s, fails
      // again at 112, and is closed out for 2 s.
      let outcome = try Bench.run(yaml("seed: 1", risk: "fail_from: 101, fail_to: 120")) { $0.blockSize = block }
      #expect(outcome.diagnostics.isEmpty)
      #expect(outcome.node("risk")?.breaker == "closed")
      let reasons = kinds(outcome)
      #expect(reasons[100]?.allSatisfy { $0 == 0 } == true)
      for chain in 102...131 { #expect(reasons[UInt64(chain)]?.contains(GANTRY_REASON_RISK) == true, "chain \(chain)") }
      #expect((132...400).allSatisfy { reasons[UInt64($0)]?.allSatisfy { $0 == 0 } == true }, "block \(block)")
      #expect(try #require(outcome.summary).refused >= 30)
    }
  }
}
