import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryTrace
import Synchronization

/// One thread that runs a connected part of a graph to completion, block by block and, inside
/// feedback loops, chain by chain.
///
/// Guarantees: a chain is finished before the next begins; within a chain nodes run in topological
/// order and a node's edges are delivered in the order of its `from`; feedback runs first-in
/// first-out after the forward pass. The outputs do not depend on the block size. In steady state
/// the lane's thread allocates nothing, locks nothing and counts no references.
final class Lane: @unchecked Sendable {  // all but the atomics belongs to the lane's thread while it runs
  let name: String
  /// The lane's number, its own for the whole run.
  let index: Int
  let now: UnsafeMutablePointer<Int64>
  let tag: UInt64
  let clock: Graph.ClockKind
  let bell: Bell
  let recorder: LaneRecorder
  let trace: LaneTrace
  let gate: OrderGate
  /// Rows emitted in chains begun by timers carry this header.
  let timerHeader: UnsafeMutablePointer<gantry_header>

  // The plan: what an apply exchanges, see `take`.
  private(set) var nodes: UnsafeMutablePointer<LaneNode>
  private(set) var nodeCount: Int
  /// Slots that are upstream of all feedback and timers, in topological order.
  private(set) var blockSlots: UnsafeMutablePointer<Int32>
  private(set) var blockSlotCount: Int
  /// Slots that get one event a call, in topological order; a slot's place here is its rank.
  private(set) var singleSlots: UnsafeMutablePointer<Int32>
  private(set) var singleSlotCount: Int
  /// The inputs of single nodes that come from blocks: all that a quiet chain has to look at.
  private(set) var quickInputs: UnsafeMutablePointer<QuickInput>
  private(set) var quickInputCount: Int
  /// No node has two of them: runs of chains may go to one node after the other.
  private(set) var hasDistinctQuickNodes = false
  private(set) var ingresses: UnsafeMutablePointer<Ingress>
  private(set) var ingressCount: Int
  private(set) var timers: UnsafeMutablePointer<TimerHeap>
  /// First-in first-out rows of feedback edges.
  private(set) var feedback: UnsafeMutablePointer<FeedbackEntry>
  /// `feedback_max` of the graph.
  private(set) var feedbackMax: Int
  /// One more than a chain may cause: that one ends the run.
  private(set) var feedbackCapacity: Int
  /// Lanes that feed each other would wait for each other's end.
  private(set) var isInCycle: Bool
  /// Who reads what among the single nodes.
  private(set) var wiring: LaneWiring
  /// How edges from other lanes are joined; see `runJoined`.
  private(set) var join: JoinPlan

  /// Single nodes that have rows to take in the running pass, a bit each; see `LaneWiring`.
  var pending: UInt64 = 0
  /// Single nodes whose ports hold rows.
  var dirty: UInt64 = 0
  /// The running chain has caused something in a single node: it is to be carried to its end.
  var isOpen = false
  /// A port is full enough to forget the rows of chains that have ended.
  var isFull = false
  /// The swaps and the applies of the journal that this lane follows.
  let scriptedSwaps: ScriptedSwaps?
  let scriptedChanges: ScriptedChanges?
  /// Brokers of this lane that are asked how things stand before orders pass.
  var unsettled = 0
  /// Nodes that are followed now.
  var followerCount = 0
  var feedbackHead = 0
  var feedbackTail = 0
  var ordinal: UInt32 = 0
  var blockCount: UInt64 = 0
  /// Events that have entered the lane. Its thread counts, others look.
  var eventCount: UInt64 {
    get { counted.load(ordering: .relaxed) }
    set { counted.store(newValue, ordering: .relaxed) }
  }
  private let counted = Atomic<UInt64>(0)
  /// A block node failed for this chain of the block, and its on_error is halt: the chains before it
  /// are carried to their ends, then the run ends with `haltFailure`.
  var haltOrdinal = UInt32.max
  var haltFailure: GantryError?
  /// Set when the run must end: the diagnostic is in `failure`.
  var isFailed = false
  var failure: GantryError?
  /// The sources end; what other lanes still send is run.
  let stopRequested = Atomic<Bool>(false)
  /// The run has failed elsewhere: the lane ends at once.
  let abandonRequested = Atomic<Bool>(false)
  /// What another thread asks of the lane; see `ask`.
  let command = Atomic<UInt>(0)
  let commandTurn = Mutex<Void>(())
  /// The marker of a change that is under way; see `LaneMarker`.
  let marker = Atomic<UInt>(0)
  /// The lane runs nothing more but its last outputs.
  let isEnding = Atomic<Bool>(false)
  let cpuNs = Atomic<Int64>(0)
  let hasEnded = Atomic<Bool>(false)

