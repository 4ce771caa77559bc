import GantryBase
import GantryGraph

/// What an apply does with each node: a value, made from two graphs and the differences between them.
struct ApplyPlan {
  struct Node {
    /// Place in the running graph; nil for one that is added.
    var old: Int?
    var action: NodeChange.Action
    var reasons: [String]
    /// A new instance is made.
    var isFresh: Bool { action >= .swapWithState && action != .remove }
    /// The instance stays and gets new live parameters.
    var setsLive = false
    var takesState: Bool { action == .swapWithState }
  }

  /// By place in the new graph.
  var nodes: [Node]
  /// Places in the running graph.
  let removed: [Int]

  /// Throws when the running graph cannot become the new one at all.
  init(old: Graph, new: Graph, changes: [NodeChange]) throws(GantryError) {
    try ApplyPlan.check(old, new)
    let places = Dictionary(old.nodes.enumerated().map { ($1.name, $0) }) { first, _ in first }
    let known = Dictionary(changes.map { ($0.node, $0) }) { first, _ in first }
    let names = Set(new.nodes.map(\.name))
    removed = old.nodes.indices.filter { !names.contains(old.nodes[$0].name) }
    nodes = []
    for node in new.nodes {
      guard let place = places[node.name] else {
        nodes.append(Node(old: nil, action: .add, reasons: known[node.name]?.reasons ?? []))
        continue
      }
      guard let change = known[node.name], change.action != .remove else {
        throw GantryError("apply.unplanned", "the plan of this apply says nothing about node \(node.name)", exit: .bug)
      }
      // A node that was removed and added again by a plan of two steps is a new one.
      let action = change.action == .add ? NodeChange.Action.swapCold : change.action
      var made = Node(old: place, action: action, reasons: change.reasons)
      if !made.isFresh, old.nodes[place].parameters != node.parameters { made.setsLive = true }
      nodes.append(made)
    }
  }

  /// What an apply did when a journal was written.
  ///
  /// - Parameters:
  ///   - done: with each node of the new graph
  ///   - id: of the apply
  init(old: Graph, new: Graph, following done: [AppliedGraph.Node], of id: String) throws(GantryError) {
    try ApplyPlan.check(old, new)
    let places = Dictionary(old.nodes.enumerated().map { ($1.name, $0) }) { first, _ in first }
    let known = Dictionary(done.map { ($0.node, $0) }) { first, _ in first }
    let names = Set(new.nodes.map(\.name))
    removed = old.nodes.indices.filter { !names.contains(old.nodes[$0].name) }
    nodes = []
    for node in new.nodes {
      guard let done = known[node.name], (done.action == .add) == (places[node.name] == nil) else {
        throw GantryError("replay.no-fit", "apply \(id) of the journal does not fit the graph before it: node \(node.name)")
      }
      nodes.append(Node(old: places[node.name], action: done.action, reasons: done.reasons, setsLive: done.setsLive))
    }
  }

  /// The instance's input is not what it was configured with: it needs a new one.
  mutating func renew(_ index: Int, hasState: Bool, _ reason: String) {
    nodes[index].action = hasState ? .swapWithState : .swapCold
    nodes[index].setsLive = false
    nodes[index].reasons.append(reason)
  }

  private static func check(_ old: Graph, _ new: Graph) throws(GantryError) {
    func refuse(_ what: String) -> GantryError {
      GantryError("apply.needs-restart", "\(what) cannot change while the graph runs", help: ["stop the run and start it with the new graph"])
    }
    if old.clock != new.clock { throw refuse("the clock") }
    guard new.instruments.count >= old.instruments.count, Array(new.instruments.prefix(old.instruments.count)) == old.instruments else {
      throw refuse("an instrument that is there already, or the order of instruments,")
    }
    guard new.currencies.count >= old.currencies.count, Array(new.currencies.prefix(old.currencies.count)) == old.currencies else {
      throw refuse("a currency that is there already, or the order of currencies,")
    }
    for (index, node) in new.nodes.enumerated() {
      if let problem = LaneLayout.fallbackProblem(new, index) {
        throw GantryError("runtime.fallback", "\(node.name) cannot fall back: \(problem)", at: node.place)
      }
    }
  }
}
