import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import Glibc
import PluginHarness
import Testing

/// Sources with a thread of their own: `gantry.feed/1`.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct FeedTests {
  private func yaml(_ parameters: String, more: String = "", clock: String = "live") -> String {
    Bench.yaml("s: { plugin: feeder, params: { \(parameters) }\(more) }\nt: { plugin: trail, from: s }", clock: clock)
  }

  @Test(arguments: [1, 7, 1000])
  func `what a feed hands over arrives whole and in order, stamped by the host`(chunk: Int) throws {
    let outcome = try Bench.run(yaml("count: 5000, chunk: \(chunk)"))
    #expect(!outcome.hung)
    #expect(outcome.diagnostics.isEmpty)
    let ticks = outcome.ticks("s.ticks")
    #expect(ticks.map(\.bid) == (1...5000).map(Double.init))
    #expect(ticks.map(\.header.chain) == (1...5000).map { UInt64($0) })
    #expect(zip(ticks, ticks.dropFirst()).allSatisfy { $0.header.receive_ns <= $1.header.receive_ns })
    #expect(ticks.allSatisfy { $0.header.receive_ns > 1_000_000_000_000_000_000 && $0.header.event_ns == Int64($0.bid) })
    #expect(outcome.rows("t.out").count == 5000)
    #expect(outcome.summary?.events == 5000)
  }

  @Test func `only the feed's own thread may hand over, and only to ports that there are`() throws {
    let outcome = try Bench.run(yaml("count: 3, foreign: 1, bad_port: 1"))
    #expect(outcome.log.map(\.text).prefix(2) == ["elsewhere \(GANTRY_MISUSE)", "bad port \(GANTRY_MISUSE)"])
    #expect(outcome.ticks("s.ticks").map(\.bid) == [1, 2, 3])
  }

  @Test(arguments: [("count: 0, chunk: 10", "while it hands over"), ("count: 10, waits: 1", "while it waits")])
  func `a stop ends a feed, and every later call is answered with GANTRY_GONE`(parameters: String, moment: String) throws {
    let outcome = try Bench.run(
      yaml(parameters), options: { $0.captures = [] },
      during: { run in
        while run.eventCount < 10 { sched_yield() }
        run.requestStop()
      })
    #expect(!outcome.hung)
    #expect(outcome.diagnostics.isEmpty)
    #expect(
      outcome.log.map(\.text) == ["told", "emit after", "wait after", "emit in stop", "elsewhere in stop"].map { "\($0) \(GANTRY_GONE)" },
      "\(moment)")
  }

  @Test func `a feed that ends by itself is called no more`() throws {
    let outcome = try Bench.run(yaml("count: 5"))
    #expect(outcome.log.map(\.text) == ["emit in stop \(GANTRY_GONE)", "elsewhere in stop \(GANTRY_GONE)"])
    #expect(outcome.rows("t.out").count == 5)
  }

  @Test func `a feed that fails ends the run when its on_error is halt`() throws {
    let outcome = try Bench.run(yaml("count: 5, ending: 1", more: ", on_error: halt"))
    #expect(outcome.codes == ["runtime.source-failed"])
    #expect(outcome.diagnostics.first?.text == "source s failed: the line is dead (GANTRY_IO)")
    #expect(outcome.rows("t.out").count == 5)
  }

  @Test func `a feed that fails otherwise is run again after a while, and says so`() throws {
    let outcome = try Bench.run(yaml("count: 5, ending: 2"))
    #expect(outcome.diagnostics.isEmpty)
    #expect(outcome.log.first?.text == "the feed failed: the line is busy (GANTRY_IO); again in 1 s")
    #expect(outcome.log.first?.severity == .warning)
    #expect(outcome.rows("t.out").count == 5)
  }

  @Test func `a full lane holds a feed up and loses nothing`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: feeder, params: { count: 60000, chunk: 1000 } }
        t: { plugin: trail, from: s, lane: b, queue: { size: 2 } }
        """, clock: "live"))
    #expect(!outcome.hung)
    #expect(outcome.ticks("t.out").map(\.header.chain) == (1...60_000).map { UInt64($0) })
  }

  @Test func `a feed does not run with the replay clock`() throws {
    #expect(try Bench.run(yaml("count: 5", clock: "replay")).codes == ["runtime.feed-needs-live"])
  }

  @Test func `the journal of a feed replays to the bit without the feed`() throws {
    let yaml = yaml("count: 3000, chunk: 9")
    let (outcome, folder) = try Journals.record(yaml)
    let (again, comparison) = try Journals.replay(folder, yaml)
    #expect(again.diagnostics.isEmpty)
    #expect(again.difference(from: outcome) == nil)
    #expect(comparison?.difference == nil)
    #expect(again.log.isEmpty, "the feed ran again")
  }
}
