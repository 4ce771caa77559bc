import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import Glibc
import PluginHarness
import Testing

/// Graphs that are spread over several lanes.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct LaneTests {
  @Test(arguments: Seeded.seeds(8))
  func `lanes change nothing under the replay clock`(seed: UInt64) throws {
    var options = RandomGraph.Options()
    options.lanes = ["b", "c"]
    options.timers = false
    let graph = RandomGraph(seed: seed, options)
    let one = try Bench.run(graph.yamlOnOneLane)
    let many = try Bench.run(graph.yaml)
    #expect(!many.hung, "seed \(seed)\n\(graph.yaml)")
    #expect(many.difference(from: one) == nil, "seed \(seed)\n\(graph.yaml)")
    #expect(many.counts == one.counts, "seed \(seed)\n\(graph.yaml)")
  }

  @Test(arguments: Seeded.seeds(16))
  func `nodes on any lanes give what they give on one, whatever the block size`(seed: UInt64) throws {
    var random = Seeded(seed ^ 3)
    var options = RandomGraph.Options()
    options.spread = Int.random(in: 2...5, using: &random)
    options.timers = false
    options.nodes = 3...9
    let graph = RandomGraph(seed: seed, options)
    let one = try Bench.run(graph.yamlOnOneLane)
    for _ in 0..<3 {
      let block = [1, 2, 7, 64, 256].randomElement(using: &random)!
      let many = try Bench.run(graph.yaml, options: { $0.blockSize = block })
      #expect(!many.hung, "seed \(seed), block \(block)\n\(graph.yaml)")
      #expect(many.diagnostics.isEmpty, "seed \(seed), block \(block)\n\(graph.yaml)")
      #expect(many.withoutLanes.difference(from: one.withoutLanes) == nil, "seed \(seed), block \(block)\n\(graph.yaml)")
      #expect(many.counts == one.counts, "seed \(seed), block \(block)\n\(graph.yaml)")
      #expect(many.summary?.orderHash == one.summary?.orderHash, "seed \(seed), block \(block)\n\(graph.yaml)")
    }
  }

  @Test(arguments: Seeded.seeds(8))
  func `a graph on several lanes gives the same in every run under the replay clock`(seed: UInt64) throws {
    var options = RandomGraph.Options()
    options.lanes = ["b", "c"]
    options.spread = 3
    options.loopsAnywhere = true
    options.timers = false
    let graph = RandomGraph(seed: seed, options)
    let first = try Bench.run(graph.yaml)
    let second = try Bench.run(graph.yaml)
    #expect(!first.hung && !second.hung, "seed \(seed)\n\(graph.yaml)")
    #expect(second.difference(from: first) == nil, "seed \(seed)\n\(graph.yaml)")
    #expect(second.counts == first.counts, "seed \(seed)\n\(graph.yaml)")
  }

  @Test(arguments: ["fan", "fan-single"])
  func `an edge that stays silent holds nothing up`(plugin: String) throws {
    for queue in [2, 1024] {
      let outcome = try Bench.run(
        Bench.yaml(
          """
          s: { plugin: beat, params: { count: 20000 } }
          busy: { plugin: \(plugin), from: s, params: { rows_min: 3, rows_max: 3 } }
          silent: { plugin: \(plugin), from: s, params: { rows_max: 0 } }
          t: { plugin: trail, from: [silent, busy], lane: b, queue: { size: \(queue) } }
          """))
      #expect(!outcome.hung, "queue \(queue)")
      #expect(outcome.rows("t.out").count == 60_000)
      #expect(outcome.summary?.queues.allSatisfy { $0.dropped == 0 } == true)
    }
  }

  @Test func `a burst at one moment that no queue can hold passes`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 5000, step: 0 } }
        busy: { plugin: fan, from: s, params: { rows_min: 3, rows_max: 3 } }
        silent: { plugin: fan, from: s, params: { rows_max: 0 } }
        t: { plugin: trail, from: [silent, busy], lane: b, queue: { size: 2 } }
        """))
    #expect(!outcome.hung)
    #expect(outcome.rows("t.out").count == 15_000)
  }

  @Test func `joins of lanes are in the same order in every run`() throws {
    let text = """
      s: { plugin: beat, params: { count: 3000, jitter: 1, step: 0 } }
      a: { plugin: fan, from: s, params: { rows_max: 2, seed: 1 }, lane: a, queue: { size: 3 } }
      b: { plugin: fan-single, from: s, params: { rows_max: 3, seed: 2 }, lane: b, queue: { size: 2 } }
      t: { plugin: trail, from: [b, s, a], lane: t, queue: { size: 5 } }
      """
    let first = try Bench.run(Bench.yaml(text))
    #expect(!first.hung)
    for _ in 0..<5 {
      let again = try Bench.run(Bench.yaml(text))
      #expect(!again.hung)
      #expect(again.difference(from: first) == nil)
    }
  }

  @Test(arguments: [2, 1024])
  func `a lane that hears nothing holds nobody up`(queue: Int) throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 20000 } }
        silent: { plugin: fan, from: s, params: { rows_max: 0 } }
        a: { plugin: trail, from: silent, lane: a, queue: { size: \(queue) } }
        b: { plugin: trail, from: a, lane: b, queue: { size: \(queue) } }
        t: { plugin: trail, from: [b, s], lane: t, queue: { size: \(queue) } }
        """))
    #expect(!outcome.hung)
    #expect(outcome.rows("t.out").count == 20_000)
  }

  @Test(arguments: Seeded.seeds(4))
  func `a chain whose rows fill many blocks of a queue is one chain`(seed: UInt64) throws {
    let text = """
      s: { plugin: beat, params: { count: 60 } }
      a: { plugin: fan, from: s, params: { rows_max: 900, seed: \(seed % 1000) } }
      b: { plugin: fan, from: a, params: { rows_max: 2 }, lane: b, queue: { size: 3 } }
      t: { plugin: trail, from: [b, a, s], lane: t, queue: { size: 2 } }
      """
    let one = try Bench.run(Bench.yaml(text.replacing(/, lane: \w+, queue: \{[^}]*\}/, with: "")))
    let many = try Bench.run(Bench.yaml(text))
    #expect(!many.hung, "seed \(seed)")
    #expect(many.difference(from: one) == nil, "seed \(seed)")
    #expect(one.rows("t.out").count > 30_000)
  }

  /// With the live clock two sources may come in any order; the rows of one chain stay together, in the
  /// order of `from`, and the chains of a source in theirs.
  @Test(arguments: Seeded.seeds(4))
  func `joins keep chains whole and in order under the live clock, and replay`(seed: UInt64) throws {
    var random = Seeded(seed)
    var sizes: [Int] { [2, 3, 64, 1024] }
    func size() -> Int { sizes.randomElement(using: &random)! }
    let yaml = Bench.yaml(
      """
      s: { plugin: beat-fresh, params: { count: 5000, idle: 3, chunk: 7 } }
      r: { plugin: beat-fresh, params: { count: 5000, idle: 2, chunk: 5, seed: 9 } }
      a: { plugin: fan-single, from: s, params: { rows_min: 1, rows_max: 3 }, lane: a, queue: { size: \(size()) } }
      silent: { plugin: fan, from: [a, r], params: { rows_max: 0 }, lane: c, queue: { size: \(size()) } }
      t: { plugin: trail, from: [a, s, r, silent], lane: t, queue: { size: \(size()) } }
      """, clock: "live")
    let (outcome, folder) = try Journals.record(yaml)
    #expect(!outcome.hung, "seed \(seed)")
    #expect(outcome.diagnostics.isEmpty, "seed \(seed)")
    var last: [UInt16: (chain: UInt64, edge: Double)] = [:]
    for tick in outcome.ticks("t.out") {
      let before = last[tick.header.origin] ?? (0, 0)
      let isNext = tick.header.chain == before.chain ? tick.ask >= before.edge : tick.header.chain > before.chain
      if !isNext { Issue.record("seed \(seed): chain \(tick.header.chain), edge \(tick.ask) after \(before)") }
      last[tick.header.origin] = (tick.header.chain, tick.ask)
    }
    #expect(last.values.allSatisfy { $0.chain == 5000 }, "seed \(seed)")
    let (again, comparison) = try Journals.replay(folder, yaml)
    #expect(again.diagnostics.isEmpty, "seed \(seed)")
    #expect(comparison?.difference == nil, "seed \(seed): \(comparison?.difference.map(String.init(describing:)) ?? "")")
    #expect(again.counts == outcome.counts, "seed \(seed)")
  }

  @Test func `texts cross lanes whole`() throws {
    let text = """
      s: { plugin: beat, params: { count: 5000 } }
      w: { plugin: texts, from: s, params: { longest: 300 } }
      r: { plugin: reader, from: w, lane: b, queue: { size: 7 } }
      """
    let one = try Bench.run(Bench.yaml(text.replacing(/, lane: \w+, queue: \{[^}]*\}/, with: "")))
    let many = try Bench.run(Bench.yaml(text))
    #expect(many.difference(from: one) == nil)
  }

  @Test func `a feedback edge between lanes gives what it gives on one`() throws {
    let text = """
      s: { plugin: beat, params: { count: 500, price: 100000 } }
      decide: { plugin: decider, from: [s, broker.executions~], params: { one_in: 2, answers: 1 } }
      broker: { plugin: paper, from: [s, decide], lane: b, queue: { size: 16 } }
      """
    let one = try Bench.run(Bench.yaml(text.replacing(/, lane: \w+, queue: \{[^}]*\}/, with: "")))
    let many = try Bench.run(Bench.yaml(text))
    #expect(!many.hung)
    #expect(many.difference(from: one) == nil)
    #expect(try #require(one.summary).fills > 0)
  }

  @Test(arguments: [2, 16, 200])
  func `with the live clock lanes that feed each other never wait for each other`(size: Int) throws {
    let text = """
      s: { plugin: beat, params: { count: 30000, price: 100000 } }
      decide: { plugin: decider, from: [s, broker.executions~], params: { one_in: 1, answers: 1 } }
      broker: { plugin: paper, from: [s, decide], lane: b, queue: { size: \(size) } }
      """
    let outcome = try Bench.run(Bench.yaml(text).replacing("clock: replay", with: "clock: live"), options: { $0.captures = [] })
    #expect(!outcome.hung && outcome.diagnostics.isEmpty)
    let summary = try #require(outcome.summary)
    #expect(summary.queues.allSatisfy { $0.to == "decide" || $0.dropped == 0 })
    #expect(summary.nodes.first { $0.name == "broker" }?.events ?? 0 > 30_000)
  }

  @Test func `a stop drains what is on its way to other lanes`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 100000000 } }
        a: { plugin: fan, from: s, params: { rows_min: 1, rows_max: 1 } }
        t: { plugin: trail, from: a, lane: b, queue: { size: 1000 } }
        u: { plugin: trail, from: t, lane: c, queue: { size: 10 } }
        """),
      options: { $0.captures = [] },
      during: { run in
        while run.eventCount < 1000 { sched_yield() }
        run.requestStop()
      })
    #expect(outcome.diagnostics.isEmpty)
    let nodes = try #require(outcome.summary).nodes
    #expect(nodes.allSatisfy { $0.outputs == nodes[0].outputs && $0.dropped == 0 })
    #expect(try #require(outcome.summary).queues.allSatisfy { $0.dropped == 0 })
  }

  @Test func `a lane that fails ends the run of all`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 1000000000000 } }
        b: { plugin: fan, from: s, params: { fail_from: 100, fail_to: 101 }, on_error: halt, lane: b, queue: { size: 16 } }
        """), options: { $0.captures = [] })
    #expect(!outcome.hung)
    #expect(outcome.codes == ["runtime.node-failed"])
  }

  @Test func `a queue that drops counts what it dropped`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 50000 } }
        t: { plugin: trail, from: s, lane: b, queue: { size: 4, when_full: drop_oldest } }
        """))
    let dropped = try #require(outcome.summary).queues.reduce(0) { $0 + $1.dropped }
    let chains = outcome.ticks("t.out").map(\.header.chain)
    #expect(chains.count + Int(dropped) == 50_000)
    #expect(chains == chains.sorted())
    #expect(chains.last == 50_000)
  }
}
