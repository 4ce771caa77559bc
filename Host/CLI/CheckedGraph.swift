import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime

/// A graph built from the descriptions that a throwaway child read: no plugin code runs here.
enum CheckedGraph {
  static func load(_ file: String, _ arguments: GraphArguments) throws(GantryError) -> Graph {
    let bytes = try readFile(file, limit: 1 << 20)
    let options = GraphOptions(profile: arguments.profile, sets: arguments.sets)
    let header = GraphBuilder.header(file: file, bytes: bytes, options: options)
    let folders = GraphSession.folders(arguments.pluginFolders, header?.pluginPath ?? [])
    let paths = (header?.plugins ?? []).compactMap { GraphSession.find($0.id, folders) }
    let described = PluginInspector.describe(paths: paths)
    let result = GraphBuilder.build(
      file: file, bytes: bytes,
      catalog: { id, _ in
        guard let path = GraphSession.find(id, folders), let answer = described[path] else {
          return .missing(installed: GraphSession.installed(folders))
        }
        switch answer {
        case .success(let plugins):
          if let plugin = plugins.first(where: { $0.id == id }) { return .found(plugin) }
          return .refused(Diagnostic(.error, "loader.other-id", "\(path) does not offer \(id)"))
        case .failure(let error): return .refused(error.diagnostics[0])
        }
      }, options: options)
    guard let graph = result.graph else { throw GantryError(result.diagnostics, .badInput) }
    return graph
  }
}
