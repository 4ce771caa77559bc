import GantryBase
import GantryManifest

/// The tree of a graph file to a draft: every key known, every value of the right shape.
///
/// `isPartial` reads a profile, in which nothing is required.
struct GraphReader {
  let report: GraphReport
  let paths: PathResolver
  var isPartial = false

  static let keys = [
    "graph", "clock", "plugins", "models", "trace", "feedback_max", "instruments", "currencies", "nodes", "profiles", "tests",
  ]
  static let profileKeys = ["clock", "plugins", "models", "trace", "feedback_max", "instruments", "currencies", "nodes"]

  func draft(_ root: ManifestNode) -> GraphDraft {
    var draft = GraphDraft()
    guard
      let file = MappingReader(
        root, isPartial ? "a profile" : "a graph file", keys: isPartial ? Self.profileKeys : Self.keys,
        example: "`graph: NAME` and `nodes:` with a node under it", report: report)
    else { return draft }

    if let name = file.word("graph") {
      draft.name = name.text
      checkName(name, "graph")
    } else if !isPartial, file["graph"] == nil {
      report.error(.missingKey, "the graph has no name", at: root.place.firstColumn, help: ["begin the file with `graph: NAME`"])
    }
    draft.clock = file.choice("clock", [Graph.Clock.replay, .live]) ?? .replay
    if let node = file.value("plugins") { draft.plugins = plugins(node) }
    if let node = file.value("models") { draft.modelPath = models(node) }
    if let node = file.value("trace") { draft.trace = trace(node) ?? draft.trace }
    draft.feedbackMax = file.integer("feedback_max", in: 1...4_096) ?? draft.feedbackMax
    if let node = file.value("instruments") {
      let reader = InstrumentReader(report: report, paths: paths, isPartial: isPartial)
      (draft.instruments, draft.instrumentsAreComplete) = reader.instruments(node)
    }
    draft.currencies = currencies(file.value("currencies"))
    if let node = file.value("nodes") {
      draft.nodes = nodes(node)
    } else if !isPartial, file["nodes"] == nil {
      report.error(.missingKey, "the graph has no nodes", at: root.place.firstColumn, help: ["add `nodes:` with at least a source"])
    }
    if let node = file.value("tests") { draft.tests = tests(node) }
    return draft
  }

  func plugins(_ node: ManifestNode) -> PluginsDraft {
    var draft = PluginsDraft()
    guard
      let mapping = MappingReader(node, "plugins", keys: ["path", "trust", "lock"], example: "plugins: { path: [FOLDER], trust: manifest }", report: report)
    else { return draft }
    if let path = mapping.value("path") {
      draft.path = report.words(path, "path", example: "path: [FOLDER]").map { paths.absolute($0) }
    }
    draft.trust = mapping.choice("trust", [Graph.Trust.manifest, .signed, .any]) ?? .any
    draft.lock = mapping.word("lock").map { paths.absolute($0) }
    return draft
  }

  /// Folders of models, absolute.
  func models(_ node: ManifestNode) -> [String]? {
    guard let mapping = MappingReader(node, "models", keys: ["path"], example: "models: { path: [FOLDER] }", report: report) else { return nil }
    return mapping.value("path").map { path in report.words(path, "path", example: "path: [FOLDER]").map { paths.absolute($0) } }
  }

  /// `all`, `off` or `1/N`.
  func trace(_ node: ManifestNode) -> TraceShare? {
    guard let word = report.word(node, "trace") else { return nil }
    switch word.text {
    case "all": return .all
    case "off": return .off
    default:
      if word.text.hasPrefix("1/"), let share = Int(word.text.dropFirst(2)), (1...1 << 20).contains(share), share & (share - 1) == 0 {
        return share == 1 ? .all : .one(in: share)
      }
      report.error(.badChoice, "trace may be off, all or 1/N with N a power of two, not \(quoted(word.text))", at: word.place)
      return nil
    }
  }

  private func currencies(_ node: ManifestNode?) -> [Currency] {
    guard let node else { return [] }
    guard let entries = node.entries else {
      report.error(
        .wrongShape, "currencies is a mapping of codes to digits, this is \(node.shape)", at: node.place, help: ["write currencies: { USD: 2, JPY: 0 }"])
      return []
    }
    return entries.compactMap { entry in
      guard InstrumentReader.isCurrencyCode(entry.key.text) else {
        report.error(
          .badName, "\(quoted(entry.key.text)) is no currency code", at: entry.key.place, help: ["a code has 3 to 8 upper-case letters and digits, as USD"])
        return nil
      }
      guard let digits = entry.value.integer else {
        report.error(
          .badType, "the digits of \(entry.key.text) are a whole number, this is \(entry.value.said)", at: entry.value.place,
          help: ["write \(entry.key.text): 2"])
        return nil
      }
      guard (0...12).contains(digits) else {
        report.error(.outOfRange, "\(entry.key.text) has \(digits) digits; it may be 0 to 12", at: entry.value.place)
        return nil
      }
      return Currency(code: entry.key.text, digits: UInt32(digits))
    }
  }

  private func nodes(_ node: ManifestNode) -> [NodeDraft] {
    guard let entries = node.entries else {
      report.error(
        .wrongShape, "nodes is a mapping of names to nodes, this is \(node.shape)", at: node.place, help: ["write `NAME: { plugin: ID, from: NODE }` under it"])
      return []
    }
    if entries.isEmpty, !isPartial {
      report.error(.missingKey, "the graph has no nodes", at: node.place, help: ["add at least a source"])
    }
    if entries.count > GraphLimits.nodes {
      report.error(.tooMany, "there are \(entries.count) nodes; the limit is \(GraphLimits.nodes)", at: node.place)
      return []
    }
    return entries.map { self.node($0) }
  }

  /// Lower-case letters, digits, dashes and underscores, beginning with a letter.
  @discardableResult
  func checkName(_ name: Word, _ what: String) -> Bool {
    let isGood = name.text.utf8.allSatisfy { Self.isNameByte($0) } && name.text.utf8.first.map { (0x61...0x7A).contains($0) } ?? false
    if !isGood {
      let lowered = String(name.text.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "-" })
      let suggestion = lowered.first.map { $0.isLetter ? lowered : "n" + lowered } ?? ""
      report.error(
        .badName, "\(quoted(name.text)) is no \(what) name: it has lower-case letters, digits, - and _, and begins with a letter", at: name.place,
        help: [suggestion.isEmpty || suggestion.count > 40 ? nil : "write \(suggestion)"])
    } else if name.text.utf8.count > GraphLimits.nameLength {
      report.error(.badName, "this name has \(name.text.utf8.count) letters; the limit is \(GraphLimits.nameLength)", at: name.place)
      return false
    }
    return name.text.utf8.count <= GraphLimits.nameLength
  }

  static func isNameByte(_ byte: UInt8) -> Bool {
    (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x5F
  }
}

extension Place {
  /// For what a whole file lacks: no caret under a long line.
  var firstColumn: Place { Place(file: file, line: line, column: column, length: 1, excerpt: excerpt) }
}
