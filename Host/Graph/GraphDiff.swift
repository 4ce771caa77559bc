import GantryBase
import GantryModels

/// What applying a changed graph would do to one node.
public struct NodeChange: Sendable, Equatable {
  /// From the least to the most that is done.
  public enum Action: String, Sendable, Codable, CaseIterable, Comparable {
    /// Nothing.
    case keep
    /// The same instance gets new live parameters, or the host follows another policy for it.
    case reconfigure
    /// The same instance; edges from elsewhere that bring the same, another lane or other queues.
    case rewire
    /// A new instance that starts with the old one's state.
    case swapWithState = "swap with state"
    /// A new instance that starts from nothing.
    case swapCold = "swap cold"
    case add
    case remove

    public static func < (left: Self, right: Self) -> Bool {
      (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
  }

  public var node: String
  public var action: Action
  /// The node acts on the world outside: the old instance stops before the new one starts.
  public var isHandOver: Bool
  /// Everything that differs, one phrase each, as `params.max_position 100000 -> 200000`.
  public var reasons: [String]
  /// In the new file; in the old one for what is removed.
  public var place: Place?

  public init(node: String, action: Action, isHandOver: Bool = false, reasons: [String] = [], place: Place? = nil) {
    self.node = node
    self.action = action
    self.isHandOver = isHandOver
    self.reasons = reasons
    self.place = place
  }
}

/// Compares two checked graphs, node by node. Places do not count: moving lines changes nothing.
public enum GraphDiff {
  /// What differs outside the graph files; the caller knows the hashes.
  public struct Changed: Sendable, Equatable {
    /// Ids of plugins whose bytes differ.
    public var plugins: Set<String>
    /// Absolute paths of artifacts whose bytes differ.
    public var files: Set<String>

    public init(plugins: Set<String> = [], files: Set<String> = []) {
      self.plugins = plugins
      self.files = files
    }
  }

  /// One change for each node of the new graph, in its order, then those that are removed.
  public static func diff(old: Graph, new: Graph, changed: Changed = Changed()) -> [NodeChange] {
    let everywhere = graphReasons(old, new)
    let oldNames = Dictionary(old.nodes.enumerated().map { ($1.name, $0) }) { first, _ in first }
    let newNames = Set(new.nodes.map(\.name))
    var changes: [NodeChange] = []
    for node in new.nodes {
      guard let index = oldNames[node.name] else {
        changes.append(NodeChange(node: node.name, action: .add, reasons: [pluginText(node)], place: node.place))
        continue
      }
      changes.append(compare(old.nodes[index], node, old, new, everywhere, changed))
    }
    for node in old.nodes where !newNames.contains(node.name) {
      changes.append(NodeChange(node: node.name, action: .remove, isHandOver: node.plugin.effects == .external, reasons: [pluginText(node)], place: node.place))
    }
    return changes
  }

  /// What changes the ground under every instance.
  private static func graphReasons(_ old: Graph, _ new: Graph) -> [String] {
    var reasons: [String] = []
    if old.clock != new.clock { reasons.append("clock \(old.clock.rawValue) -> \(new.clock.rawValue)") }
    // Instances hold instrument ids: what is added behind them is no change.
    for (index, instrument) in old.instruments.enumerated() {
      if index >= new.instruments.count {
        reasons.append("instrument \(instrument.symbol) removed")
      } else if new.instruments[index] != instrument {
        reasons.append("instrument \(index + 1) \(instrument.symbol) changed")
      }
    }
    for (index, currency) in old.currencies.enumerated() where index >= new.currencies.count || new.currencies[index] != currency {
      reasons.append("currency \(currency.code) changed")
    }
    return reasons
  }

  private static func compare(
    _ old: GraphNode, _ new: GraphNode, _ oldGraph: Graph, _ newGraph: Graph, _ everywhere: [String], _ changed: Changed
  ) -> NodeChange {
    var change = NodeChange(node: new.name, action: .keep, place: new.place)
    func raise(_ action: NodeChange.Action, _ reasons: [String]) {
      guard !reasons.isEmpty else { return }
      change.action = max(change.action, action)
      change.reasons += reasons
    }
    let hasState = old.plugin.extensions.contains(stateExtension) && new.plugin.extensions.contains(stateExtension)
    let swap: NodeChange.Action = hasState ? .swapWithState : .swapCold

    raise(.swapCold, everywhere)
    if old.plugin.id != new.plugin.id {
      raise(.swapCold, ["plugin \(pluginText(old)) -> \(pluginText(new))"])
    } else {
      if old.plugin.version != new.plugin.version {
        raise(swap, ["version \(old.plugin.version) -> \(new.plugin.version)"])
      } else if changed.plugins.contains(new.plugin.id) || !isSameCode(old.plugin, new.plugin) {
        raise(swap, ["\(new.plugin.id) \(new.plugin.version) has other bytes"])
      }
      let (live, other) = parameterReasons(old, new, changed)
      raise(new.plugin.extensions.contains(liveExtension) ? .reconfigure : swap, live)
      raise(swap, other)
    }
    if old.isolation != new.isolation { raise(swap, ["isolate \(old.isolation.rawValue) -> \(new.isolation.rawValue)"]) }
    if old.cell != new.cell { raise(swap, ["isolate: its cell may take something else"]) }
    if Set(old.grants) != Set(new.grants) { raise(swap, ["grant \(listed(old.grants.map(\.rawValue))) -> \(listed(new.grants.map(\.rawValue)))"]) }
    // An instance is configured with what its edges bring.
    let isSameShape = edgeShape(old, oldGraph) == edgeShape(new, newGraph)
    raise(isSameShape ? .rewire : swap, edgeReasons(old, new, oldGraph, newGraph))
    raise(.reconfigure, policyReasons(old, new, oldGraph, newGraph))
    change.isHandOver = change.action >= .swapWithState && (old.plugin.effects == .external || new.plugin.effects == .external)
    return change
  }

