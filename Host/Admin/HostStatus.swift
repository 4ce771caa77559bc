import GantryBase
import GantryLoader
import GantryRuntime

/// A running host and its run: the answer to `status`.
public struct HostStatus: Codable, Sendable {
  /// One loaded copy of a plugin file's code.
  public struct Code: Codable, Sendable {
    public var generation: Int
    public var plugins: [String]
    public var path: String
    public var sha256: String
    public var mappedBytes: UInt64
    public var uses: Int
    /// It stays mapped until the process ends.
    public var isResident: Bool

    enum CodingKeys: String, CodingKey {
      case generation, plugins, path, sha256, uses
      case mappedBytes = "mapped_bytes"
      case isResident = "is_resident"
    }

    init(_ generation: Generation) {
      self.generation = generation.number
      plugins = generation.plugins.map { "\($0.description.id)@\($0.description.version)" }
      path = generation.path
      sha256 = generation.sha256
      mappedBytes = generation.mappedBytes
      uses = generation.uses
      isResident = generation.isResident
    }
  }

  /// A child process that runs one node's instance.
  public struct Cell: Codable, Sendable {
    public var node: String
    public var pid: Int32
    public var isReady: Bool
    public var restarts: Int
    /// What became of the one before; empty when there was none.
    public var lastEnd: String

    enum CodingKeys: String, CodingKey {
      case node, pid, restarts
      case isReady = "is_ready"
      case lastEnd = "last_end"
    }

    public init(node: String, pid: Int32, isReady: Bool, restarts: Int, lastEnd: String) {
      self.node = node
      self.pid = pid
      self.isReady = isReady
      self.restarts = restarts
      self.lastEnd = lastEnd
    }
  }

  public var gantry: String
  public var pid: Int32
  public var file: String
  public var startedNs: Int64
  public var control: String
  /// Folders; nil where nothing is kept.
  public var state: String?
  public var runFolder: String?
  public var residentBytes: UInt64
  public var logLevel: String
  /// Who halted trading, and when.
  public var halt: StateFolder.Halt?
  /// The committed version of the graph, where versions are kept.
  public var version: Int?
  public var run: RunStatus
  public var generations: [Code]
  public var cells: [Cell]
  /// Events a second that entered, over the last seconds.
  public var rate: Double

  enum CodingKeys: String, CodingKey {
    case gantry, pid, file, control, state, halt, version, run, generations, cells, rate
    case startedNs = "started_ns"
    case runFolder = "run_folder"
    case residentBytes = "resident_bytes"
    case logLevel = "log_level"
  }
}

/// Counts at moments of the last ten seconds, for rates.
struct RateWindow {
  private var samples: [(ns: Int64, counts: [String: UInt64])] = []
  static let widthNs: Int64 = 10_000_000_000
  static let stepNs: Int64 = 500_000_000

  mutating func add(ns: Int64, counts: [String: UInt64]) {
    if let last = samples.last, ns - last.ns < Self.stepNs { return }
    samples.append((ns, counts))
    while samples.count > 2, ns - samples[1].ns >= Self.widthNs { samples.removeFirst() }
  }

  /// A second, since the oldest sample.
  func rate(_ name: String, ns: Int64, count: UInt64) -> Double? {
    guard let first = samples.first, ns > first.ns, let before = first.counts[name], count >= before else { return nil }
    return Double(count - before) / (Double(ns - first.ns) / 1e9)
  }
}
