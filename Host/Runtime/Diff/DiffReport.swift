import GantryBase

/// What `gantry diff` found: how the outputs of two instances of one node differ over recorded traffic,
/// and which orders would have been others.
public struct DiffReport: Sendable, Codable {
  public var node: String
  /// `plugin@version` of the instance that the journal was written with, and of the candidate.
  public var before: String
  public var with: String
  /// Events that the node was given.
  public var events: UInt64
  public var outputs: Outputs
  public var orders: Orders

  public struct Outputs: Sendable, Codable {
    /// Rows that both wrote for the same chain, and how many of these are not the same.
    public var compared: UInt64 = 0
    public var differing: UInt64 = 0
    public var onlyBefore: UInt64 = 0
    public var onlyWith: UInt64 = 0
    public var first: Place?
    /// Fields that ever differ, by port and in their order in the event.
    public var fields: [Field] = []
    enum CodingKeys: String, CodingKey {
      case compared, differing, first, fields
      case onlyBefore = "only_before"
      case onlyWith = "only_with"
    }
    public var areEqual: Bool { differing == 0 && onlyBefore == 0 && onlyWith == 0 }
  }

  /// Where outputs differ.
  public struct Place: Sendable, Codable {
    public var port: String
    /// `source:number`, or `timer:time` for a chain that a timer began.
    public var chain: String
    public var eventNs: Int64
    /// Empty when only the other one wrote a row.
    public var before: [String: String]
    public var with: [String: String]
    /// Names of the fields that differ, in their order.
    public var fields: [String]
    enum CodingKeys: String, CodingKey {
      case port, chain, before, with, fields
      case eventNs = "event_ns"
    }
  }

  public struct Field: Sendable, Codable {
    public var port: String
    public var name: String
    /// Rows in which it differs.
    public var count: UInt64
    /// Of its absolute difference, where it is a number in both: the largest, and the mean over these rows.
    public var largest: Double?
    public var mean: Double?
  }

  public struct Orders: Sendable, Codable {
    public var before: UInt64 = 0
    public var with: UInt64 = 0
    /// Orders of the same chain that are not the same.
    public var changed: UInt64 = 0
    public var onlyBefore: UInt64 = 0
    public var onlyWith: UInt64 = 0
    /// The first of them, at most `Orders.listed`.
    public var first: [Order] = []
    public static let listed = 10
    enum CodingKeys: String, CodingKey {
      case before, with, changed, first
      case onlyBefore = "only_before"
      case onlyWith = "only_with"
    }
    public var areEqual: Bool { changed == 0 && onlyBefore == 0 && onlyWith == 0 }
  }

  public struct Order: Sendable, Codable {
    public var chain: String
    public var eventNs: Int64
    /// In words; nil for none.
    public var before: String?
    public var with: String?
    enum CodingKeys: String, CodingKey {
      case chain, before, with
      case eventNs = "event_ns"
    }
  }

  public var isEqual: Bool { outputs.areEqual && orders.areEqual }
}
