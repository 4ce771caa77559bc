import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import PluginHarness
import Testing

/// Blocks change the speed and nothing else.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct BlockTests {
  private func run(_ yaml: String, block: Int) throws -> Outcome {
    try Bench.run(yaml) { $0.blockSize = block }
  }

  @Test(arguments: Seeded.seeds(12))
  func `the outputs and the errors of a graph do not depend on the block size`(seed: UInt64) throws {
    let yaml = RandomGraph(seed: seed).yaml
    var random = Seeded(seed ^ 0xB10C)
    let one = try run(yaml, block: 1)
    #expect(one.diagnostics.isEmpty, "seed \(seed)")
    #expect(!one.sequence.isEmpty, "seed \(seed)")
    for block in [256, Int.random(in: 2...255, using: &random), Int.random(in: 2...9, using: &random)] {
      let other = try run(yaml, block: block)
      #expect(other.difference(from: one) == nil, "seed \(seed), block \(block)\n\(yaml)")
      #expect(other.counts == one.counts, "seed \(seed), block \(block)\n\(yaml)")
      #expect(other.summary?.orderHash == one.summary?.orderHash, "seed \(seed), block \(block)")
      #expect(other.diagnostics == one.diagnostics, "seed \(seed), block \(block)")
    }
  }

  @Test func `fan-outs and diamonds join in the order of their causes`() throws {
    let yaml = Bench.yaml(
      """
      s: { plugin: beat, params: { count: 1000, jitter: 5 } }
      a: { plugin: fan, from: s, params: { rows_max: 3, seed: 1 } }
      b: { plugin: fan, from: a, params: { rows_max: 2, seed: 2 } }
      c: { plugin: fan, from: a, params: { rows_max: 3, seed: 3, take: 5 } }
      d: { plugin: fan, from: [c, s, b], params: { rows_max: 2, seed: 4 } }
      """)
    let one = try run(yaml, block: 1)
    let chains = one.ticks("d.out").map(\.header.chain)
    #expect(chains == chains.sorted())
    for block in [2, 3, 64, 255, 256] { #expect(try run(yaml, block: block).difference(from: one) == nil, "block \(block)") }
  }

  @Test(arguments: ["fan", "fan-single"])
  func `what the failing event caused is discarded and the rest stands`(plugin: String) throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 300 } }
        f: { plugin: \(plugin), from: s, params: { rows_min: 1, rows_max: 1, fail_from: 100, fail_to: 102 } }
        """))
    #expect(outcome.ticks("f.out").map(\.header.chain) == (1...300).filter { !(100...101).contains($0) })
    #expect(outcome.ticks("f.out").allSatisfy { $0.bid >= 0 })
    #expect(outcome.node("f")?.errors == 2)
    #expect(outcome.node("f")?.events == 300)
    #expect(outcome.node("f")?.dropped == 0)
    #expect(outcome.node("f")?.breaker == "closed")
    #expect(outcome.log.map(\.text) == ["failed on an event of chain 100: told to fail (GANTRY_INVALID)"])
  }

  @Test(arguments: ["fan", "fan-single"], [1, 5, 256])
  func `three failures in a row open the breaker, and a success after its wait closes it`(plugin: String, block: Int) throws {
    // A tick every 100 ms: the breaker waits 1 s after its third failure, and then 2 s.
    let outcome = try run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 100, step: 100000000 } }
        f: { plugin: \(plugin), from: s, params: { rows_min: 1, rows_max: 1, fail_from: 11, fail_to: 24 } }
        """), block: block)
    // 11, 12, 13 fail; open until 23, which fails as well; open until 43.
    #expect(outcome.ticks("f.out").map(\.header.chain) == Array(1...10) + Array(43...100))
    #expect(outcome.node("f")?.errors == 4)
    #expect(outcome.node("f")?.dropped == 9 + 19)
    #expect(outcome.node("f")?.breaker == "closed")
  }

  @Test(arguments: ["fan", "fan-single"], [1, 7, 256])
  func `failures with successes between them never open the breaker`(plugin: String, block: Int) throws {
    let outcome = try run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 2000 } }
        f: { plugin: \(plugin), from: s, params: { rows_min: 1, rows_max: 1, fail_one_in: 40 } }
        """), block: block)
    let errors = try #require(outcome.node("f")).errors
    #expect(errors > 20)
    #expect(outcome.node("f")?.dropped == 0)
    #expect(outcome.rows("f.out").count == 2000 - Int(errors))
  }

  @Test func `on_error halt ends the run at the failing event`() throws {
    for block in [1, 16, 100, 256] {
      let outcome = try run(
        Bench.yaml(
          """
          s: { plugin: beat, params: { count: 300 } }
          f: { plugin: fan, from: s, params: { rows_min: 1, rows_max: 1, fail_from: 100, fail_to: 101 }, on_error: halt }
          t: { plugin: trail-single, from: f }
          u: { plugin: trail, from: [f, s] }
          """), block: block)
      #expect(outcome.codes == ["runtime.node-failed"])
      #expect(outcome.exit == .failed)
      #expect(outcome.ticks("f.out").map(\.header.chain) == Array(1...99), "block \(block)")
      #expect(outcome.ticks("t.out").map(\.header.chain) == Array(1...99), "block \(block)")
      #expect(outcome.ticks("u.out").map(\.header.chain) == (1...99).flatMap { [$0, $0] }, "block \(block)")
      #expect(outcome.diagnostics.first?.text == "node f failed and its on_error is halt: told to fail (GANTRY_INVALID)")
    }
  }

  @Test func `a node that stops early is offered the rest`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 1000 } }
        f: { plugin: fan, from: s, params: { rows_min: 1, rows_max: 1, take: 3 } }
        """))
    #expect(outcome.ticks("f.out").map(\.header.chain) == Array(1...1000))
    #expect(outcome.node("f")?.errors == 0)
  }

  @Test func `sources are merged by time, ties in the order of the file`() throws {
    for block in [1, 10, 256] {
      let outcome = try run(
        Bench.yaml(
          """
          late: { plugin: beat, params: { count: 500, start: 1000, step: 20 } }
          soon: { plugin: beat, params: { count: 900, start: 990, step: 10, chunk: 7 } }
          t: { plugin: trail, from: [soon, late] }
          """), block: block)
      let times = outcome.ticks("t.out").map { ($0.header.event_ns, $0.header.origin) }
      #expect(times.count == 1400)
      #expect(zip(times, times.dropFirst()).allSatisfy { $0.0 < $1.0 || $0.0 == $1.0 && $0.1 < $1.1 }, "block \(block)")
    }
  }

  @Test func `the last rows of a block node reach the nodes behind it`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat, params: { count: 10 } }
        f: { plugin: fan, from: s, params: { rows_max: 0, flush: 3 } }
        g: { plugin: fan, from: f, params: { rows_min: 1, rows_max: 1, flush: 2 } }
        t: { plugin: trail, from: g }
        u: { plugin: trail-single, from: g }
        """))
    #expect(outcome.rows("f.out").count == 3)
    #expect(outcome.rows("g.out").count == 5)
    #expect(outcome.rows("t.out").count == 5)
    #expect(outcome.rows("u.out").count == 5)
  }

  @Test func `texts arrive whole, whatever the block`() throws {
    let yaml = Bench.yaml(
      """
      s: { plugin: beat, params: { count: 3000 } }
      w: { plugin: texts, from: s, params: { longest: 200 } }
      r: { plugin: reader, from: w }
      """)
    let one = try run(yaml, block: 1)
    #expect(one.ticks("r.out").allSatisfy { $0.ask > 0 })
    for block in [3, 256] { #expect(try run(yaml, block: block).difference(from: one) == nil) }
  }
}
