import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Glibc

/// Builds and runs graphs in this process, with each plugin loaded once.
final class BenchmarkHost {
  let settings: Settings
  private let loader = Loader()
  private var loaded: [String: (plugin: LoadedPlugin, generation: Generation)] = [:]
  private var runs = 0
  /// Threads of this process while the last run went on.
  private(set) var threads = 0

  init(_ settings: Settings) { self.settings = settings }

  /// Runs a graph to its end. `code` says what a node runs that is not to run what its plugin's file offers.
  func run(
    _ text: String, traceEvery: Int = 16, journal: Bool = false,
    code other: @escaping (Graph, Int) throws(GantryError) -> PluginCode? = { _, _ throws(GantryError) in nil }
  ) throws -> RunSummary {
    runs += 1
    let folder = "\(settings.bench)/runs/\(getpid())-\(runs)"
    defer { removeFolder(folder) }
    var options = RunOptions()
    options.folder = traceEvery > 0 || journal ? folder : nil
    options.writesJournal = journal
    options.traceEvery = traceEvery
    return try finished(try prepare(text, options, other))
  }

  /// All events of one port.
  func capture(_ text: String, node: String, port: String) throws -> [[UInt8]] {
    var options = RunOptions()
    options.captures = [(node, port)]
    options.traceEvery = 0
    let run = try prepare(text, options)
    _ = try finished(run)
    return run.captures.flatMap { $0.events.map(\.bytes) }
  }

  private func finished(_ run: Run) throws -> RunSummary {
    try run.start()
    threads = Machine.threads
    run.wait()
    return try run.finish()
  }

  /// Checks a graph; its plugins are loaded.
  func graph(_ text: String) throws -> Graph {
    let catalog = { [self] (id: String, _: String?) -> CatalogAnswer in
      do throws(GantryError) {
        return .found(try plugin(id).plugin.description)
      } catch {
        return error.diagnostics.first.map { .refused($0) } ?? .missing(installed: [])
      }
    }
    let (built, diagnostics) = GraphBuilder.build(
      file: "bench.yaml", text: text, catalog: catalog, options: GraphOptions(baseDirectory: settings.root))
    guard let graph = built else { throw BenchmarkError(diagnostics.map { $0.rendered() }.joined(separator: "\n")) }
    return graph
  }

  private func prepare(
    _ text: String, _ options: RunOptions,
    _ other: @escaping (Graph, Int) throws(GantryError) -> PluginCode? = { _, _ throws(GantryError) in nil }
  ) throws -> Run {
    let graph = try graph(text)
    return try Run(graph: graph, options: options) { index throws(GantryError) in
      if let code = try other(graph, index) { return code }
      return try code(graph.nodes[index].plugin.id)
    }
  }

  /// What a node runs: loaded once, and kept.
  func code(_ id: String) throws(GantryError) -> PluginCode {
    let (plugin, generation) = try plugin(id)
    return PluginCode(
      raw: plugin.raw, description: plugin.description, sha256: generation.sha256, generation: UInt32(generation.number))
  }

  private func plugin(_ id: String) throws(GantryError) -> (plugin: LoadedPlugin, generation: Generation) {
    if let known = loaded[id] { return known }
    let folder = id.hasPrefix("bench-") ? settings.bench : settings.build
    // The ones that are swapped are there in two versions.
    let isVersioned = id == "bench-state" || id == "bench-tail"
    let generation = try loader.load(path: "\(folder)/lib\(id)\(isVersioned ? "-1" : "").so")
    guard let plugin = generation[id] else { throw GantryError("bench.no-plugin", "lib\(id).so does not offer \(id)") }
    loaded[id] = (plugin, generation)
    return (plugin, generation)
  }
}

/// Removes a folder and all that is in it.
func removeFolder(_ path: String) {
  guard let folder = opendir(path) else { return }
  while let entry = readdir(folder) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if name == "." || name == ".." { continue }
    if entry.pointee.d_type == UInt8(DT_DIR) { removeFolder("\(path)/\(name)") } else { unlink("\(path)/\(name)") }
  }
  closedir(folder)
  rmdir(path)
}
