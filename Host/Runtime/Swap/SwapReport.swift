import GantryBase
import GantryGraph

/// What is to replace a node's counted instance: other code, other parameters, another artifact.
public struct SwapRequest: Sendable {
  /// The change's id, as the history gave it.
  public var id: String
  public var node: String
  /// The checked graph in which the node is as it is to be. All other nodes are taken as they are.
  public var graph: Graph
  public var code: PluginCode
  public var policy: SwapPolicy
  /// Starts from nothing when the node has neither a state nor a tail. Without it such a swap is refused.
  public var isCold: Bool
  /// Runs the candidate elsewhere first; throws when it fails there. Nil: no rehearsal.
  public var rehearsal: (@Sendable () throws(GantryError) -> Void)?
  /// Plugins that can convert states between versions (`gantry.state-convert/1`).
  public var converters: [PluginCode]
  /// What a replay needs to make the candidate again, as JSON text; kept in the journal.
  public var description: String
  /// Bytes that the journal is to keep beside it: the plugin's file.
  public var keeps: [[UInt8]] = []
  /// Who asked.
  public var by: String

  public init(
    id: String, node: String, graph: Graph, code: PluginCode, policy: SwapPolicy, isCold: Bool = false,
    rehearsal: (@Sendable () throws(GantryError) -> Void)? = nil, converters: [PluginCode] = [], description: String = "{}",
    by: String
  ) {
    self.id = id
    self.node = node
    self.graph = graph
    self.code = code
    self.policy = policy
    self.isCold = isCold
    self.rehearsal = rehearsal
    self.converters = converters
    self.description = description
    self.by = by
  }
}

/// One step of a swap, when it began.
public struct SwapStep: Sendable, Codable, Equatable {
  public enum Step: String, Sendable, Codable {
    case rehearse, prepare, warm, shadow, gate, canary, flip, probation, commit, revert, failed, superseded
  }
  public var swap: String
  public var node: String
  public var step: Step
  public var detail: String
  public var wallNs: Int64
  /// Events that the node's lane had run.
  public var event: UInt64
}

/// How a swap stands, or how it ended.
public struct SwapReport: Sendable, Codable {
  public enum Outcome: String, Sendable, Codable {
    /// The new instance stays; the old one is gone.
    case committed
    /// The old instance counts again, or never ceased to.
    case reverted
    /// It never came to a flip; nothing has changed.
    case failed
    /// A newer change took its place.
    case superseded
    /// The run ended while the old instance could still take over.
    case unfinished
  }
  public var id: String
  public var node: String
  public var by: String
  /// `plugin@version generation N`
  public var from: String
  public var to: String
  public var steps: [SwapStep] = []
  /// Nil while it goes on.
  public var outcome: Outcome?
  public var reason: String?
  /// Who ended its probation, or took it back, by hand.
  public var endedBy: String?
  /// How long the lane stood still, over all steps together, and at most at once.
  public var pauseNs: UInt64 = 0
  public var longestPauseNs: UInt64 = 0
  public var stateBytes = 0
  /// Shadow: calls compared, rows that differed, and the largest difference of a number.
  public var comparedRows: UInt64 = 0
  public var differingRows: UInt64 = 0
  public var largestDifference: Double = 0
  public var candidateErrors: UInt64 = 0
  public var candidateP99Ns: UInt64 = 0
  /// The change has taken effect at least once.
  public var hasFlipped = false
  /// The lane's event count at the flip.
  public var atEvent: UInt64 = 0
}
