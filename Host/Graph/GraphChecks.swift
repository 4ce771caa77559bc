import GantryBase

/// The checks on a whole graph whose edges are bound: order, cycles, lanes, queues, orders, rights.
struct GraphChecks {
  let report: GraphReport
  let nodes: [BoundNode]
  /// Consumers of each node: (node, index of its edge).
  let consumers: [[(node: Int, edge: Int)]]

  init(report: GraphReport, nodes: [BoundNode]) {
    self.report = report
    self.nodes = nodes
    var consumers = [[(node: Int, edge: Int)]](repeating: [], count: nodes.count)
    for (index, node) in nodes.enumerated() {
      for (number, edge) in node.edges.enumerated() { consumers[edge.fromNode].append((index, number)) }
    }
    self.consumers = consumers
  }

  func title(_ index: Int) -> String { nodes[index].draft.title }

  /// Topological order over the edges that are no feedback, ties by file order; shorter than `nodes` when
  /// there is a cycle, which is reported.
  func order() -> [Int] {
    var waiting = nodes.map { node in node.edges.count { !$0.isFeedback } }
    var ready = MinimumHeap(waiting.indices.filter { waiting[$0] == 0 })
    var order: [Int] = []
    while let next = ready.pop() {
      order.append(next)
      for consumer in consumers[next] where !nodes[consumer.node].edges[consumer.edge].isFeedback {
        waiting[consumer.node] -= 1
        if waiting[consumer.node] == 0 { ready.push(consumer.node) }
      }
    }
    if order.count < nodes.count { reportCycles() }
    return order
  }

  /// One cycle for each knot of nodes, the shortest through its first node in the file.
  private func reportCycles() {
    let knots = StronglyConnected(count: nodes.count) { node in
      consumers[node].filter { !nodes[$0.node].edges[$0.edge].isFeedback }.map(\.node)
    }
    var reported: Set<Int> = []
    for start in nodes.indices where knots.sizes[knots.component[start]] > 1 && reported.insert(knots.component[start]).inserted {
      let cycle = shortestCycle(through: start) { knots.areOnOneCycle(start, $0) }
      let path = (cycle + [cycle[0]]).map(title).joined(separator: " -> ")
      // The edge that goes back in the file is the one to mark.
      let pairs = zip(cycle, cycle.dropFirst() + [cycle[0]])
      let (from, to) = pairs.max { $0.0 - $0.1 < $1.0 - $1.1 } ?? (start, start)
      let edge = nodes[to].edges.first { $0.fromNode == from && !$0.isFeedback }
      let written = nodes[to].draft.from.first { $0.reference.place == edge?.place }?.reference.text ?? title(from)
      report.error(
        .cycle, "these nodes wait for each other: \(path)", at: edge?.place, help: ["mark the edge that goes back as feedback: \(written)~"])
    }
  }

  private func shortestCycle(through start: Int, _ isInKnot: (Int) -> Bool) -> [Int] {
    var previous: [Int: Int] = [:]
    var queue = [start]
    var head = 0
    while head < queue.count {
      let node = queue[head]
      head += 1
      for consumer in consumers[node] where isInKnot(consumer.node) && !nodes[consumer.node].edges[consumer.edge].isFeedback {
        if consumer.node == start {
          var cycle = [node]
          while let before = previous[cycle[cycle.count - 1]] { cycle.append(before) }
          return cycle.reversed()
        }
        if previous[consumer.node] == nil {
          previous[consumer.node] = node
          queue.append(consumer.node)
        }
      }
    }
    return [start]
  }

  /// Everything that `start` leads to, itself only when a cycle leads back.
  func reachable(from start: Int) -> [Bool] {
    var seen = [Bool](repeating: false, count: nodes.count)
    var stack = [start]
    while let node = stack.popLast() {
      for consumer in consumers[node] where !seen[consumer.node] {
        seen[consumer.node] = true
        stack.append(consumer.node)
      }
    }
    return seen
  }

  /// `~` only where it closes a cycle.
  func feedback() {
    let knots = StronglyConnected(count: nodes.count) { consumers[$0].map(\.node) }
    for (index, node) in nodes.enumerated() {
      for edge in node.edges where edge.isFeedback && !knots.areOnOneCycle(edge.fromNode, index) {
        report.warning(
          .needlessFeedback, "\(title(edge.fromNode)) does not depend on \(title(index)), so this edge closes no cycle", at: edge.place,
          help: ["remove the ~, and the event arrives in the forward pass"])
      }
    }
  }

  /// Nodes that do nothing anybody sees.
  func uses() {
    // A node without a use is often one whose user has a mistake.
    guard !report.hasErrors else { return }
    if !nodes.isEmpty, !nodes.contains(where: { $0.plugin?.kind == .source || $0.plugin?.usesTimers == true }) {
      report.warning(
        .noSource, "the graph has no source, so nothing will happen", at: nodes[0].draft.place, help: ["add a node with a source as its plugin, as synthetic"])
    }
    for (index, node) in nodes.enumerated() where consumers[index].isEmpty {
      guard let plugin = node.plugin, !plugin.outputs.isEmpty, plugin.effects == .none else { continue }
      guard ![.broker, .notifier, .store, .service].contains(plugin.kind) else { continue }
      let isFallback = nodes.contains {
        if case .fallback(let word) = $0.draft.onError?.action { return word.text == node.draft.name || word.text == node.draft.template }
        return false
      }
      if !isFallback {
        report.warning(
          .unusedNode, "no node takes what \(node.draft.title) offers: \(listed(plugin.outputs.map(\.name)))", at: node.draft.place,
          help: ["name it in a `from:`, or remove it"])
      }
    }
  }

  func grants() {
    for node in nodes {
      guard let plugin = node.plugin else { continue }
      let granted = node.draft.grants
      let missing = plugin.needs.filter { need in !granted.contains { $0.need == need } }
      if !missing.isEmpty {
        let all = granted.map(\.need.rawValue) + missing.map(\.rawValue)
        report.error(
          .notGranted, "\(plugin.id) needs \(missing.map(\.rawValue).joined(separator: ", ")), which \(node.draft.title) is not granted",
          at: granted.first?.place ?? node.draft.plugin?.place ?? node.draft.place, help: ["if you agree write grant: [\(all.joined(separator: ", "))]"])
      }
      for grant in granted where !plugin.needs.contains(grant.need) && !plugin.mayNeed.contains(grant.need) {
        report.warning(.needlessGrant, "\(plugin.id) does not need \(grant.need.rawValue)", at: grant.place, help: ["remove it"])
      }
    }
  }
}

/// The smallest of the numbers put in.
struct MinimumHeap {
  private var items: [Int] = []

  init(_ items: [Int]) { for item in items { push(item) } }

  mutating func push(_ item: Int) {
    items.append(item)
    var child = items.count - 1
    while child > 0, items[child] < items[(child - 1) / 2] {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Int? {
    guard let first = items.first else { return nil }
    let last = items.removeLast()
    if items.isEmpty { return first }
    items[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child] < items[least] { least = child }
      if least == parent { return first }
      items.swapAt(parent, least)
      parent = least
    }
  }
}
