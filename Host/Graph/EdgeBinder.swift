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

  func bind(_ nodes: inout [BoundNode]) {
    let names = NodeNames(nodes.map(\.draft))
    for index in nodes.indices {
      for from in nodes[index].draft.from { bind(from, into: index, &nodes, names) }
      if nodes[index].edges.count > GraphLimits.edgesPerNode {
        report.error(.tooMany, "\(nodes[index].draft.title) has \(nodes[index].edges.count) edges; the limit is \(GraphLimits.edgesPerNode)", at: nodes[index].draft.fromPlace)
      }
      checkInputs(nodes[index], nodes)
    }
  }

  private func bind(_ from: FromDraft, into index: Int, _ nodes: inout [BoundNode], _ names: NodeNames) {
    let isFeedback = from.reference.text.hasSuffix("~")
    let text = isFeedback ? String(from.reference.text.dropLast()) : from.reference.text
    guard let found = names.resolve(text, seenFrom: nodes[index].draft, at: from.reference.place, report: report) else {
      nodes[index].hasBrokenEdge = true
      return
    }
    for source in found.nodes {
      if source == index, !isFeedback {
        report.error(.selfReference, "\(nodes[index].draft.title) takes from itself", at: from.reference.place, help: ["name another node, or mark the edge as feedback: \(text)~"])
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

  private func edge(_ from: FromDraft, port: String?, source: BoundNode, sourceIndex: Int, into node: BoundNode, _ isFeedback: Bool) -> Edge? {
    guard let producer = source.plugin, let consumer = node.plugin else { return nil }
    let place = from.reference.place
    // The input, where it is named.
    var inputs = Array(consumer.inputs.indices)
    if let name = from.port {
      guard let input = consumer.inputs.firstIndex(where: { $0.name == name.text }) else {
        let names = consumer.inputs.map(\.name)
        report.error(.unknownPort, "\(node.draft.title) takes: \(listed(names, none: "nothing"))", at: name.place, help: [didYouMean(name.text, names)])
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
          help: [didYouMean(port, names) { "\(source.draft.title).\($0)" }])
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
      report.error(.portType, "\(source.draft.title) offers \(listed(offers)); \(node.draft.title) takes \(listed(takes))", at: place)
    }
    return nil
  }

  private func describe(_ port: PortDescription) -> String { port.name == port.type.name ? port.name : "\(port.name) (\(port.type.name))" }

  /// Every input that is not optional has an edge.
  private func checkInputs(_ node: BoundNode, _ nodes: [BoundNode]) {
    guard let plugin = node.plugin, !node.hasBrokenEdge, !node.draft.isIncomplete else { return }
    for (index, port) in plugin.inputs.enumerated() where !port.isOptional && !node.edges.contains(where: { $0.toPort == index }) {
      var offers: [String] = []
      for other in nodes where other.draft.name != node.draft.name {
        for output in other.plugin?.outputs ?? [] where output.type == port.type || port.type == .any {
          let name = "\(other.draft.title).\(output.name)"
          if !offers.contains(name) { offers.append(name) }
        }
      }
      report.error(
        .missingInput, "\(node.draft.title)'s input \(port.name) (\(port.type.name)) is not connected", at: node.draft.fromPlace?.firstColumn ?? node.draft.place,
        help: [offers.isEmpty ? "no node offers \(port.type.name): add one that does" : "these would do: \(listed(offers))"])
    }
  }
}
