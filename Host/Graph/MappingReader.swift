import GantryBase
import GantryManifest

/// One mapping of the file and the keys it may have. Reports every key it does not know.
struct MappingReader {
  let entries: [ManifestEntry]
  let place: Place
  let report: GraphReport

  /// Nil, and reported, when `node` is no mapping.
  init?(_ node: ManifestNode, _ what: String, keys: [String], example: String, report: GraphReport) {
    guard let entries = node.entries else {
      report.error(.wrongShape, "\(what) is a mapping of keys, this is \(node.shape)", at: node.place, help: ["write \(example)"])
      return nil
    }
    self.entries = entries
    self.place = node.place
    self.report = report
    for entry in entries where !keys.contains(entry.key.text) {
      report.error(
        .unknownKey, "\(what) has no key \(quoted(entry.key.text)); it may have: \(listed(keys))", at: entry.key.place,
        help: [report.didYouMean(entry.key.text, keys)])
    }
  }

  subscript(key: String) -> ManifestNode? { entries.first { $0.key.text == key }?.value }

  /// The value of a key; null counts as an empty value and is reported.
  func value(_ key: String) -> ManifestNode? {
    guard let entry = entries.first(where: { $0.key.text == key }) else { return nil }
    if entry.value.isNull {
      report.error(.emptyValue, "\(key) has no value", at: entry.key.place, help: ["write one, or remove the key"])
      return nil
    }
    return entry.value
  }

  func word(_ key: String) -> Word? { value(key).flatMap { report.word($0, key) } }

  /// A whole number in a range.
  func integer(_ key: String, in range: ClosedRange<Int64>) -> Int? {
    value(key).flatMap { node in
      guard let number = node.integer else {
        report.error(.badType, "\(key) is a whole number, this is \(node.said)", at: node.place, help: ["write \(key): \(max(range.lowerBound, 1))"])
        return nil
      }
      guard range.contains(number) else {
        report.error(.outOfRange, "\(key) is \(number); it may be \(range.lowerBound) to \(range.upperBound)", at: node.place)
        return nil
      }
      return Int(number)
    }
  }

  func number(_ key: String, in range: ClosedRange<Double>, example: String) -> Double? {
    value(key).flatMap { node in
      guard let text = node.text, let number = parseNumber(text) else {
        report.error(.badType, "\(key) is a number, this is \(node.said)", at: node.place, help: ["write \(key): \(example)"])
        return nil
      }
      guard range.contains(number) else {
        report.error(.outOfRange, "\(key) is \(text); it may be \(range.lowerBound) to \(range.upperBound)", at: node.place)
        return nil
      }
      return number
    }
  }

  func bool(_ key: String) -> Bool? {
    value(key).flatMap { node in
      if node.bool == nil {
        report.error(.badType, "\(key) is true or false, this is \(node.said)", at: node.place)
      }
      return node.bool
    }
  }

  /// One of a closed list of words.
  func choice<Choice: RawRepresentable<String>>(_ key: String, _ choices: [Choice]) -> Choice? {
    value(key).flatMap { node in
      let names = choices.map(\.rawValue)
      guard let text = report.word(node, key)?.text else { return nil }
      guard let choice = choices.first(where: { $0.rawValue == text }) else {
        report.error(
          .badChoice, "\(key) may be \(names.joined(separator: " or ")), not \(quoted(text))", at: node.place, help: [report.didYouMean(text, names)])
        return nil
      }
      return choice
    }
  }
}

extension GraphReport {
  /// A text; reported when it is a list, a mapping or nothing.
  func word(_ node: ManifestNode, _ what: String) -> Word? {
    guard let text = node.text else {
      if node.isNull {
        error(.emptyValue, "\(what) has no value", at: node.place, help: ["write one, or remove it"])
      } else {
        error(.wrongShape, "\(what) is a single text, this is \(node.shape)", at: node.place)
      }
      return nil
    }
    return Word(text: text, place: node.place)
  }

  /// A list of texts; a single text counts as a list of one.
  func words(_ node: ManifestNode, _ what: String, example: String) -> [Word] {
    if let items = node.sequence { return items.compactMap { word($0, "an item of \(what)") } }
    if node.text != nil { return word(node, what).map { [$0] } ?? [] }
    error(.wrongShape, "\(what) is a list, this is \(node.shape)", at: node.place, help: ["write \(example)"])
    return []
  }
}

extension ManifestNode {
  /// What stands there, for "this is ...".
  var said: String { text.map(quoted) ?? shape }
}
