import GantryBase
import GantryGraph
import GantryLoader
import GantryModels
import GantryRuntime
import Glibc
import Synchronization

/// A running graph follows the aliases of its models.
extension LiveHost {
  /// What a moved alias asks for: the node, its artifact parameter and the version that is named now.
  struct MovedModel: Sendable {
    var node: String
    var parameter: String
    var from: String
    var to: String
    /// Files whose change may move it again.
    var follows: [String]
  }

  /// The models that differ between what runs and what a source means now, when nothing else does and
  /// every node that they change has a `swap:` policy; nil otherwise, which is what an apply is for.
  func movedModels(_ source: GraphSource) throws(GantryError) -> [MovedModel]? {
    let old = graphs.withLock { $0.prepared.graph }
    guard old.nodes.contains(where: { !$0.models.isEmpty }) else { return nil }
    let prepared = try tools.prepare(source)
    defer { prepared.letGo() }
    var moved: [MovedModel] = []
    for change in try changes(to: prepared, prepared.artifactHashes(), cold: []) where change.action != .keep {
      guard let place = old.node(named: change.node), let index = prepared.graph.node(named: change.node) else { return nil }
      let (before, after) = (old.nodes[place], prepared.graph.nodes[index])
      var own: [MovedModel] = []
      for (position, model) in after.models {
        guard let was = before.models[position], was.name == model.name, was.title != model.title else { continue }
        own.append(MovedModel(node: change.node, parameter: after.plugin.parameters[position].name, from: was.title, to: model.title, follows: model.follows))
      }
      let hasPolicy = after.swap.warm > 0 || after.swap.shadow > 0 || after.swap.probation > 0 || after.swap.canary != nil
      guard hasPolicy, !change.isHandOver, own.count == change.reasons.count else { return nil }
      moved += own
    }
    return moved.isEmpty ? nil : moved
  }

  /// Swaps one node to the version that its alias names now, by the node's own policy.
  func swap(_ model: MovedModel, _ peer: ControlPeer) throws(GantryError) -> SwapReport? {
    let request = ControlRequest(.swap, ["node": .text(model.node), "set": .list([.text("\(model.parameter)=\(ModelReference.prefix)\(model.to)")])])
    try swap(request, peer, .silent)
    return run.swaps.last { $0.node == model.node }
  }
}
