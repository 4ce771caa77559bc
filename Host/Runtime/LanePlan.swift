import CGantry
import GantryBase
import GantryGraph

/// The memory and tables of one lane, ready to run. Made by `LanePlanner`, owned by the `Run`.
struct LanePlan {
  var name: String
  var index: Int
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
  var now: UnsafeMutablePointer<Int64>
  var timers: UnsafeMutablePointer<TimerHeap>
  var tag: UInt64
  var clock: Graph.ClockKind
  var bell: Bell
  var recorder: LaneRecorder
  var trace: LaneTrace
  var gate: OrderGate
  var isScripted: Bool
  var feedbackMax: Int
  /// How many sources the graph has; higher origins are timers.
  var sources: UInt16
  var isInCycle: Bool
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
      guard !node.inputs.isEmpty, node.inputs.allSatisfy({ $0.queue != nil }) else { continue }
      let sameLane = node.inputs.contains { of[$0.fromNode] == of[index] }
      if sameLane {
        of[index] = names.count
        names.append(node.name)
      }
    }
    // With the replay clock lanes that feed each other would wait for each other's next event: they
    // are one.
    if graph.clock == .replay {
      let reach = reachable(graph, of, lanes: names.count)
      for index in of.indices { of[index] = names.indices.first { $0 == of[index] || reach[of[index]][$0] && reach[$0][of[index]] }! }
    }
    return (names, of)
  }

  /// For each lane whether it feeds itself through others.
  static func cycles(_ graph: Graph, _ of: [Int], lanes: Int) -> [Bool] {
    let reach = reachable(graph, of, lanes: lanes)
    return (0..<lanes).map { reach[$0][$0] }
  }

  /// Which lane feeds which, directly or through others.
  private static func reachable(_ graph: Graph, _ of: [Int], lanes: Int) -> [[Bool]] {
    var reach = Array(repeating: Array(repeating: false, count: lanes), count: lanes)
    for (index, node) in graph.nodes.enumerated() {
      for edge in node.inputs where of[edge.fromNode] != of[index] { reach[of[edge.fromNode]][of[index]] = true }
    }
    for middle in 0..<lanes {
      for from in 0..<lanes where reach[from][middle] {
        for to in 0..<lanes where reach[middle][to] { reach[from][to] = true }
      }
    }
    return reach
  }
}
