import GantryBase

/// Orders are sacred: who stands before a broker, and what may be lost on the way.
extension GraphChecks {
  /// Every edge that brings orders into an external broker comes from a risk node that halts on errors.
  /// Returns the risk nodes that are held to it.
  func brokers() -> Set<Int> {
    var guards: Set<Int> = []
    for (index, node) in nodes.enumerated() {
      guard let plugin = node.plugin, plugin.kind == .broker, plugin.effects == .external else { continue }
      for edge in node.edges where plugin.inputs[edge.toPort].type == .order {
        var seen: Set<Int> = [index]
        guards.formUnion(check(edge, into: index, broker: index, &seen))
      }
    }
    return guards
  }

  /// A broker before the broker (order states, routing) passes the question on.
  private func check(_ edge: Edge, into node: Int, broker: Int, _ seen: inout Set<Int>) -> Set<Int> {
    let source = nodes[edge.fromNode]
    guard let plugin = source.plugin else { return [] }
    if plugin.kind == .risk {
      if let onError = source.draft.onError {
        if case .halt = onError.action { return [edge.fromNode] }
        report.error(
          .riskOnError, "\(source.draft.title) stands before \(title(broker)), a broker outside: its on_error can only be halt", at: onError.place,
          help: ["write on_error: halt, or leave it out"])
      }
      return [edge.fromNode]
    }
    if plugin.kind == .broker {
      guard seen.insert(edge.fromNode).inserted else { return [] }
      var guards: Set<Int> = []
      for inner in source.edges where plugin.inputs[inner.toPort].type == .order {
        guards.formUnion(check(inner, into: edge.fromNode, broker: broker, &seen))
      }
      return guards
    }
    let risks = nodes.filter { $0.plugin?.kind == .risk }.map(\.draft.title)
    report.error(
      .noRisk, "orders reach \(title(broker)), a broker outside, from \(source.draft.title), which is no risk node", at: edge.place,
      help: [risks.isEmpty ? "put a node of kind risk between them, as limits" : "take them from \(risks[0])"])
    return []
  }

  /// What a full queue may drop must not be able to become an order.
  func queues(_ lanes: [Int]) {
    for (index, node) in nodes.enumerated() {
      guard let queue = node.draft.queue, let plugin = node.plugin else { continue }
      let crosses = node.edges.contains { lanes[$0.fromNode] != lanes[index] }
      let isSink = [.notifier, .store, .service].contains(plugin.kind)
      if !crosses, !isSink, !node.hasBrokenEdge {
        report.error(
          .queueInLane, "\(node.draft.title) runs on the lane of the nodes it takes from, so there is no queue", at: queue.place,
          help: ["remove queue, or give the node a lane of its own: lane: NAME"])
      }
      guard queue.policy.whenFull != .block, !queue.isLossy, let victim = orderPort(from: index) else { continue }
      let through = victim == index ? "into its own order port" : "on the way to \(title(victim))'s orders"
      report.error(
        .lossyOrder, "when full this queue loses events \(through)", at: queue.place,
        help: ["use when_full: block", "or say that you mean it: queue: { ..., lossy: true }"])
    }
  }

  /// The first node with an edge into an order port that what `start` gets can lead to.
  private func orderPort(from start: Int) -> Int? {
    let after = reachable(from: start)
    return ([start] + nodes.indices.filter { after[$0] && $0 != start }).first { index in
      guard let plugin = nodes[index].plugin else { return false }
      return nodes[index].edges.contains {
        plugin.inputs[$0.toPort].type == .order && (index == start || $0.fromNode == start || after[$0.fromNode])
      }
    }
  }

  /// What only an instance that may run muted can have.
  func swaps() {
    for node in nodes where node.plugin?.effects == .external {
      for key in node.draft.mutedSwapKeys {
        report.error(
          .swapExternal, "\(node.draft.plugin?.text ?? "this") acts on the world outside, so it cannot have \(key.text): it would act twice", at: key.place,
          help: ["remove \(key.text); such a node swaps by hand-over"])
      }
    }
  }

  /// Chains may be shared out between two instances only where neither remembers anything and nothing behind
  /// them does that a position stands or falls with.
  func canaries(_ graph: Graph) {
    for (index, node) in graph.nodes.enumerated() where node.swap.canary != nil && node.swap.canaryBy == .chain {
      if !node.plugin.isStateless {
        report.error(
          .canaryChain, "\(node.plugin.id) is not stateless: an instance that is given every tenth chain does not see what it has to remember",
          at: node.place, help: ["write canary: { share: 10%, by: instrument }"])
      } else if let holder = graph.positionHolder(behind: index) {
        report.error(
          .canaryChain, "a canary by chain before \(graph.nodes[holder].name), which holds a position: its chains would follow two models at once",
          at: node.place, help: ["write canary: { share: 10%, by: instrument }"])
      }
    }
  }

  /// The fallback's node, when it fits.
  func fallback(_ index: Int, _ word: Word, _ names: NodeNames) -> Int? {
    let node = nodes[index]
    guard let found = names.resolve(word.text, seenFrom: node.draft, at: word.place, report: report) else { return nil }
    guard found.port == nil, found.nodes.count == 1 else {
      report.error(.badFallback, "\(quoted(word.text)) is not one node", at: word.place, help: ["write on_error: { fallback: NODE }"])
      return nil
    }
    let other = found.nodes[0]
    if other == index {
      report.error(.badFallback, "\(node.draft.title) cannot stand in for itself", at: word.place, help: ["name another node"])
      return nil
    }
    if reachable(from: index)[other] {
      report.error(
        .badFallback, "\(title(other)) takes from \(node.draft.title), so it cannot stand in for it", at: word.place,
        help: ["name a node that works without \(node.draft.title)"])
      return nil
    }
    guard let plugin = node.plugin, let otherPlugin = nodes[other].plugin else { return nil }
    for port in Set(consumers[index].map { nodes[$0.node].edges[$0.edge].fromPort }).sorted() {
      let wanted = plugin.outputs[port]
      if otherPlugin.outputs.contains(where: { $0.name == wanted.name && $0.type == wanted.type }) { continue }
      report.error(
        .badFallback, "\(title(other)) has no output \(wanted.name) (\(wanted.type.name)), which nodes take from \(node.draft.title)", at: word.place,
        help: ["it offers: \(listed(otherPlugin.outputs.map(\.name), none: "nothing"))"])
      return nil
    }
    return other
  }
}
