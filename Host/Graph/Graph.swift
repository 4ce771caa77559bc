import GantryBase
import GantryModels

/// The checked form of one graph file: what runs, how it is chained, under which policies.
///
/// A value without I/O or threads. `GraphBuilder` makes it from a manifest and the descriptions
/// of the installed plugins; whatever it holds has passed every check that needs no plugin code.
/// Schemas of FEATURES ports and the artifacts' contents are checked later, by `configure`.
public struct Graph: Sendable, Equatable {
  public enum Clock: String, Sendable { case replay, live }
  public enum Trust: String, Sendable { case any, manifest, signed }

  public var name: String
  /// The file it came from, as given.
  public var file: String
  public var clock: Clock
  public var trust: Trust
  /// Folders searched for plugins, absolute.
  public var pluginPath: [String]
  /// The file that pins plugins, absolute; nil = `plugins.lock` beside the graph file.
  public var lock: String?
  /// Folders of models, absolute.
  public var modelPath: [String] = []
  /// The profile that was applied.
  public var profile: String?
  /// Of how many chains each hop is timed.
  public var trace: TraceShare
  /// How many feedback events one chain may cause.
  public var feedbackMax: Int
  /// By id: instrument `n` of the ABI is `instruments[n - 1]`.
  public var instruments: [Instrument]
  public var currencies: [Currency]
  /// In file order. Edges refer to nodes by their index here.
  public var nodes: [GraphNode]
  /// Indices of `nodes` in topological order, ties by file order, feedback edges left out.
  public var order: [Int]
  /// Names of lanes in order of first mention; the first is `main`.
  public var lanes: [String]
  public var tests: [GraphTest]

  public init(name: String, file: String) {
    self.name = name
    self.file = file
    clock = .replay
    trust = .any
    pluginPath = []
    trace = .one(in: 16)
    feedbackMax = 64
    instruments = []
    currencies = []
    nodes = []
    order = []
    lanes = ["main"]
    tests = []
  }

  public func node(named name: String) -> Int? { nodes.firstIndex { $0.name == name } }

  /// The first node behind `node`, over any edges, that a position stands or falls with: a broker, a risk
  /// node, a decision that remembers, or another node that remembers and is told of orders, fills or the
  /// account. Two instances must not share out the chains that lead to it.
  public func positionHolder(behind node: Int) -> Int? {
    var seen: Set<Int> = [node]
    var waiting = [node]
    while let next = waiting.popLast() {
      for (index, reader) in nodes.enumerated() where reader.inputs.contains(where: { $0.fromNode == next }) && seen.insert(index).inserted {
        waiting.append(index)
      }
    }
    return seen.subtracting([node]).sorted().first { holdsPosition(nodes[$0]) }
  }

  private func holdsPosition(_ node: GraphNode) -> Bool {
    if node.plugin.kind == .broker || node.plugin.kind == .risk { return true }
    guard !node.plugin.isStateless else { return false }
    if node.plugin.kind == .decision { return true }
    return node.inputs.contains { edge in
      let type = nodes[edge.fromNode].plugin.outputs[edge.fromPort].type
      return type == .order || type == .execution || type == .account
    }
  }
}

public struct GraphNode: Sendable, Equatable {
  public var name: String
  public var place: Place?
  /// The item of `for_each:` this node was made for; its name then ends in `.` and the item.
  public var each: String?
  public var plugin: PluginDescription
  /// What the file says after the `@` of `plugin:`.
  public var requirement: String?
  /// Aligned with `plugin.parameters`.
  public var parameters: [ParameterValue]
  /// Where each parameter's value stands, when it is in the file; aligned with `parameters`.
  public var parameterPlaces: [Place?]
  /// By position in `plugin.parameters`: the model that an artifact comes from, where the graph names one.
  public var models: [Int: Model] = [:]
  /// Edges into this node, in the order of `from`.
  public var inputs: [Edge]
  /// Index into `Graph.lanes`.
  public var lane: Int
  public var onError: OnError
  public var grants: [PluginDescription.Need]
  public var isolation: Isolation
  public var cell = CellPolicy()
  public var swap: SwapPolicy
  /// Overrides `Graph.trace` for this node's hops.
  public var trace: TraceShare?
  /// Made by `gantry diff` and not by any file: this node stands beside another one, is given what that
  /// one is given, and nothing takes from it.
  public var shadows: Int?

  public init(name: String, plugin: PluginDescription) {
    self.name = name
    place = nil
    self.plugin = plugin
    parameters = []
    parameterPlaces = []
    inputs = []
    lane = 0
    onError = .skip
    grants = []
    isolation = .none
    swap = SwapPolicy()
  }
}