  public static let stateExtension = "gantry.state/1"
  static let liveExtension = "gantry.params-live/1"

  /// The same description, wherever the file lies.
  private static func isSameCode(_ old: PluginDescription, _ new: PluginDescription) -> Bool {
    var moved = old
    moved.path = new.path
    return moved == new
  }

  private static func pluginText(_ node: GraphNode) -> String { "\(node.plugin.id) \(node.plugin.version)" }

  private static func parameterReasons(_ old: GraphNode, _ new: GraphNode, _ changed: Changed) -> (live: [String], other: [String]) {
    var live: [String] = []
    var other: [String] = []
    for (index, parameter) in new.plugin.parameters.enumerated() where index < new.parameters.count {
      let before = old.plugin.parameters.firstIndex { $0.name == parameter.name }.flatMap { $0 < old.parameters.count ? old.parameters[$0] : nil }
      let value = new.parameters[index]
      let (oldModel, newModel) = (old.plugin.parameters.firstIndex { $0.name == parameter.name }.flatMap { old.models[$0] }, new.models[index])
      if let oldModel, let newModel, oldModel.title == newModel.title, oldModel.card.digest == newModel.card.digest { continue }
      if let before, before == value, oldModel == nil, newModel == nil {
        if case .artifact(let path) = value, changed.files.contains(path) { other.append("params.\(parameter.name) has other bytes") }
        continue
      }
      let reason = "params.\(parameter.name) \(oldModel?.title ?? before?.text ?? "unset") -> \(newModel?.title ?? value.text)"
      if parameter.isLive { live.append(reason) } else { other.append(reason) }
    }
    return (live, other)
  }

  private static func edgeReasons(_ old: GraphNode, _ new: GraphNode, _ oldGraph: Graph, _ newGraph: Graph) -> [String] {
    var reasons: [String] = []
    let before = old.inputs.map { edgeText($0, into: old, oldGraph) }
    let after = new.inputs.map { edgeText($0, into: new, newGraph) }
    reasons += before.filter { !after.contains($0) }.map { "without \($0)" }
    reasons += after.filter { !before.contains($0) }.map { "with \($0)" }
    if reasons.isEmpty, before != after { reasons.append("another order of from") }
    if oldGraph.lanes[old.lane] != newGraph.lanes[new.lane] { reasons.append("lane \(oldGraph.lanes[old.lane]) -> \(newGraph.lanes[new.lane])") }
    if before == after {
      for (one, other) in zip(old.inputs, new.inputs) where one.queue != other.queue {
        reasons.append("queue \(queueText(one.queue)) -> \(queueText(other.queue))")
        break
      }
    }
    return reasons
  }

  /// What comes into each port, in order.
  private static func edgeShape(_ node: GraphNode, _ graph: Graph) -> [Int: [String]] {
    var shape: [Int: [String]] = [:]
    for edge in node.inputs {
      let type = graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].type
      shape[edge.toPort, default: []].append("\(type.name)\(edge.isFeedback ? "~" : "")")
    }
    return shape
  }

  static func edgeText(_ edge: Edge, into node: GraphNode, _ graph: Graph) -> String {
    let from = graph.nodes[edge.fromNode]
    return "\(from.name).\(from.plugin.outputs[edge.fromPort].name)\(edge.isFeedback ? "~" : "") -> \(node.plugin.inputs[edge.toPort].name)"
  }

  static func queueText(_ queue: QueuePolicy?) -> String { queue.map { "\($0.size) \($0.whenFull.rawValue)" } ?? "none" }

  private static func policyReasons(_ old: GraphNode, _ new: GraphNode, _ oldGraph: Graph, _ newGraph: Graph) -> [String] {
    var reasons: [String] = []
    let before = onErrorText(old, oldGraph)
    let after = onErrorText(new, newGraph)
    if before != after { reasons.append("on_error \(before) -> \(after)") }
    if old.swap != new.swap { reasons.append("swap changed") }
    if old.trace ?? oldGraph.trace != new.trace ?? newGraph.trace { reasons.append("trace changed") }
    return reasons
  }

  private static func onErrorText(_ node: GraphNode, _ graph: Graph) -> String {
    switch node.onError {
    case .skip: "skip"
    case .halt: "halt"
    case .fallback(let index): "fallback \(graph.nodes[index].name)"
    }
  }
}
