import BrokenPlugins
import GantryBase
import GantryGraph
import GantryLoader
@testable import GantryRuntime
import Glibc
import PluginHarness
import Synchronization

/// Runs graphs the way the host does: from YAML text, with plugins loaded from `.so` files. The
/// plugins are the project's own and those of `Tests/Fixtures/LanePlugins`.
enum Bench {
  private static let loader = Loader()
  private static let loaded = Mutex<[String: [PluginCode]]>([:])
  private static let lanePlugins = Result { try Fixture.compile("\(Fixture.root)/Tests/Fixtures/LanePlugins/plugins.c", as: "liblane.so") }

  /// What a file offers. Loaded once a process and never unloaded.
  private static func codes(_ path: String) throws(GantryError) -> [PluginCode] {
    if let known = loaded.withLock({ $0[path] }) { return known }
    let generation = try loader.load(path: path)
    let list = generation.plugins.map {
      PluginCode(raw: $0.raw, description: $0.description, sha256: generation.sha256, generation: UInt32(generation.number))
    }
    loaded.withLock { $0[path] = list }
    return list
  }

  private static func find(_ id: String, _ files: [String: String]) throws -> PluginCode? {
    if let file = files[id] { return try codes(file).first { $0.description.id == id } }
    if let own = try codes(lanePlugins.get()).first(where: { $0.description.id == id }) { return own }
    let path = "\(PluginHarness.productsFolder)/lib\(id).so"
    return access(path, R_OK) == 0 ? try codes(path).first { $0.description.id == id } : nil
  }

  /// A graph and the code of its nodes.
  struct Loaded {
    var graph: Graph
    var code: [PluginCode]
  }

  /// The text of a graph file with two instruments.
  static func yaml(_ nodes: String, clock: String = "replay", more: String = "") -> String {
    """
    graph: test
    clock: \(clock)
    \(more)
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
      GBPUSD: { tick: 0.00001, lot: 1, base: GBP, quote: USD, contract: 1, session: fx }
    nodes:
    \(nodes.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

    """
  }

  static func load(_ yaml: String, files: [String: String] = [:]) throws -> Loaded {
    var failure: (any Error)?
    let built = GraphBuilder.build(
      file: "test.yaml", text: yaml,
      catalog: { id, _ in
        do {
          if let code = try find(id, files) { return .found(code.description) }
        } catch {
          failure = error
        }
        return .missing(installed: [])
      })
    if let failure { throw failure }
    guard let graph = built.graph else { throw GantryError(built.diagnostics, .badInput) }
    return Loaded(graph: graph, code: try graph.nodes.map { try find($0.plugin.id, files)! })
  }

  /// Runs a graph to its end and keeps all that its ports emitted.
  static func run(
    _ yaml: String, files: [String: String] = [:], options change: (inout RunOptions) -> Void = { _ in },
    during: (Run) -> Void = { _ in }
  ) throws -> Outcome {
    try run(load(yaml, files: files), options: change, during: during)
  }

  static func run(
    _ loaded: Loaded, options change: (inout RunOptions) -> Void = { _ in }, during: (Run) -> Void = { _ in }
  ) throws -> Outcome {
    let lines = Lines()
    var options = RunOptions()
    options.traceEvery = 0
    options.captures = loaded.graph.nodes.flatMap { node in node.plugin.outputs.map { (node.name, $0.name) } }
    options.onLog = { line in lines.list.withLock { $0.append(line) } }
    change(&options)
    var outcome = Outcome(graph: loaded.graph)
    do throws(GantryError) {
      let run = try Run(graph: loaded.graph, options: options) { node throws(GantryError) in loaded.code[node] }
      try run.start()
      during(run)
      // A run that does not end by itself is ended, so that one fault does not hang all tests.
      let began = monotonicNs()
      run.wait { run in
        guard monotonicNs() - began > deadlineNs else { return }
        outcome.hung = true
        run.requestStop()
      }
      do throws(GantryError) { outcome.summary = try run.finish() } catch { outcome.failed(error) }
      outcome.take(run.captures)
    } catch {
      outcome.failed(error)
    }
    outcome.log = lines.list.withLock { $0 }
    return outcome
  }

  private final class Lines: Sendable {
    let list = Mutex<[LogLine]>([])
  }

  /// The names of this process's threads.
  static var threadNames: [String] {
    guard let tasks = opendir("/proc/self/task") else { return [] }
    defer { closedir(tasks) }
    var names: [String] = []
    while let entry = readdir(tasks) {
      let id = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let file = fopen("/proc/self/task/\(id)/comm", "r") else { continue }
      defer { fclose(file) }
      var line = [UInt8](repeating: 0, count: 64)
      let length = fread(&line, 1, 64, file)
      if let name = String(decoding: line[..<length], as: UTF8.self).split(separator: "\n").first { names.append(String(name)) }
    }
    return names
  }

  static func threads(named name: String) -> Int { threadNames.count { $0 == name } }

  static let deadlineNs: Int64 = 120_000_000_000

  static func monotonicNs() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
  }
}
