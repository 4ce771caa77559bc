import GantryBase

/// What a run did, for the person who started it.
public struct RunSummary: Sendable, Codable {
  public struct Node: Sendable, Codable {
    public var name: String
    public var plugin: String
    public var kind: String
    public var events: UInt64
    public var outputs: UInt64
    public var errors: UInt64
    public var dropped: UInt64
    /// Nanoseconds an event; 0 where nothing was timed.
    public var p50Ns: UInt64
    public var p99Ns: UInt64
    public var meanNs: Double
    public var breaker: String
    public var metrics: [String: Double]

    enum CodingKeys: String, CodingKey {
      case name, plugin, kind, events, outputs, errors, dropped, breaker, metrics
      case p50Ns = "p50_ns"
      case p99Ns = "p99_ns"
      case meanNs = "mean_ns"
    }
  }
  public struct Queue: Sendable, Codable {
    public var from: String
    public var to: String
    public var dropped: UInt64
  }

  public var graph: String
  /// Events that entered through sources.
  public var events: UInt64
  /// Orders that passed the order gate, and those it refused.
  public var orders: UInt64
  public var refused: UInt64
  public var fills: UInt64
  public var orderHash: String
  /// Exact, as decimal text in the account's currency; nil when no broker reported an account.
  public var netProfit: String?
  public var currency: String?
  public var commission: String?
  /// The journal's folder; nil when none was written.
  public var journal: String?
  public var runFolder: String?
  public var nodes: [Node]
  public var queues: [Queue]
  public var seconds: Double
  public var startSeconds: Double
  public var laneCPUSeconds: Double
  public var helperCPUSeconds: Double
  public var chainP50Ns: UInt64
  public var chainP99Ns: UInt64
  public var residentBytes: UInt64
  public var lostLogLines: UInt64
  /// True when the run was ended by a signal or a request.
  public var wasStopped: Bool

  enum CodingKeys: String, CodingKey {
    case graph, events, orders, refused, fills, currency, commission, journal, nodes, queues, seconds
    case orderHash = "order_hash"
    case netProfit = "net_profit"
    case runFolder = "run_folder"
    case startSeconds = "start_seconds"
    case laneCPUSeconds = "lane_cpu_seconds"
    case helperCPUSeconds = "helper_cpu_seconds"
    case chainP50Ns = "chain_p50_ns"
    case chainP99Ns = "chain_p99_ns"
    case residentBytes = "resident_bytes"
    case lostLogLines = "lost_log_lines"
    case wasStopped = "was_stopped"
  }
}

/// An exact amount as decimal text.
public func exactText(_ value: Int64, digits: UInt32) -> String {
  let sign = value < 0 ? "-" : ""
  var text = String(value.magnitude)
  guard digits > 0 else { return sign + text }
  if text.count <= Int(digits) { text = String(repeating: "0", count: Int(digits) + 1 - text.count) + text }
  let point = text.index(text.endIndex, offsetBy: -Int(digits))
  return sign + text[..<point] + "." + text[point...]
}