  struct QuickInput {
    var node: UnsafeMutablePointer<LaneNode>
    var input: UnsafeMutablePointer<LaneInput>
    var rank: Int32
  }

  struct FeedbackEntry {
    var port: UnsafeMutablePointer<PortBuffer>
    var row: Int32
  }

  /// One stream of blocks into the lane: a source's reader, a feed or another lane's edge.
  struct Ingress {
    var ring: Unmanaged<BlockRing>
    /// The block that is being run stands in one of these; `Block.port` is the index.
    var ports: UnsafeMutablePointer<IngressPort>
    var portCount: Int
    var block: UnsafeMutablePointer<BlockRing.Block>?
    var offset: Int
    var hasEnded: Bool
    var status: gantry_status
    /// Of the source that speaks through this ingress, for the reason of its failure.
    var context: UnsafeMutablePointer<NodeContext>?
    /// For an edge from another lane.
    var queue: Unmanaged<EdgeQueue>?
    /// The lane that it comes from; -1 for a source of this lane.
    var fromLane: Int32 = -1
    /// A feedback edge from a lane behind this one, whose end is not waited for.
    var isReply = false
  }

  /// One port that an ingress feeds.
  struct IngressPort {
    var buffer: UnsafeMutablePointer<PortBuffer>
    var statistics: UnsafeMutablePointer<NodeStatistics>
    /// What the journal calls this port: the output's number, and above 16 bits the edge's number
    /// for one that comes from another lane.
    var key: UInt32
    /// The journal need not keep the events: the source can be read again.
    var isReplayable: Bool
  }

  /// The lane follows a journal of a live run: it fires timers where the journal says and nowhere
  /// else. With the replay clock they fire by the events' times, as they did then.
  private(set) var isScripted: Bool
  /// The journal has ended, and the lane goes on by itself. While it is parked.
  func goOn() { isScripted = false }
  /// When the last chain of the last block ran.
  var lastChainNs = Int64.min
  /// When the last chain of the block that is to run next came in.
  var blockEndNs = Int64.min

  /// The last chain that was run.
  var lastKey = ChainKey.first
  /// The selected chains come after the last event.
  var isJoinLast = false
  /// By ordinal, while a joined block runs: how often feedback had come round in the chain.
  var blockRounds: UnsafePointer<UInt32>?
  /// How often feedback has come round in the running chain, and in the one before it at its end.
  var round: UInt32 = 0
  var lastRound: UInt32 = 0

  /// The first event of the running chain.
  var chainHeader: UnsafePointer<gantry_header>

  /// 0, 1, 2 ...: the ordinals of an ingress block.
  let identity: UnsafeMutablePointer<UInt32>
  /// Who looks on; see `TapCommand`.
  let taps: UnsafeMutablePointer<TapLink>
  var tapCount = 0

  init(_ parts: LaneParts, _ plan: LanePlan) {
    name = parts.name
    index = parts.number
    now = parts.now
    tag = parts.tag
    clock = parts.clock
    bell = parts.bell
    recorder = parts.recorder
    trace = parts.trace
    gate = parts.gate
    isScripted = parts.isScripted
    scriptedSwaps = parts.scriptedSwaps
    scriptedChanges = parts.scriptedChanges
    timerHeader = .allocate(capacity: 1)
    timerHeader.initialize(to: gantry_header())
    identity = .allocate(capacity: blockRows)
    for row in 0..<blockRows { identity[row] = UInt32(row) }
    taps = .allocate(capacity: Lane.tapsMax)
    chainHeader = UnsafePointer(timerHeader)
    nodes = plan.nodes
    nodeCount = plan.nodeCount
    blockSlots = plan.blockSlots
    blockSlotCount = plan.blockSlotCount
    singleSlots = plan.singleSlots
    singleSlotCount = plan.singleSlotCount
    quickInputs = plan.quickInputs
    quickInputCount = plan.quickInputCount
    ingresses = plan.ingresses
    ingressCount = plan.ingressCount
    timers = plan.timers
    feedback = plan.feedback
    feedbackMax = plan.feedbackMax
    feedbackCapacity = plan.feedbackMax + 1
    isInCycle = plan.isInCycle
    wiring = plan.wiring
    join = plan.join
    recorder.take(plan)
    recorder.lane = .passUnretained(self)
    lookAtQuickNodes()
    countUnsettled()
  }

