import GantryBase

/// `models:NAME@SELECTOR`, as a graph names an artifact of a models folder: a version (`@3`), an alias
/// (`@champion`), or `@latest`, the highest version there is.
public struct ModelReference: Sendable, Equatable {
  public enum Selector: Sendable, Equatable {
    case version(Int)
    case alias(String)
    case latest
  }

  public var name: String
  public var selector: Selector

  /// What such a text begins with.
  public static let prefix = "models:"
  public static let latest = "latest"

  /// Whether a text is meant as a reference; any other text is a path.
  public static func isOne(_ text: String) -> Bool { text.hasPrefix(prefix) }

  /// Reads `models:NAME@SELECTOR`, or without the prefix what stands behind it.
  public init(_ text: String) throws(GantryError) {
    let body = text.hasPrefix(Self.prefix) ? String(text.dropFirst(Self.prefix.count)) : text
    let parts = body.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    name = parts[0]
    try Self.check(name: name)
    guard parts.count == 2, !parts[1].isEmpty else {
      throw GantryError(
        .badReference, "\(quoted(body)) does not say which version of the model",
        help: ["write \(Self.prefix)\(name)@3 for a version, @NAME for an alias, or @latest for the newest version"])
    }
    let word = parts[1]
    if word == Self.latest {
      selector = .latest
    } else if word.first?.isNumber == true || word.first == "-" || word.first == "+" {
      guard let version = Self.version(word) else {
        throw GantryError(
          .badReference, "\(quoted(word)) is no version of a model: versions are whole numbers from 1", help: ["write \(Self.prefix)\(name)@3, or an alias"])
      }
      selector = .version(version)
    } else {
      try Self.check(alias: word)
      selector = .alias(word)
    }
  }

  /// What stands behind the `@`.
  public var selectorText: String {
    switch selector {
    case .version(let version): String(version)
    case .alias(let alias): alias
    case .latest: Self.latest
    }
  }

  /// Without the prefix: `momentum@champion`.
  public var text: String { "\(name)@\(selectorText)" }

  /// A whole number from 1, without leading zeros; nil for anything else.
  public static func version(_ text: String) -> Int? {
    guard !text.isEmpty, text.utf8.count <= 9, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), text.first != "0" else { return nil }
    return Int(text).flatMap { $0 <= ModelLimits.versionMax ? $0 : nil }
  }

  /// Lower-case letters, digits, - and _, beginning with a letter: a name can be no path.
  public static func check(name: String) throws(GantryError) { try check(name, "a model") }

  public static func check(alias: String) throws(GantryError) {
    try check(alias, "an alias")
    if alias == latest {
      throw GantryError(.badAlias, "latest is always the highest version; it cannot be moved", help: ["choose another name, such as champion"])
    }
  }

  static func isName(_ text: String) -> Bool {
    let bytes = text.utf8
    return bytes.count <= ModelLimits.nameLength && bytes.first.map { (0x61...0x7A).contains($0) } ?? false
      && bytes.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F }
  }

  private static func check(_ text: String, _ what: String) throws(GantryError) {
    if isName(text) { return }
    let isPath = text.contains("/") || text.contains("..")
    throw GantryError(
      .badReference,
      "\(quoted(text)) is no name of \(what): it has lower-case letters, digits, - and _, begins with a letter and is at most \(ModelLimits.nameLength) long",
      help: [
        isPath
          ? "a name is no path; the folder of models is what the graph's `models: { path: [...] }` says, and a plain file is named without `\(prefix)`"
          : "write \(prefix)momentum@3 or \(prefix)momentum@champion"
      ])
  }
}

extension GantryError {
  init(_ code: ModelCode, _ text: String, at place: Place? = nil, help: [String] = [], exit: ExitCode = .badInput) {
    self.init(code.rawValue, text, at: place, help: help, exit: exit)
  }
}
