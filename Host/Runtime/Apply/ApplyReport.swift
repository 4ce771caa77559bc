import GantryGraph

/// One step of an apply, told as it happens.
public struct ApplyStep: Sendable, Codable, Equatable {
  public enum Step: String, Sendable, Codable {
    /// New instances are made, configured and laid out beside the running graph.
    case prepare
    /// The lanes run to the marker and stand there.
    case marker
    /// States, timers and live parameters are handed over, and what is new is started.
    case handOver = "hand over"
    /// The lanes go on with the new graph.
    case commit
    /// What the new graph does not need is stopped and let go.
    case settle
    case failed
    case superseded
  }

  public var apply: String
  public var step: Step
  public var detail: String
  public var wallNs: Int64
  /// Events that the run had handled.
  public var event: UInt64
}

/// What one apply did.
public struct ApplyReport: Sendable, Codable {
  /// One node of the new graph, or one that was removed.
  public struct Node: Sendable, Codable, Equatable {
    public var node: String
    public var action: NodeChange.Action
    public var reasons: [String]
    /// Of the state that was handed over.
    public var stateBytes: Int
  }

  public var id: String
  public var by: String
  public var nodes: [Node] = []
  public var steps: [ApplyStep] = []
  /// From the moment when the first lane stood still until all went on.
  public var pauseNs: UInt64 = 0
  public var stateBytes: Int = 0
  /// Events that the run had handled at the boundary.
  public var atEvent: UInt64 = 0
}
