import GantryBase

/// What applying a changed graph would do, for people and as JSON: one line a node, with the reason.
public struct GraphPlan: Sendable, Encodable {
  /// One node.
  public struct Node: Sendable, Encodable {
    public var node: String
    public var action: NodeChange.Action
    /// The old instance stops before the new one starts.
    public var isHandOver: Bool
    public var reasons: [String]
    public var file: String?
    public var line: Int?

    enum CodingKeys: String, CodingKey {
      case node, action, reasons, file, line
      case isHandOver = "hand_over"
    }
  }

  public var graph: String
  /// Whether anything would be done at all.
  public var changes: Bool
  /// How many nodes each action is for; those for which there is none are left out.
  public var counts: [String: Int]
  public var nodes: [Node]

  /// - Parameter graph: the name of the new graph
  public init(graph: String, changes: [NodeChange]) {
    self.graph = graph
    self.changes = changes.contains { $0.action != .keep }
    counts = Dictionary(changes.map { ($0.action.rawValue, 1) }, uniquingKeysWith: +)
    nodes = changes.map {
      Node(node: $0.node, action: $0.action, isHandOver: $0.isHandOver, reasons: $0.reasons, file: $0.place?.file, line: $0.place?.line)
    }
  }

  /// One line a node: what is done and why. Kept nodes are counted; with `all` they have lines too.
  public func text(paint: Paint, all: Bool = false) -> String {
    guard changes else { return "  \(paint(graph, .plain, bold: true)) runs already: nothing to do" }
    let shown = nodes.filter { all || $0.action != .keep }
    let nameWidth = shown.map(\.node.count).max() ?? 0
    let actionWidth = shown.map { GraphPlan.words($0).count }.max() ?? 0
    var lines = ["  \(paint(graph, .plain, bold: true)): \(summary)"]
    for node in shown {
      let (sign, colour) = GraphPlan.sign(node.action)
      let name = node.node.padded(to: nameWidth)
      let action = GraphPlan.words(node).padded(to: actionWidth)
      let first = node.reasons.first ?? ""
      lines.append("  \(paint(sign, colour, bold: true)) \(name)  \(paint(action, colour))  \(first)".trimmed)
      let pad = String(repeating: " ", count: nameWidth + actionWidth + 8)
      lines += node.reasons.dropFirst().map { pad + $0 }
    }
    return lines.joined(separator: "\n")
  }

  /// `1 add, 2 swap with state, 3 keep`, what is done most first.
  public var summary: String {
    NodeChange.Action.allCases.reversed().compactMap { action in counts[action.rawValue].map { "\($0) \(action.rawValue)" } }
      .joined(separator: ", ")
  }

  private static func words(_ node: Node) -> String { node.action.rawValue + (node.isHandOver && node.action != .remove ? ", handed over" : "") }

  private static func sign(_ action: NodeChange.Action) -> (String, Paint.Colour) {
    switch action {
    case .keep: ("=", .grey)
    case .reconfigure, .rewire: ("~", .cyan)
    case .swapWithState: ("~", .yellow)
    case .swapCold: ("!", .yellow)
    case .add: ("+", .green)
    case .remove: ("-", .red)
    }
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(width - count, 0)) }
  fileprivate var trimmed: String { String(reversed().drop { $0 == " " }.reversed()) }
}
