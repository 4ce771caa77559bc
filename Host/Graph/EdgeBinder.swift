import GantryBase

/// A node while it is bound: what the file says, and the plugin once it is known.
struct BoundNode {
  var draft: NodeDraft
  /// Nil when it is not to be had; whatever would follow from that is not reported.
  var plugin: PluginDescription?
  var edges: [Edge] = []
  /// Some edge could not be made: a missing input may be that one.
  var hasBrokenEdge = false
}

/// `from:` to edges.
///
/// `from: X` takes X's first output that some free input accepts, and the first such input: one of
/// exactly that type before one that takes anything. `X.port` names the output, `{ input: X }` the
/// input. A name that `for_each` repeated means the node of the same item, seen from such a node,
/// and all of them, seen from any other.
struct EdgeBinder {
  let report: GraphReport
  /// What all nodes offer, for remedies.
  private let outputs: [(title: String, port: String, type: EventType)]

  init(report: GraphReport, nodes: [BoundNode]) {
    self.report = report
    outputs = nodes.flatMap { node in (node.plugin?.outputs ?? []).map { (node.draft.title, $0.name, $0.type) } }
  }

  func bind(_ nodes: inout [BoundNode]) {
    let names = NodeNames(nodes.map(\.draft))
    var total = 0
    for index in nodes.indices {
      for from in nodes[index].draft.from {
        bind(from, into: index, &nodes, names)
        let count = nodes[index].edges.count
        guard count > GraphLimits.edgesPerNode || total + count > GraphLimits.edges else { continue }
        let limit = count > GraphLimits.edgesPerNode ? "\(GraphLimits.edgesPerNode) edges end at one node" : "\(GraphLimits.edges) edges are in the graph"
        report.error(.tooMany, "with this more than \(limit)", at: from.reference.place)
        nodes[index].hasBrokenEdge = true
        break
      }
      total += nodes[index].edges.count
      checkInputs(nodes[index])
    }
  }

  private func bind(_ from: FromDraft, into index: Int, _ nodes: inout [BoundNode], _ names: NodeNames) {
    let isFeedback = from.reference.text.hasSuffix("~")
    let text = isFeedback ? String(from.reference.text.dropLast()) : from.reference.text
    guard let found = names.resolve(text, seenFrom: nodes[index].draft, at: from.reference.place, report: report) else {
      nodes[index].hasBrokenEdge = true
      return
    }
    for source in found.nodes where nodes[index].edges.count <= GraphLimits.edgesPerNode {
      if source == index, !isFeedback {
        report.error(
          .selfReference, "\(nodes[index].draft.title) takes from itself", at: from.reference.place,
          help: ["name another node, or mark the edge as feedback: \(text)~"])
        nodes[index].hasBrokenEdge = true
        continue
      }
      guard let edge = edge(from, port: found.port, source: nodes[source], sourceIndex: source, into: nodes[index], isFeedback) else {
        nodes[index].hasBrokenEdge = true
        continue
      }
      nodes[index].edges.append(edge)
    }
  }

  private func edge(_ from: FromDraft, port: String?, source: BoundNode, sourceIndex: Int, into node: BoundNode, _ isFeedback: Bool)
    -> Edge?
  {
    guard let producer = source.plugin, let consumer = node.plugin else { return nil }
    let place = from.reference.place
    // The input, where it is named.
    var inputs = Array(consumer.inputs.indices)
    if let name = from.port {
      guard let input = consumer.inputs.firstIndex(where: { $0.name == name.text }) else {
        let names = consumer.inputs.map(\.name)
        report.error(.unknownPort, "\(node.draft.title) takes: \(listed(names, none: "nothing"))", at: name.place, help: [report.didYouMean(name.text, names)])
        return nil
      }
      inputs = [input]
    }
    guard !consumer.inputs.isEmpty else {
      report.error(.portType, "\(node.draft.title) is a \(consumer.kind.rawValue) that takes nothing", at: place, help: ["remove its `from:`"])
      return nil
    }
    // The output, where it is named.
    var outputs = Array(producer.outputs.indices)
    if let port {
      guard let output = producer.outputs.firstIndex(where: { $0.name == port }) else {
        let names = producer.outputs.map(\.name)
        report.error(
          .unknownPort, "\(source.draft.title) offers: \(listed(names, none: "nothing"))", at: place,
          help: [report.didYouMean(port, names) { "\(source.draft.title).\($0)" }])
        return nil
      }
      outputs = [output]
    }
    guard !outputs.isEmpty else {
      report.error(.portType, "\(source.draft.title) is a \(producer.kind.rawValue) that offers nothing", at: place)
      return nil
    }
    var taken: PortDescription?
    for output in outputs {
      let type = producer.outputs[output].type
      for input in inputs.filter({ consumer.inputs[$0].type == type }) + inputs.filter({ consumer.inputs[$0].type == .any && type != .any }) {
        if !consumer.inputs[input].takesMany, node.edges.contains(where: { $0.toPort == input }) {
          taken = taken ?? consumer.inputs[input]
          continue
        }
        return Edge(fromNode: sourceIndex, fromPort: output, toPort: input, isFeedback: isFeedback, place: place)
      }
    }
    if let taken {
      report.error(
        .portTaken, "\(node.draft.title)'s input \(taken.name) takes one edge, this is the second", at: place,
        help: ["remove one of them", consumer.inputs.count > 1 ? "or name the inputs: from: { INPUT: NODE.PORT }" : nil])
    } else {
      let offers = outputs.map { describe(producer.outputs[$0]) }
      let takes = inputs.map { describe(consumer.inputs[$0]) }
      let better = Set(inputs.map { consumer.inputs[$0].type })
      report.error(
        .portType, "\(source.draft.title) offers \(listed(offers)); \(node.draft.title) takes \(listed(takes))", at: place,
        help: [wouldDo(for: node) { better.contains($0) }])
    }
    return nil
  }

  private func describe(_ port: PortDescription) -> String { port.name == port.type.name ? port.name : "\(port.name) (\(port.type.name))" }

  /// The outputs of other nodes that have a type the node wants.
  private func wouldDo(for node: BoundNode, _ wants: (EventType) -> Bool) -> String? {
    guard !report.isFull else { return nil }
    var offers: [String] = []
    for output in outputs where output.title != node.draft.title && wants(output.type) {
      let name = "\(output.title).\(output.port)"
      if offers.last != name { offers.append(name) }
    }
    return offers.isEmpty ? nil : "these would do: \(listed(offers))"
  }

  /// Every input that is not optional has an edge.
  private func checkInputs(_ node: BoundNode) {
    guard let plugin = node.plugin, !node.hasBrokenEdge, !node.draft.isIncomplete else { return }
    for (index, port) in plugin.inputs.enumerated() where !port.isOptional && !node.edges.contains(where: { $0.toPort == index }) {
      report.error(
        .missingInput, "\(node.draft.title)'s input \(port.name) (\(port.type.name)) is not connected",
        at: node.draft.fromPlace?.firstColumn ?? node.draft.place,
        help: [wouldDo(for: node) { $0 == port.type || port.type == .any } ?? "no node offers \(port.type.name): add one that does"])
    }
  }
}
