import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime

/// One event as a port emitted it. A text follows the event's bytes, and its offset, which depends
/// on what else stands in the block's arena, is 0.
struct Row: Hashable {
  var bytes: [UInt8]

  init(_ event: OutputCapture.Event, type: EventType) {
    bytes = event.bytes
    guard type == .alert else { return }
    let alert = self.as(gantry_alert.self)
    for index in 0..<8 { bytes[MemoryLayout<gantry_header>.size + index] = 0 }
    let end = alert.offset &+ UInt64(alert.length)
    if end >= alert.offset, end <= UInt64(event.arena.count) { bytes += event.arena[Int(alert.offset)..<Int(end)] }
  }

  func `as`<Event>(_ type: Event.Type) -> Event { bytes.withUnsafeBytes { $0.loadUnaligned(as: Event.self) } }
  var header: gantry_header { self.as(gantry_header.self) }
  var tick: gantry_tick { self.as(gantry_tick.self) }
}

/// What one run left behind.
struct Outcome {
  let graph: Graph
  /// By `node.port`, in the order of emission.
  var ports: [String: [Row]] = [:]
  /// Of a graph of one lane: all rows of all ports in the order of emission.
  var sequence: [(port: String, row: Row)] = []
  var summary: RunSummary?
  var diagnostics: [Diagnostic] = []
  var exit = ExitCode.done
  var log: [LogLine] = []
  /// It did not end by itself.
  var hung = false

  init(graph: Graph) { self.graph = graph }

  mutating func failed(_ error: GantryError) {
    diagnostics += error.diagnostics
    exit = error.exitCode
  }

  mutating func take(_ captures: [OutputCapture]) {
    for event in captures.flatMap(\.events) {
      let node = graph.nodes[event.node]
      let name = "\(node.name).\(node.plugin.outputs[event.port].name)"
      let row = Row(event, type: node.plugin.outputs[event.port].type)
      ports[name, default: []].append(row)
      sequence.append((name, row))
    }
  }

  func rows(_ port: String) -> [Row] { ports[port] ?? [] }
  func ticks(_ port: String) -> [gantry_tick] { rows(port).map(\.tick) }
  func node(_ name: String) -> RunSummary.Node? { summary?.nodes.first { $0.name == name } }
  var codes: [String] { diagnostics.map(\.code) }

  /// All that must be the same whatever the block size: counts of each node.
  var counts: [String] {
    (summary?.nodes ?? []).map { "\($0.name): \($0.events) in, \($0.outputs) out, \($0.errors) errors, \($0.dropped) dropped, \($0.breaker)" }
  }

  /// The same without the origins and times of what lanes flush at their ends: these are the lane's own
  /// number and last event.
  var withoutLanes: Outcome {
    let sources = UInt16(graph.nodes.count { $0.plugin.kind == .source })
    var copy = self
    copy.ports = ports.mapValues { rows in
      rows.map { row in
        var row = row
        var header = row.header
        guard header.origin > sources else { return row }
        header.origin = .max
        header.event_ns = 0
        header.receive_ns = 0
        withUnsafeBytes(of: header) { row.bytes.replaceSubrange(0..<$0.count, with: $0) }
        return row
      }
    }
    return copy
  }

  /// Where two outcomes first differ, for a person; nil when all ports emitted the same.
  func difference(from other: Outcome) -> String? {
    for port in Set(ports.keys).union(other.ports.keys).sorted() {
      let (mine, others) = (rows(port), other.rows(port))
      if mine == others { continue }
      let place = zip(mine, others).enumerated().first { $0.element.0 != $0.element.1 }?.offset
      guard let place else { return "\(port) emitted \(mine.count) rows, and \(others.count) before" }
      return "\(port) differs at row \(place): chain \(mine[place].header.chain), \(mine[place].tick); "
        + "before chain \(others[place].header.chain), \(others[place].tick)"
    }
    return nil
  }
}
