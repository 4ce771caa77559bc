import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Glibc
import PluginHarness
import Synchronization

/// A run whose graph is changed while it goes on, and what all of its nodes emitted.
final class ApplyBench {
  let run: Run
  private var count = 0
  private var hasEnded = false
  private let yaml: String
  private let folder: String?
  private let told = Told()

  private final class Told: Sendable {
    let steps = Mutex<[ApplyStep]>([])
  }

  /// What all applies have told so far.
  var steps: [ApplyStep] { told.steps.withLock { $0 } }

  /// - Parameters:
  ///   - names: of nodes whose first port is captured, besides those of the graph
  ///   - replays: keeps a journal, and follows it again when the run has ended
  init(_ yaml: String, captures names: [String] = [], replays: Bool = false, options change: (inout RunOptions) -> Void = { _ in }) throws {
    let loaded = try Bench.load(yaml)
    self.yaml = yaml
    folder = replays ? try Fixture.temporaryFolder() : nil
    var options = RunOptions()
    options.folder = folder.map { "\($0)/run" }
    options.journalsAll = replays
    options.traceEvery = 0
    options.captures = loaded.graph.nodes.flatMap { node in node.plugin.outputs.map { (node.name, $0.name) } } + names.map { ($0, "out") }
    change(&options)
    run = try Run(graph: loaded.graph, options: options) { node throws(GantryError) in loaded.code[node] }
    try run.start()
  }

  /// Waits, a minute at most, until something is so.
  func until(_ what: String, _ isSo: () -> Bool) throws {
    let began = Bench.monotonicNs()
    while !isSo() {
      guard Bench.monotonicNs() - began < 60_000_000_000 else { throw GantryError("test.timeout", "waited a minute for \(what)") }
      sched_yield()
    }
  }

  func until(events count: UInt64) throws { try until("\(count) events") { run.eventCount >= count } }

  /// Makes the graph into that of `yaml`.
  @discardableResult
  func apply(_ yaml: String, changed: GraphDiff.Changed = GraphDiff.Changed()) throws -> ApplyReport {
    let loaded = try Bench.load(yaml)
    count += 1
    let told = told
    return try run.apply(
      graph: loaded.graph, code: { node throws(GantryError) in loaded.code[node] },
      changes: GraphDiff.diff(old: run.graph, new: loaded.graph, changed: changed), id: "c\(count)", by: "a test",
      head: { _ in JournalHead(json: Array(yaml.utf8), objects: []) },
      progress: { step in told.steps.withLock { $0.append(step) } })
  }

  /// A test that has thrown leaves no thread behind.
  deinit {
    defer { if let folder { removeFolder(folder) } }
    guard !hasEnded else { return }
    run.requestStop()
    run.wait()
    _ = try? run.finish()
  }

  struct Ended {
    var summary: RunSummary
    /// By `node.port`, in the order of emission.
    var ports: [String: [Row]] = [:]
    func rows(_ port: String) -> [Row] { ports[port] ?? [] }
    func ticks(_ port: String) -> [gantry_tick] { rows(port).map(\.tick) }
    /// Events of a node, of its source for one.
    func events(_ name: String) -> Int { Int(node(name)?.events ?? 0) }
    func node(_ name: String) -> RunSummary.Node? { summary.nodes.first { $0.name == name } }
  }

  /// Ends the run, or waits for its end.
  func end(stop: Bool = true) throws -> Ended {
    if stop {
      // The graph as it is now has run as well.
      try until(events: run.eventCount + 1000)
      run.requestStop()
    }
    hasEnded = true
    let began = Bench.monotonicNs()
    run.wait { run in if Bench.monotonicNs() - began > Bench.deadlineNs { run.requestStop() } }
    let outputs = Dictionary(uniqueKeysWithValues: run.graph.nodes.map { ($0.name, $0.plugin.outputs) })
    var ended = Ended(summary: try run.finish())
    if let folder, let difference = try Journals.difference("\(folder)/run", yaml) {
      throw GantryError("test.replay", "the replay of \(folder) is different: \(difference)")
    }
    for event in run.captures.flatMap(\.events) {
      let name = run.nodeNames[event.node]
      let port = outputs[name].map { $0[event.port] }
      ended.ports["\(name).\(port?.name ?? "out")", default: []].append(Row(event, type: port?.type ?? .tick))
    }
    return ended
  }
}
