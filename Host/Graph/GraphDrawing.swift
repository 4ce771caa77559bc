import GantryBase

/// A graph as a picture: `dot` for Graphviz, `mermaid` for Markdown, `text` for terminals. Edges
/// carry their ports' names; feedback edges are dashed.
public enum GraphDrawing {
  public enum Format: String, Sendable, CaseIterable { case dot, mermaid, text }

  public static func draw(_ graph: Graph, as format: Format) -> String {
    switch format {
    case .dot: dot(graph)
    case .mermaid: mermaid(graph)
    case .text: text(graph)
    }
  }

  public static func dot(_ graph: Graph) -> String {
    var lines = [
      "digraph \(dotQuoted(graph.name)) {", "  rankdir=LR;", "  node [shape=box, style=rounded, fontname=\"sans-serif\"];",
      "  edge [fontname=\"sans-serif\", fontsize=10];",
    ]
    for (lane, members) in lanes(graph) {
      let indent = graph.lanes.count > 1 ? "    " : "  "
      if graph.lanes.count > 1 { lines += ["  subgraph \(dotQuoted("cluster_\(lane)")) {", "    label=\(dotQuoted("lane \(lane)"));"] }
      for node in members { lines.append("\(indent)\(dotQuoted(graph.nodes[node].name)) [label=\(dotQuoted(title(graph.nodes[node], "\n")))];") }
      if graph.lanes.count > 1 { lines.append("  }") }
    }
    for node in graph.nodes {
      for edge in node.inputs {
        var attributes = ["label=\(dotQuoted(label(edge, into: node, graph)))"]
        if edge.isFeedback { attributes += ["style=dashed", "constraint=false"] }
        lines.append("  \(dotQuoted(graph.nodes[edge.fromNode].name)) -> \(dotQuoted(node.name)) [\(attributes.joined(separator: ", "))];")
      }
    }
    return lines.joined(separator: "\n") + "\n}\n"
  }

  public static func mermaid(_ graph: Graph) -> String {
    var lines = ["flowchart LR"]
    for (lane, members) in lanes(graph) {
      let indent = graph.lanes.count > 1 ? "    " : "  "
      if graph.lanes.count > 1 { lines.append("  subgraph lane-\(lane)[\"lane \(lane)\"]") }
      for node in members { lines.append("\(indent)n\(node)[\"\(mermaidQuoted(title(graph.nodes[node], "<br/>")))\"]") }
      if graph.lanes.count > 1 { lines.append("  end") }
    }
    for (index, node) in graph.nodes.enumerated() {
      for edge in node.inputs {
        let text = mermaidQuoted(label(edge, into: node, graph))
        lines.append("  n\(edge.fromNode) \(edge.isFeedback ? "-. \"\(text)\" .->" : "-- \"\(text)\" -->") n\(index)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Nodes by lane, lanes without nodes left out.
  private static func lanes(_ graph: Graph) -> [(name: String, nodes: [Int])] {
    graph.lanes.indices.map { lane in (graph.lanes[lane], graph.nodes.indices.filter { graph.nodes[$0].lane == lane }) }.filter { !$0.1.isEmpty }
  }

  private static func title(_ node: GraphNode, _ separator: String) -> String { "\(node.name)\(separator)\(node.plugin.id) \(node.plugin.version)" }

  /// `orders`, or `predictions -> signals` where the two ports have different names.
  private static func label(_ edge: Edge, into node: GraphNode, _ graph: Graph) -> String {
    let from = graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].name
    let to = node.plugin.inputs[edge.toPort].name
    var text = from == to ? from : "\(from) -> \(to)"
    if let queue = edge.queue { text += " (\(GraphDiff.queueText(queue)))" }
    return text
  }

  private static func dotQuoted(_ text: String) -> String {
    var quoted = "\""
    for character in text {
      switch character {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      default: quoted.append(character)
      }
    }
    return quoted + "\""
  }

  private static func mermaidQuoted(_ text: String) -> String { String(text.flatMap { $0 == "\"" ? Array("#quot;") : [$0] }) }
}