  /// Runs another plan from the next block on. While the lane's thread does not run, or is parked.
  func take(_ plan: LanePlan) {
    nodes = plan.nodes
    nodeCount = plan.nodeCount
    blockSlots = plan.blockSlots
    blockSlotCount = plan.blockSlotCount
    singleSlots = plan.singleSlots
    singleSlotCount = plan.singleSlotCount
    quickInputs = plan.quickInputs
    quickInputCount = plan.quickInputCount
    ingresses = plan.ingresses
    ingressCount = plan.ingressCount
    timers = plan.timers
    feedback = plan.feedback
    feedbackMax = plan.feedbackMax
    feedbackCapacity = plan.feedbackMax + 1
    isInCycle = plan.isInCycle
    wiring = plan.wiring
    join = plan.join
    recorder.take(plan)
    lookAtQuickNodes()
    markTaps()
    countUnsettled()
  }

  /// What has changed may have changed what a node's events cause.
  private func lookAtQuickNodes() {
    hasDistinctQuickNodes = quickInputCount > 0
    for index in 1..<max(1, quickInputCount) where (0..<index).contains(where: { quickInputs[$0].node == quickInputs[index].node }) {
      hasDistinctQuickNodes = false
    }
    for slot in 0..<nodeCount { nodes[slot].outputs.pointee.idle = 0 }
  }

  func deallocate() {
    timerHeader.deallocate()
    identity.deallocate()
    taps.deallocate()
  }

  /// The body of the lane's thread: runs until all ingress has ended, a stop is asked for or the
  /// run fails.
  func run() {
    clinux_set_thread_tag(tag)
    name.withCString {
      clinux_crash_on_lane(now, $0)
      runToEnd()
    }
  }

  private func runToEnd() {
    while !isFailed {
      let seen = bell.current
      if command.load(ordering: .relaxed) != 0 { performCommand() }
      if abandonRequested.load(ordering: .relaxed) { break }
      if marker.load(ordering: .relaxed) != 0 {
        approachMarker(since: seen)
        continue
      }
      if unsettled > 0 { settleBrokers() }
      if stopRequested.load(ordering: .relaxed), endSources() { break }
      if !runNext() {
        if allEnded { break }
        idle(since: seen)
      }
    }
    isEnding.store(true, ordering: .sequentiallyConsistent)
    finish()
    cpuNs.store(clinux_thread_cpu_ns(), ordering: .relaxed)
    hasEnded.store(true, ordering: .releasing)
  }

  /// Runs `count` events of the ingress's current block to completion.
  func runBlock(_ ingress: UnsafeMutablePointer<Ingress>, _ count: Int) {
    let block = ingress.pointee.block.unsafelyUnwrapped
    let entry = ingress.pointee.ports + block.pointee.port
    let port = entry.pointee.buffer
    port.pointee.rows = block.pointee.rows + ingress.pointee.offset &* port.pointee.stride
    port.pointee.ordinals = identity
    port.pointee.published = count
    port.pointee.arena = block.pointee.arena
    port.pointee.output.pointee.arena_count = UInt64(block.pointee.arenaCount)
    let header = UnsafeRawPointer(port.pointee.rows).assumingMemoryBound(to: gantry_header.self)
    now.publish(header.pointee.receive_ns)
    if clock == .live, !isScripted, timers.pointee.nextDueNs <= now.pointee {
      fireTimers(upTo: now.pointee)
      if isFailed { return }
      now.publish(header.pointee.receive_ns)
    }
    recorder.block(
      entry, block: block, offset: ingress.pointee.offset, count: count)
    blockEndNs =
      UnsafeRawPointer(port.pointee.rows + (count &- 1) &* port.pointee.stride)
      .assumingMemoryBound(to: gantry_header.self).pointee.receive_ns
    recorder.advance(to: nextKey(header), clock)
    if !port.pointee.uses.isEmpty { publishIngress(port, count) }
    entry.pointee.statistics.pointee.events &+= UInt64(count)
    entry.pointee.statistics.pointee.outputs &+= UInt64(count)
    eventCount &+= UInt64(count)

    trace.beginBlock(header, count, node: port.pointee.node)
    for place in 0..<blockSlotCount { runBlockNode(nodes + Int(blockSlots[place])) }
    if singleSlotCount > 0 { runChains(port, min(count, Int(haltOrdinal))) }
    if let haltFailure { end(haltFailure) }
    trace.endBlock(count)
    blockCount &+= 1
    // What comes after the block, a timer or the last outputs, comes after its last event.
    let last = UnsafeRawPointer(port.pointee.rows + (count &- 1) &* port.pointee.stride)
      .assumingMemoryBound(to: gantry_header.self)
    lastChainNs = last.pointee.receive_ns
    now.publish(lastChainNs)
    lastKey = ChainKey(last, sources: Origins.sourcesMax)
    finished(last)
    now.publish(0, at: 2)
    recorder.drainQueues()
    if followerCount > 0 { nudgeFollowers() }

    port.pointee.published = 0
    resetBlock()
    ingress.pointee.offset += count
    if ingress.pointee.offset == block.pointee.count {
      ingress.pointee.block = nil
      endIfLast(ingress, block)
      ingress.pointee.ring._withUnsafeGuaranteedRef { $0.release() }
    }
  }

