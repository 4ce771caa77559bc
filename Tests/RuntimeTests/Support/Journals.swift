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

  /// The journal of `folder` followed by a graph, and where the two first differ.
  static func replay(_ folder: String, _ yaml: String, all: Bool = true) throws -> (outcome: Outcome, comparison: JournalComparison?) {
    let loaded = try Bench.load(yaml)
    let again = try Fixture.temporaryFolder() + "/again"
    let outcome = try Bench.run(
      loaded,
      options: {
        $0.folder = again
        $0.journalsAll = all
        $0.script = folder + "/journal"
      })
    guard outcome.diagnostics.isEmpty else { return (outcome, nil) }
    let names = loaded.graph.nodes.map { ($0.name, $0.plugin.outputs.map(\.name)) }
    return (outcome, try JournalComparison(folder + "/journal", again + "/journal", names: names))
  }

  /// How often each kind of record stands in a journal.
  static func counts(_ folder: String) throws -> [RecordKind: Int] {
    let reader = try JournalReader(directory: folder + "/journal")
    var counts: [RecordKind: Int] = [:]
    while let record = try reader.next() { if let kind = RecordKind(rawValue: record.kind) { counts[kind, default: 0] += 1 } }
    return counts
  }
}
