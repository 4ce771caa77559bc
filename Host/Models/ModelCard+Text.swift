import GantryBase
import GantryManifest

/// `model.yaml`: read strictly, every mistake with its place; written so that reading gives the same.
extension ModelCard {
  static let keys = ["format", "file", "sha256", "also", "columns", "training_data", "metrics", "library", "created", "note"]
  private static let again = "`gantry model add FILE --name NAME` writes model.yaml"

  /// Reads the text of a `model.yaml`. All that is wrong is in the error.
  public init(bytes: [UInt8], file: String) throws(GantryError) {
    let (tree, diagnostics) = ManifestParser.parse(bytes: bytes, file: file)
    guard let tree, !diagnostics.contains(where: { $0.severity == .error }) else { throw GantryError(diagnostics, .badInput) }
    var reader = CardReader()
    let card = reader.card(tree)
    guard let card, reader.mistakes.isEmpty else { throw GantryError(reader.mistakes, .badInput) }
    self = card
  }

  /// The text of the file.
  public var text: String {
    var lines = ["format: \(Self.scalar(format))", "file: \(Self.scalar(file))", "sha256: \(sha256)"]
    if !also.isEmpty {
      lines.append("also:")
      lines += also.sorted { $0.key < $1.key }.map { "  \(Self.scalar($0.key)): \($0.value)" }
    }
    if !columns.isEmpty { lines.append("columns: [\(columns.map(Self.scalar).joined(separator: ", "))]") }
    if let trainingData { lines.append("training_data: \(Self.scalar(trainingData))") }
    if !metrics.isEmpty {
      lines.append("metrics:")
      lines += metrics.map { "  \(Self.scalar($0.name)): \($0.value)" }
    }
    for (key, value) in [("library", library), ("created", created), ("note", note)] {
      if let value { lines.append("\(key): \(Self.scalar(value))") }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Plain where that is surely read back as it is, otherwise in double quotes.
  private static func scalar(_ text: String) -> String {
    let isPlain =
      text.utf8.first.map { (0x61...0x7A).contains($0 | 0x20) } ?? false
      && text.utf8.allSatisfy { (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || "._/-+".utf8.contains($0) }
      && !["null", "true", "false", "yes", "no", "on", "off"].contains(text.lowercased())
    if isPlain { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      default: if scalar.properties.generalCategory != .control { quoted.unicodeScalars.append(scalar) }
      }
    }
    return quoted + "\""
  }

  /// A file of a version's folder: a plain name.
  static func isFileName(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 255 && text != "." && text != ".." && text != name && !text.utf8.contains(0x2F) && !text.utf8.contains(0)
      && !text.hasPrefix(".") && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
  }

  /// The tree of one file to a card; collects what is wrong.
  private struct CardReader {
    var mistakes: [Diagnostic] = []

    mutating func mistake(_ text: String, at place: Place, help: [String?] = []) {
      mistakes.append(Diagnostic(.error, ModelCode.badCard.rawValue, text, at: place, help: help.compactMap { $0 }))
    }

    mutating func card(_ root: ManifestNode) -> ModelCard? {
      guard let entries = root.entries else {
        mistake("model.yaml is a mapping of keys, this is \(root.shape)", at: root.place, help: [ModelCard.again])
        return nil
      }
      for entry in entries where !keys.contains(entry.key.text) {
        mistake(
          "model.yaml has no key \(quoted(entry.key.text)); it may have: \(keys.joined(separator: ", "))", at: entry.key.place,
          help: [nearest(to: entry.key.text, among: keys).map { "did you mean \($0)?" }])
      }
      let format = text(root, "format", isRequired: true)
      let file = text(root, "file", isRequired: true)
      let sha256 = text(root, "sha256", isRequired: true)
      if let file, !ModelCard.isFileName(file), let node = root["file"] { notAFile(file, node) }
      if let sha256, !ModelDigest.isOne(sha256), let node = root["sha256"] { notAHash(sha256, node) }
      let also = also(root["also"], beside: file)
      let columns = columns(root["columns"])
      let metrics = metrics(root["metrics"])
      let trainingData = text(root, "training_data")
      let library = text(root, "library")
      let created = text(root, "created")
      let note = text(root, "note")
      guard let format, let file, let sha256 else { return nil }
      return ModelCard(
        format: format, file: file, sha256: sha256, also: also, columns: columns, trainingData: trainingData, metrics: metrics, library: library,
        created: created, note: note)
    }

    private mutating func text(_ root: ManifestNode, _ key: String, isRequired: Bool = false) -> String? {
      guard let node = root[key] else {
        if isRequired {
          let place = root.place
          mistake(
            "model.yaml does not say its \(key)", at: Place(file: place.file, line: place.line, column: place.column, excerpt: place.excerpt),
            help: [ModelCard.again])
        }
        return nil
      }
      guard let text = node.text, !text.isEmpty else {
        mistake("\(key) is a text, this is \(node.shape)", at: node.place, help: ["write `\(key): VALUE`, or remove it"])
        return nil
      }
      guard text.utf8.count <= 4_096 else {
        mistake("\(key) has \(text.utf8.count) bytes; the limit is 4096", at: node.place, help: ["shorten it"])
        return nil
      }
      return text
    }

    private mutating func notAFile(_ text: String, _ node: ManifestNode) {
      mistake(
        "\(quoted(text)) is no plain name of a file in the version's folder", at: node.place,
        help: ["put the file beside model.yaml and write its name alone"])
    }

    private mutating func notAHash(_ text: String, _ node: ManifestNode) {
      mistake(
        "\(quoted(text)) is no SHA-256: 64 digits of lower-case hexadecimal", at: node.place,
        help: ["`sha256sum FILE` prints it; \(ModelCard.again)"])
    }

    private mutating func also(_ node: ManifestNode?, beside file: String?) -> [String: String] {
      guard let node, !node.isNull else { return [:] }
      guard let entries = node.entries else {
        mistake("also is a mapping of files to their SHA-256, this is \(node.shape)", at: node.place, help: ["write also: { weights.bin: SHA256 }"])
        return [:]
      }
      guard entries.count <= ModelLimits.files else {
        mistake("also names \(entries.count) files; the limit is \(ModelLimits.files)", at: node.place, help: ["pack them into fewer files"])
        return [:]
      }
      var also: [String: String] = [:]
      for entry in entries {
        if !ModelCard.isFileName(entry.key.text) || entry.key.text == file {
          mistake(
            "\(quoted(entry.key.text)) is no plain name of a further file in the version's folder", at: entry.key.place,
            help: ["put the file beside model.yaml and write its name alone"])
        } else if let hash = entry.value.text, ModelDigest.isOne(hash) {
          also[entry.key.text] = hash
        } else {
          notAHash(entry.value.text ?? entry.value.shape, entry.value)
        }
      }
      return also
    }

    private mutating func columns(_ node: ManifestNode?) -> [String] {
      guard let node, !node.isNull else { return [] }
      guard let items = node.sequence else {
        mistake("columns is a list, this is \(node.shape)", at: node.place, help: ["write columns: [ema_10, spread]"])
        return []
      }
      guard items.count <= ModelLimits.columns else {
        mistake("columns has \(items.count) entries; the limit is \(ModelLimits.columns)", at: node.place)
        return []
      }
      var seen: Set<String> = []
      for item in items {
        guard let text = item.text, !text.isEmpty, text.utf8.count <= 256 else {
          mistake("a column is a text of at most 256 bytes, this is \(item.text.map(quoted) ?? item.shape)", at: item.place)
          continue
        }
        if !seen.insert(text).inserted { mistake("the column \(quoted(text)) comes twice", at: item.place, help: ["remove one"]) }
      }
      return items.compactMap(\.text)
    }

    private mutating func metrics(_ node: ManifestNode?) -> [Metric] {
      guard let node, !node.isNull else { return [] }
      guard let entries = node.entries, entries.count <= ModelLimits.metrics else {
        mistake("metrics is a mapping of at most \(ModelLimits.metrics) names to numbers", at: node.place, help: ["write metrics: { auc: 0.61 }"])
        return []
      }
      return entries.compactMap { entry in
        guard let text = entry.value.text, let value = parseNumber(text) else {
          mistake(
            "the metric \(entry.key.text.prefix(64)) is a number, this is \(entry.value.text.map(quoted) ?? entry.value.shape)", at: entry.value.place,
            help: ["write \(entry.key.text.prefix(64)): 0.61, or leave it out"])
          return nil
        }
        return Metric(entry.key.text, value)
      }
    }
  }
}
