import GantryGraph
import GantryTrace
import Synchronization

extension Run {
  /// The times of all of a node's calls so far, an event each. The difference of two of them is the time
  /// between. Any thread, from `start` until `finish`; nil for a node that the graph does not have.
  public func latency(node name: String) -> LatencySnapshot? {
    let number = shape.withLock { shape in shape.graph.node(named: name).map { shape.numbers[$0] } }
    guard let number else { return nil }
    var latency = LatencySnapshot()
    for lane in planner.lanes where number < lane.trace.count { latency.merge(lane.trace.perNode[number].snapshot) }
    return latency
  }
}