  /// Calls the node with one event.
  @inline(__always)
  func deliverOne(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>) {
    let source = input.pointee.source
    let row = UnsafePointer(source.pointee.rows + input.pointee.cursor &* source.pointee.stride)
    input.pointee.cursor &+= 1
    if node.pointee.watch.isEmpty {
      callHealthy(node, input, row)
    } else if node.pointee.watch.isDisjoint(with: [.followed, .canary]) {
      callOne(node, input, row)
    } else {
      deliverFollowed(node, input, row)
    }
  }

  /// The counted instance gets one event, unless its breaker is open.
  @inline(never)
  func callOne(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ row: UnsafePointer<UInt8>) {
    let isTroubled = node.pointee.watch.contains(.troubled)
    if isTroubled, !admitsOne(node, row, ordinal: ordinal) { return }
    if callHealthy(node, input, row), isTroubled { succeeded(node) }
  }

  /// The counted instance gets one event. False when it failed.
  @inline(__always) @discardableResult
  private func callHealthy(
    _ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ row: UnsafePointer<UInt8>
  ) -> Bool {
    let batch = input.pointee.batch
    batch.pointee.base = row
    if input.pointee.hasArena { lendArena(batch, input.pointee.source) }
    let outputs = node.pointee.outputs
    outputs.pointee.consumed = 1
    input.pointee.delivered &+= 1
    now.publish(Int64(Int(bitPattern: node)), at: 2)
    let status = node.pointee.onBatch.unsafelyUnwrapped(node.pointee.instance, batch, outputs)
    if status != GANTRY_OK || outputs.pointee.consumed != 1 {
      endedBadly(node, row, status)
      return false
    }
    if outputs.pointee.committed != 0 { publishOne(node, row) }
    return true
  }

  func lendArena(_ batch: UnsafeMutablePointer<gantry_batch>, _ source: UnsafeMutablePointer<PortBuffer>) {
    batch.pointee.arena.data = UnsafePointer(source.pointee.arena)
    batch.pointee.arena.length = source.pointee.output.pointee.arena_count
  }

  func resetBlock() {
    if dirty != 0 { forgetRows() }
    for slot in 0..<nodeCount {
      let node = nodes + slot
      for index in 0..<node.pointee.inputCount {
        let input = node.pointee.inputs + index
        input.pointee.cursor = 0
        node.pointee.statistics.pointee.calls &+= input.pointee.delivered
        node.pointee.statistics.pointee.events &+= input.pointee.delivered
        input.pointee.delivered = 0
      }
      if !node.pointee.isSingle { resetPorts(node) }
    }
  }

  @inline(__always)
  private func resetPorts(_ node: UnsafeMutablePointer<LaneNode>) {
    for index in 0..<node.pointee.portCount {
      let port = node.pointee.ports + index
      guard port.pointee.published > 0 || port.pointee.output.pointee.arena_count > 0 else { continue }
      resetPort(port)
      if !isGuarded(port) { wroteBehind(port) }
    }
  }
}

/// Whether nobody has written behind the port's rows.
@inline(__always)
func isGuarded(_ port: UnsafeMutablePointer<PortBuffer>) -> Bool {
  let end = UnsafeRawPointer(port.pointee.rows) + port.pointee.capacity &* port.pointee.stride
  return end.loadUnaligned(as: UInt64.self) == guardPattern
}

/// Makes a port's whole buffer writable again.
@inline(__always)
func resetPort(_ port: UnsafeMutablePointer<PortBuffer>) {
  port.pointee.published = 0
  let output = port.pointee.output
  output.pointee.base = port.pointee.rows
  output.pointee.cause = port.pointee.causes
  output.pointee.capacity = UInt32(truncatingIfNeeded: port.pointee.capacity)
  output.pointee.count = 0
  output.pointee.arena_count = 0
}
