import GantryBase

/// One value of a YAML file, with the place it stands at.
///
/// Scalars are text: what a text means (a number, a duration, a node's name) is decided by who
/// reads it, so that `0.10` keeps its zero and `no` is not a boolean. A node never holds a
/// secret's value, only the reference to it (see `SecretReference`).
public struct ManifestNode: Sendable, Equatable {
  public enum Content: Sendable, Equatable {
    case scalar(ManifestScalar)
    case sequence([ManifestNode])
    case mapping([ManifestEntry])
  }

  public var content: Content
  /// Its first line; for a value on several lines, as much of it as stands on the first.
  public var place: Place

  public init(_ content: Content, at place: Place) {
    self.content = content
    self.place = place
  }

  /// A plain scalar, for values that come from elsewhere than a file.
  public init(text: String, at place: Place) {
    self.init(.scalar(ManifestScalar(text: text, style: .plain)), at: place)
  }
}

/// One `key: value` of a mapping. Keys are unique within it: the parser reports a second one and drops it.
public struct ManifestEntry: Sendable, Equatable {
  public var key: ManifestKey
  public var value: ManifestNode

  public init(key: ManifestKey, value: ManifestNode) {
    self.key = key
    self.value = value
  }
}

public struct ManifestKey: Sendable, Equatable {
  public var text: String
  public var place: Place

  public init(text: String, at place: Place) {
    self.text = text
    self.place = place
  }
}

public struct ManifestScalar: Sendable, Equatable {
  public enum Style: Sendable { case plain, quoted, block }

  public var text: String
  public var style: Style

  public init(text: String, style: Style) {
    self.text = text
    self.style = style
  }

  /// Nothing was written, or one of YAML's words for nothing.
  public var isNull: Bool {
    style == .plain && (text.isEmpty || text == "~" || text == "null" || text == "Null" || text == "NULL")
  }
}

extension ManifestNode {
  public var scalar: ManifestScalar? {
    if case .scalar(let scalar) = content { scalar } else { nil }
  }

  /// The text of a scalar that is not null.
  public var text: String? {
    guard let scalar, !scalar.isNull else { return nil }
    return scalar.text
  }

  public var sequence: [ManifestNode]? {
    if case .sequence(let items) = content { items } else { nil }
  }

  public var entries: [ManifestEntry]? {
    if case .mapping(let entries) = content { entries } else { nil }
  }

  public var isNull: Bool { scalar?.isNull ?? false }

  /// `true` or `false`; nothing else is a boolean.
  public var bool: Bool? {
    switch text {
    case "true": true
    case "false": false
    default: nil
    }
  }

  /// A whole number, underscores allowed: `100_000`.
  public var integer: Int64? {
    guard let text, let decimal = parseDecimal(text), decimal.digits == 0, !text.contains(".") else { return nil }
    return decimal.mantissa
  }

  public var secret: SecretReference? { text.flatMap(SecretReference.init) }

  public subscript(key: String) -> ManifestNode? { entries?.first { $0.key.text == key }?.value }

  /// How many values it holds, itself included.
  public var count: Int {
    switch content {
    case .scalar: 1
    case .sequence(let items): items.reduce(1) { $0 + $1.count }
    case .mapping(let entries): entries.reduce(1) { $0 + $1.value.count }
    }
  }

  /// What it is, in a sentence: "expected a list, this is a mapping".
  public var shape: String {
    switch content {
    case .scalar(let scalar): scalar.isNull ? "empty" : "a text"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}
