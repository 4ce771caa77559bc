/// What `plugin: id@...` asks for: `@1.2.3` exactly, `@~1.2` the same minor or a later patch of it,
/// `@^1.2` anything compatible (the same major; below 1.0 the same minor).
///
/// Semantic versions; a pre-release is lower than its release and only met when it is asked for by name.
public struct VersionRequirement: Sendable, Equatable, CustomStringConvertible {
  public enum Rule: String, Sendable { case exact = "", compatible = "^", patch = "~" }

  public var rule: Rule
  public var version: SemanticVersion
  public var description: String

  /// The text behind the `@`; nil when it is none.
  public init?(_ text: some StringProtocol) {
    let rule: Rule = text.hasPrefix("^") ? .compatible : text.hasPrefix("~") ? .patch : .exact
    guard let version = SemanticVersion(text.dropFirst(rule.rawValue.count), padded: true) else { return nil }
    self.rule = rule
    self.version = version
    description = String(text)
  }

  public func isMet(by other: SemanticVersion) -> Bool {
    if other.prerelease != version.prerelease, !other.prerelease.isEmpty { return false }
    switch rule {
    case .exact:
      return version.parts.prefix(version.given).elementsEqual(other.parts.prefix(version.given)) && other.prerelease == version.prerelease
    case .patch:
      let fixed = min(2, version.given)
      return other.parts.prefix(fixed).elementsEqual(version.parts.prefix(fixed)) && other >= version
    case .compatible:
      let fixed = version.parts[0] > 0 || version.given == 1 ? 1 : version.parts[1] > 0 || version.given == 2 ? 2 : 3
      return other.parts.prefix(fixed).elementsEqual(version.parts.prefix(fixed)) && other >= version
    }
  }
}

/// `1.2.3`, with `-prerelease`; build data behind a `+` is dropped.
public struct SemanticVersion: Sendable, Equatable, Comparable {
  /// Always three.
  public var parts: [Int]
  /// How many of them were written.
  public var given: Int
  public var prerelease: String

  /// `padded` takes `1` and `1.2` for `1.0.0` and `1.2.0`.
  public init?(_ text: some StringProtocol, padded: Bool = false) {
    let core = text.prefix { $0 != "+" }
    let numbers = core.prefix { $0 != "-" }
    prerelease = String(core.dropFirst(numbers.count + 1))
    if numbers.count < core.count, prerelease.isEmpty { return nil }
    let fields = numbers.split(separator: ".", omittingEmptySubsequences: false)
    guard fields.count == 3 || padded && (1...2).contains(fields.count) else { return nil }
    parts = []
    for field in fields {
      guard (1...9).contains(field.utf8.count), field.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let part = Int(field) else { return nil }
      parts.append(part)
    }
    given = parts.count
    while parts.count < 3 { parts.append(0) }
  }

  public static func < (left: Self, right: Self) -> Bool {
    if left.parts != right.parts { return left.parts.lexicographicallyPrecedes(right.parts) }
    if left.prerelease.isEmpty || right.prerelease.isEmpty { return !left.prerelease.isEmpty && right.prerelease.isEmpty }
    return precedes(left.prerelease, right.prerelease)
  }

  /// Field by field: numbers by value and before words, words by their bytes.
  private static func precedes(_ left: String, _ right: String) -> Bool {
    let lefts = left.split(separator: ".")
    let rights = right.split(separator: ".")
    for (a, b) in zip(lefts, rights) where a != b {
      switch (Int(a), Int(b)) {
      case (let x?, let y?): return x < y
      case (_?, nil): return true
      case (nil, _?): return false
      default: return a.utf8.lexicographicallyPrecedes(b.utf8)
      }
    }
    return lefts.count < rights.count
  }
}
