import BrokenPlugins
import GantryBase
import GantryCells
import GantryGraph
@testable import GantryRuntime
import Testing

/// A node in a cell gives what it gives in process, bit for bit.
@Suite(.enabled(if: Fixture.hasCompiler)) struct EqualityTests {
  @Test func `random graphs give the same rows with any of their nodes in cells`() throws {
    for seed in Seeded.seeds(6) {
      var random = Seeded(seed)
      let graph = RandomGraph(seed: seed)
      let inside = try Bench.run(graph.yaml)
      let names = inside.graph.nodes.map(\.name)
      let isolated = names.filter { _ in random.chance(0.35) }
      let outside = try Cells.run(graph.yaml, isolated: isolated) { $0.blockSize = [1, 7, 256].randomElement(using: &random)! }
      #expect(outside.codes == inside.codes, "seed \(seed), \(isolated) in cells: \(outside.diagnostics)")
      #expect(outside.difference(from: inside) == nil, "seed \(seed), \(isolated) in cells\n\(graph.yaml)")
      #expect(outside.counts == inside.counts, "seed \(seed), \(isolated) in cells")
      #expect(outside.summary?.orderHash == inside.summary?.orderHash, "seed \(seed)")
    }
  }

  private static let trading = """
    graph: cells
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD }
    nodes:
      ticks: { plugin: synthetic, params: { count: 20000, seed: 7, instruments: [EURUSD] } }
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20] } }
      decide: { plugin: decider, from: [ticks, broker.executions~], params: { one_in: 9, answers: 1 } }
      risk: { plugin: limits, from: [decide, broker.executions~], params: { max_position: 5000000 }, on_error: halt }
      broker: { plugin: paper, from: [ticks, risk], params: { deposit: 100000000 } }
      notify: { plugin: trail, from: [broker.executions, risk.alerts] }
    """

  @Test(arguments: ["ticks", "features", "decide", "risk", "broker", "notify"])
  func `orders are the same with one node in a cell`(_ node: String) throws {
    let inside = try Bench.run(Self.trading)
    let outside = try Cells.run(Self.trading, isolated: [node])
    #expect(inside.diagnostics.isEmpty && outside.diagnostics.isEmpty, "\(inside.diagnostics) \(outside.diagnostics)")
    #expect((inside.summary?.orders ?? 0) > 100)
    #expect(outside.summary?.orderHash == inside.summary?.orderHash)
    #expect(outside.difference(from: inside) == nil)
  }

  @Test func `random numbers, ids, timers and snapshots are those of the host`() throws {
    let yaml = Bench.yaml(
      """
      s: { plugin: beat, params: { count: 5000, step: 10 } }
      t: { plugin: tally, from: s, params: { random: 1 } }
      u: { plugin: tally-timed, from: s, params: { timer_every: 7, random: 1 } }
      v: { plugin: tally-block, from: [s, t], params: { random: 1 } }
      """)
    let inside = try Cells.run(yaml, isolated: [])
    var limits = CellLimits()
    limits.snapshotEvery = 100
    let outside = try Cells.run(yaml, isolated: ["t", "u", "v"], limits: limits)
    #expect(outside.difference(from: inside) == nil)
    #expect(outside.rows("u.out").count > 5000)
  }

  @Test func `no child is left when a run has ended`() throws {
    let factory = CellFactory(executable: Cells.gantry)
    var pids: [Int32] = []
    let outcome = try Cells.run(Self.trading, isolated: ["ticks", "decide", "broker"], factory: factory, during: { _ in pids = factory.cells.map(\.pid) })
    #expect(outcome.diagnostics.isEmpty)
    #expect(pids.count == 3)
    #expect(pids.allSatisfy { !Cells.isAlive($0) })
    #expect(factory.cells.isEmpty)
  }
}
