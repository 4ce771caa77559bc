import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Synchronization
import Testing

/// `canary: { share: 30%, by: chain }`: chains are shared out between two instances that remember nothing.
@Suite(.serialized, .enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ChainCanaryTests {
  private func yaml(_ plugin: String, offset: Int = 0) -> String {
    Bench.yaml(
      """
      beat: { plugin: beat, params: { count: 1000000000, instruments: 2 } }
      slow: { plugin: columns, from: beat, params: { columns: 1 } }
      node: { plugin: \(plugin), from: beat, params: { offset: \(offset) } }
      """)
  }

  @Test(arguments: ["echo", "echo-single"])
  func `a share of the chains goes to the candidate, until all do or none`(plugin: String) throws {
    let folder = try Fixture.temporaryFolder() + "/run"
    let text = yaml(plugin)
    let (outcome, error) = try SwapBench.run(text, folder: folder) { run in
      let request = try SwapBench.request("node", yaml(plugin, offset: 7)) {
        $0.policy.canary = 0.3
        $0.policy.canaryBy = .chain
        $0.policy.probation = 2_000
      }
      let isCanary = Atomic<Bool>(false)
      let reverter = LaneThread()
      try reverter.start(name: "reverter") {
        SwapBench.waitUntil { isCanary.load(ordering: .acquiring) }
        SwapBench.pass(1_000, run)
        _ = try? run.revert(node: "node", by: "test")
      }
      _ = try? run.swap(request, waits: true) { if $0.step == .canary { isCanary.store(true, ordering: .releasing) } }
      reverter.join()
      SwapBench.pass(300, run)
      #expect(try run.swap(request, waits: true).outcome == .committed)
      #expect(run.swaps.map(\.outcome) == [.reverted, .committed])
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
    let ticks = outcome.ticks("node.out")
    #expect(ticks.map(\.bid) == outcome.ticks("beat.ticks").map(\.bid))
    // Runs of rows of one instance are short while chains are shared out, and long otherwise.
    let isNew = zip(ticks, outcome.ticks("beat.ticks")).map { $0.ask != $1.ask }
    let (first, last) = (try #require(isNew.firstIndex(of: true)), try #require(isNew.lastIndex(of: false)))
    var longestOld = 0
    var run = 0
    for flag in isNew[first..<last] {
      run = flag ? 0 : run + 1
      longestOld = max(longestOld, run)
    }
    #expect(longestOld >= 300, "after the revert no chain is the candidate's")
    let shared = isNew[first..<min(first + 800, isNew.count)].filter { $0 }.count
    #expect((160..<330).contains(shared), "\(shared) of 800 chains")
    #expect(isNew[(last + 1)...].allSatisfy { $0 } && isNew.count - last > 1_000)
    try SwapBench.expectReplayed(folder, text, like: outcome)
  }

  @Test func `who remembers gets no canary by chain`() throws {
    let (_, error) = try SwapBench.run(yaml("meter")) { run in
      _ = try run.swap(
        SwapBench.request("node", yaml("meter")) {
          $0.policy.canary = 0.3
          $0.policy.canaryBy = .chain
        })
    }
    #expect(error?.diagnostics.first?.code == "swap.canary-stateful")
    #expect(error?.diagnostics.first?.help.isEmpty == false)
  }

  @Test func `all chains are no share`() throws {
    let (_, error) = try SwapBench.run(yaml("echo")) { run in
      _ = try run.swap(
        SwapBench.request("node", yaml("echo", offset: 1)) {
          $0.policy.canary = 1
          $0.policy.canaryBy = .chain
        })
    }
    #expect(error?.diagnostics.first?.code == "swap.canary-empty")
  }
}
