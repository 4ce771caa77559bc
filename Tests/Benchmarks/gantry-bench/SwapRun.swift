import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import GantryTrace
import Glibc
import Synchronization

/// A running graph whose node `swapped` is replaced again and again by the other of two versions of its
/// plugin, each time loaded from its file and unloaded when it is let go, as the host does it.
final class SwapRun {
  let run: Run
  private let graph: Graph
  private let files: [String]
  private let id: String
  private let loads: Loads
  private var next = 1
  private var waiter: Waiter?

  /// - Parameters:
  ///   - files: of the two versions
  ///   - id: of the plugin
  init(_ host: BenchmarkHost, _ text: String, files: [String], id: String, traceEvery: Int = 16) throws {
    let graph = try host.graph(text)
    let loads = Loads()
    var options = RunOptions()
    options.traceEvery = traceEvery
    options.onLetGo = { code in loads.letGo(code) }
    run = try Run(graph: graph, options: options) { index throws(GantryError) in
      graph.nodes[index].name == "swapped" ? try loads.load(files[0], id) : try host.code(graph.nodes[index].plugin.id)
    }
    self.graph = graph
    self.files = files
    self.id = id
    self.loads = loads
    try run.start()
    waiter = try Waiter(run)
  }

  /// Swaps the node; returns after the flip, or with `waits` after the commit.
  func swap(_ change: (inout SwapPolicy) -> Void = { _ in }, waits: Bool = true) throws -> SwapReport {
    var policy = SwapPolicy()
    change(&policy)
    let code = try loads.load(files[next & 1], id)
    next += 1
    return try run.swap(
      SwapRequest(id: "c\(next)", node: "swapped", graph: graph, code: code, policy: policy, by: "the benchmark"), waits: waits)
  }

  /// Stops the sources, waits for the end and sums up.
  func finish() throws -> RunSummary {
    run.requestStop()
    return try end()
  }

  /// Waits for the end of what the sources have.
  func end() throws -> RunSummary {
    waiter?.join()
    let summary = try run.finish()
    for node in summary.nodes where node.events != summary.events {
      throw BenchmarkError("\(summary.events) events came in and \(node.name) handled \(node.events): something was lost or doubled")
    }
    return summary
  }
}

/// Copies of plugins, each unloaded when the run lets it go.
private final class Loads: Sendable {
  private let loader = Loader()
  private let generations = Mutex<[UInt32: [Generation]]>([:])

  func load(_ path: String, _ id: String) throws(GantryError) -> PluginCode {
    let generation = try loader.load(path: path)
    guard let plugin = generation[id] else { throw GantryError("bench.no-plugin", "\(path) does not offer \(id)") }
    generations.withLock { $0[UInt32(generation.number), default: []].append(generation) }
    return PluginCode(
      raw: plugin.raw, description: plugin.description, sha256: generation.sha256, generation: UInt32(generation.number))
  }

  func letGo(_ code: PluginCode) {
    let generation = generations.withLock { $0[code.generation]?.popLast() }
    generation?.unload()
  }
}

/// The thread in which a run waits for its end.
private final class Waiter: @unchecked Sendable {  // `thread` is the maker's
  private var thread = pthread_t()
  private let run: Run

  init(_ run: Run) throws(BenchmarkError) {
    self.run = run
    let argument = Unmanaged.passRetained(self)
    let error = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Waiter>.fromOpaque(argument!).takeRetainedValue().run.wait()
        return nil
      }, argument.toOpaque())
    guard error == 0 else { throw BenchmarkError("the system refused a thread") }
  }

  func join() { pthread_join(thread, nil) }
}
