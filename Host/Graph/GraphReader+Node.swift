import GantryBase
import GantryManifest

/// One entry of `nodes:`.
extension GraphReader {
  static let nodeKeys = [
    "plugin", "from", "params", "lane", "queue", "swap", "isolate", "on_error", "grant", "trace", "for_each",
  ]

  func node(_ entry: ManifestEntry) -> NodeDraft {
    let name = Word(text: entry.key.text, place: entry.key.place)
    var draft = NodeDraft(name: name.text, place: name.place)
    // Too long a name is cut, so that no sentence about the node repeats it whole.
    if !checkName(name, "node") { draft.name = String(name.text.unicodeScalars.prefix(GraphLimits.nameLength)) + "..." }
    guard let mapping = MappingReader(entry.value, "a node", keys: Self.nodeKeys, example: "\(draft.name): { plugin: ID }", report: report) else {
      draft.isIncomplete = true
      return draft
    }
    draft.plugin = mapping.word("plugin")
    if draft.plugin == nil {
      draft.isIncomplete = true
      if mapping["plugin"] == nil, !isPartial {
        report.error(.missingKey, "node \(draft.name) has no plugin", at: name.place, help: ["add `plugin: ID`; `gantry plugin list` shows what is installed"])
      }
    }
    if let node = mapping.value("from") { from(node, &draft) }
    if let node = mapping.value("params") { params(node, &draft) }
    if let lane = mapping.word("lane") {
      draft.lane = lane
      // What stands for an item has been checked with the items.
      let text = lane.text.replacing("${each}", with: "")
      if text.isEmpty && lane.text != "${each}" || !text.utf8.allSatisfy({ Self.isNameByte($0) || (0x41...0x5A).contains($0) })
        || text.utf8.count > GraphLimits.nameLength
      {
        report.error(.badName, "\(quoted(lane.text)) is no lane name: it has letters, digits, - and _", at: lane.place)
      }
    }
    if let node = mapping.value("queue") { draft.queue = queue(node) }
    if let node = mapping.value("swap") { swap(node, &draft) }
    if let node = mapping.value("isolate") { isolate(node, mapping, &draft) }
    if let node = mapping.value("on_error") { draft.onError = onError(node) }
    if let node = mapping.value("grant") { draft.grants = grants(node) }
    if let node = mapping.value("trace") { draft.trace = trace(node) }
    if let node = mapping.value("for_each") { forEach(node, &draft) }
    return draft
  }

  private func from(_ node: ManifestNode, _ draft: inout NodeDraft) {
    draft.fromPlace = node.place
    let example = "from: [NODE, NODE.PORT]"
    if let entries = node.entries {
      for entry in entries {
        let port = Word(text: entry.key.text, place: entry.key.place)
        draft.from += report.words(entry.value, "this input", example: "INPUT: NODE.PORT").map { FromDraft(port: port, reference: $0) }
      }
      return
    }
    if let items = node.sequence {
      for item in items {
        // `[{ quotes: ticks }]` is the mapping form inside a list by mistake, and can only mean this.
        if item.entries != nil {
          report.error(
            .wrongShape, "an item of from is NODE or NODE.PORT, this is a mapping", at: item.place,
            help: ["to name the input ports write from: { INPUT: NODE.PORT }, without [ ]"])
          draft.isIncomplete = true
        } else if let word = report.word(item, "an item of from") {
          draft.from.append(FromDraft(port: nil, reference: word))
        }
      }
      return
    }
    draft.from = report.words(node, "from", example: example).map { FromDraft(port: nil, reference: $0) }
  }

  private func params(_ node: ManifestNode, _ draft: inout NodeDraft) {
    draft.parametersPlace = node.place
    guard let entries = node.entries else {
      report.error(.wrongShape, "params is a mapping of names to values, this is \(node.shape)", at: node.place, help: ["write params: { NAME: VALUE }"])
      draft.isIncomplete = true
      return
    }
    draft.parameters = entries
    for entry in entries where SecretNames.looksSecret(entry.key.text) && entry.value.secret == nil { report.hide(entry.value.place) }
  }

  private func forEach(_ node: ManifestNode, _ draft: inout NodeDraft) {
    var items: [Word] = []
    for word in report.words(node, "for_each", example: "for_each: [EURUSD, NZDUSD]") {
      if items.contains(where: { $0.text == word.text }) {
        report.error(.duplicateItem, "\(quoted(word.text)) is in for_each twice", at: word.place)
      } else if !InstrumentReader.isSymbol(word.text) {
        report.error(.badName, "\(quoted(word.text)) cannot be part of a node's name", at: word.place, help: ["items have letters, digits, dots, - and _"])
      } else {
        items.append(word)
      }
    }
    if items.isEmpty {
      draft.isIncomplete = true
      if node.sequence?.isEmpty == true {
        report.error(.emptyValue, "for_each lists nothing", at: node.place, help: ["write for_each: [EURUSD, NZDUSD], or for_each: instruments for all"])
      }
    }
    draft.forEach = items
  }

  private func grants(_ node: ManifestNode) -> [(need: PluginDescription.Need, place: Place)] {
    let names = PluginDescription.Need.allCases.map(\.rawValue)
    return report.words(node, "grant", example: "grant: [network]").compactMap { word in
      guard let need = PluginDescription.Need(rawValue: word.text) else {
        report.error(.badChoice, "grant may list \(listed(names)), not \(quoted(word.text))", at: word.place, help: [report.didYouMean(word.text, names)])
        return nil
      }
      return (need, word.place)
    }
  }
}

/// Parameters that hold secrets by their name, whatever their plugin says.
enum SecretNames {
  static func looksSecret(_ name: String) -> Bool {
    ["password", "secret", "token", "api_key", "apikey", "passphrase"].contains { name.lowercased().contains($0) }
  }
}
