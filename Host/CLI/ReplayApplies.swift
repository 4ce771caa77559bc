import GantryAdmin
import GantryBase
import GantryGraph
import GantryJournal
import GantryLoader
import GantryModels
import GantryRuntime

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Makes the graphs of a journal's applies again, from what the journal keeps of them: their source, and
/// the bytes of their code and artifacts.
enum ReplayApplies {
  /// - Parameters:
  ///   - journal: its folder
  ///   - session: of the graph that is replayed first; its loader maps the code
  ///   - pluginFolders: where plugins are looked for whose bytes the journal does not have
  ///   - isolated: nodes that run in cells, whatever the graph says
  ///   - clock: of the run
  ///   - work: a folder of this replay's own
  static func maker(
    _ journal: String, _ session: GraphSession, pluginFolders: [String], isolated: [String] = [], clock: Graph.Clock, in work: String
  ) -> @Sendable (AppliedGraph) throws(GantryError) -> ScriptedApply {
    let (loader, cells) = (session.loader, session.cells)
    return { (applied) throws(GantryError) in
      let head = try JournalHeads.read(Array(applied.head.utf8), journal)
      let objects = try JournalReader(directory: journal)
      let source = try source(head, objects, pluginFolders: pluginFolders, isolated: isolated, in: work)
      let made = try GraphSession(source, loader: loader, cells: cells)
      for (index, plugin) in head.plugins.enumerated() {
        guard made.graph.nodes.indices.contains(index), made.graph.nodes[index].name == plugin.node, made.code(index).sha256 == plugin.sha256 else {
          throw GantryError(
            "replay.other-code", "the code of \(plugin.node) (\(plugin.id)@\(plugin.version)) in apply \(applied.id) is not there any more",
            help: ["the journal keeps single files; install the bundle of then again"])
        }
      }
      var graph = made.graph
      graph.clock = clock
      return ScriptedApply(graph: graph, code: graph.nodes.indices.map(made.code))
    }
  }

  /// What makes the graph of a head again: with the very bytes of then, under the names that the loader and the
  /// parameters expect.
  static func source(
    _ head: JournalHeadValue, _ journal: JournalReader, pluginFolders: [String], isolated: [String], in work: String
  ) throws(GantryError) -> GraphSource {
    var source = GraphSource(
      file: head.file, text: head.graphText, directory: head.directory, profile: head.profile, sets: head.sets, pluginFolders: pluginFolders)
    source.overlays = (head.overlays ?? []) + head.plugins.map(\.node).filter(isolated.contains).map { "nodes: { \($0): { isolate: process } }" }
    source.pins = head.pins ?? [:]
    source.models = head.models
    for plugin in head.plugins {
      if let path = try place(plugin.sha256, as: "lib\(plugin.id).so", journal, in: work) { source.pins[plugin.node] = path }
    }
    for artifact in head.artifacts {
      guard let path = try place(artifact.sha256, as: artifact.parameter, journal, in: work) else {
        throw GantryError("replay.no-object", "\(journal.directory) does not have the artifact \(artifact.path) of \(artifact.node)")
      }
      let owner = "\(artifact.node).\(artifact.parameter)"
      if source.models?[owner] != nil { source.models?[owner]?.path = path } else { source.sets.append("\(owner)=\(path)") }
    }
    return source
  }

  /// Writes one of the journal's objects to a file of this name. Nil when the journal does not have it.
  private static func place(_ sha256: String, as name: String, _ journal: JournalReader, in work: String) throws(GantryError) -> String? {
    let folder = "\(work)/applied/\(sha256.prefix(16))"
    let path = "\(folder)/\(name)"
    if FileManager.default.fileExists(atPath: path) { return path }
    guard FileManager.default.fileExists(atPath: "\(journal.directory)/objects/\(sha256)") else { return nil }
    try makeFolder("\(work)/applied")
    try makeFolder(folder)
    return try ReplaySwaps.place(journal.object(sha256: sha256), as: name, in: folder)
  }
}
