import GantryBase
import GantryManifest

/// `instruments:`: inline, or `file:` with the same mapping in a file of its own, or both; what is
/// inline overrides the file, key by key.
///
/// Only the base and quote of a six-letter symbol made of two known currencies are derived from
/// it. A tick size is not: a wrong one would be wrong money.
struct InstrumentReader {
  let report: GraphReport
  let paths: PathResolver
  /// In a profile nothing is required.
  var isPartial = false

  static let keys = ["tick", "lot", "base", "quote", "contract", "session"]

  /// Also false when some could not be read.
  func instruments(_ node: ManifestNode) -> ([Instrument], isComplete: Bool) {
    guard var entries = node.entries else {
      report.error(
        .wrongShape, "instruments is a mapping of symbols, this is \(node.shape)", at: node.place,
        help: ["write EURUSD: { tick: 0.00001 } under it, or file: FILE.yaml"])
      return ([], false)
    }
    var isComplete = true
    if let index = entries.firstIndex(where: { $0.key.text == "file" }) {
      let file = entries.remove(at: index).value
      if let word = report.word(file, "file"), let outer = load(word) {
        entries = Overlay.merged(ManifestNode(.mapping(outer), at: file.place), ManifestNode(.mapping(entries), at: node.place)).entries ?? []
      } else {
        isComplete = false
      }
    }
    if entries.count > GraphLimits.instruments {
      report.error(.tooMany, "there are \(entries.count) instruments; the limit is \(GraphLimits.instruments)", at: node.place)
      return ([], false)
    }
    let instruments = entries.map { instrument($0) }
    return (instruments.compactMap { $0 }, isComplete && !instruments.contains { $0 == nil })
  }

  private func load(_ word: Word) -> [ManifestEntry]? {
    let path = paths.absolute(word)
    switch paths.files.read(path, ManifestLimits.bytes) {
    case .failure(let failure):
      report.error(.noFile, "\(quoted(word.text)) cannot be read: \(failure.text)", at: word.place, help: ["it is looked for at \(path)"])
      return nil
    case .success(let bytes):
      let (tree, diagnostics) = ManifestParser.parse(bytes: bytes, file: word.text)
      report.add(diagnostics)
      guard let tree else { return nil }
      guard let entries = tree.entries else {
        report.error(
          .wrongShape, "a file of instruments is a mapping of symbols, this is \(tree.shape)", at: tree.place, help: ["write EURUSD: { tick: 0.00001 }"])
        return nil
      }
      return entries
    }
  }

  private func instrument(_ entry: ManifestEntry) -> Instrument? {
    let symbol = entry.key.text
    guard Self.isSymbol(symbol) else {
      report.error(.badName, "\(quoted(symbol)) is no symbol", at: entry.key.place, help: ["a symbol has letters, digits, dots, - and _, at most 32"])
      return nil
    }
    guard let mapping = MappingReader(entry.value, "an instrument", keys: Self.keys, example: "\(symbol): { tick: 0.00001 }", report: report) else {
      return nil
    }
    var isGood = true
    func required(_ key: String, _ example: String) {
      guard !isPartial else { return }
      report.error(.missingKey, "\(symbol) has no \(key)", at: entry.key.place, help: ["add `\(key): \(example)`"])
      isGood = false
    }
    let derived = Self.currencies(of: symbol)
    let base = mapping.word("base") ?? derived.map { Word(text: $0.base, place: entry.key.place) }
    let quote = mapping.word("quote") ?? derived.map { Word(text: $0.quote, place: entry.key.place) }
    if base == nil { required("base", "EUR") }
    if quote == nil { required("quote", "USD") }
    for (key, word) in [("base", base), ("quote", quote)] {
      if let word, !Self.isCurrencyCode(word.text) {
        report.error(
          .badInstrument, "\(key) is a currency code, this is \(quoted(word.text))", at: word.place,
          help: ["a code has 3 to 8 upper-case letters and digits, as USD"])
        isGood = false
      }
    }
    if mapping["tick"] == nil { required("tick", "0.00001") }
    let tick = step(mapping, "tick", example: "0.00001")
    let lot = mapping["lot"] == nil ? (step: 1, digits: 0) : step(mapping, "lot", example: "1")
    var contract: Int64 = 1
    if mapping["contract"] != nil {
      guard let units = mapping.integer("contract", in: 1...1_000_000_000) else { return nil }
      contract = Int64(units)
    }
    let session = mapping.word("session")?.text ?? ""
    guard isGood, let tick, let lot, let base, let quote else { return nil }
    return Instrument(
      symbol: symbol, base: base.text, quote: quote.text, priceDigits: tick.digits, quantityDigits: lot.digits, tickSize: tick.step,
      lotSize: lot.step, contractUnits: contract, session: session)
  }

  /// `0.00025` is a step of 25 in a scale of 5 digits.
  private func step(_ mapping: MappingReader, _ key: String, example: String) -> (step: Int64, digits: UInt32)? {
    guard let node = mapping.value(key) else { return nil }
    guard let text = node.text, let (mantissa, digits) = parseDecimal(text) else {
      report.error(.badType, "\(key) is an exact decimal, this is \(node.said)", at: node.place, help: ["write it out, as \(key): \(example)"])
      return nil
    }
    guard mantissa > 0 else {
      report.error(.outOfRange, "\(key) is \(text); it must be above 0", at: node.place)
      return nil
    }
    guard digits <= 12 else {
      report.error(.outOfRange, "\(key) has \(digits) digits after the point; the most is 12", at: node.place)
      return nil
    }
    return (mantissa, digits)
  }

  /// Letters, digits, dots, dashes and underscores; what can also be part of a node's name.
  static func isSymbol(_ text: String) -> Bool {
    (1...32).contains(text.utf8.count) && text.utf8.first != 0x2E && text.utf8.last != 0x2E
      && text.utf8.allSatisfy { GraphReader.isNameByte($0) || (0x41...0x5A).contains($0) || $0 == 0x2E }
  }

  static func isCurrencyCode(_ text: String) -> Bool {
    (3...8).contains(text.utf8.count) && text.utf8.allSatisfy { (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) }
  }

  static func currencies(of symbol: String) -> (base: String, quote: String)? {
    guard symbol.utf8.count == 6 else { return nil }
    let base = String(symbol.prefix(3))
    let quote = String(symbol.dropFirst(3))
    return known.contains(base) && known.contains(quote) ? (base, quote) : nil
  }

  /// Currencies and metals that are quoted in pairs.
  private static let known: Set<String> = [
    "AUD", "BRL", "BTC", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "ETH", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS",
    "INR", "JPY", "KRW", "LTC", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD",
    "USD", "XAG", "XAU", "XPD", "XPT", "ZAR",
  ]
}
