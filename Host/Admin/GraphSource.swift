import GantryBase
import GantryGraph
import GantryLoader
import GantryModels
import GantryRuntime

/// All that a running graph was made from, so that it can be made again: the file's text, what was
/// laid over it, and the plugin files of nodes that were swapped.
public struct GraphSource: Codable, Sendable, Equatable {
  /// The file, as it was given, and its text then.
  public var file: String
  public var text: String
  /// The folder in which relative paths on the command line start.
  public var directory: String
  public var profile: String?
  /// `node.param=value`, the later ones first in effect.
  public var sets: [String]
  public var pluginFolders: [String]
  /// YAML laid over the file: nodes whose plugin a swap has changed.
  public var overlays: [String] = []
  /// By node: the plugin file that a swap has put there.
  public var pins: [String: String] = [:]
  /// By `node.param`: the versions of models that the graph was made with, whatever their aliases say by
  /// now. What is not here is looked up.
  public var models: [String: Model]?

  public init(file: String, text: String, directory: String, profile: String?, sets: [String], pluginFolders: [String]) {
    self.file = file
    self.text = text
    self.directory = directory
    self.profile = profile
    self.sets = sets
    self.pluginFolders = pluginFolders
  }

  enum CodingKeys: String, CodingKey {
    case file, text, directory, profile, sets, overlays, pins, models
    case pluginFolders = "plugin_folders"
  }
}

extension GraphSource {
  /// The same source, which gives the models of this graph from now on.
  public func pinned(to graph: Graph) -> GraphSource {
    var models: [String: Model] = [:]
    for node in graph.nodes {
      for (index, model) in node.models { models["\(node.name).\(node.plugin.parameters[index].name)"] = model }
    }
    var source = self
    source.models = models.isEmpty ? nil : models
    return source
  }
}

/// A checked graph with its loaded code: what a run or a change is made from.
public struct PreparedGraph: Sendable {
  public var source: GraphSource
  public var graph: Graph
  /// By place in the graph.
  public var code: [PluginCode]
  public var warnings: [Diagnostic]
  /// One load of each generation, to be given back when nothing uses it any more.
  public var generations: [Generation]
  /// Makes what a journal keeps of it.
  public var head: @Sendable ([ArtifactUse]) -> JournalHead

  public init(
    source: GraphSource, graph: Graph, code: [PluginCode], warnings: [Diagnostic], generations: [Generation],
    head: @escaping @Sendable ([ArtifactUse]) -> JournalHead = { _ in JournalHead(json: [], objects: []) }
  ) {
    self.source = source
    self.graph = graph
    self.code = code
    self.warnings = warnings
    self.generations = generations
    self.head = head
  }

  /// SHA-256 of every artifact's bytes, by path, as they are now.
  func artifactHashes() -> [String: String] {
    var hashes: [String: String] = [:]
    for node in graph.nodes {
      for case .artifact(let path) in node.parameters where hashes[path] == nil {
        hashes[path] = (try? readFile(path, limit: GraphVersions.objectBytesMax)).map(FileBytes.sha256) ?? ""
      }
    }
    return hashes
  }

  /// Gives back the load of each generation that `keeps` does not name.
  func letGo(keeping keeps: Set<UInt32> = []) {
    for generation in generations where !keeps.contains(UInt32(generation.number)) { generation.unload() }
  }
}

/// What only the command line knows how to do.
public struct LiveTools: Sendable {
  /// Makes a graph from its source: finds and loads its plugins, checks it.
  public var prepare: @Sendable (GraphSource) throws(GantryError) -> PreparedGraph
  /// The file of a plugin id, where the graph's plugins are looked for.
  public var findPlugin: @Sendable (String, GraphSource) -> String?
  /// What runs a candidate elsewhere first; nil where nothing can.
  public var rehearsal: @Sendable (SwapRequest, Run, _ path: String) throws(GantryError) -> (@Sendable () throws(GantryError) -> Void)?

  /// The children that nodes run in.
  public var cells: @Sendable () -> [HostStatus.Cell]

  public init(
    prepare: @escaping @Sendable (GraphSource) throws(GantryError) -> PreparedGraph, findPlugin: @escaping @Sendable (String, GraphSource) -> String?,
    rehearsal: @escaping @Sendable (SwapRequest, Run, String) throws(GantryError) -> (@Sendable () throws(GantryError) -> Void)? = { _, _, _ in nil },
    cells: @escaping @Sendable () -> [HostStatus.Cell] = { [] }
  ) {
    self.prepare = prepare
    self.findPlugin = findPlugin
    self.rehearsal = rehearsal
    self.cells = cells
  }
}
