import GantryBase
import GantryGraph
import GantryJournal
import GantryLoader
import GantryModels
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// A run as its journal's head describes it: the graph and its plugins, ready to run again.
///
/// Enters the working directory of that run, where the relative paths of its command line start, unless
/// another graph takes its place.
struct RecordedRun {
  let journal: String
  let head: JournalHeadValue
  let session: GraphSession
  /// With the clock that the run had.
  let graph: Graph
  let pluginFolders: [String]
  /// Where this command was started: relative paths of its own command line start here.
  private let directory: String

  /// - Parameter other: a graph file to run in place of the journal's, and how
  init(journal given: String, pluginFolders: [String], other: (file: String, options: GraphOptions)? = nil) throws(GantryError) {
    let start = JournalHeads.workingDirectory()
    directory = start
    let inner = given.hasSuffix("/journal") || access(given + "/journal", F_OK) != 0 ? given : given + "/journal"
    journal = RecordedRun.absolute(inner, start)
    self.pluginFolders = pluginFolders.map { RecordedRun.absolute($0, start) }
    let reader = try JournalReader(directory: journal)
    head = try JournalHeads.read(reader.head, journal)
    if let other {
      session = try GraphSession(file: other.file, options: other.options, pluginFolders: self.pluginFolders)
    } else {
      if !head.directory.isEmpty, chdir(head.directory) != 0 {
        throw GantryError("replay.no-directory", "cannot enter \(head.directory), where the run was started")
      }
      var options = GraphOptions(profile: head.profile, sets: head.sets)
      options.overlays = head.overlays ?? []
      options.models = RecordedRun.models(head, journal)
      session = try GraphSession(
        file: head.file, text: Array(head.graphText.utf8), options: options, pluginFolders: self.pluginFolders, pins: head.pins ?? [:])
    }
    var graph = session.graph
    graph.clock = Graph.Clock(rawValue: head.clock) ?? graph.clock
    self.graph = graph
  }

  /// Where a path of this command line is, wherever the process is by now.
  func absolute(_ path: String) -> String { RecordedRun.absolute(path, directory) }

  private static func absolute(_ path: String, _ directory: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }

  /// The node with another plugin, artifact or parameters, checked in its graph.
  func candidate(node index: Int, with: String?, sets: [String]) throws(GantryError) -> (node: GraphNode, code: PluginCode) {
    let old = graph.nodes[index]
    var sets = sets
    var pins = head.pins ?? [:]
    var overlays = head.overlays ?? []
    if let with {
      if with.hasSuffix(".so") {
        let path = absolute(with)
        let id = try pluginID(path, instead: old)
        pins[old.name] = path
        if id != old.plugin.id { overlays.append("nodes: { \(old.name): { plugin: \(id) } }") }
      } else if ModelReference.isOne(with) {
        sets.append("\(try artifactParameter(old))=\(with)")
      } else if with.contains("@") {
        overlays.append("nodes: { \(old.name): { plugin: \"\(with)\" } }")
      } else {
        sets.append("\(try artifactParameter(old))=\(absolute(with))")
      }
    }
    let mine = Set(sets.map { "\(old.name).\($0.prefix { $0 != "=" })" })
    let kept = head.sets.filter { !mine.contains(String($0.prefix { $0 != "=" })) }
    var options = GraphOptions(profile: head.profile, sets: kept + sets.map { "\(old.name).\($0)" })
    options.overlays = overlays
    options.models = RecordedRun.models(head, journal).filter { model in !mine.contains(model.key) }
    let other = try GraphSession(
      file: head.file, text: Array(head.graphText.utf8), options: options, pluginFolders: pluginFolders, loader: session.loader, cells: session.cells,
      pins: pins)
    guard let place = other.graph.node(named: old.name) else {
      throw GantryError("diff.unknown-node", "the candidate's graph has no node \(old.name)", exit: .bug)
    }
    return (other.graph.nodes[place], other.code(place))
  }

  /// The models that the run had; the journal's own copies where the models folder has them no more.
  private static func models(_ head: JournalHeadValue, _ journal: String) -> [String: Model] {
    (head.models ?? [:]).mapValues { model in
      let isThere = (try? readFile(model.path, limit: ModelLimits.artifactBytes)).map(ModelDigest.sha256) == model.card.sha256
      var model = model
      if !isThere { model.path = "\(journal)/objects/\(model.card.sha256)" }
      return model
    }
  }

  private func pluginID(_ path: String, instead old: GraphNode) throws(GantryError) -> String {
    let generation = try session.loader.load(path: path)
    defer { generation.unload() }
    let ids = generation.plugins.map(\.description.id)
    if ids.contains(old.plugin.id) { return old.plugin.id }
    guard ids.count == 1 else {
      throw GantryError("diff.which-plugin", "\(path) offers \(ids.joined(separator: ", ")), and none is the \(old.plugin.id) that \(old.name) has", exit: .usage)
    }
    return ids[0]
  }

  private func artifactParameter(_ old: GraphNode) throws(GantryError) -> String {
    let names = old.plugin.parameters.filter { $0.kind == .artifact }.map(\.name)
    guard names.count == 1 else {
      throw GantryError(
        "diff.which-artifact", names.isEmpty ? "\(old.plugin.id) of \(old.name) reads no artifact" : "\(old.plugin.id) of \(old.name) reads several artifacts",
        help: names.isEmpty ? ["name another plugin with --with lib.so, or a parameter with --set"] : names.map { "--set \($0)=FILE" }, exit: .usage)
    }
    return names[0]
  }
}
