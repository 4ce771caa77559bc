import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryTrace

/// The lane's always-on latency histograms and its hop records.
///
/// Blocks are timed as blocks: one clock read a node a block. Nodes inside feedback loops are timed
/// for every chain whose number is a multiple of `every` (a power of two; 16 by default), and for
/// every chain from the moment it orders or errs. `every` 0 turns hop timing off; the time of each block,
/// and so the mean time of its chains, is taken always.
final class LaneTrace: @unchecked Sendable {  // belongs to the lane's thread while it runs
  /// Chain numbers whose low bits are all clear are sampled; all ones samples none.
  private let mask: UInt64
  /// By node number.
  private(set) var perNode: UnsafeMutablePointer<LatencyHistogram>
  let perChain: UnsafeMutablePointer<LatencyHistogram>
  private let hops: HopLog?
  /// The log's two rings, which live as long as it does.
  private let sampledRing: HopRing?
  private let keptRing: HopRing?
  /// Nanoseconds a tick, times 2^32.
  private let scale: UInt64
  private let startTicks: UInt64
  private let startNs: Int64

  /// Every delivery is timed right now.
  private(set) var isOn = false
  private var isLate = false
  /// The running chain ordered or erred: its records are kept apart from the sampled ones.
  private(set) var isKept = false
  private var blockTicks: UInt64 = 0
  private var lastTicks: UInt64 = 0
  private var chainTicks: UInt64 = 0
  private var blockHeader: UnsafePointer<gantry_header>?
  private var isBlockTraced = false

  init(every: Int, nodes: Int, hops: HopLog?, clock: TickClock) {
    mask = every <= 0 ? .max : UInt64(every) - 1
    perNode = .allocate(capacity: max(nodes, 1))
    for index in 0..<nodes { (perNode + index).initialize(to: LatencyHistogram()) }
    perChain = .allocate(capacity: 1)
    perChain.initialize(to: LatencyHistogram())
    self.hops = hops
    sampledRing = hops?.hops
    keptRing = hops?.orders
    scale = UInt64(clock.nsPerTick * 4_294_967_296)
    startTicks = clock.start
    startNs = clock.startMonotonicNs
    count = nodes
  }

  private(set) var count: Int

  /// Histograms for nodes up to this number, those that there are kept. While the lane is parked.
  func reserve(nodes: Int) {
    guard nodes > count else { return }
    let larger = UnsafeMutablePointer<LatencyHistogram>.allocate(capacity: nodes)
    larger.initialize(from: perNode, count: count)
    for index in count..<nodes { (larger + index).initialize(to: LatencyHistogram()) }
    // Somebody may be reading the old table.
    retired.append(perNode)
    perNode = larger
    count = nodes
  }
  private var retired: [UnsafeMutablePointer<LatencyHistogram>] = []

  func deallocate() {
    for index in 0..<count { perNode[index].deallocate() }
    perChain.pointee.deallocate()
    for table in retired { table.deallocate() }
    perNode.deallocate()
    perChain.deallocate()
  }

  @inline(__always)
  func samples(_ chain: UInt64) -> Bool { chain & mask == 0 }

  @inline(__always)
  private func ns(_ ticks: UInt64) -> UInt64 {
    let (high, low) = ticks.multipliedFullWidth(by: scale)
    return high &<< 32 | low &>> 32
  }

  func nanoseconds(_ ticks: UInt64) -> UInt64 { ns(ticks) }

  // MARK: blocks

  func beginBlock(_ header: UnsafePointer<gantry_header>, _ count: Int, node: Int32) {
    blockTicks = clinux_ticks()
    lastTicks = blockTicks
    blockHeader = header
    isBlockTraced = mask != .max && header.pointee.chain / UInt64(max(count, 1)) & mask == 0
    if isBlockTraced {
      record(header, node: node, kind: .source, start: blockTicks, ticks: 0, inputs: UInt32(count), outputs: UInt32(count), failed: false)
    }
  }

  @inline(__always)
  func beginNode() {}

  func endNode(_ node: UnsafeMutablePointer<LaneNode>, events: Int) {
    guard events > 0, mask != .max else { return }
    let ticks = clinux_ticks()
    let spent = ticks &- lastTicks
    perNode[Int(node.pointee.index)].record(ns(spent) / UInt64(events), count: UInt64(events))
    if isBlockTraced, let blockHeader {
      record(
        blockHeader, node: node.pointee.index, kind: .batch, start: lastTicks, ticks: spent, inputs: UInt32(events),
        outputs: 0, failed: false, generation: node.pointee.generation)
    }
    lastTicks = ticks
  }

  func endBlock(_ count: Int) {
    let spent = clinux_ticks() &- blockTicks
    perChain.pointee.record(ns(spent) / UInt64(max(count, 1)), count: UInt64(count))
  }

  // MARK: chains

  func beginChain(_ header: UnsafePointer<gantry_header>, node: Int32) {
    isOn = true
    isKept = false
    chainTicks = clinux_ticks()
    lastTicks = chainTicks
  }

  func endChain() {
    isOn = false
    isKept = false
  }

