import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import PluginHarness
import Testing

/// Timers in a replay: each fires as a chain of its own, before the first event at or after its time.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct TimerTests {
  /// `alarm` writes 0, number, now for a tick and tag, due, now for a timer.
  private func run(_ params: String, count: Int = 200, block: Int = 256, more: String = "") throws -> Outcome {
    try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: \(count), start: 1000, step: 10 } }
        a: { plugin: alarm, from: s, params: { \(params) } }
        \(more)
        """)
    ) { $0.blockSize = block }
  }

  private func steps(_ outcome: Outcome) -> [String] {
    outcome.ticks("a.out").map { $0.bid == 0 ? "tick \(Int($0.bid_size))" : "timer \(Int($0.bid)) at \(Int($0.ask))" }
  }

  @Test(arguments: [1, 6, 256])
  func `a timer fires before the event at or after its time`(block: Int) throws {
    let outcome = try run("delay: 25, every: 2", count: 6, block: block)
    #expect(steps(outcome) == ["tick 1000", "tick 1010", "tick 1020", "tick 1030", "timer 2 at 1035", "tick 1040", "tick 1050"])
    // One that is due with an event comes first; those that are due after the last event never fire.
    let exact = try run("delay: 20, every: 2", count: 5, block: block)
    #expect(steps(exact) == ["tick 1000", "tick 1010", "tick 1020", "timer 2 at 1030", "tick 1030", "tick 1040"])
  }

  @Test func `a timer's chain has an origin and a number of its own, and its due time as now`() throws {
    let outcome = try run("delay: 25", more: "t: { plugin: trail-single, from: a }")
    let fired = outcome.ticks("a.out").filter { $0.bid != 0 }
    #expect(fired.count == 197)
    #expect(fired.allSatisfy { $0.header.event_ns == Int64($0.ask) && $0.header.receive_ns == Int64($0.ask) && $0.bid_size == $0.ask })
    #expect(fired.map(\.header.chain) == (1...197).map { UInt64($0) })
    #expect(Set(fired.map(\.header.origin)) == [Origins.timers(lane: 0)])
    #expect(outcome.rows("t.out").count == 397)
  }

  @Test func `timers of one time fire in the order they were set`() throws {
    // Every tick sets a timer for 1100 but for the step between them: due 1000 + 10 n + (100 - 10 n).
    let outcome = try run("delay: 1000, repeat: 7", count: 120)
    let fired = outcome.ticks("a.out").filter { $0.bid != 0 }
    #expect(zip(fired, fired.dropFirst()).allSatisfy { $0.ask <= $1.ask })
  }

  @Test func `a timer set at the start fires before the first event after it`() throws {
    #expect(steps(try run("delay: 100000, every: 1000, first: 500", count: 2)) == ["timer 999999 at 500", "tick 1000", "tick 1010"])
  }

  @Test func `a cancelled timer does not fire`() throws {
    let outcome = try run("delay: 25, cancel: 2")
    let tags = outcome.ticks("a.out").filter { $0.bid != 0 }.map(\.bid)
    #expect(!tags.isEmpty)
    #expect(tags.allSatisfy { Int($0) % 2 == 1 })
  }

  @Test func `a node has 64 timers and no more`() throws {
    let outcome = try run("delay: 1000000")
    #expect(outcome.rows("a.out").count == 64)
    #expect(outcome.log.first?.text == "failed on an event of chain 65: no timer (GANTRY_FULL)")
  }

  @Test func `a timer that sets itself for the same moment for ever is an error`() throws {
    let outcome = try run("delay: 5, repeat: -1")
    #expect(outcome.codes == ["runtime.timer-limit"])
    #expect(outcome.exit == .failed)
  }

  @Test func `timers of several nodes interleave by time`() throws {
    let outcome = try run("delay: 33", more: "b: { plugin: alarm, from: [s, a], params: { delay: 17, every: 3 } }")
    let fired = outcome.sequence.filter { $0.port != "s.ticks" && $0.row.tick.bid != 0 }.map(\.row.header.receive_ns)
    #expect(fired == fired.sorted())
    let all = outcome.sequence.filter { $0.port != "s.ticks" }.map(\.row.header.receive_ns)
    #expect(all == all.sorted())
  }
}
