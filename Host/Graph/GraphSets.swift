import GantryBase
import GantryManifest

/// `--set node.param=value`: replaces one parameter of one node, or of all nodes that a `for_each`
/// made from one entry.
struct GraphSets {
  /// What stands for a file in the places of its mistakes.
  static let file = "--set"

  let report: GraphReport

  func apply(_ sets: [String], to nodes: inout [NodeDraft]) {
    for set in sets { apply(set, to: &nodes) }
  }

  private func apply(_ set: String, to nodes: inout [NodeDraft]) {
    let whole = place(of: set, from: 0, to: set.unicodeScalars.count)
    guard let equals = set.firstIndex(of: "="), let dot = set[..<equals].lastIndex(of: ".") else {
      report.error(.badSet, "this is not NODE.PARAM=VALUE", at: whole, help: ["write --set ticks.path=data/eurusd"])
      return
    }
    let name = String(set[..<dot])
    let parameter = String(set[set.index(after: dot)..<equals])
    let start = set[...equals].unicodeScalars.count
    let namePlace = place(of: set, from: 0, to: set[..<dot].unicodeScalars.count)
    let targets = nodes.indices.filter { nodes[$0].name == name || nodes[$0].template == name }
    guard !targets.isEmpty else {
      let names = nodes.flatMap { [$0.name, $0.template].compactMap { $0 } }
      report.error(
        .unknownNode, "there is no node \(quoted(name)); there are: \(listed(nodes.map(\.title)))", at: namePlace, help: [report.didYouMean(name, names)])
      return
    }
    let keyPlace = place(of: set, from: set[...dot].unicodeScalars.count, to: start - 1)
    let value = value(of: set, after: equals, start: start)
    for index in targets {
      let key = ManifestKey(text: parameter, at: keyPlace)
      if SecretNames.looksSecret(parameter), value.secret == nil { report.hide(value.place) }
      if let old = nodes[index].parameters.firstIndex(where: { $0.key.text == parameter }) {
        nodes[index].parameters[old] = ManifestEntry(key: key, value: value)
      } else {
        nodes[index].parameters.append(ManifestEntry(key: key, value: value))
      }
    }
  }

  /// A list when it is written as one, otherwise the text as it is: no other YAML on a command line.
  private func value(of set: String, after equals: String.Index, start: Int) -> ManifestNode {
    let text = String(set[set.index(after: equals)...])
    let place = place(of: set, from: start, to: set.unicodeScalars.count)
    guard text.hasPrefix("["), text.hasSuffix("]") else {
      return ManifestNode(.scalar(ManifestScalar(text: text, style: .quoted)), at: place)
    }
    // Parsed behind as many spaces as stand before it, so that its columns are those of the argument.
    let (tree, diagnostics) = ManifestParser.parse(bytes: Array((String(repeating: " ", count: start) + text).utf8), file: Self.file)
    report.add(
      diagnostics.map { diagnostic in
        var copy = diagnostic
        copy.place = Place(
          file: Self.file, line: 1, column: diagnostic.place?.column ?? start + 1, length: diagnostic.place?.length ?? 1, excerpt: place.excerpt)
        return copy
      })
    guard let items = tree?.sequence else { return ManifestNode(.scalar(ManifestScalar(text: text, style: .quoted)), at: place) }
    return ManifestNode(
      .sequence(
        items.map { item in
          var copy = item
          copy.place.excerpt = place.excerpt
          return copy
        }), at: place)
  }

  private func place(of set: String, from start: Int, to end: Int) -> Place {
    let line = String(String.UnicodeScalarView(set.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    return Place(file: Self.file, line: 1, column: start + 1, length: end - start, excerpt: line)
  }
}