  /// A chain that was not sampled orders or errs: it is timed from here on.
  /// Returns whether what came before is worth writing down.
  func beginLate() -> Bool {
    guard mask != .max, !isOn else { return false }
    isOn = true
    isLate = true
    isKept = true
    lastTicks = clinux_ticks()
    return hops != nil
  }

  /// A hop that was not timed on its own.
  func earlier(_ header: UnsafePointer<gantry_header>, node: Int32, generation: UInt32, kind: HopKind) {
    guard let ring else { return }
    ring.append(
      HopRecord(
        chain: header.pointee.chain, startNs: startNs + Int64(ns(lastTicks &- startTicks)), durationNs: 0,
        node: UInt16(truncatingIfNeeded: node), origin: header.pointee.origin, hop: header.pointee.hop, kind: kind,
        outputs: 1, generation: generation, eventNs: header.pointee.event_ns))
  }

  /// A node failed on an event in a call that was not timed on its own.
  func erred(_ header: UnsafePointer<gantry_header>, node: Int32, generation: UInt32) {
    guard let keptRing else { return }
    keptRing.append(
      HopRecord(
        chain: header.pointee.chain, startNs: startNs + Int64(ns(lastTicks &- startTicks)), durationNs: 0,
        node: UInt16(truncatingIfNeeded: node), origin: header.pointee.origin, hop: header.pointee.hop &+ 1, kind: .batch,
        status: -1, generation: generation, eventNs: header.pointee.event_ns))
  }

  func endLate() {
    guard isLate else { return }
    isLate = false
    isOn = false
    isKept = false
  }

  /// One delivery to one node has ended; its end is the next one's start.
  func hop(node: UnsafeMutablePointer<LaneNode>, header: UnsafePointer<gantry_header>, outputs: UInt32, failed: Bool) {
    let ticks = clinux_ticks()
    let spent = ticks &- lastTicks
    perNode[Int(node.pointee.index)].record(ns(spent))
    record(
      header, node: node.pointee.index, kind: .batch, start: lastTicks, ticks: spent, inputs: 1, outputs: outputs,
      failed: failed, generation: node.pointee.generation)
    if failed { isKept = true }
    lastTicks = ticks
  }

  /// The ring that the running chain's records go to: chains that ordered or erred have their own.
  @inline(__always)
  private var ring: HopRing? { isKept ? keptRing : sampledRing }

  private func record(
    _ header: UnsafePointer<gantry_header>, node: Int32, kind: HopKind, start: UInt64, ticks: UInt64, inputs: UInt32,
    outputs: UInt32, failed: Bool, generation: UInt32 = 0
  ) {
    guard let ring else { return }
    ring.append(
      HopRecord(
        chain: header.pointee.chain, startNs: startNs + Int64(ns(start &- startTicks)),
        durationNs: UInt32(truncatingIfNeeded: min(ns(ticks), UInt64(UInt32.max))), node: UInt16(truncatingIfNeeded: node),
        origin: header.pointee.origin, hop: header.pointee.hop &+ (kind == .source ? 0 : 1), kind: kind,
        status: failed ? -1 : 0, inputs: inputs, outputs: outputs, generation: generation,
        eventNs: header.pointee.event_ns))
  }

  /// An event that the last hop took or wrote, with its payload.
  func event(_ row: UnsafeRawPointer, stride: Int, type: UInt32, isOutput: Bool) {
    guard let ring else { return }
    let header = row.assumingMemoryBound(to: gantry_header.self)
    ring.appendEvent(
      chain: header.pointee.chain, type: UInt8(truncatingIfNeeded: type), isOutput: isOutput,
      instrument: header.pointee.instrument, event: row, stride: stride)
  }

  /// A note of the plugin whose hop is running.
  func note(chain: UInt64, key: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer) {
    guard isOn, let ring else { return }
    ring.appendNote(chain: chain, key: key, text: text)
  }

  /// A call to something outside has ended.
  func call(chain: UInt64, node: Int32, began: UInt64, status: gantry_status) {
    guard isOn, let ring else { return }
    ring.append(
      HopRecord(
        chain: chain, startNs: startNs + Int64(ns(began &- startTicks)),
        durationNs: UInt32(truncatingIfNeeded: min(ns(clinux_ticks() &- began), UInt64(UInt32.max))),
        node: UInt16(truncatingIfNeeded: node), kind: .call, status: Int16(truncatingIfNeeded: status)))
  }

  func alias(chain: UInt64, orderID: UInt64, outside: UnsafeRawBufferPointer) {
    keptRing?.appendAlias(chain: chain, orderID: orderID, outside: outside)
  }
}

/// Ticks of the CPU's counter to nanoseconds, measured against the system's clock at start.
struct TickClock: Sendable {
  var nsPerTick: Double
  var start: UInt64
  var startMonotonicNs: Int64
  var startWallNs: Int64

  static func calibrated() -> TickClock {
    let firstTicks = clinux_ticks()
    let firstNs = clinux_monotonic_ns()
    var ns = firstNs
    while ns - firstNs < 2_000_000 { ns = clinux_monotonic_ns() }
    let ticks = clinux_ticks() &- firstTicks
    return TickClock(
      nsPerTick: Double(ns - firstNs) / Double(max(ticks, 1)), start: clinux_ticks(),
      startMonotonicNs: clinux_monotonic_ns(), startWallNs: clinux_wall_ns())
  }
}
