import BrokenPlugins
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Synchronization
import Testing

/// What a run keeps of swaps that have ended: as much after hundreds as after a few.
@Suite(.enabled(if: Fixture.hasCompiler)) struct SwapRetentionTests {
  private static let yaml = Bench.yaml(
    """
    s: { plugin: beat, params: { count: 2000000000, step: 1000 } }
    m: { plugin: meter, from: s }
    """)

  /// What a swap is made of, seen without being kept.
  private struct Parts {
    weak var driver: SwapDriver?
    weak var follower: Follower?
    weak var muted: MutedInstance?
    weak var instance: Instance?

    var living: Int { [driver as AnyObject?, follower, muted, instance].count { $0 != nil } }
  }

  @Test func `hundreds of swaps leave nothing behind but the newest reports and a few quiet handles`() throws {
    let count = 600
    let seen = Mutex<[Parts]>([])
    var failure: (any Error)?
    let outcome = try Bench.run(
      SwapBench.load(Self.yaml),
      options: {
        $0.captures = []
        // The lines of hundreds of swaps would be kept.
        $0.onLog = { _ in }
      },
      during: { run in
        do {
          var request = try SwapBench.request("m", Self.yaml)
          for number in 1...count {
            // Every second one feeds the old instance for a while; the others commit at once.
            request.id = "c\(number)"
            request.policy.probation = number % 2 * 64
            let report = try run.swap(request, waits: true) { [unowned run] step in
              guard step.step == .flip, let driver = run.swapList.withLock({ $0.drivers.values.first }) else { return }
              let parts = Parts(driver: driver, follower: driver.follower, muted: driver.follower?.muted, instance: driver.follower?.muted.instance)
              seen.withLock { $0.append(parts) }
            }
            #expect(report.outcome == .committed && report.id == "c\(number)")
          }
          // The instance that counts now was a candidate; the thread of the last swap may be on its way out.
          SwapBench.waitUntil { seen.withLock { $0.dropLast().allSatisfy { $0.living == 0 } } }
          let living = seen.withLock { $0.reduce(0) { $0 + $1.living } }
          #expect(living <= 4, "\(living) parts of \(count) swaps are still there")
          #expect(run.services.contexts.count <= 2 * (NodeContexts.quietMax + 2), "\(run.services.contexts.count) handles")
          #expect((1...RunSwaps.reportsMax).contains(run.swaps.count))
          #expect(run.swaps.last?.id == "c\(count)")
          #expect(run.swapList.withLock { $0.all.isEmpty && $0.drivers.isEmpty })
        } catch { failure = error }
        run.requestStop()
      })
    #expect(failure == nil, "\(failure.map { "\($0)" } ?? "")")
    #expect(outcome.diagnostics.isEmpty)
    #expect(seen.withLock { $0.count } == count)
    #expect(seen.withLock { $0.allSatisfy { $0.driver == nil && $0.follower == nil && $0.muted == nil } })
  }

  @Test func `a handle whose instance is gone is not given to another one for a while`() throws {
    let graph = try SwapBench.load(Self.yaml)
    let run = try Run(graph: graph.graph) { node throws(GantryError) in graph.code[node] }
    let contexts = run.services.contexts
    let first = run.addContext(1)
    contexts.retire(first)
    // A late call finds it dead until then.
    for _ in 0..<NodeContexts.quietMax {
      let next = run.addContext(1)
      #expect(next != first)
      contexts.retire(next)
    }
    let other = run.addContext(0)
    #expect(other != first, "a handle is of one node for good")
    first.pointee.misuse = 3
    #expect(run.addContext(1) == first)
    #expect(first.pointee.misuse == 0 && first.pointee.isAlive)
    #expect(contexts.misuse.map(\.node) == [1] && contexts.misuse.map(\.calls) == [3], "what was refused is still told of")
  }
}
