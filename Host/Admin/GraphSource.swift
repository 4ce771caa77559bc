import GantryBase
import GantryGraph
import GantryLoader
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

  public init(file: String, text: String, directory: String, profile: String?, sets: [String], pluginFolders: [String]) {
    self.file = file
    self.text = text
    self.directory = directory
    self.profile = profile
    self.sets = sets
    self.pluginFolders = pluginFolders
  }

  enum CodingKeys: String, CodingKey {
    case file, text, directory, profile, sets, overlays, pins
    case pluginFolders = "plugin_folders"
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

  public init(source: GraphSource, graph: Graph, code: [PluginCode], warnings: [Diagnostic], generations: [Generation]) {
    self.source = source
    self.graph = graph
    self.code = code
    self.warnings = warnings
    self.generations = generations
  }
}

/// Makes a graph from its source: finds and loads its plugins, checks it.
public typealias GraphPreparer = @Sendable (GraphSource) throws(GantryError) -> PreparedGraph
