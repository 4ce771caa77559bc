import GantryAdmin
import GantryBase
import GantryCells
import GantryGraph
import GantryLoader
import GantryManifest
import GantryRuntime

/// Sessions of graphs that are kept as sources.
extension GraphSession {
  /// What makes a graph of a file, as it is now.
  static func source(_ file: String, _ arguments: GraphArguments) throws(GantryError) -> GraphSource {
    let bytes = try readFile(file, limit: 1 << 20)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      // The parser says where it is not.
      _ = try GraphSession(file: file, text: bytes, options: GraphOptions(profile: arguments.profile, sets: arguments.sets))
      throw GantryError("graph.not-utf8", "\(file) is not UTF-8")
    }
    return GraphSource(
      file: file, text: text, directory: JournalHeads.workingDirectory(),
      profile: arguments.profile, sets: arguments.sets, pluginFolders: arguments.pluginFolders)
  }

  convenience init(_ source: GraphSource, loader: Loader? = nil, cells: CellFactory = CellFactory()) throws(GantryError) {
    try self.init(
      file: source.file, text: Array(source.text.utf8), options: GraphSession.options(source), pluginFolders: source.pluginFolders,
      loader: loader, cells: cells, pins: source.pins)
  }

  static func options(_ source: GraphSource) -> GraphOptions {
    var options = GraphOptions(profile: source.profile, sets: source.sets)
    options.overlays = source.overlays
    options.models = source.models ?? [:]
    options.files.workingDirectory = source.directory
    return options
  }

  /// The file of a plugin id, where the graph of this source looks.
  static func pluginPath(_ id: String, _ source: GraphSource) -> String? {
    let header = GraphBuilder.header(file: source.file, bytes: Array(source.text.utf8), options: options(source))
    return find(id, folders(source.pluginFolders, header?.pluginPath ?? []))
  }

  /// - Parameter seed: of the run that it is for
  func prepared(_ source: GraphSource, seed: UInt64) -> PreparedGraph {
    let source = source.pinned(to: graph)
    return PreparedGraph(
      source: source, graph: graph, code: graph.nodes.indices.map(code), warnings: warnings, generations: generations,
      head: JournalHeads.maker(self, source, seed: seed, epoch: 0, graph))
  }
}
