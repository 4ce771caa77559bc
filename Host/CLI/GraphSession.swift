import GantryBase
import GantryCells
import GantryGraph
import GantryLoader
import GantryModels
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
  /// One load of each generation that a node uses.
  let generations: [Generation]

  /// Files of the loaded plugins: path and hash, for the journal.
  var images: [(path: String, sha256: String)] { generations.map { ($0.path, $0.sha256) }.sorted { $0.path < $1.path } }

  /// - Parameters:
  ///   - given: the file's text; nil reads it
  ///   - loader: of a host that runs already; nil makes one as the graph's trust says
  ///   - pins: by node, the plugin file to use in place of what is found
  init(
    file: String, text given: [UInt8]? = nil, options: GraphOptions, pluginFolders: [String] = [], loader known: Loader? = nil,
    cells: CellFactory = CellFactory(), pins: [String: String] = [:], phase: @escaping (String) -> Void = { _ in }
  ) throws(GantryError) {
    self.file = file
    phase("reading \(file)")
    let bytes: [UInt8]
    if let given { bytes = given } else { bytes = try readFile(file, limit: 1 << 20) }
    text = bytes
    let header = GraphBuilder.header(file: file, bytes: bytes, options: options)
    let folders = GraphSession.folders(pluginFolders, header?.pluginPath ?? [])
    if let known {
      loader = known
    } else {
      var loaderOptions = LoaderOptions()
      loaderOptions.hostVersion = gantryVersion
      switch header?.trust {
      case .manifest: loaderOptions.trust = .manifest(try GraphSession.lockFile(header, folders))
      case .signed: loaderOptions.trust = .signed(try GraphSession.signingKeys(header, folders))
      case .any, nil: break
      }
      loader = Loader(options: loaderOptions)
    }
    self.cells = cells
    var builder = SessionBuilder(file: file, bytes: bytes, options: options, folders: folders, loader: loader, phase: phase)
    do throws(GantryError) {
      var code: [PluginCode]
      (graph, code) = try builder.build(pins: pins)
      // The lock file as it is now: what was pinned since the start counts.
      if graph.trust == .manifest { try GraphSession.checkModels(graph, header, folders) }
      for index in graph.nodes.indices where graph.nodes[index].isolation == .process {
        code[index] = try GraphSession.inCell(graph, index, code[index], builder.generations, cells)
      }
      self.code = code
    } catch {
      builder.letGo(all: true)
      throw error
    }
    builder.letGo(all: false)
    warnings = builder.warnings
    generations = builder.generations
  }

  /// The same code in a child process of its own.
  private static func inCell(
    _ graph: Graph, _ node: Int, _ code: PluginCode, _ generations: [Generation], _ cells: CellFactory
  ) throws(GantryError) -> PluginCode {
    let path = generations.first { $0.sha256 == code.sha256 }!.path
    let image = try PluginImage(path: path)
    guard image.sha256 == code.sha256 else {
      throw GantryError("loader.changed", "\(path) changed while it was being loaded", help: ["run it again once the build is done"])
    }
    return try cells.code(graph: graph, node: node, description: code.description, image: image, generation: code.generation, libraries: code.libraries)
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

  /// Every model that the graph asks for is pinned.
  private static func checkModels(_ graph: Graph, _ header: GraphBuilder.Header?, _ folders: [String]) throws(GantryError) {
    guard graph.nodes.contains(where: { !$0.models.isEmpty }) else { return }
    let lock = try lockFile(header, folders)
    var refused: [Diagnostic] = []
    for node in graph.nodes {
      for (index, model) in node.models where !lock.pins(model: model.name, version: model.version, digest: model.card.digest) {
        refused.append(
          Diagnostic(
            .error, ModelCode.notPinned.rawValue, "\(model.title) is not in plugins.lock with these bytes, and the graph says `trust: manifest`",
            at: node.parameterPlaces.indices.contains(index) ? node.parameterPlaces[index] : nil,
            help: [
              "if you trust it, pin it: add the model with `gantry model add ... --lock plugins.lock`, or write the line `model \(model.name) \(model.version) \(model.card.digest) \(model.path)`"
            ]))
      }
    }
    if !refused.isEmpty { throw GantryError(refused, .notAllowed) }
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
