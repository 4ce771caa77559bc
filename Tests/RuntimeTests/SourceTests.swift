import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import PluginHarness
import Testing

/// Sources that end, fail and misbehave.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct SourceTests {
  private func run(_ params: String, plugin: String = "beat", block: Int = 64) throws -> Outcome {
    try Bench.run(
      Bench.yaml(
        """
        s: { plugin: \(plugin), params: { \(params) } }
        t: { plugin: trail, from: s }
        """)
    ) { $0.blockSize = block }
  }

  @Test func `an empty source ends the run at once`() throws {
    for ending in 0...1 {
      let outcome = try run("count: 0, ending: \(ending)")
      #expect(outcome.diagnostics.isEmpty)
      #expect(outcome.summary?.events == 0)
    }
  }

  @Test func `a source may end with its last events or after them`() throws {
    for ending in 0...1 {
      for count in [1, 63, 64, 65, 128, 1000] {
        let outcome = try run("count: \(count), ending: \(ending)")
        #expect(outcome.diagnostics.isEmpty)
        #expect(outcome.ticks("t.out").map(\.bid) == (1...count).map(Double.init))
      }
    }
  }

  @Test func `a source that has nothing now is asked again`() throws {
    let outcome = try run("count: 500, chunk: 9, idle: 3")
    #expect(outcome.ticks("t.out").map(\.bid) == (1...500).map(Double.init))
  }

  @Test func `what came before an error stands, and the run fails with the source's reason`() throws {
    let outcome = try run("count: 200, ending: 2")
    #expect(outcome.codes == ["runtime.source-failed"])
    #expect(outcome.diagnostics.first?.text == "source s failed: the tape broke (GANTRY_IO)")
    #expect(outcome.exit == .badInput)
    #expect(outcome.rows("t.out").count == 200)
    #expect(try run("count: 200, ending: 3").diagnostics.first?.text == "source s failed: GANTRY_IO, and PLUGIN gave no reason")
  }

  @Test func `a status that the ABI does not have is no quiet end`() throws {
    let outcome = try run("count: 200, ending: 4")
    #expect(outcome.codes == ["runtime.source-failed"])
    #expect(outcome.diagnostics.first?.text.contains("returned status 77") == true)
  }

  @Test(arguments: ["beat", "beat-fresh"])
  func `time that goes backwards ends the run at that event`(plugin: String) throws {
    for block in [1, 64, 256] {
      let outcome = try run("count: 500, start: 5000000, fault: 2, at: 150", plugin: plugin, block: block)
      #expect(outcome.codes == ["runtime.source-failed"])
      #expect(outcome.diagnostics.first?.text.hasPrefix("source s failed: event time went back from 5001490 to 4001500 ns; ") == true)
      #expect(outcome.rows("t.out").count == 150, "block \(block)")
    }
  }

  @Test(arguments: [
    (1, "one pull wrote to 2 ports; it may write to one only"), (3, "one pull committed more rows than there was room for"),
    (4, "the source wrote behind the rows it had reserved"), (5, "the source claims more arena than there is"),
  ])
  func `a pull that breaks the contract hands over nothing`(fault: Int, text: String) throws {
    let outcome = try run("count: 500, fault: \(fault), at: 100")
    #expect(outcome.codes == ["runtime.source-failed"])
    #expect(outcome.diagnostics.first?.text == "source s failed: \(text) (GANTRY_BUG)")
    #expect(outcome.rows("t.out").count == 64)
  }

  @Test func `one source that fails ends a run of several`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        a: { plugin: beat, params: { count: 100000 } }
        b: { plugin: beat, params: { count: 50, ending: 2 } }
        t: { plugin: trail, from: [a, b] }
        """))
    #expect(outcome.codes == ["runtime.source-failed"])
    #expect(outcome.rows("t.out").count < 100_000)
  }

  @Test func `a stop ends an endless source and flushes`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 1000000000000 } }
        f: { plugin: fan, from: s, params: { rows_max: 0, flush: 2 } }
        """), options: { $0.captures = [("f", "out")] }, during: { $0.requestStop() })
    #expect(outcome.diagnostics.isEmpty)
    #expect(outcome.summary?.wasStopped == true)
    #expect(outcome.rows("f.out").count == 2)
  }
}
