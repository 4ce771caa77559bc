import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime

/// The graph that a host runs, as it would have to be made again: with what was committed, and with
/// what is on probation.
struct LiveGraphs {
  /// What is committed.
  var prepared: PreparedGraph
  /// The number of the committed version, where versions are kept.
  var version: Int?
  /// How many instances use each generation, by its number.
  private var uses: [UInt32: Int] = [:]
  private var generations: [UInt32: Generation] = [:]

  init(_ prepared: PreparedGraph, version: Int?) {
    self.prepared = prepared
    self.version = version
    for generation in prepared.generations { generations[UInt32(generation.number)] = generation }
    for code in prepared.code { uses[code.generation, default: 0] += 1 }
  }
}

extension GraphVersion {
  /// Whether this is the version of such a graph: the same sources and the same bytes of code.
  func isOf(_ prepared: PreparedGraph) -> Bool {
    source == prepared.source
      && plugins.map { [$0.node, $0.sha256] } == zip(prepared.graph.nodes, prepared.code).map { [$0.name, $1.sha256] }
  }
}
