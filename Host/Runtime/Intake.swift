import CGantry
import GantryBase
import GantryGraph

/// The way of one source's events into its lane: the ring, and the thread that fills it by pulling
/// (`gantry.pull/1`) or by running the feed (`gantry.feed/1`).
final class Intake: @unchecked Sendable {  // made and ended with `changes`; the ring and the threads have their own rules
  /// What a source begins with.
  struct Setup {
    var instance: Instance
    var node: GraphNode
    var clock: Graph.Clock
    var origin: UInt16
    var blockSize: Int
    var bell: Bell
    /// Of an instance that it takes over from, with what stands in it.
    var ring: BlockRing?
    /// The events come from a journal; feeds do not run.
    var isScripted = false
  }

  let origin: UInt16
  let ring: BlockRing
  let reader: SourceReader?
  let feed: FeedReader?
  /// It can be read again: the journal keeps row numbers and no rows.
  let isReplayable: Bool
  private var outputs: UnsafeMutablePointer<gantry_outputs>?
  private var ports: UnsafeMutablePointer<gantry_output>?

  init(_ setup: Setup, log: LogRing) throws(GantryError) {
    let (instance, node) = (setup.instance, setup.node)
    let pull = instance.capability("gantry.pull/1", as: gantry_pull.self).flatMap { $0.pointee.pull == nil ? nil : $0 }
    let run = instance.capability("gantry.feed/1", as: gantry_feed_source.self).flatMap { $0.pointee.run == nil ? nil : $0 }
    guard pull != nil || run != nil else {
      throw GantryError(
        "runtime.no-intake", "PLUGIN: source \(instance.name) offers neither gantry.pull/1 nor gantry.feed/1", at: node.place)
    }
    origin = setup.origin
    instance.context.pointee.origin = origin
    let strides = instance.schemas.map(\.stride)
    let hasArena = node.plugin.outputs.contains { PortSchema.hasArena($0.type) }
    ring =
      setup.ring ?? BlockRing(rows: setup.blockSize, stride: strides.max() ?? 64, arena: hasArena ? 1 << 20 : 0, bell: setup.bell)
    if let pull {
      isReplayable = pull.pointee.cursor != nil && setup.clock == .replay
      (outputs, ports) = Intake.memory(node, strides)
      reader = SourceReader(
        SourceReader.Setup(
          instance: instance.raw!, pull: pull, context: instance.context, outputs: outputs!, strides: strides, origin: origin,
          blockSize: setup.blockSize, clock: setup.clock == .live ? .live : .replay, name: instance.name,
          tag: instance.context.pointee.laneTag, firstChain: 1), ring: ring)
      feed = nil
      return
    }
    guard setup.clock == .live || setup.isScripted else {
      throw GantryError(
        "runtime.feed-needs-live", "source \(instance.name) is a feed, which runs with the live clock only", at: node.place,
        help: ["write `clock: live`, or replay a journal of it"])
    }
    isReplayable = false
    reader = nil
    feed = FeedReader(
      FeedReader.Setup(
        instance: instance.raw!, feed: run!, context: instance.context, strides: strides, origin: origin, name: instance.name,
        tag: instance.context.pointee.laneTag, halts: node.onError == .halt), ring: ring, log: log)
  }

  private static func memory(_ node: GraphNode, _ strides: [Int]) -> (UnsafeMutablePointer<gantry_outputs>, UnsafeMutablePointer<gantry_output>) {
    let outputs = UnsafeMutablePointer<gantry_outputs>.allocate(capacity: 1)
    let ports = UnsafeMutablePointer<gantry_output>.allocate(capacity: max(strides.count, 1))
    for (port, description) in node.plugin.outputs.enumerated() {
      (ports + port).initialize(to: gantry_output())
      (ports + port).pointee.size = UInt32(MemoryLayout<gantry_output>.size)
      (ports + port).pointee.type = description.type.rawValue
      (ports + port).pointee.stride = UInt32(strides[port])
      (ports + port).pointee.connected = 1
    }
    outputs.initialize(to: gantry_outputs())
    outputs.pointee.size = UInt32(MemoryLayout<gantry_outputs>.size)
    outputs.pointee.port_count = UInt32(strides.count)
    outputs.pointee.ports = ports
    outputs.pointee.grow = { _, _, _, _ in GANTRY_FULL }
    return (outputs, ports)
  }

  /// The number of the next event that the source gives. While no thread of it runs.
  var nextChain: UInt64 { reader?.progress.chain ?? feed?.chain ?? 1 }

  /// Before `start`: the number of the first event, and of which time and before events are left out.
  func begin(chain: UInt64, afterNs: Int64 = .min) {
    reader?.begin(chain: chain, afterNs: afterNs)
    feed?.begin(chain: chain)
  }

  /// Before `start`: goes on after the last event of `other`, which has left, in its ring.
  ///
  /// - Parameter notice: written down by the lane where this one's events begin
  func takeOver(from other: Intake, _ notice: SourceNotice? = nil) {
    begin(chain: other.nextChain)
    if let reader, let before = other.reader { reader.takeOver(from: before, notice) }
    if let feed, let before = other.feed { feed.takeOver(from: before, notice) }
  }

  /// The source has given its last event, or has failed.
  var hasEnded: Bool { reader?.hasEnded ?? feed?.hasEnded ?? false }

  func start() throws(GantryError) {
    try reader?.start()
    try feed?.start()
  }

  /// After `stop`: goes on where it was.
  func resume() throws(GantryError) {
    ring.reopen()
    try reader?.start()
    try feed?.resume()
  }

  /// Ends the source's thread; what stands in the ring stays there. Again does nothing.
  func stop() {
    if let feed { return feed.stopAndJoin() }
    ring.close()
    reader?.join()
  }

  /// Ends the source's thread for another instance to go on: what it has given stands in the ring, or is
  /// kept for `takeOver` and `resume`.
  func leave() {
    if let feed { return feed.leaveAndJoin() }
    stop()
  }

  /// Stops taking in, or goes on. Any thread. Returns whether that changed anything.
  func pause(_ on: Bool) -> Bool { reader?.pause(on) ?? feed?.pause(on) ?? false }
  var isPaused: Bool { reader?.paused ?? feed?.paused ?? false }

  /// Ends the source after what it has given so far. Any thread.
  func drain() {
    reader?.drain()
    feed?.drain()
  }

  var cpuTimeNs: Int64 { (reader?.cpuTimeNs ?? 0) + (feed?.cpuTimeNs ?? 0) }

  /// After `stop`.
  func deallocate() {
    outputs?.deallocate()
    ports?.deallocate()
    outputs = nil
    ports = nil
  }
}
