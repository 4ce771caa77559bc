import GantryBase
import GantryTrace

/// A chain within one run: which source began it, and its number there.
public struct ChainKey: Sendable, Hashable {
  /// Index into the run's origins.
  public var origin: UInt16
  public var sequence: UInt64

  public init(origin: UInt16, sequence: UInt64) {
    self.origin = origin
    self.sequence = sequence
  }
}

/// Which chains are listed.
public struct ChainFilter: Sendable {
  public enum Since: Sendable, Equatable {
    /// Chains that began at most this long before the newest one.
    case lastNs(Int64)
    /// Chains whose first event is not older, nanoseconds since 1970.
    case eventNs(Int64)
  }

  public var since: Since?
  /// Chains that reached this node.
  public var node: String?
  public var withOrders = false
  public var withErrors = false
  /// The longest first, instead of the newest.
  public var slowest = false
  public var limit = 20

  public init() {}
}

/// One line of a list.
public struct ChainSummary: Sendable, Equatable, Codable {
  /// The printed chain id, a UUID of version 8.
  public var id: String
  /// Source and number, which `show` takes as well: `ticks:42`.
  public var name: String
  /// How many chains a traced block covers, this one included; 1 for a chain by itself.
  public var span: Int
  /// When it began, nanoseconds since 1970 on the host's clock.
  public var startedNs: Int64
  /// The first event's own time.
  public var eventNs: Int64
  public var durationNs: Int64
  public var hops: Int
  public var orders: Int
  public var fills: Int
  public var errors: Int
  public var instrument: String?
}

/// A chain from its first event to its last fill.
public struct ChainTree: Sendable, Equatable, Codable {
  public var id: String
  public var name: String
  public var graph: String
  public var run: String
  public var instrument: String?
  public var eventNs: Int64
  public var startedNs: Int64
  /// From the first timed hop's start to the last one's end.
  public var durationNs: Int64
  public var orders: Int
  public var fills: Int
  public var errors: Int
  /// Ids from outside, bound to an order of this chain.
  public var aliases: [Alias]
  /// Chains whose orders this one's executions are about.
  public var about: [Link]
  public var roots: [Hop]
  /// What other chains did with this one's orders: fills on a later quote.
  public var later: [Later]

  public struct Alias: Sendable, Equatable, Codable {
    public var order: String
    public var outside: String
  }

  public struct Link: Sendable, Equatable, Codable {
    public var id: String
    public var name: String
  }

  public struct Hop: Sendable, Equatable, Codable {
    public var node: String
    public var plugin: String
    public var version: String
    /// `source`, `batch`, `timer`, `flush` or `call`.
    public var kind: String
    public var hop: Int
    /// False where the hop is known to have been but was not traced: the times are missing.
    public var isTimed: Bool
    /// From the chain's start.
    public var offsetNs: Int64
    /// Of the whole call.
    public var durationNs: Int64
    public var inputs: Int
    public var outputs: Int
    /// The `gantry_status` the call returned.
    public var status: Int
    public var generation: Int
    /// The chain was one of so many in a block that was timed as a whole.
    public var block: Int
    /// For a bar or a join: the name of the first chain that went into it.
    public var parentFirst: String?
    /// The node's times an event in this run.
    public var latency: TraceMeta.Latency?
    public var notes: [Note]
    public var events: [Event]
    public var children: [Hop]
  }

  public struct Note: Sendable, Equatable, Codable {
    public var key: String
    public var text: String
  }

  /// An event that a hop took or wrote, with exact numbers as text.
  public struct Event: Sendable, Equatable, Codable {
    public var type: String
    public var isOutput: Bool
    public var instrument: String?
    public var order: String?
    public var fields: [String: String]
    /// For people: `sell 10,000 EURUSD market`.
    public var text: String
  }

  public struct Later: Sendable, Equatable, Codable {
    public var id: String
    public var name: String
    /// After this chain's first event, by the events' own times.
    public var afterNs: Int64
    public var hops: [Hop]
  }
}
