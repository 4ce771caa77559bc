import BrokenPlugins
import GantryBase
import GantryGraph
import GantryJournal
@testable import GantryRuntime
import Glibc
import PluginHarness

/// Runs that are journaled, and their replays.
enum Journals {
  /// A run with every port journaled, and its folder.
  static func record(
    _ yaml: String, block: Int = 256, all: Bool = true, during: (Run) -> Void = { _ in }
  ) throws -> (outcome: Outcome, folder: String) {
    let folder = try Fixture.temporaryFolder() + "/run"
    let outcome = try Bench.run(
      yaml,
      options: {
        $0.folder = folder
        $0.journalsAll = all
        $0.blockSize = block
      }, during: during)
    return (outcome, folder)
  }

  /// The journal of `folder` followed by a graph, and where the two first differ. Applies kept the text of
  /// their graph as its head, and swaps as their description.
  static func replay(
    _ folder: String, _ yaml: String, files: [String: String] = [:], all: Bool = true, options change: (inout RunOptions) -> Void = { _ in }
  ) throws -> (outcome: Outcome, comparison: JournalComparison?) {
    let loaded = try Bench.load(yaml, files: files)
    let again = try Fixture.temporaryFolder() + "/again"
    defer { removeFolder(String(again.dropLast("/again".count))) }
    var names: [(node: String, ports: [String])] = []
    var applies = UInt32.max
    let outcome = try Bench.run(
      loaded,
      options: {
        $0.folder = again
        $0.journalsAll = all
        $0.script = folder + "/journal"
        follow(&$0, files)
        change(&$0)
      },
      during: { run in
        names = run.portNames
        applies = run.appliesFollowed
      })
    guard outcome.diagnostics.isEmpty else { return (outcome, nil) }
    return (outcome, try JournalComparison(folder + "/journal", again + "/journal", names: names, applies: applies))
  }

  /// How the changes of a followed journal are made again.
  static func follow(_ options: inout RunOptions, _ files: [String: String]) {
    options.scriptedApply = { (applied) throws(GantryError) in
      let loaded = try Journals.load(applied.head, files)
      return ScriptedApply(graph: loaded.graph, code: loaded.code)
    }
    options.scriptedSwap = { (record) throws(GantryError) in
      let loaded = try Journals.load(record.request, files)
      var policy = SwapPolicy()
      policy.canary = record.canary
      policy.warm = record.warm
      return SwapRequest(
        id: record.id, node: record.node, graph: loaded.graph, code: loaded.code[loaded.graph.node(named: record.node)!], policy: policy,
        isCold: record.isCold, by: record.by)
    }
  }

  /// `Bench.load`, whose errors are all of the host.
  private static func load(_ yaml: String, _ files: [String: String]) throws(GantryError) -> Bench.Loaded {
    do { return try Bench.load(yaml, files: files) } catch { throw error as? GantryError ?? GantryError("test.failed", "\(error)") }
  }

  /// What is different in a replay of the journal of `folder`, or did not go well; nil for nothing.
  static func difference(
    _ folder: String, _ yaml: String, files: [String: String] = [:], all: Bool = true, journals: Set<String> = []
  ) throws -> String? {
    let (outcome, comparison) = try replay(folder, yaml, files: files, all: all) {
      $0.captures = []
      $0.journals = journals
    }
    if let error = outcome.diagnostics.first { return "\(error.code): \(error.text)" }
    if outcome.hung { return "the replay hangs" }
    guard let comparison else { return "nothing was compared" }
    if let difference = comparison.difference { return difference.text(paint: Paint(enabled: false)) }
    return comparison.records > 0 ? nil : "nothing was journaled"
  }

  /// How often each kind of record stands in a journal.
  static func counts(_ folder: String) throws -> [RecordKind: Int] {
    let reader = try JournalReader(directory: folder + "/journal")
    var counts: [RecordKind: Int] = [:]
    while let record = try reader.next() { if let kind = RecordKind(rawValue: record.kind) { counts[kind, default: 0] += 1 } }
    return counts
  }
}
