import BrokenPlugins
import CGantry
import GantryBase
import GantryJournal
@testable import GantryRuntime
import Glibc
import PluginHarness
import Testing

/// A journal, run again: the same outputs, bit for bit, or the place of the first difference.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ReplayTests {
  private func expectIdentical(_ yaml: String, seed: UInt64, block: Int) throws {
    let (outcome, folder) = try Journals.record(yaml, block: block)
    #expect(outcome.diagnostics.isEmpty, "seed \(seed)\n\(yaml)")
    let (again, comparison) = try Journals.replay(folder, yaml)
    #expect(again.diagnostics.isEmpty, "seed \(seed), block \(block)\n\(yaml)")
    #expect(again.difference(from: outcome) == nil, "seed \(seed), block \(block)\n\(yaml)")
    #expect(comparison?.difference == nil, "seed \(seed), block \(block): \(comparison?.difference.map(String.init(describing:)) ?? "")\n\(yaml)")
    #expect(again.counts == outcome.counts, "seed \(seed), block \(block)\n\(yaml)")
    #expect(again.summary?.orderHash == outcome.summary?.orderHash, "seed \(seed)")
  }

  @Test(arguments: Seeded.seeds(6))
  func `a journal of sources that can be read again replays to the bit`(seed: UInt64) throws {
    var random = Seeded(seed ^ 1)
    try expectIdentical(RandomGraph(seed: seed).yaml, seed: seed, block: Int.random(in: 1...256, using: &random))
  }

  @Test(arguments: Seeded.seeds(6))
  func `a journal that keeps the events replays to the bit`(seed: UInt64) throws {
    var options = RandomGraph.Options()
    options.fresh = true
    var random = Seeded(seed ^ 2)
    try expectIdentical(RandomGraph(seed: seed, options).yaml, seed: seed, block: Int.random(in: 1...256, using: &random))
  }

  @Test(arguments: Seeded.seeds(6))
  func `a journal of several lanes replays to the bit`(seed: UInt64) throws {
    var options = RandomGraph.Options()
    options.lanes = ["b", "c"]
    options.spread = 3
    options.loopsAnywhere = true
    options.timers = false
    var random = Seeded(seed ^ 4)
    try expectIdentical(RandomGraph(seed: seed, options).yaml, seed: seed, block: Int.random(in: 1...256, using: &random))
  }

  @Test func `a source that can be read again costs the journal no events`() throws {
    let yaml = "s: { plugin: beat, params: { count: 1000 } }\nt: { plugin: trail, from: s }"
    let rows = try Journals.counts(Journals.record(Bench.yaml(yaml)).folder)
    #expect(rows[.rows] ?? 0 >= 4)
    #expect(rows[.events] == nil)
    let events = try Journals.counts(Journals.record(Bench.yaml(yaml.replacing("beat", with: "beat-fresh"))).folder)
    #expect(events[.rows] == nil)
    #expect(events[.events] ?? 0 >= 4)
  }

  @Test func `texts are journaled with their events`() throws {
    try expectIdentical(
      Bench.yaml(
        """
        s: { plugin: beat-fresh, params: { count: 800 } }
        w: { plugin: texts, from: s }
        r: { plugin: reader, from: w }
        """), seed: 0, block: 100)
  }

  @Test func `a journal of a run that was stopped replays to where it stopped`() throws {
    let yaml = Bench.yaml(
      """
      s: { plugin: beat-fresh, params: { count: 100000000, price: 100000, step: 100000 } }
      decide: { plugin: decider, from: [s, broker.executions~] }
      broker: { plugin: paper, from: [s, decide] }
      """)
    let folder = try Fixture.temporaryFolder() + "/run"
    let outcome = try Bench.run(
      yaml,
      options: {
        $0.folder = folder
        $0.captures = []
      },
      during: { run in
        while run.eventCount == 0 { sched_yield() }
        run.requestStop()
      })
    let (again, comparison) = try Journals.replay(folder, yaml, all: false)
    #expect(comparison?.difference == nil)
    #expect(again.summary?.events == outcome.summary?.events)
    #expect(again.summary?.orderHash == outcome.summary?.orderHash)
    #expect(try #require(outcome.summary).events < 100_000_000)
  }

  @Test func `the first difference names node, port and chain`() throws {
    let yaml = Bench.yaml(
      """
      s: { plugin: beat, params: { count: 1000 } }
      a: { plugin: fan, from: s, params: { rows_min: 1, rows_max: 2 } }
      b: { plugin: fan, from: a, params: { rows_min: 1, rows_max: 1 } }
      """)
    let (_, folder) = try Journals.record(yaml, block: 64)
    // One row of chain 700 is missing where `b` fails on it.
    let changed = yaml.replacing("from: a, params: { ", with: "from: a, params: { fail_from: 700, fail_to: 701, ")
    let (_, missing) = try Journals.replay(folder, changed)
    #expect(missing?.difference?.node == "b")
    #expect(missing?.difference?.port == "out")
    #expect(missing?.difference?.chain == 700)
    // Another seed changes the rows from the first on.
    let (_, other) = try Journals.replay(folder, yaml.replacing("rows_max: 1 }", with: "rows_max: 1, seed: 5 }"))
    #expect(other?.difference?.node == "b")
    #expect(other?.difference?.chain == 1)
    #expect(other?.difference?.offset.map { (32..<40).contains($0) } == true)
  }

  @Test func `a torn last frame is reported and the rest replays`() throws {
    let yaml = Bench.yaml(
      """
      s: { plugin: beat-fresh, params: { count: 20000 } }
      a: { plugin: fan, from: s }
      """)
    let (_, folder) = try Journals.record(yaml)
    let path = folder + "/journal/" + (try #require(files(folder + "/journal").last))
    var info = stat()
    #expect(stat(path, &info) == 0)
    #expect(truncate(path, info.st_size * 2 / 3) == 0)
    let (again, comparison) = try Journals.replay(folder, yaml)
    #expect(again.diagnostics.isEmpty)
    #expect(comparison?.difference == nil)
    #expect(try #require(comparison).tornBytes > 0)
    #expect(try #require(comparison).records > 10)
    #expect(try #require(again.summary).events < 20_000)
  }

  @Test func `a journal of another graph is refused`() throws {
    let (_, folder) = try Journals.record(Bench.yaml("s: { plugin: beat-fresh }\na: { plugin: fan, from: s }"))
    let (outcome, _) = try Journals.replay(folder, Bench.yaml("a: { plugin: fan, from: s }\ns: { plugin: beat-fresh }"))
    #expect(outcome.codes == ["replay.no-fit"])
    #expect(outcome.exit == .badInput)
  }

  @Test func `rows that have changed since are refused`() throws {
    let folder = try Fixture.temporaryFolder()
    let file = folder + "/ticks.csv"
    func write(_ bid: String) throws {
      var text = "time,bid,ask\n"
      for row in 0..<400 { text += "\(1_700_000_000_000 + row * 1000),\(row == 200 ? bid : "1.10000"),1.10010\n" }
      let stream = try #require(fopen(file, "w"))
      fputs(text, stream)
      fclose(stream)
    }
    try write("1.10001")
    let yaml = Bench.yaml(
      """
      s: { plugin: replay, params: { path: "\(file)", instrument: EURUSD } }
      t: { plugin: trail, from: s }
      """)
    let (outcome, journal) = try Journals.record(yaml)
    #expect(outcome.rows("t.out").count == 400)
    #expect(try Journals.replay(journal, yaml).comparison?.difference == nil)
    try write("1.10002")
    let changed = try Journals.replay(journal, yaml).outcome
    #expect(changed.codes == ["replay.source-changed"])
    #expect(changed.exit == .badInput)
    #expect(unlink(file) == 0)
    #expect(try Journals.replay(journal, yaml).outcome.exit == .badInput)
  }

  @Test func `orders that the gate refused are refused again`() throws {
    let yaml = Bench.yaml(
      """
      s: { plugin: beat, params: { count: 600, price: 100000, step: 10000000 } }
      decide: { plugin: decider, from: [s, broker.executions~], params: { one_in: 1, market: 1 } }
      other: { plugin: decider, from: s, params: { one_in: 2, market: 1, seed: 5 } }
      risk: { plugin: guard, from: [decide.orders, s], params: { fail_from: 100, fail_to: 110 }, on_error: skip }
      broker: { plugin: paper, from: [s, risk, other.orders] }
      """)
    let (outcome, folder) = try Journals.record(yaml)
    #expect(try #require(outcome.summary).refused > 0)
    let (again, comparison) = try Journals.replay(folder, yaml)
    #expect(comparison?.difference == nil)
    #expect(again.summary?.refused == outcome.summary?.refused)
  }

  private func files(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix("."), name != "objects" { names.append(name) }
    }
    return names.sorted()
  }
}
