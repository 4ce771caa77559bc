import GantryBase

/// How a run is doing right now: what `gantry status` shows and what monitoring reads.
///
/// Counters are read while lanes go on; each is right, though not all are of one instant.
public struct RunStatus: Sendable, Codable {
  public struct Breaker: Sendable, Codable, Equatable {
    /// `closed`, `open` or `half-open`.
    public var state: String
    public var trips: UInt32
    public var failuresInARow: UInt32
    /// When an open one lets an event through again, in the chain's time.
    public var retryAtNs: Int64?

    enum CodingKeys: String, CodingKey {
      case state, trips
      case failuresInARow = "failures_in_a_row"
      case retryAtNs = "retry_at_ns"
    }
  }

  public struct Node: Sendable, Codable {
    public var name: String
    public var kind: String
    /// `id@version` of the counted instance.
    public var plugin: String
    /// The models that its artifacts come from, as `momentum@3`.
    public var model: String?
    /// The number of its generation in this process.
    public var generation: UInt32
    /// SHA-256 of the code.
    public var sha256: String
    public var lane: String
    public var isolation: String
    /// Outputs, ports by name.
    public var outputs: [String]
    public var events: UInt64
    public var emitted: UInt64
    public var errors: UInt64
    public var dropped: UInt64
    /// Nanoseconds an event since the run began; 0 where nothing was timed.
    public var p50Ns: UInt64
    public var p99Ns: UInt64
    public var breaker: Breaker
    /// For a source: whether its intake is paused.
    public var isPaused: Bool?
    public var metrics: [String: Double]
    /// Events a second over the last seconds; the host adds it.
    public var rate: Double?

    enum CodingKeys: String, CodingKey {
      case name, kind, plugin, model, generation, sha256, lane, isolation, outputs, events, emitted, errors, dropped, breaker, metrics, rate
      case p50Ns = "p50_ns"
      case p99Ns = "p99_ns"
      case isPaused = "is_paused"
    }
  }

  public struct Lane: Sendable, Codable {
    public var name: String
    public var events: UInt64
    public var hasEnded: Bool

    enum CodingKeys: String, CodingKey {
      case name, events
      case hasEnded = "has_ended"
    }
  }

  public struct Queue: Sendable, Codable {
    public var from: String
    public var to: String
    /// Events that wait for room, and blocks on their way.
    public var depth: Int
    public var blocks: Int
    public var size: Int
    public var whenFull: String
    public var dropped: UInt64

    enum CodingKeys: String, CodingKey {
      case from, to, depth, blocks, size, dropped
      case whenFull = "when_full"
    }
  }

  public struct Gate: Sendable, Codable, Equatable {
    /// Trading is halted.
    public var isHalted: Bool
    /// Nodes of kind risk that are quarantined: the gate is closed while there are any.
    public var illRiskNodes: [String]
    /// Brokers outside that have not said yet how things stand: no order passes to them.
    public var unsettledBrokers: [String]
    /// The journal has failed: no order passes to a broker outside.
    public var isUnsynced: Bool
    public var orders: UInt64
    public var refused: UInt64
    public var fills: UInt64
    public var isOpen: Bool { !isHalted && illRiskNodes.isEmpty && unsettledBrokers.isEmpty && !isUnsynced }

    enum CodingKeys: String, CodingKey {
      case orders, refused, fills
      case isHalted = "is_halted"
      case illRiskNodes = "ill_risk_nodes"
      case unsettledBrokers = "unsettled_brokers"
      case isUnsynced = "is_unsynced"
    }
  }

  public var graph: String
  public var clock: String
  /// Events that entered through sources.
  public var events: UInt64
  public var secondsRunning: Double
  public var chainP50Ns: UInt64
  public var chainP99Ns: UInt64
  public var gate: Gate
  public var lanes: [Lane]
  public var nodes: [Node]
  public var queues: [Queue]
  /// Swaps under way and ended ones of this run, oldest first.
  public var swaps: [SwapReport]
  public var lostLogLines: UInt64

  enum CodingKeys: String, CodingKey {
    case graph, clock, events, gate, lanes, nodes, queues, swaps
    case secondsRunning = "seconds_running"
    case chainP50Ns = "chain_p50_ns"
    case chainP99Ns = "chain_p99_ns"
    case lostLogLines = "lost_log_lines"
  }
}
