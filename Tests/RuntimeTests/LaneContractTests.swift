import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import PluginHarness
import Testing

/// Plugins that break one line of the contract while they run: each ends the run with its own
/// diagnostic, and nothing crashes.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct LaneContractTests {
  /// A broken plugin between a source and a node of each sort.
  private func run(_ fixture: String, block: Int = 256, flags: String = "") throws -> Outcome {
    try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 1000 } }
        b: { plugin: broken, from: s }
        t: { plugin: trail, from: b }
        u: { plugin: trail-single, from: [b, s] }
        """), files: ["broken": Fixture.plugin(fixture, flags: flags)]
    ) { $0.blockSize = block }
  }

  @Test(arguments: [
    ("WritesBeyondReservation", "runtime.wrote-behind", "PLUGIN: node b wrote behind the rows it had reserved on port 0"),
    ("CommitsBeyondCapacity", "runtime.wrote-behind", "PLUGIN: node b committed 257 rows where there was room for 256"),
    ("ArenaBeyondCapacity", "runtime.wrote-behind", "PLUGIN: node b claims 1 bytes of arena where there are 0"),
    ("CausesDecrease", "runtime.cause-decreased", "PLUGIN: node b named cause 254 after cause 255; causes never decrease"),
    ("CauseOutOfRange", "runtime.cause-unknown", "PLUGIN: node b named cause 256 in a batch of 256"),
    ("ConsumesTooMuch", "runtime.consumed-too-many", "PLUGIN: node b handled 257 of 256 events"),
  ])
  func `a broken contract ends the run with its own diagnostic`(fixture: String, code: String, text: String) throws {
    let outcome = try run(fixture)
    #expect(outcome.codes == [code])
    #expect(outcome.diagnostics.first?.text == text)
    #expect(outcome.exit == .failed)
    #expect(outcome.summary == nil)
    #expect(!outcome.hung)
  }

  @Test(arguments: [
    ("WritesBeyondReservation", "runtime.wrote-behind"), ("CommitsBeyondCapacity", "runtime.wrote-behind"),
    ("ArenaBeyondCapacity", "runtime.wrote-behind"), ("CauseOutOfRange", "runtime.cause-unknown"),
    ("ConsumesTooMuch", "runtime.consumed-too-many"),
  ])
  func `the same on a node that gets one event a call`(fixture: String, code: String) throws {
    for block in [1, 256] {
      let outcome = try run(fixture, block: block, flags: "-DSINGLE")
      #expect(outcome.codes == [code], "block \(block)")
    }
  }

  @Test(arguments: ["idler", "idler-single"])
  func `a call that gets nowhere ends the run`(plugin: String) throws {
    for (status, consumed) in [(0, 0), (2, 0)] {
      let outcome = try Bench.run(
        Bench.yaml(
          """
          s: { plugin: beat, params: { count: 10 } }
          b: { plugin: \(plugin), from: s, params: { status: \(status), consumed: \(consumed) } }
          """))
      #expect(outcome.codes == ["runtime.no-progress"], "status \(status)")
      #expect(outcome.exit == .failed)
    }
  }

  @Test func `a status without a reason is the plugin's fault`() throws {
    let outcome = try run("StatusWithoutReason")
    #expect(outcome.diagnostics.isEmpty)
    #expect(outcome.log.first?.text == "failed on an event of chain 1: GANTRY_INVALID, and PLUGIN gave no reason")
    #expect(outcome.log.last?.text == "quarantined after 3 failures in a row: GANTRY_INVALID, and PLUGIN gave no reason")
    #expect(outcome.node("b")?.errors == 3)
    #expect(outcome.node("b")?.dropped == 997)
    #expect(outcome.node("b")?.breaker == "open")
  }

  @Test func `a status that the ABI does not have is a failure with that number`() throws {
    let outcome = try run("UnknownStatus")
    #expect(outcome.log.first?.text == "failed on an event of chain 1: a status of its own making (status 12345)")
  }

  @Test func `a plugin that floods its outputs gets GANTRY_FULL and fails`() throws {
    let outcome = try run("FloodsOutputs")
    #expect(outcome.log.first?.text == "failed on an event of chain 1: the host has no more room (GANTRY_FULL)")
    #expect(outcome.rows("b.out").isEmpty)
    #expect(outcome.node("b")?.errors == 3)
  }

  @Test func `calls from another thread are refused, counted and told`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 5 } }
        b: { plugin: stray, from: s }
        """))
    let answers = outcome.ticks("b.out").map { [$0.bid, $0.ask, $0.bid_size, $0.ask_size] }
    #expect(answers == Array(repeating: [Double(GANTRY_MISUSE), Double(GANTRY_MISUSE), 0, 0], count: 5))
    #expect(outcome.log.map(\.text) == ["PLUGIN: 20 calls from a thread that may not make them were refused"])
    #expect(outcome.log.first?.severity == .warning)
  }

  @Test func `a call after stop gets GANTRY_GONE and has no effect`() throws {
    // The plugin aborts this process if it is answered anything else.
    let outcome = try run("CallsAfterStop")
    #expect(outcome.diagnostics.isEmpty)
    #expect(outcome.log.isEmpty)
  }

  @Test func `outputs that are written after the call do no harm`() throws {
    #expect(try run("WritesAfterReturn").diagnostics.isEmpty)
  }

  @Test(arguments: [
    ("CreateWithoutInstance", "runtime.create-failed", "cannot create an instance of broken: and PLUGIN gave no reason (GANTRY_OK)"),
    ("ColumnsOnTickPort", "runtime.configure-failed", "b refused its configuration: the host refused the columns (GANTRY_MISUSE)"),
    ("DuplicateColumns", "runtime.configure-failed", "b refused its configuration: the host refused the columns (GANTRY_INVALID)"),
    ("NoColumns", "runtime.no-columns", "PLUGIN: b did not name the columns of its output out"),
  ])
  func `a plugin that cannot be configured never runs`(fixture: String, code: String, text: String) throws {
    let outcome = try Bench.run(
      Bench.yaml("s: { plugin: beat }\nb: { plugin: broken, from: s }"), files: ["broken": Fixture.plugin(fixture)])
    #expect(outcome.codes == [code])
    #expect(outcome.diagnostics.first?.text == text)
    #expect(outcome.diagnostics.first?.place?.line == 9)
    #expect(outcome.exit == .badInput)
  }

  @Test(arguments: [(2, "runtime.configure-failed"), (3, "runtime.start-failed"), (4, "runtime.stop-failed")])
  func `what a plugin says when it fails is told`(call: Int, code: String) throws {
    let outcome = try Bench.run(Bench.yaml("s: { plugin: beat, params: { count: 3 } }\nb: { plugin: ill, from: s, params: { in: \(call) } }"))
    #expect(outcome.codes == [code])
    #expect(outcome.diagnostics.first?.text.hasSuffix(": it is ill (GANTRY_IO)") == true)
  }

  @Test func `a flush that fails is reported and the run goes on to its end`() throws {
    let outcome = try Bench.run(Bench.yaml("s: { plugin: beat, params: { count: 3 } }\nb: { plugin: ill, from: s, params: { in: 5 } }"))
    #expect(outcome.diagnostics.isEmpty)
    #expect(outcome.node("b")?.errors == 1)
    #expect(outcome.log.contains { $0.text.hasSuffix("it is ill (GANTRY_IO)") })
  }

  @Test(arguments: [1, 2])
  func `a text that points outside the arena harms nobody`(wild: Int) throws {
    for lanes in ["", ", lane: b, queue: { size: 8 }"] {
      let outcome = try Bench.run(
        Bench.yaml(
          """
          s: { plugin: beat, params: { count: 300 } }
          w: { plugin: texts, from: s, params: { wild: \(wild) } }
          r: { plugin: reader, from: w\(lanes) }
          """))
      #expect(outcome.diagnostics.isEmpty)
      #expect(outcome.rows("r.out").count == 300)
    }
  }

  @Test func `an output that nobody reads may be written`() throws {
    let outcome = try Bench.run(Bench.yaml("s: { plugin: beat, params: { count: 1000 } }\nb: { plugin: fan, from: s }")) { $0.captures = [] }
    #expect(outcome.diagnostics.isEmpty)
    #expect(try #require(outcome.node("b")).outputs > 0)
  }
}
