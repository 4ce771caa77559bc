import GantryBase

/// The drawing for terminals: a block of lines for each node in the order in which they run, and to
/// the right of them one rail for each output port that somebody takes.
///
///     ticks     source replay 0.1.0
///       ticks ────────────┐
///     features  feature indicators 0.1.0
///       ticks ◀───────────┤
///       features ───────┐ │
///
/// A line from a rail ends at the rail it belongs to; it passes the others as `┼`. Above its output a
/// rail carries feedback and is dashed.
extension GraphDrawing {
  public static func text(_ graph: Graph) -> String {
    var rows: [Row] = []
    for index in graph.order {
      let node = graph.nodes[index]
      var head = padded(node.name, to: nameWidth(graph)) + "  \(node.plugin.kind.rawValue) \(node.plugin.id) \(node.plugin.version)"
      if graph.lanes.count > 1 { head += ", lane \(graph.lanes[node.lane])" }
      if node.isolation == .process { head += ", in a cell" }
      rows.append(Row(label: head))
      for edge in node.inputs {
        var label = "  \(node.plugin.inputs[edge.toPort].name) ◀"
        if let queue = edge.queue { label += " queue \(GraphDiff.queueText(queue)) " }
        rows.append(Row(label: label, rail: RailID(node: edge.fromNode, port: edge.fromPort), isInput: true, isDashed: edge.isFeedback))
      }
      for (port, output) in node.plugin.outputs.enumerated() {
        rows.append(Row(label: "  \(output.name) ", rail: RailID(node: index, port: port)))
      }
    }
    return headline(graph) + "\n\n" + drawn(rows) + "\n"
  }

  private struct RailID: Hashable {
    var node: Int
    var port: Int
  }

  private struct Row {
    var label: String
    /// The rail that this row's line ends at.
    var rail: RailID?
    var isInput = false
    var isDashed = false
  }

  /// One rail: the rows it spans, the row of its output, its column.
  private struct Rail {
    var first: Int
    var last: Int
    var output = 0
    var column = 0
  }

  private static func drawn(_ rows: [Row]) -> String {
    var rails: [RailID: Rail] = [:]
    for (index, row) in rows.enumerated() {
      guard let id = row.rail else { continue }
      rails[id, default: Rail(first: index, last: index)].last = index
      if !row.isInput { rails[id]?.output = index }
    }
    rails = rails.filter { $0.value.first < $0.value.last }
    // The leftmost column that is free over the whole span; short rails first, so that they stay near.
    var taken: [[(first: Int, last: Int)]] = []
    for id in rails.keys.sorted(by: { span(rails[$0]) != span(rails[$1]) ? span(rails[$0]) < span(rails[$1]) : ($0.node, $0.port) < ($1.node, $1.port) }) {
      guard let rail = rails[id] else { continue }
      let column = taken.firstIndex { $0.allSatisfy { $0.last < rail.first || $0.first > rail.last } } ?? taken.count
      if column == taken.count { taken.append([]) }
      taken[column].append((rail.first, rail.last))
      rails[id]?.column = column
    }
    let width = (rows.map(\.label.count).max() ?? 0) + 2
    return rows.indices.map { line($0, rows[$0], rails, columns: taken.count, width) }.joined(separator: "\n")
  }

  private static func span(_ rail: Rail?) -> Int { rail.map { $0.last - $0.first } ?? 0 }

  private static func line(_ index: Int, _ row: Row, _ rails: [RailID: Rail], columns: Int, _ width: Int) -> String {
    var cells = [Character](repeating: " ", count: width + 2 * columns)
    for (position, character) in row.label.enumerated() { cells[position] = character }
    for rail in rails.values where rail.first <= index && index <= rail.last {
      // Going up from the output it is feedback.
      cells[width + 2 * rail.column] = index < rail.output ? "┊" : "│"
    }
    if let id = row.rail, let rail = rails[id] {
      let end = width + 2 * rail.column
      for position in row.label.count..<end { cells[position] = cells[position] == " " ? (row.isDashed ? "╌" : "─") : "┼" }
      cells[end] = rail.first == index ? "┐" : rail.last == index ? "┘" : "┤"
    } else if row.rail != nil {
      for (offset, character) in "(not taken)".enumerated() where row.label.count + offset < width { cells[row.label.count + offset] = character }
    }
    while cells.last == " " { cells.removeLast() }
    return String(cells)
  }

  private static func headline(_ graph: Graph) -> String {
    func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
    return "\(graph.name): \(graph.clock.rawValue) clock, \(count(graph.nodes.count, "node")), \(count(Set(graph.nodes.map(\.lane)).count, "lane")), "
      + "\(count(graph.instruments.count, "instrument"))"
  }

  private static func nameWidth(_ graph: Graph) -> Int { graph.nodes.map(\.name.count).max() ?? 0 }

  private static func padded(_ text: String, to width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
}
