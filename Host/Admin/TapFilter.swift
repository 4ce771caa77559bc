import GantryBase

/// One `--where`: a field, a comparison, a value. `=` and `!=` compare numbers as numbers and texts
/// as texts; the others compare numbers.
public struct TapFilter: Sendable, Equatable {
  public enum Comparison: String, Sendable, CaseIterable {
    // Longer ones first: "<=" is not "<" and "=5".
    case notEqual = "!=", atMost = "<=", atLeast = ">=", equal = "=", less = "<", more = ">"
  }

  public var field: String
  public var comparison: Comparison
  public var value: String

  /// Reads `side=buy` or `price>=1.1`.
  public init(_ text: String) throws(GantryError) {
    let bytes = Array(text.utf8)
    for index in bytes.indices {
      guard let comparison = Comparison.allCases.first(where: { bytes[index...].starts(with: $0.rawValue.utf8) }) else { continue }
      field = String(decoding: bytes[..<index], as: UTF8.self)
      value = String(decoding: bytes[(index + comparison.rawValue.utf8.count)...], as: UTF8.self)
      self.comparison = comparison
      guard !field.isEmpty, !value.isEmpty else { break }
      if [.less, .more, .atMost, .atLeast].contains(comparison), Double(value) == nil { break }
      return
    }
    throw GantryError(
      "tap.bad-filter", "'\(text.prefix(80).printable)' is no filter",
      help: ["write field=value, field!=value, or field<number with <, <=, > or >="], exit: .usage)
  }

  /// Whether an event passes. A field that it has not never passes.
  public func passes(_ fields: [(name: String, text: String)]) -> Bool {
    guard let text = fields.first(where: { $0.name == field })?.text else { return false }
    switch comparison {
    case .equal: return isSame(text)
    case .notEqual: return !isSame(text)
    case .less, .more, .atMost, .atLeast:
      guard let left = Double(text), let right = Double(value) else { return false }
      return comparison == .less ? left < right : comparison == .more ? left > right : comparison == .atMost ? left <= right : left >= right
    }
  }

  private func isSame(_ text: String) -> Bool {
    if text == value { return true }
    guard let left = Double(text), let right = Double(value) else { return false }
    return left == right
  }
}
