import GantryBase
import GantryManifest

/// `for_each:` makes one node per item, named `node.item`, in the order of the list, at the place of
/// its entry in the file. `${each}` stands for the item in `from`, `params` and `lane`.
struct ForEach {
  let report: GraphReport
  let instruments: [Instrument]

  func expanded(_ nodes: [NodeDraft]) -> [NodeDraft] {
    var result: [NodeDraft] = []
    for node in nodes {
      guard var items = node.forEach else {
        result.append(node)
        continue
      }
      if items.count == 1, items[0].text == "instruments" {
        items = instruments.map { Word(text: $0.symbol, place: items[0].place) }
        if items.isEmpty {
          report.error(.emptyValue, "for_each: instruments, and the graph has none", at: node.forEach?.first?.place, help: ["add `instruments:`"])
        }
      }
      let copied = node.parameters.reduce(0) { $0 + $1.value.count } * items.count
      if copied > ManifestLimits.nodes || result.count + items.count > GraphLimits.nodes {
        report.error(.tooMany, "for_each makes more than \(GraphLimits.nodes) nodes or \(ManifestLimits.nodes) values", at: node.place)
        items = Array(items.prefix(1))
      }
      result += items.isEmpty ? [node] : items.map { copy(of: node, for: $0.text) }
    }
    return result
  }

  private func copy(of node: NodeDraft, for item: String) -> NodeDraft {
    var copy = node
    copy.template = node.name
    copy.name = node.name + "." + item
    copy.each = item
    copy.parameters = node.parameters.map { ManifestEntry(key: $0.key, value: substituted($0.value, item)) }
    copy.from = node.from.map { FromDraft(port: $0.port, reference: Word(text: replaced($0.reference.text, item), place: $0.reference.place)) }
    copy.lane = node.lane.map { Word(text: replaced($0.text, item), place: $0.place) }
    return copy
  }

  private func substituted(_ node: ManifestNode, _ item: String) -> ManifestNode {
    var copy = node
    switch node.content {
    case .scalar(var scalar):
      scalar.text = replaced(scalar.text, item)
      copy.content = .scalar(scalar)
    case .sequence(let items): copy.content = .sequence(items.map { substituted($0, item) })
    case .mapping(let entries):
      copy.content = .mapping(entries.map { ManifestEntry(key: $0.key, value: substituted($0.value, item)) })
    }
    return copy
  }

  private func replaced(_ text: String, _ item: String) -> String {
    guard text.contains("${each}") else { return text }
    return text.split(separator: "${each}", omittingEmptySubsequences: false).joined(separator: item)
  }
}
