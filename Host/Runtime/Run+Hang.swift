import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// A lane that does not come back from a call.
public struct Hang: Sendable {
  public var node: String
  public var plugin: String
  public var lane: String
  public var seconds: Double
}

extension Run {
  /// Looks at the lanes; each hang is told once, and stands in the crash record. The control loop.
  func lookForHangs(_ watchdog: inout Watchdog, atNs nowNs: Int64) {
    for lane in planner.lanes where !lane.hasEnded.load(ordering: .acquiring) {
      let words = lane.now
      let sighting = Watchdog.Sighting(
        row: words.seen(at: 2), chain: words.seen(at: 1), events: lane.eventCount, time: words.seen(at: 0))
      guard watchdog.hangs(lane: lane.index, sighting, atNs: nowNs) else { continue }
      guard let node = UnsafePointer<LaneNode>(bitPattern: Int(sighting.row)) else { continue }
      let number = node.pointee.index
      let chain = node.pointee.isSingle ? sighting.chain : words.seen(at: 3)
      lane.name.withCString {
        clinux_crash_write("hang", number, node.pointee.generation, $0, chain <= -2 ? -2 - chain : chain)
      }
      let name = services.nodeName(Int(number))
      let plugin = graph.node(named: name).map { "\(graph.nodes[$0].plugin.id)@\(graph.nodes[$0].plugin.version)" } ?? "?"
      let seconds = Double(watchdog.limitNs) / 1e9
      options.onLog(
        LogLine(
          severity: .error, node: name, wallNs: clinux_wall_ns(),
          text: "HANG: \(plugin) has not returned for \(Int(seconds)) s; lane \(lane.name) stands still"))
      options.onHang(Hang(node: name, plugin: plugin, lane: lane.name, seconds: seconds))
    }
  }
}
