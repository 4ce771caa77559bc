import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
import GantryJournal
@testable import GantryRuntime
import Glibc
import Synchronization
import Testing

/// Runs whose nodes are swapped while the ticks flow, with the plugins of `Tests/Fixtures/SwapPlugins`,
/// and their replays.
enum SwapBench {
  private static let plugins = Result { try Fixture.compile("\(Fixture.root)/Tests/Fixtures/SwapPlugins/plugins.c", as: "libswap.so") }
  private static let ids = [
    "meter", "meter-single", "stillborn", "meter-two", "meter-convert", "window", "clockwork", "outlet", "columns", "columns-single",
    "columns-outlet", "reader", "last-rows", "echo", "echo-single", "tape", "tape-fresh", "line",
  ]

  static func load(_ yaml: String) throws -> Bench.Loaded {
    let path = try plugins.get()
    return try Bench.load(yaml, files: Dictionary(uniqueKeysWithValues: ids.map { ($0, path) }))
  }

  /// A swap of one node into what it is in another graph, `yaml`.
  static func request(
    _ node: String, _ yaml: String, _ change: (inout SwapRequest) -> Void = { _ in }
  ) throws -> SwapRequest {
    let new = try load(yaml)
    guard let index = new.graph.node(named: node) else { throw GantryError("test", "no node \(node)") }
    var request = SwapRequest(
      id: "c1", node: node, graph: new.graph, code: new.code[index], policy: SwapPolicy(), description: yaml, by: "test")
    change(&request)
    return request
  }

  /// A run that ends when `change` has returned.
  static func run(
    _ yaml: String, folder: String? = nil, afterEvents: UInt64 = 2_000, change: (Run) throws -> Void
  ) throws -> (outcome: Outcome, error: GantryError?) {
    var failure: GantryError?
    let outcome = try Bench.run(
      load(yaml),
      options: {
        $0.blockSize = 64
        if let folder {
          $0.folder = folder
          $0.journalsAll = true
        }
      },
      during: { run in
        waitUntil { run.eventCount > afterEvents }
        do { try change(run) } catch { failure = error as? GantryError ?? GantryError("test", "\(error)") }
        run.requestStop()
      })
    return (outcome, failure)
  }

  static func waitUntil(_ condition: () -> Bool) {
    let began = Bench.monotonicNs()
    while !condition(), Bench.monotonicNs() - began < 20_000_000_000 { usleep(200) }
  }

  /// Lets so many more events pass.
  static func pass(_ count: UInt64, _ run: Run) {
    let from = run.eventCount
    waitUntil { run.eventCount >= from + count }
  }

  /// Makes the running graph into that of `yaml`.
  @discardableResult
  static func apply(_ yaml: String, _ run: Run) throws -> ApplyReport {
    let new = try load(yaml)
    return try run.apply(
      graph: new.graph, code: { node throws(GantryError) in new.code[node] },
      changes: GraphDiff.diff(old: run.graph, new: new.graph, changed: GraphDiff.Changed()), id: "a1", by: "a test")
  }

  /// Follows a run's journal and says where it first differs.
  static func expectReplayed(_ folder: String, _ yaml: String, like outcome: Outcome, _ place: SourceLocation = #_sourceLocation) throws {
    let loaded = try load(yaml)
    let again = try Fixture.temporaryFolder() + "/again"
    let replayed = try Bench.run(
      loaded,
      options: {
        $0.folder = again
        $0.journalsAll = true
        $0.script = folder + "/journal"
        $0.scriptedSwap = { (record) throws(GantryError) in
          do {
            return try request(record.node, record.request) {
              $0.policy.canary = record.canary
              $0.policy.canaryBy = record.canaryBy ?? .instrument
              $0.policy.warm = record.warm
              $0.isCold = record.isCold
            }
          } catch {
            throw error as? GantryError ?? GantryError("test", "\(error)")
          }
        }
      })
    #expect(replayed.diagnostics.isEmpty, "\(replayed.diagnostics)", sourceLocation: place)
    let names = loaded.graph.nodes.map { ($0.name, $0.plugin.outputs.map(\.name)) }
    let comparison = try JournalComparison(folder + "/journal", again + "/journal", names: names)
    #expect(
      comparison.difference == nil, "\(comparison.difference.map { $0.text(paint: Paint(enabled: false)) } ?? "")", sourceLocation: place)
    #expect(comparison.records > 100, sourceLocation: place)
    #expect(replayed.withoutLanes.difference(from: outcome.withoutLanes) == nil, sourceLocation: place)
  }
}
