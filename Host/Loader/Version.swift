import GantryBase

/// A semantic version: 1.2.3, 1.2.3-beta.1, 1.2.3+build (semver.org, 2.0.0).
public struct Version: Sendable, Equatable, Comparable, CustomStringConvertible {
  public var major: Int
  public var minor: Int
  public var patch: Int
  /// The dot-separated parts after the dash.
  public var prerelease: [String]

  public init?(_ text: String) {
    let core = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
    let halves = core[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let numbers = halves[0].split(separator: ".", omittingEmptySubsequences: false)
    guard numbers.count == 3, let major = Self.number(numbers[0]), let minor = Self.number(numbers[1]),
      let patch = Self.number(numbers[2])
    else { return nil }
    self.major = major
    self.minor = minor
    self.patch = patch
    prerelease = halves.count == 2 ? halves[1].split(separator: ".", omittingEmptySubsequences: false).map(String.init) : []
    let suffixes = prerelease + (core.count == 2 ? core[1].split(separator: ".", omittingEmptySubsequences: false).map(String.init) : [])
    let isPlain = suffixes.allSatisfy { part in
      !part.isEmpty && part.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 }
    }
    guard isPlain else { return nil }
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), text == "0" || text.first != "0" else { return nil }
    return Int(text)
  }

  public var description: String {
    "\(major).\(minor).\(patch)" + (prerelease.isEmpty ? "" : "-" + prerelease.joined(separator: "."))
  }

  public static func < (left: Version, right: Version) -> Bool {
    if (left.major, left.minor, left.patch) != (right.major, right.minor, right.patch) {
      return (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }
    if left.prerelease.isEmpty || right.prerelease.isEmpty { return !left.prerelease.isEmpty && right.prerelease.isEmpty }
    for (a, b) in zip(left.prerelease, right.prerelease) where a != b {
      switch (Int(a), Int(b)) {
      case (let x?, let y?): return x < y
      case (_?, nil): return true
      case (nil, _?): return false
      default: return a < b
      }
    }
    return left.prerelease.count < right.prerelease.count
  }
}

/// Which versions will do: `^1.2` (up to, not including, 2.0.0), `~1.2` (up to 1.3.0), `1.2.3`
/// (exactly). Below 1.0, `^0.2` goes up to 0.3.0, as a minor may then break things.
public struct VersionRequirement: Sendable, Equatable, CustomStringConvertible {
  public let lower: Version
  /// Exclusive; nil for an exact version.
  public let upper: Version?
  public let description: String

  public init(_ text: String) throws(GantryError) {
    description = text
    let mark = text.first
    let isRange = mark == "^" || mark == "~"
    let body = isRange ? text.dropFirst() : Substring(text)
    let parts = body.split(separator: ".", omittingEmptySubsequences: false).count
    let padded = body + String(repeating: ".0", count: isRange && !body.contains("-") ? max(0, 3 - parts) : 0)
    guard let lower = Version(String(padded)) else {
      throw GantryError(
        LoaderCode.requirement, "\"\(text.printable)\" is no version requirement",
        help: ["write ^1.2 (compatible with 1.2), ~1.2 (1.2 and its patches) or 1.2.3 (exactly)"])
    }
    self.lower = lower
    switch mark {
    case "^" where lower.major == 0 && lower.minor == 0 && parts >= 3: upper = Version("0.0.\(lower.patch + 1)")
    case "^" where lower.major == 0 && parts >= 2: upper = Version("0.\(lower.minor + 1).0")
    case "^": upper = Version("\(lower.major + 1).0.0")
    case "~" where parts >= 2: upper = Version("\(lower.major).\(lower.minor + 1).0")
    case "~": upper = Version("\(lower.major + 1).0.0")
    default: upper = nil
    }
  }

  /// A prerelease satisfies a range only when the range names one of the same numbers.
  public func accepts(_ version: Version) -> Bool {
    guard let upper else { return version == lower }
    if !version.prerelease.isEmpty {
      let same = (version.major, version.minor, version.patch) == (lower.major, lower.minor, lower.patch)
      return same && !lower.prerelease.isEmpty && version >= lower
    }
    return version >= lower && version < upper
  }
}
