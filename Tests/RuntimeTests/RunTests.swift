import BrokenPlugins
import GantryBase
@testable import GantryRuntime
import PluginHarness
import Testing

/// Runs of events through feedback loops change the speed and nothing else.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct RunTests {
  /// A loop in which a few ticks cause something. `takesRuns` false gives the twins that get one event a call.
  private static func loop(seed: UInt64, takesRuns: Bool) -> String {
    var random = Seeded(seed)
    func pick(_ numbers: [Int]) -> Int { numbers.randomElement(using: &random)! }
    let seldom = takesRuns ? "seldom-stops" : "seldom"
    let hush = takesRuns ? "hush" : "hush-loud"
    let isEarly = Bool.random(using: &random)
    let early = "early: { plugin: \(hush), from: [s, h.out~], params: { seed: 5, wakes: \(pick([2, 50])), fail_one_in: \(pick([0, 0, 90])) } }\n"
    return Bench.yaml(
      """
      s: { plugin: beat, params: { count: 6000, jitter: 4, chunk: \(pick([0, 3, 100])) } }
      f: { plugin: fan, from: s, params: { rows_min: \(pick([0, 1])), rows_max: \(pick([1, 2])), seed: \(seed % 1000) } }
      \(isEarly ? early : "")d: { plugin: \(seldom), from: [f, h.out~], params: { one_in: \(pick([3, 20, 300])), seed: 2, fail_one_in: \(pick([0, 40])) } }
      \(Bool.random(using: &random) ? "a: { plugin: alarm, from: d, params: { delay: 15, every: 2 } }" : "x: { plugin: trail, from: d }")
      h: { plugin: \(hush), from: [s, d], params: { wakes: \(pick([1, 3, 1000])), fail_one_in: \(pick([0, 0, 60])) } }
      t: { plugin: trail, from: [h, d] }
      """)
  }

  @Test(arguments: Seeded.seeds(16))
  func `a node that stops at its first output gives what it gives event by event`(first: UInt64) throws {
    var random = Seeded(first ^ 0x52)
    let trace = [0, 1, 4, 16].randomElement(using: &random)!
    var seed = first
    func alone() throws -> Outcome { try Bench.run(Self.loop(seed: seed, takesRuns: false)) { $0.blockSize = 1 } }
    var one = try alone()
    // Some of these graphs say nothing.
    while one.ticks("d.out").isEmpty, seed &- first < 20 {
      seed &+= 1
      one = try alone()
    }
    #expect(!one.ticks("d.out").isEmpty, "seeds from \(first)")
    for block in [256, Int.random(in: 2...60, using: &random)] {
      let many = try Bench.run(Self.loop(seed: seed, takesRuns: true)) {
        $0.blockSize = block
        $0.traceEvery = trace
      }
      #expect(many.difference(from: one) == nil, "seed \(seed), block \(block), trace \(trace)\n\(Self.loop(seed: seed, takesRuns: true))")
      #expect(many.diagnostics.isEmpty && one.diagnostics.isEmpty, "seed \(seed)")
      for node in ["d", "h", "t"] {
        let (with, without) = (try #require(many.node(node)), try #require(one.node(node)))
        #expect(with.events == without.events && with.outputs == without.outputs && with.errors == without.errors, "seed \(seed), \(node)")
      }
    }
  }

  @Test func `a loop that causes little takes few calls`() throws {
    var calls: [UInt64] = []
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 20000 } }
        d: { plugin: seldom-stops, from: [s, h.out~], params: { one_in: 500 } }
        h: { plugin: hush, from: [s, d], params: { wakes: 1000000 } }
        """),
      during: { run in
        run.wait { _ in }
        calls = [1, 2].map { run.planner.statistics[$0].calls }
      })
    // A call a block, one or two more for each of some 40 rows, and what comes back.
    #expect(calls.allSatisfy { $0 < 400 }, "\(calls)")
    #expect(outcome.node("d")!.events > 20000)
  }

  @Test func `what goes on after an output, though asked to stop, ends the run`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 2000 } }
        d: { plugin: seldom-stops, from: [s, h.out~], params: { one_in: 4, deaf: 1 } }
        h: { plugin: hush, from: [s, d] }
        """))
    #expect(outcome.diagnostics.map(\.code) == ["runtime.did-not-stop"])
  }

  @Test func `a row for events that were to cause nothing ends the run`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 2000 } }
        d: { plugin: seldom-stops, from: [s, h.out~], params: { one_in: 20 } }
        h: { plugin: hush, from: [s, d], params: { lies: 700, wakes: 1000000 } }
        """))
    #expect(outcome.diagnostics.map(\.code) == ["runtime.not-idle"])
  }
}
