import CGantry
import GantryBase
import GantryGraph

/// What one lane runs of one graph: its memory and tables. Made and owned by a `LaneLayout`.
struct LanePlan {
  var nodes: UnsafeMutablePointer<LaneNode>
  var nodeCount: Int
  var blockSlots: UnsafeMutablePointer<Int32>
  var blockSlotCount: Int
  var singleSlots: UnsafeMutablePointer<Int32>
  var singleSlotCount: Int
  var quickInputs: UnsafeMutablePointer<Lane.QuickInput>
  var quickInputCount: Int
  var ingresses: UnsafeMutablePointer<Lane.Ingress>
  var ingressCount: Int
  var timers: UnsafeMutablePointer<TimerHeap>
  /// Room for one more than `feedbackMax`.
  var feedback: UnsafeMutablePointer<Lane.FeedbackEntry>
  var feedbackMax: Int
  /// Edges to other lanes.
  var links: UnsafeMutablePointer<LaneRecorder.QueueLink>
  var linkCount: Int
  /// While a journal is followed: edges to brokers outside.
  var followedPorts: UnsafeMutablePointer<LaneRecorder.FollowedPort>
  var followedCount = 0
  var isInCycle: Bool
  /// Freed by the layout; attached to its ports.
  var wiring: LaneWiring
  /// Freed by the layout.
  var join: JoinPlan
}

/// What belongs to a lane for the whole run, whatever runs on it.
struct LaneParts {
  var name: String
  var number: Int
  var bell: Bell
  /// The chain's time and, behind it, its number.
  var now: UnsafeMutablePointer<Int64>
  var clock: Graph.ClockKind
  var recorder: LaneRecorder
  var trace: LaneTrace
  var gate: OrderGate
  /// The lane follows a journal of a live run.
  var isScripted: Bool
  /// The changes of the journal that the lane follows.
  var scriptedSwaps: ScriptedSwaps?
  var scriptedChanges: ScriptedChanges?

  /// The thread tag of the lane; never 0, which is nobody's.
  var tag: UInt64 { UInt64(number + 1) }
}

/// The numbers that events carry in `origin`: sources count up from 1, lanes' timers from
/// `sourcesMax` + 1, so that both can be added to while a run goes on.
enum Origins {
  static let sourcesMax: UInt16 = 0x7FFF
  static func timers(lane: Int) -> UInt16 { sourcesMax + 1 + UInt16(lane) }
}

/// Decides which nodes of a lane may get blocks. Pure.
///
/// A node is *single* (one event a call) when it has a feedback edge, uses timers, asks for single
/// events, is a broker, or is downstream of such a node. All others are upstream of every
/// feedback and may get blocks without changing any output.
public enum BlockPlan {
  /// For each node of the graph, whether it is single.
  public static func singles(_ graph: Graph) -> [Bool] {
    var single = graph.nodes.map { node in
      node.inputs.contains(where: \.isFeedback) || node.plugin.usesTimers || node.plugin.wantsSingle
        || node.plugin.kind == .broker
    }
    let lanes = lanes(graph).of
    for index in graph.order where !single[index] {
      if graph.nodes[index].plugin.kind == .source { continue }
      single[index] = graph.nodes[index].inputs.contains { !$0.isFeedback && single[$0.fromNode] && lanes[$0.fromNode] == lanes[index] }
    }
    return single
  }

  /// For each node the lane it runs on: its own lane for a node whose edges all have queues, else
  /// the lane that the graph names. A lane may be left without nodes.
  public static func lanes(_ graph: Graph) -> (names: [String], of: [Int]) {
    var names = graph.lanes
    var of = graph.nodes.map(\.lane)
    for (index, node) in graph.nodes.enumerated() {
      guard node.shadows == nil, !node.inputs.isEmpty, node.inputs.allSatisfy({ $0.queue != nil }) else { continue }
      let sameLane = node.inputs.contains { of[$0.fromNode] == of[index] }
      if sameLane {
        of[index] = names.count
        names.append(node.name)
      }
    }
    // A broker outside has a lane of its own: it may wait for its connection, and orders wait on the edge
    // into it until they are on the disk.
    for (index, node) in graph.nodes.enumerated() where graph.clock == .live && DurableEdges.isDurable(node) {
      guard of.indices.contains(where: { $0 != index && of[$0] == of[index] }) else { continue }
      of[index] = names.count
      var name = node.name
      while names.contains(name) { name += "-edge" }
      names.append(name)
    }
    for (index, node) in graph.nodes.enumerated() {
      if let beside = node.shadows { of[index] = of[beside] }
    }
    // With the replay clock lanes that feed each other would wait for each other's next event: they
    // are one.
    if graph.clock == .replay {
      let reach = reachable(graph, of, lanes: names.count)
      for index in of.indices { of[index] = names.indices.first { $0 == of[index] || reach[of[index]][$0] && reach[$0][of[index]] }! }
    }
    return (names, of)
  }

  /// Which lane feeds which, directly or through others.
  static func reachable(_ graph: Graph, _ of: [Int], lanes: Int, overFeedback: Bool = true) -> [[Bool]] {
    var reach = Array(repeating: Array(repeating: false, count: lanes), count: lanes)
    for (index, node) in graph.nodes.enumerated() {
      for edge in node.inputs where overFeedback || !edge.isFeedback {
        guard of[edge.fromNode] != of[index] else { continue }
        reach[of[edge.fromNode]][of[index]] = true
      }
    }
    for middle in 0..<lanes {
      for from in 0..<lanes where reach[from][middle] {
        for to in 0..<lanes where reach[middle][to] { reach[from][to] = true }
      }
    }
    return reach
  }
}
