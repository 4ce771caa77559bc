import GantryBase
import GantryCells
import GantryGraph
import GantryLoader
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// A graph file made ready to run: its plugins found, loaded and described, the graph checked.
///
/// Loads the plugins' code into this process: for `run`, and for the throwaway children of `check`
/// and `inspect`.
final class GraphSession {
  let graph: Graph
  let text: [UInt8]
  let file: String
  let warnings: [Diagnostic]
  let loader: Loader
  /// The children of nodes with `isolate: process`.
  let cells: CellFactory
  /// By node.
  private let code: [PluginCode]
  /// Files of the loaded plugins: path and hash, for the journal.
  let images: [(path: String, sha256: String)]

  init(
    file: String, text given: [UInt8]? = nil, options: GraphOptions, pluginFolders: [String] = [],
    phase: @escaping (String) -> Void = { _ in }
  ) throws(GantryError) {
    self.file = file
    phase("reading \(file)")
    let bytes: [UInt8]
    if let given { bytes = given } else { bytes = try readFile(file, limit: 1 << 20) }
    text = bytes
    let header = GraphBuilder.header(file: file, bytes: bytes, options: options)
    let folders = GraphSession.folders(pluginFolders, header?.pluginPath ?? [])
    var loaderOptions = LoaderOptions()
    loaderOptions.hostVersion = gantryVersion
    var notes: [Diagnostic] = []
    switch header?.trust {
    case .manifest: loaderOptions.trust = .manifest(try GraphSession.lockFile(header, folders))
    case .signed: loaderOptions.trust = .signed(try GraphSession.signingKeys(header, folders))
    case .any, nil: break
    }
    let loader = Loader(options: loaderOptions)
    self.loader = loader
    var loaded: [String: LoadedPlugin] = [:]
    var generations: [String: Generation] = [:]
    var diagnostics: [Diagnostic] = []
    var exitCode = ExitCode.badInput
    let result = GraphBuilder.build(
      file: file, bytes: bytes,
      catalog: { id, _ in
        guard let path = GraphSession.find(id, folders) else { return .missing(installed: GraphSession.installed(folders)) }
        phase("loading \(id) from \(path)")
        do {
          let generation = try loader.load(path: path)
          notes += generation.warnings
          guard let plugin = generation[id] else {
            return .refused(
              Diagnostic(
                .error, "loader.other-id",
                "\(path) offers \(generation.plugins.map(\.description.id).joined(separator: ", ")), not \(id)"))
          }
          loaded[id] = plugin
          generations[id] = generation
          return .found(plugin.description)
        } catch let error as GantryError {
          diagnostics += error.diagnostics.dropFirst()
          if error.exitCode == .notAllowed { exitCode = .notAllowed }
          return .refused(error.diagnostics[0])
        } catch {
          return .refused(Diagnostic(.error, "loader.unreadable", "\(path): \(error)"))
        }
      }, options: options)
    diagnostics = result.diagnostics + diagnostics
    guard let graph = result.graph, !diagnostics.contains(where: { $0.severity == .error }) else {
      throw GantryError(diagnostics, exitCode)
    }
    self.graph = graph
    warnings = diagnostics + notes
    let cells = CellFactory()
    self.cells = cells
    code = try graph.nodes.indices.map { (index) throws(GantryError) in
      let node = graph.nodes[index]
      let plugin = loaded[node.plugin.id]!
      let generation = generations[node.plugin.id]!
      if node.isolation == .process {
        let image = try PluginImage(path: generation.path)
        guard image.sha256 == generation.sha256 else {
          throw GantryError("loader.changed", "\(generation.path) changed while it was being loaded", help: ["run it again once the build is done"])
        }
        return try cells.code(
          graph: graph, node: index, description: plugin.description, image: image, generation: UInt32(generation.number))
      }
      return PluginCode(
        raw: plugin.raw, description: plugin.description, sha256: generation.sha256,
        generation: UInt32(generation.number))
    }
    images = generations.values.map { ($0.path, $0.sha256) }.sorted { $0.path < $1.path }
  }

  func code(_ node: Int) -> PluginCode { code[node] }

  // MARK: finding plugins

  /// Where plugins are looked for: what was asked for, the graph's own path, beside the host.
  static func folders(_ first: [String], _ graphPath: [String]) -> [String] {
    var list = first + graphPath
    if let own = executableFolder() { list.append(own) }
    return list.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  static func executableFolder() -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { return nil }
    let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) }
  }

  /// The file or bundle folder of a plugin id, in the first folder that has one.
  static func find(_ id: String, _ folders: [String]) -> String? {
    for folder in folders {
      for candidate in ["\(folder)/lib\(id).so", "\(folder)/\(id)/lib\(id).so"] where access(candidate, R_OK) == 0 {
        return candidate.hasSuffix("/\(id)/lib\(id).so") ? "\(folder)/\(id)" : candidate
      }
    }
    return nil
  }

  static func installed(_ folders: [String]) -> [String] {
    var ids: Set<String> = []
    for folder in folders {
      guard let directory = opendir(folder) else { continue }
      defer { closedir(directory) }
      while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name.hasPrefix("lib"), name.hasSuffix(".so"), name.count > 6 { ids.insert(String(name.dropFirst(3).dropLast(3))) }
      }
    }
    return ids.filter { !$0.hasPrefix("swift") && !$0.hasPrefix("Foundation") && !$0.hasPrefix("_") }.sorted()
  }

  private static func signingKeys(_ header: GraphBuilder.Header?, _ folders: [String]) throws(GantryError) -> [SigningKey] {
    let beside = header?.lock.map { String($0.dropLast("lock".count)) + "keys" }
    let candidates = [beside].compactMap { $0 } + folders.map { "\($0)/plugins.keys" } + ["plugins.keys"]
    guard let path = candidates.first(where: { access($0, R_OK) == 0 }) else {
      throw GantryError(
        "loader.no-keys", "the graph asks for `trust: signed`, and there is no plugins.keys",
        help: ["list the public keys you trust in plugins.keys, one a line, as `minisign -G` prints them"], exit: .notAllowed)
    }
    return try SigningKey.list(path: path)
  }

  private static func lockFile(_ header: GraphBuilder.Header?, _ folders: [String]) throws(GantryError) -> LockFile {
    let candidates = [header?.lock].compactMap { $0 } + folders.map { "\($0)/plugins.lock" } + ["plugins.lock"]
    guard let path = candidates.first(where: { access($0, R_OK) == 0 }) else {
      throw GantryError(
        "loader.no-lock", "the graph asks for `trust: manifest`, and there is no plugins.lock",
        help: ["pin the plugins with `gantry plugin add NAME`, or develop with `trust: any`"], exit: .notAllowed)
    }
    return try LockFile(path: path)
  }
}
