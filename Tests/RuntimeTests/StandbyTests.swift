import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Testing

/// Standbys over applies: a node that is left alone keeps its muted twin, and with it the way to hand a
/// large state over.
@Suite(.serialized, .enabled(if: Fixture.hasCompiler, "no C compiler"))
struct StandbyTests {
  private func yaml(
    bytes: Int = 100_000, more: String = "", lane: String = "", from: String = "beat", count: UInt64 = 1_000_000_000, standby: Bool = true
  ) -> String {
    Bench.yaml(
      """
      beat: { plugin: beat, params: { count: \(count), instruments: 2 } }
      slow: { plugin: columns, from: beat, params: { columns: 1, spin_ns: 10000 } }
      meter: { plugin: meter, from: \(from), params: { bytes: \(bytes) }\(lane)\(standby ? ", swap: { standby: true }" : "") }
      \(more)
      """)
  }

  private func expectSame(_ outcome: Outcome, _ place: SourceLocation = #_sourceLocation) throws {
    let still = try Bench.run(SwapBench.load(yaml(count: #require(outcome.summary?.events), standby: false)))
    let (mine, others) = (outcome.ticks("meter.out"), still.ticks("meter.out"))
    let isSame = mine.count == others.count && zip(mine, others).allSatisfy { $0.bid == $1.bid && $0.ask == $1.ask }
    #expect(isSame, "\(mine.count) rows of \(others.count)", sourceLocation: place)
  }

  @Test func `an apply that leaves a node alone keeps its standby`() throws {
    let (outcome, error) = try SwapBench.run(yaml()) { run in
      let added = "extra: { plugin: meter, from: beat }"
      for (number, more) in [added, "", added].enumerated() {
        let report = try SwapBench.apply(yaml(more: more), run)
        #expect(report.nodes.first { $0.node == "meter" }?.action == .keep)
        SwapBench.pass(500, run)
        let swap = try run.swap(
          SwapBench.request("meter", yaml(more: more)) {
            $0.policy.probation = 1_000_000_000; $0.policy.shadow = 50
          })
        #expect(swap.stateBytes == 100_016 && swap.differingRows == 0)
        guard number % 2 == 0 else { continue }
        let revert = try run.revert(node: "meter", by: "the test")
        #expect(revert.outcome == .reverted && revert.endedBy == "the test")
      }
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty, "\(outcome.diagnostics)")
    try expectSame(outcome)
  }

  @Test func `an apply that fails leaves the standby`() throws {
    let (outcome, error) = try SwapBench.run(yaml()) { run in
      #expect(throws: GantryError.self) { try SwapBench.apply(yaml(more: "extra: { plugin: stillborn, from: beat }"), run) }
      let report = try run.swap(SwapBench.request("meter", yaml()), waits: true)
      #expect(report.stateBytes == 100_016)
    }
    #expect(error == nil, "\(String(describing: error))")
    try expectSame(outcome)
  }

  @Test func `an apply that makes a new instance, or takes the wish for a standby away, ends it`() throws {
    for changed in [yaml(bytes: 100_001), yaml(standby: false)] {
      let (outcome, error) = try SwapBench.run(yaml()) { run in
        try SwapBench.apply(changed, run)
        _ = try run.swap(SwapBench.request("meter", changed))
      }
      #expect(error?.diagnostics.first?.code == "swap.state-too-large")
      #expect(outcome.diagnostics.isEmpty)
      try expectSame(outcome)
    }
  }
}
