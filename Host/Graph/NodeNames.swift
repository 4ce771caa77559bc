import GantryBase

/// Looks up `node`, `node.port` and the names that `for_each` repeated.
struct NodeNames {
  private let nodes: [NodeDraft]
  private var byName: [String: Int] = [:]
  private var byTemplate: [String: [Int]] = [:]
  /// As the file has them.
  let all: [String]

  init(_ nodes: [NodeDraft]) {
    self.nodes = nodes
    var all: [String] = []
    for node in nodes where all.last != node.title { all.append(node.title) }
    self.all = all
    for (index, node) in nodes.enumerated() {
      byName[node.name] = index
      if let template = node.template { byTemplate[template, default: []].append(index) }
    }
  }

  /// What `text` means, seen from `node`; nil, and reported, when it means nothing.
  func resolve(_ text: String, seenFrom node: NodeDraft, at place: Place, report: GraphReport) -> (nodes: [Int], port: String?)? {
    if let found = indices(of: text) { return narrowed(found, text, node, place, report).map { ($0, nil) } }
    if let dot = text.lastIndex(of: ".") {
      let name = String(text[..<dot])
      let port = String(text[text.index(after: dot)...])
      if let found = indices(of: name) { return narrowed(found, name, node, place, report).map { ($0, port) } }
      report.error(
        .unknownNode, "there is no node \(quoted(name)); there are: \(listed(all))", at: place,
        help: [report.didYouMean(name, all) { "\($0).\(port)" }])
      return nil
    }
    report.error(.unknownNode, "there is no node \(quoted(text)); there are: \(listed(all))", at: place, help: [report.didYouMean(text, all)])
    return nil
  }

  private func indices(of name: String) -> [Int]? { byName[name].map { [$0] } ?? byTemplate[name] }

  /// The node of the same item, where both are repeated.
  private func narrowed(_ found: [Int], _ name: String, _ node: NodeDraft, _ place: Place, _ report: GraphReport) -> [Int]? {
    guard nodes[found[0]].template == name, let each = node.each else { return found }
    let same = found.filter { nodes[$0].each == each }
    if same.isEmpty {
      report.error(
        .eachMismatch, "\(name) is not repeated for \(each), \(node.title) is", at: place,
        help: ["give both the same for_each", "or name one: \(name).\(nodes[found[0]].each ?? "")"])
      return nil
    }
    return same
  }
}
