import BrokenPlugins
import CGantry
import GantryBase
@testable import GantryRuntime
import PluginHarness
import Testing

/// `on_error: fallback: NODE`: while a node fails or is quarantined, another node's rows stand in.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct FallbackTests {
  /// `n` fails for chains 100 to 119; `spare` never does.
  private func yaml(_ plugin: String, onError: String = "{ fallback: spare }", fail: String = "fail_from: 100, fail_to: 120") -> String {
    Bench.yaml(
      """
      s: { plugin: beat, params: { count: 400, step: 100000000 } }
      spare: { plugin: \(plugin), from: s, params: { rows_min: 1, rows_max: 3, seed: 7 } }
      n: { plugin: \(plugin), from: s, params: { rows_min: 1, rows_max: 2, \(fail) }, on_error: \(onError) }
      t: { plugin: trail, from: n }
      """)
  }

  private func byChain(_ rows: [Row]) -> [UInt64: [Row]] { Dictionary(grouping: rows, by: \.header.chain) }

  @Test(arguments: ["fan", "fan-single"])
  func `a node's fallback stands in for every event that it fails on or is kept from`(plugin: String) throws {
    let outcome = try Bench.run(yaml(plugin))
    #expect(outcome.diagnostics.isEmpty)
    let (node, spare) = (try #require(outcome.node("n")), byChain(outcome.rows("spare.out")))
    #expect(node.errors >= 3)
    #expect(node.dropped > 0)
    let rows = byChain(outcome.rows("n.out"))
    #expect(rows.count == 400, "no chain is without rows")
    let replaced = rows.filter { $0.value == spare[$0.key] }
    #expect(replaced.count == Int(node.errors + node.dropped))
    #expect((100..<120).allSatisfy { replaced[$0] != nil })
    // What goes on is what left.
    #expect(outcome.rows("t.out").map(\.header.chain) == outcome.rows("n.out").map(\.header.chain))
    #expect(node.outputs == UInt64(outcome.rows("n.out").count))
  }

  @Test(arguments: ["fan", "fan-single"])
  func `with skip the same events have no rows`(plugin: String) throws {
    let skipped = try Bench.run(yaml(plugin, onError: "skip"))
    let replaced = try Bench.run(yaml(plugin))
    let spare = byChain(replaced.rows("spare.out"))
    let node = try #require(skipped.node("n"))
    let rows = byChain(skipped.rows("n.out"))
    #expect(rows.count == 400 - Int(node.errors + node.dropped))
    for (chain, all) in byChain(replaced.rows("n.out")) { #expect(all == rows[chain] ?? spare[chain] ?? []) }
  }

  @Test(arguments: ["fan", "fan-single"])
  func `a fallback stands in at the same events whatever the block size`(plugin: String) throws {
    let first = try Bench.run(yaml(plugin, fail: "fail_one_in: 3"))
    #expect(try #require(first.node("n")).errors > 10)
    for block in [1, 3, 64] {
      let again = try Bench.run(yaml(plugin, fail: "fail_one_in: 3"), options: { $0.blockSize = block })
      #expect(again.difference(from: first) == nil, "block \(block)")
      #expect(again.counts == first.counts, "block \(block)")
    }
  }

  @Test func `a run with a fallback replays to the bit`() throws {
    let yaml = yaml("fan", fail: "fail_one_in: 4").replacing("plugin: beat,", with: "plugin: beat-fresh,")
    let (outcome, folder) = try Journals.record(yaml, block: 50)
    let (again, comparison) = try Journals.replay(folder, yaml)
    #expect(comparison?.difference == nil)
    #expect(again.difference(from: outcome) == nil)
    #expect(again.counts == outcome.counts)
  }

  @Test(arguments: [
    ("lane: b", "spare runs on another lane"),
    ("", "one of them is behind feedback or timers and the other is not"),
  ])
  func `a fallback that could not stand in is refused before anything runs`(place: String, problem: String) throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat }
        spare: { plugin: \(place.isEmpty ? "fan-single" : "fan"), from: s\(place.isEmpty ? "" : ", \(place)") }
        n: { plugin: fan, from: s, on_error: { fallback: spare } }
        """))
    #expect(outcome.codes == ["runtime.fallback"])
    #expect(outcome.diagnostics.first?.text == "n cannot fall back: \(problem)")
  }

  @Test func `a fallback that runs after its node is refused`() throws {
    let outcome = try Bench.run(
      Bench.yaml(
        """
        s: { plugin: beat }
        n: { plugin: fan, from: s, on_error: { fallback: spare } }
        spare: { plugin: fan, from: s }
        """))
    #expect(outcome.diagnostics.first?.text == "n cannot fall back: spare runs after n; write it before, fed by the same nodes")
  }
}
