import BrokenPlugins
import CGantry
import Glibc
import PluginHarness
import Testing

/// The plugin harness itself: it lets the correct plugin pass and finds what the broken ones break.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct HarnessTests {
  private func harness(_ name: String, rowCapacity: Int = 256, flags: String = "") throws -> PluginHarness {
    try PluginHarness("broken", rowCapacity: rowCapacity, file: Fixture.plugin(name, flags: flags))
  }

  private var ticks: [gantry_tick] { (1...5).map { gantry_tick(bid: Double($0), ask: Double($0) + 1, at: Int64($0)) } }

  private func violation(_ name: String) throws -> String? {
    let harness = try harness(name)
    do {
      try harness.send(ticks)
      try harness.stop()
      return nil
    } catch let violation as ContractViolation {
      return violation.description
    }
  }

  @Test func `the correct plugin hands on every tick`() throws {
    let harness = try harness("Correct")
    let outputs = try harness.send(ticks)
    #expect(outputs.map(\.tick.bid) == [1, 2, 3, 4, 5])
    #expect(outputs.map(\.cause) == [0, 1, 2, 3, 4])
    #expect(outputs.map(\.header.event_ns) == [1, 2, 3, 4, 5])
    #expect(outputs.map(\.header.hop) == [1, 1, 1, 1, 1])
    try harness.stop()
  }

  @Test func `a small capacity makes the plugin grow`() throws {
    let harness = try harness("Correct", rowCapacity: 1)
    #expect(try harness.send(ticks).map(\.tick.ask) == [2, 3, 4, 5, 6])
    #expect(harness.growCalls == 3)
  }

  @Test(arguments: [
    ("WritesBeyondReservation", "port out: bytes outside the reservation were written"),
    ("CommitsBeyondCapacity", "port out: 257 rows committed, but there is room for 256"),
    ("ArenaBeyondCapacity", "port out: 4097 arena bytes used of 4096"),
    ("CausesDecrease", "port out: cause 3 of row 1 comes after cause 4"),
    ("CauseOutOfRange", "port out: cause 5 of row 0, but the batch has 5 events"),
    ("ConsumesTooMuch", "consumed is 6, but the batch has 5 events"),
    ("WritesInput", "on_batch wrote to its input"),
    ("WritesAfterReturn", "port out: output memory was written after the call had returned"),
  ])
  func `a broken contract is named`(fixture: String, text: String) throws {
    #expect(try violation(fixture) == text)
  }

  @Test func `a failure carries what stands`() throws {
    let harness = try harness("FailsEveryThird")
    do {
      try harness.send(ticks)
      Issue.record("the third event should have failed")
    } catch let failure as PluginFailure {
      #expect(failure.text == "every third event fails")
      #expect(failure.status == -1)
      #expect(failure.consumed == 2)
      #expect(failure.outputs.map(\.tick.bid) == [1, 2])
    }
  }

  @Test func `late calls are answered with gone`() throws {
    let harness = try harness("CallsAfterStop")
    try harness.send(ticks)
    try harness.stop()
    #expect(harness.logLines.isEmpty)
  }

  @Test func `a state beyond its bound is found`() throws {
    let harness = try harness("StateBeyondBound")
    #expect(throws: ContractViolation.self) { try harness.saveState() }
  }

  @Test func `an output without end gets no more room`() throws {
    let harness = try harness("FloodsOutputs")
    do {
      try harness.send(ticks)
      Issue.record("the flood should have failed")
    } catch let failure as PluginFailure {
      #expect(failure.status == -3)
      #expect(failure.outputs.isEmpty)
    }
  }
}
