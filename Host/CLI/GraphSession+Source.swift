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
    options.files.workingDirectory = source.directory
    return options
  }

  func prepared(_ source: GraphSource) -> PreparedGraph {
    PreparedGraph(source: source, graph: graph, code: graph.nodes.indices.map(code), warnings: warnings, generations: generations)
  }

  /// The source of a committed version, with the very bytes it ran with where the files have others now.
  static func source(_ version: GraphVersion, _ versions: GraphVersions) throws(GantryError) -> GraphSource {
    var source = version.source
    for plugin in version.plugins {
      let path = source.pins[plugin.node] ?? plugin.path
      if isUnchanged(path, plugin.sha256) { continue }
      guard let kept = versions.object(plugin.sha256) else {
        throw GantryError(
          "state.no-object", "\(path) is not the \(plugin.id) \(plugin.version) that node \(plugin.node) of version \(version.number) ran, and no copy was kept",
          help: ["put the file with SHA-256 \(plugin.sha256) back, or leave --resume out"], exit: .failed)
      }
      source.pins[plugin.node] = kept
    }
    for artifact in version.artifacts where !isUnchanged(artifact.path, artifact.sha256) {
      guard let kept = versions.object(artifact.sha256) else {
        throw GantryError(
          "state.no-object", "\(artifact.path) is not the artifact that node \(artifact.node) of version \(version.number) read, and no copy was kept",
          help: ["put the file with SHA-256 \(artifact.sha256) back, or leave --resume out"], exit: .failed)
      }
      source.sets.append("\(artifact.node).\(artifact.parameter)=\(absolute(kept))")
    }
    source.pins = source.pins.mapValues(absolute)
    return source
  }

  private static func isUnchanged(_ path: String, _ sha256: String) -> Bool {
    if let bytes = try? readFile(path, limit: 1 << 30) { return FileBytes.sha256(bytes) == sha256 }
    // A bundle is a folder; its hash is the loader's to find.
    return (try? PluginImage(path: path))?.sha256 == sha256
  }

  private static func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(JournalHeads.workingDirectory())/\(path)" }
}
