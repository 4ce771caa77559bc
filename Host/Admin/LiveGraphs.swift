import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime

/// The graph that a host runs, as it would have to be made again, and what is on its way to become
/// part of it.
struct LiveGraphs {
  /// What is committed.
  var prepared: PreparedGraph
  /// The number of the committed version, where versions are kept.
  var version: Int?
  /// SHA-256 of artifacts as the running instances read them, by path.
  var artifacts: [String: String] = [:]
  /// A swap that has neither been committed nor reverted.
  struct Pending {
    var id: String
    var node: String
    var change: GraphSource.NodeChange
  }

  /// By node.
  var pending: [String: Pending] = [:]

  init(_ prepared: PreparedGraph, version: Int?) {
    self.prepared = prepared
    self.version = version
  }

  /// What the running instances are made from, those on probation included.
  var source: GraphSource {
    var source = prepared.source
    for (node, swap) in pending.sorted(by: { $0.key < $1.key }) { source.take(swap.change, node: node) }
    return source
  }

  /// A swap was committed: one node is as `other` has it. False when the graph has become another one
  /// meanwhile, to which the swap does not belong.
  mutating func commit(_ swap: Pending, from other: PreparedGraph) -> Bool {
    let node = swap.node
    guard pending[node]?.id == swap.id else { return false }
    pending[node] = nil
    guard let index = prepared.graph.node(named: node), let place = other.graph.node(named: node) else { return false }
    prepared.source.take(swap.change, node: node)
    let inputs = prepared.graph.nodes[index].inputs
    prepared.graph.nodes[index] = other.graph.nodes[place]
    prepared.graph.nodes[index].inputs = inputs
    prepared.source = prepared.source.pinned(to: prepared.graph)
    let old = prepared.code[index].generation
    prepared.code[index] = other.code[place]
    // One load for each generation that is used, however many nodes use it.
    for candidate in other.generations where UInt32(candidate.number) == other.code[place].generation {
      if prepared.generations.contains(where: { $0 === candidate }) { candidate.unload() } else { prepared.generations.append(candidate) }
    }
    if !prepared.code.contains(where: { $0.generation == old }), let gone = prepared.generations.firstIndex(where: { UInt32($0.number) == old }) {
      prepared.generations.remove(at: gone).unload()
    }
    return true
  }

  mutating func forget(_ swap: Pending) { if pending[swap.node]?.id == swap.id { pending[swap.node] = nil } }
}

extension GraphSource {
  /// What a swap changes of one node.
  struct NodeChange: Sendable, Equatable {
    /// The plugin file.
    var pin: String?
    /// `id` or `id@requirement`.
    var plugin: String?
    /// `param=value`
    var sets: [String] = []

    /// For people.
    var text: String {
      ([pin ?? plugin].compactMap { $0 } + sets).joined(separator: ", ")
    }
  }

  mutating func take(_ change: NodeChange, node: String) {
    if let plugin = change.plugin { overlays.append("nodes: { \(JSONValue.quoted(node)): { plugin: \(JSONValue.quoted(plugin)) } }\n") }
    if change.plugin != nil { pins[node] = change.pin }
    sets += change.sets.map { "\(node).\($0)" }
    for set in change.sets { models?["\(node).\(set.prefix { $0 != "=" })"] = nil }
  }
}

extension GraphVersion {
  /// Whether this is the version of such a graph: the same sources and the same bytes of code.
  func isOf(_ prepared: PreparedGraph) -> Bool {
    source == prepared.source
      && plugins.map { [$0.node, $0.sha256] } == zip(prepared.graph.nodes, prepared.code).map { [$0.name, $1.sha256] }
  }
}
