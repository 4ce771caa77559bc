import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime

/// Builds a graph with the plugins of its folders, and with other files for the nodes that are pinned
/// to them: two nodes of one plugin may so run different generations of it.
struct SessionBuilder {
  let file: String
  let bytes: [UInt8]
  let options: GraphOptions
  let folders: [String]
  let loader: Loader
  let phase: (String) -> Void
  private(set) var warnings: [Diagnostic] = []
  /// Loaded by this builder, once each; after `letGo` those that a node uses.
  private(set) var generations: [Generation] = []
  private var used: Set<String> = []

  init(file: String, bytes: [UInt8], options: GraphOptions, folders: [String], loader: Loader, phase: @escaping (String) -> Void) {
    self.file = file
    self.bytes = bytes
    self.options = options
    self.folders = folders
    self.loader = loader
    self.phase = phase
  }

  mutating func build(pins: [String: String]) throws(GantryError) -> (Graph, [PluginCode]) {
    var pinned: [String: Generation] = [:]
    for (node, path) in pins.sorted(by: { $0.key < $1.key }) { pinned[node] = try load(path, as: node) }
    var (graph, code) = try build(instead: Array(pinned.values))
    // What the first build gave every node of the id belongs to the pinned ones; each other node
    // takes its part of a build of its own.
    var others: [String: (Graph, [PluginCode])] = [:]
    for index in graph.nodes.indices where !pinned.isEmpty {
      let wanted = pinned[graph.nodes[index].name]
      let isRight = wanted.map { $0.sha256 == code[index].sha256 } ?? !pinned.values.contains { $0.sha256 == code[index].sha256 }
      if isRight { continue }
      let key = wanted?.sha256 ?? ""
      let other: (Graph, [PluginCode])
      if let known = others[key] { other = known } else { other = try build(instead: wanted.map { [$0] } ?? []) }
      others[key] = other
      guard other.0.nodes.count == graph.nodes.count, wanted == nil || other.1[index].sha256 == key else {
        throw GantryError("graph.pin", "\(wanted?.path ?? "") does not offer the plugin \(graph.nodes[index].plugin.id) of \(graph.nodes[index].name)")
      }
      let inputs = graph.nodes[index].inputs
      graph.nodes[index] = other.0.nodes[index]
      graph.nodes[index].inputs = inputs
      code[index] = other.1[index]
    }
    used = Set(code.map(\.sha256))
    return (graph, code)
  }

  /// Gives back what no node uses.
  mutating func letGo(all: Bool) {
    for generation in generations where all || !used.contains(generation.sha256) { generation.unload() }
    generations.removeAll { all || !used.contains($0.sha256) }
  }

  private mutating func load(_ path: String, as name: String) throws(GantryError) -> Generation {
    phase("loading \(name) from \(path)")
    let generation = try loader.load(path: path)
    if let known = generations.first(where: { $0.sha256 == generation.sha256 }) {
      generation.unload()
      return known
    }
    generations.append(generation)
    warnings += generation.warnings
    return generation
  }

  /// Builds with these generations' plugins in place of what the folders have.
  private mutating func build(instead: [Generation]) throws(GantryError) -> (Graph, [PluginCode]) {
    var loaded: [String: (LoadedPlugin, Generation)] = [:]
    var diagnostics: [Diagnostic] = []
    var exitCode = ExitCode.badInput
    // The builder asks from inside its own call; what it is told is kept here meanwhile.
    var own = self
    let result = GraphBuilder.build(
      file: file, bytes: bytes,
      catalog: { id, _ in
        if let generation = instead.first(where: { $0[id] != nil }), let plugin = generation[id] {
          loaded[id] = (plugin, generation)
          return .found(plugin.description)
        }
        guard let path = GraphSession.find(id, own.folders) else { return .missing(installed: GraphSession.installed(own.folders)) }
        do throws(GantryError) {
          let generation = try own.load(path, as: id)
          guard let plugin = generation[id] else {
            return .refused(
              Diagnostic(
                .error, "loader.other-id",
                "\(path) offers \(generation.plugins.map(\.description.id).joined(separator: ", ")), not \(id)"))
          }
          loaded[id] = (plugin, generation)
          return .found(plugin.description)
        } catch {
          diagnostics += error.diagnostics.dropFirst()
          if error.exitCode == .notAllowed { exitCode = .notAllowed }
          return .refused(error.diagnostics[0])
        }
      }, options: options)
    self = own
    diagnostics = result.diagnostics + diagnostics
    guard let graph = result.graph, !diagnostics.contains(where: { $0.severity == .error }) else {
      throw GantryError(diagnostics, exitCode)
    }
    for warning in diagnostics where !warnings.contains(warning) { warnings.append(warning) }
    let code = graph.nodes.map { node in
      let (plugin, generation) = loaded[node.plugin.id]!
      return PluginCode(
        raw: plugin.raw, description: plugin.description, sha256: generation.sha256, generation: UInt32(generation.number), libraries: loader.libraries)
    }
    return (graph, code)
  }
}
