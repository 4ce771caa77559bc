import CGantry
import GantryBase
import GantryGraph
import Synchronization

/// One who looks on at the events of one port while the graph runs, and goes on over swaps and
/// applies as long as there is such a port. Costs the lane a copy of each event that is taken, and
/// nothing once it has ended. Used by one thread.
public final class Tap {
  /// One event, for people.
  public struct Event: Sendable {
    public var chain: ChainID
    public var fields: [(name: String, text: String)]
  }

  public let node: String
  public let port: String
  private let run: Run
  private let every: Int
  private var attached: (lane: Lane, ring: TapRing, number: Int)?
  private var text: EventText
  private var type: EventType
  private var columns: [String]
  private var earlier: (seen: UInt64, dropped: UInt64) = (0, 0)

  init(run: Run, node: String, port: String, every: Int) throws(GantryError) {
    self.run = run
    self.node = node
    self.port = port
    self.every = every
    text = EventText(graph: run.graph)
    type = .any
    columns = []
    try attach()
  }

  /// Events the port has emitted since the tap began, and those that found no room.
  public var seen: UInt64 { earlier.seen + (attached?.ring.seen ?? 0) }
  public var dropped: UInt64 { earlier.dropped + (attached?.ring.dropped ?? 0) }

  /// The next event that has been taken, or nil.
  public func next() -> Event? {
    guard let (bytes, arena) = attached?.ring.next() else { return nil }
    let header = bytes.withUnsafeBytes { $0.loadUnaligned(as: gantry_header.self) }
    return Event(
      chain: ChainID(origin: run.originID(header.origin), sequence: header.chain),
      fields: text.fields(type, bytes, arena: arena, columns: columns))
  }

  /// Follows the node to where an apply has put it. Call it now and then; false when the port is gone.
  public func follow() -> Bool {
    guard let current = place(), let attached else { return false }
    if current.lane === attached.lane, current.number == attached.number, current.type == type, current.columns == columns { return true }
    end()
    return (try? attach()) != nil
  }

  /// Ends the tap.
  public func end() {
    guard let attached else { return }
    self.attached = nil
    let command = TapCommand(TapLink(node: 0, port: 0, ring: .passUnretained(attached.ring)), begins: false)
    run.changes.withLock { _ in
      // A lane that has ended may be started anew by an apply; until then its memory is nobody's.
      if attached.lane.ask(command) != .done { attached.lane.end(.passUnretained(attached.ring)) }
    }
    earlier.seen += attached.ring.seen
    earlier.dropped += attached.ring.dropped
  }

  deinit { end() }

  private struct Place {
    var lane: Lane
    var number: Int
    var portIndex: Int
    var type: EventType
    var columns: [String]
    var stride: Int
    var graph: Graph
  }

  /// Where the port is now.
  private func place() -> Place? {
    let (graph, numbers, laneOf, instances) = run.shape.withLock { ($0.graph, $0.numbers, $0.laneOf, $0.instances) }
    guard let index = graph.node(named: node), let portIndex = graph.nodes[index].plugin.outputs.firstIndex(where: { $0.name == port }) else { return nil }
    let schema = instances[index].schemas[portIndex]
    return Place(
      lane: run.planner.lanes[laneOf[index]], number: numbers[index], portIndex: portIndex, type: schema.type, columns: schema.columns,
      stride: schema.stride, graph: graph)
  }

  private func attach() throws(GantryError) {
    guard let place = place() else { throw GantryError("tap.unknown-port", "there is no port \(node).\(port)", exit: .usage) }
    type = place.type
    columns = place.columns
    text = EventText(graph: place.graph)
    let ring = TapRing(stride: place.stride, type: place.type, every: every)
    let command = TapCommand(TapLink(node: Int32(place.number), port: Int32(place.portIndex), ring: .passUnretained(ring)), begins: true)
    // An apply must not exchange the lane's plan in between.
    let asked = run.changes.withLock { _ in place.lane.ask(command) }
    guard asked == .done else { throw GantryError("tap.ended", "the lane \(place.lane.name) has ended", exit: .noHost) }
    guard command.isTaken else {
      throw GantryError("tap.too-many", "\(Lane.tapsMax) taps look on at the lane \(place.lane.name) already", exit: .failed)
    }
    attached = (place.lane, ring, place.number)
  }
}

extension Run {
  /// Looks on at a port: `node.port`, or `node` alone when it has one output. From any thread but a
  /// lane's, from `start` until `finish`; end it before `finish`.
  ///
  /// - Parameter every: one event in so many
  public func tap(_ name: String, every: Int = 1) throws(GantryError) -> Tap {
    let graph = graph
    let ports = graph.nodes.flatMap { node in node.plugin.outputs.map { (node: node.name, port: $0.name) } }
    // Names of nodes made by for_each have points themselves.
    var found = ports.filter { "\($0.node).\($0.port)" == name }
    if found.isEmpty { found = ports.filter { $0.node == name } }
    guard let place = found.first else {
      throw GantryError(
        "tap.unknown-port", "the graph \(graph.name) has no port \(name)",
        help: nearest(to: name, among: ports.map { "\($0.node).\($0.port)" }).map { ["did you mean \($0)?"] }
          ?? ["the ports are \(ports.map { "\($0.node).\($0.port)" }.joined(separator: ", "))"], exit: .usage)
    }
    guard found.count == 1 else {
      throw GantryError(
        "tap.which-port", "\(name) has several outputs", help: ["choose one of \(found.map { "\($0.node).\($0.port)" }.joined(separator: ", "))"], exit: .usage)
    }
    return try Tap(run: self, node: place.node, port: place.port, every: every)
  }
}
