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
    for index in graph.order where !single[index] {
      if graph.nodes[index].plugin.kind == .source { continue }
      single[index] = graph.nodes[index].inputs.contains { !$0.isFeedback && single[$0.fromNode] && $0.queue == nil }
    }
    return single
  }

  /// For each node the lane it runs on: its own lane for a node whose edges all have queues, else
  /// the lane that the graph names.
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
    return (names, of)
  }
}