extension GraphNode {
  /// The models that its artifacts come from, as `momentum@3`, in the order of the parameters; nil when
  /// there are none.
  public var modelTitle: String? {
    models.isEmpty ? nil : models.sorted { $0.key < $1.key }.map(\.value.title).joined(separator: ", ")
  }
}

/// `nodes[fromNode].outputs[fromPort] -> this node's inputs[toPort]`.
public struct Edge: Sendable, Equatable {
  public var fromNode: Int
  public var fromPort: Int
  public var toPort: Int
  /// Written with `~`.
  public var isFeedback: Bool
  /// Only for edges between lanes and into slow sinks; nil means delivery on the lane.
  public var queue: QueuePolicy?
  public var place: Place?

  public init(fromNode: Int, fromPort: Int, toPort: Int, isFeedback: Bool = false, queue: QueuePolicy? = nil, place: Place? = nil) {
    self.fromNode = fromNode
    self.fromPort = fromPort
    self.toPort = toPort
    self.isFeedback = isFeedback
    self.queue = queue
    self.place = place
  }
}

public struct QueuePolicy: Sendable, Equatable {
  public enum WhenFull: String, Sendable, CaseIterable { case block, dropOldest = "drop_oldest", conflate }
  public var size: Int
  public var whenFull: WhenFull
  public init(size: Int = 1024, whenFull: WhenFull = .block) {
    self.size = size
    self.whenFull = whenFull
  }
}

public enum OnError: Sendable, Equatable {
  /// Discard what the failing event caused and go on; the breaker may quarantine the node.
  case skip
  /// Stop the run.
  case halt
  /// Deliver another node's outputs instead while this one is quarantined (index into `nodes`).
  case fallback(Int)
}

/// A share of chains, by their number.
public enum TraceShare: Sendable, Equatable {
  case off
  case all
  /// `1/16` is one in 16; a power of two.
  case one(in: Int)

  /// One chain in so many: 1 is all, 0 none.
  public var every: Int {
    switch self {
    case .off: 0
    case .all: 1
    case .one(let every): every
    }
  }
}

public enum Isolation: String, Sendable, Equatable, CaseIterable { case none, process }

/// What a canary shares out, by a hash that is the same in every run.
public enum CanaryBy: String, Sendable, Equatable, Codable, CaseIterable { case instrument, chain }

/// What a cell's child process may take, where it is not as the host's command line says. Parsed and checked
/// here; the cell enforces it.
public struct CellPolicy: Sendable, Equatable {
  /// Address space beyond the code and what is shared with the host.
  public var memoryBytes: UInt64?
  /// CPU time of one child; the next one has as much again.
  public var cpuNs: Int64?
  /// How long one call may take.
  public var deadlineNs: Int64?
  public init() {}
}

/// How a node's instance is replaced while it runs.
public struct SwapPolicy: Sendable, Equatable {
  public var warm: Int = 0
  public var shadow: Int = 0
  public var probation: Int = 0
  /// A second instance runs muted beside the counted one from the start, so that a state too large to
  /// be saved on a lane can be handed over. It costs the node's work and memory twice.
  public var standby = false
  public var revertIfErrors: Int?
  public var revertIfP99Us: Double?
  /// A share of instruments or of chains, 0...1; nil = none.
  public var canary: Double?
  public var canaryBy = CanaryBy.instrument
  public var whenFlat: Bool = false
  public var timeoutNs: Int64?
  public init() {}
}

/// One entry of `tests:`.
public struct GraphTest: Sendable, Equatable {
  /// Replaces a source node's events by rows of a CSV file (absolute path).
  public struct Given: Sendable, Equatable {
    public var node: Int
    public var path: String
    public var place: Place?
    public init(node: Int, path: String, place: Place? = nil) {
      self.node = node
      self.path = path
      self.place = place
    }
  }
  /// What one port must have emitted, in order; each entry maps field names to expected text.
  public struct Expectation: Sendable, Equatable {
    public var node: Int
    public var port: Int
    public var events: [[String: String]]
    public var place: Place?
    public init(node: Int, port: Int, events: [[String: String]], place: Place? = nil) {
      self.node = node
      self.port = port
      self.events = events
      self.place = place
    }
  }
  public var name: String
  public var given: [Given]
  public var expect: [Expectation]
  public var place: Place?
  public init(name: String, given: [Given] = [], expect: [Expectation] = [], place: Place? = nil) {
    self.name = name
    self.given = given
    self.expect = expect
    self.place = place
  }
}
