import FoundationEssentials
import GantryBase

/// What gives the numbers in a hop log their names: `trace.json` in the run folder, written when a
/// run starts and again when it ends.
public struct TraceMeta: Sendable, Equatable, Codable {
  public struct Node: Sendable, Equatable, Codable {
    public var name: String
    public var kind: PluginDescription.Kind
    public var plugin: String
    public var version: String
    public var lane: Int
    /// Names of the nodes that feed it in the order of `from`, those of feedback edges with a `~` behind.
    public var inputs: [String]
    /// The columns of its FEATURES output, if it has one.
    public var columns: [String]?
    /// Of all its calls, once the run has ended.
    public var latency: Latency?

    public init(
      name: String, kind: PluginDescription.Kind, plugin: String, version: String, lane: Int = 0, inputs: [String] = [],
      columns: [String]? = nil, latency: Latency? = nil
    ) {
      self.name = name
      self.kind = kind
      self.plugin = plugin
      self.version = version
      self.lane = lane
      self.inputs = inputs
      self.columns = columns
      self.latency = latency
    }
  }

  /// A node's time an event, in nanoseconds.
  public struct Latency: Sendable, Equatable, Codable {
    public var count: UInt64
    public var p50: UInt64
    public var p99: UInt64
    public var max: UInt64

    public init(_ snapshot: LatencySnapshot) {
      count = snapshot.count
      p50 = snapshot.percentile(0.5)
      p99 = snapshot.percentile(0.99)
      max = snapshot.maxNs
    }
  }

  /// One row of the run's table of 64-bit run-and-source ids.
  public struct Origin: Sendable, Equatable, Codable {
    /// As events carry it in `origin`.
    public var index: Int
    /// Sixteen hexadecimal digits; JSON numbers do not hold 64 bits.
    public var id: String
    /// The source, or what else begins chains: "timers of main".
    public var name: String

    public init(index: Int, id: UInt64, name: String) {
      self.index = index
      self.id = hex(id)
      self.name = name
    }

    public var value: UInt64 { UInt64(id, radix: 16) ?? 0 }
  }

  public var format = 1
  public var graph: String
  /// The graph's file, as given.
  public var file: String
  /// What names the run among others, usually its folder.
  public var run: String
  /// `replay` or `live`.
  public var clock: String
  public var startedWallNs: Int64
  /// The same moment on the clock that hops are timed with.
  public var startedMonotonicNs: Int64
  /// Nil while it runs.
  public var endedWallNs: Int64?
  /// One chain in so many is traced at every hop.
  public var traceEvery: Int
  public var lanes: [String]
  /// By `HopRecord.node`.
  public var nodes: [Node]
  public var origins: [Origin]
  /// Instrument `n` of an event is `instruments[n - 1]`.
  public var instruments: [Instrument]
  public var currencies: [Currency]
  /// Of the account: index into `currencies`.
  public var accountCurrency: Int
  /// By `gantry_prediction.model - 1`: "momentum@3".
  public var models: [String]

  public init(
    graph: String, file: String = "", run: String = "", clock: String = "replay", startedWallNs: Int64 = 0,
    startedMonotonicNs: Int64 = 0, traceEvery: Int = 16, lanes: [String] = ["main"], nodes: [Node] = [],
    origins: [Origin] = [], instruments: [Instrument] = [], currencies: [Currency] = [], accountCurrency: Int = 0,
    models: [String] = []
  ) {
    self.graph = graph
    self.file = file
    self.run = run
    self.clock = clock
    self.startedWallNs = startedWallNs
    self.startedMonotonicNs = startedMonotonicNs
    self.traceEvery = traceEvery
    self.lanes = lanes
    self.nodes = nodes
    self.origins = origins
    self.instruments = instruments
    self.currencies = currencies
    self.accountCurrency = accountCurrency
    self.models = models
  }

  public static let fileName = "trace.json"

  public func originValue(_ index: UInt16) -> UInt64? { origins.first { $0.index == Int(index) }?.value }

  /// Writes `trace.json`, which appears whole or not at all. Throws `trace.write-failed`.
  public func write(to directory: String) throws(GantryError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      try encoder.encode(self).write(to: URL(filePath: directory + "/" + Self.fileName), options: .atomic)
    } catch {
      throw GantryError("trace.write-failed", "cannot write \(directory)/\(Self.fileName): \(error).", exit: .failed)
    }
  }

  /// Reads `trace.json` of a run folder. Throws `trace.not-found` and `trace.damaged`.
  public static func read(from directory: String) throws(GantryError) -> TraceMeta {
    let path = directory + "/" + fileName
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw GantryError(
        "trace.not-found", "\(directory) holds no trace of a run: there is no \(fileName).",
        help: ["give the folder of a run, such as run/quickstart"])
    }
    do {
      let meta = try JSONDecoder().decode(TraceMeta.self, from: bytes)
      guard meta.format == 1 else {
        throw GantryError("trace.damaged", "\(path): format \(meta.format), this host reads format 1.")
      }
      return meta
    } catch let error as GantryError {
      throw error
    } catch {
      throw GantryError("trace.damaged", "\(path) is not what a run writes: \(error).")
    }
  }
}
