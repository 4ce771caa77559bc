import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryTrace
import Synchronization

/// An instance that is called as its node's counted one is, and whose outputs go nowhere: a
/// candidate before a flip, the old instance after it. It has outputs, a clock, timers, ids and random
/// numbers of its own, cloned from the counted one's when it begins.
///
/// Belongs to whoever holds the follower's turn: the follower's thread, or the lane.
final class MutedInstance: @unchecked Sendable {  // guarded by Follower.turn; the atomics are for all
  /// The one that is muted now, and the one that is counted.
  private(set) var instance: Instance
  private(set) var counted: Instance
  /// The two have changed their roles since this began.
  private(set) var hasExchanged = false
  private let outputs: UnsafeMutablePointer<gantry_outputs>
  private let memory: UnsafeMutablePointer<MutedPort>
  let portCount: Int
  private let batches: UnsafeMutablePointer<gantry_batch>
  let now: UnsafeMutablePointer<Int64>
  let timers: UnsafeMutablePointer<TimerHeap>
  private let spareTimers: UnsafeMutablePointer<TimerHeap>
  /// A node's breaker goes with the instance that it judged.
  var breaker = Breaker()
  let tag: UInt64
  private let clock: TickClock
  private let latency = LatencyHistogram()
  private let errorCount = Atomic<UInt64>(0)
  private let callCount = Atomic<UInt64>(0)
  private let isBroken = Atomic<Bool>(false)
  private let fault = Mutex<String?>(nil)

  /// The memory of one output port.
  struct MutedPort {
    var rows: UnsafeMutablePointer<UInt8>
    var causes: UnsafeMutablePointer<UInt32>
    var capacity: Int
    /// Of the rows that the muted instance writes.
    var stride: Int
    /// Of those that the counted one writes; there is memory for the wider of the two.
    var countedStride: Int
    var widest: Int { max(stride, countedStride) }
    var arena: UnsafeMutablePointer<UInt8>?
    var arenaCapacity: Int
    /// Rows that the running call has written before its last part.
    var count: Int
  }

  /// - Parameter node: the lane's node that it is fed like; read here, at no boundary.
  init(instance: Instance, beside counted: Instance, like node: UnsafeMutablePointer<LaneNode>, tag: UInt64, clock: TickClock) {
    self.instance = instance
    self.counted = counted
    self.tag = tag
    self.clock = clock
    portCount = node.pointee.portCount
    outputs = .allocate(capacity: 1)
    outputs.initialize(to: gantry_outputs())
    memory = .allocate(capacity: max(portCount, 1))
    let ports = UnsafeMutablePointer<gantry_output>.allocate(capacity: max(portCount, 1))
    for index in 0..<portCount {
      let port = node.pointee.ports + index
      let stride = instance.schemas[index].stride
      let countedStride = counted.schemas[index].stride
      let hasArena = port.pointee.output.pointee.arena_capacity > 0
      (memory + index).initialize(
        to: MutedPort(
          rows: allocateRows(capacity: blockRows, stride: max(stride, countedStride)), causes: .allocate(capacity: blockRows), capacity: blockRows,
          stride: stride, countedStride: countedStride, arena: hasArena ? .allocate(capacity: 64 << 10) : nil, arenaCapacity: hasArena ? 64 << 10 : 0, count: 0))
      (ports + index).initialize(to: gantry_output())
      (ports + index).pointee.size = UInt32(MemoryLayout<gantry_output>.size)
      (ports + index).pointee.type = port.pointee.output.pointee.type
      (ports + index).pointee.stride = UInt32(stride)
      (ports + index).pointee.connected = port.pointee.output.pointee.connected
    }
    outputs.pointee.size = UInt32(MemoryLayout<gantry_outputs>.size)
    outputs.pointee.port_count = UInt32(portCount)
    outputs.pointee.ports = ports
    outputs.pointee.context = UnsafeMutableRawPointer(memory)
    outputs.pointee.grow = MutedInstance.grow
    batches = .allocate(capacity: max(node.pointee.inputCount, 1))
    for index in 0..<node.pointee.inputCount { (batches + index).initialize(to: node.pointee.inputs[index].batch.pointee) }
    now = .allocate(capacity: 2)
    now.initialize(repeating: 0, count: 2)
    timers = .allocate(capacity: 1)
    timers.initialize(to: TimerHeap(nodes: 1))
    spareTimers = .allocate(capacity: 1)
    spareTimers.initialize(to: TimerHeap(nodes: 1))
    let context = instance.context
    context.pointee.now = now
    context.pointee.timers = timers
    context.pointee.slot = 0
    context.pointee.laneTag = tag
    takeWidths()
    reset()
  }

  /// Takes what a node in another layout is given, which has as many edges and ports.
  func fit(_ node: UnsafeMutablePointer<LaneNode>) {
    for index in 0..<node.pointee.inputCount { batches[index] = node.pointee.inputs[index].batch.pointee }
    for index in 0..<portCount { outputs.pointee.ports[index].connected = node.pointee.ports[index].output.pointee.connected }
  }

  /// The ports are as wide as the muted instance's rows, with the guard behind them.
  private func takeWidths() {
    for index in 0..<portCount {
      let stride = memory[index].stride
      outputs.pointee.ports[index].stride = UInt32(truncatingIfNeeded: stride)
      (UnsafeMutableRawPointer(memory[index].rows) + memory[index].capacity &* stride).storeBytes(of: guardPattern, as: UInt64.self)
    }
  }

  deinit {
    for index in 0..<portCount {
      memory[index].rows.deallocate()
      memory[index].causes.deallocate()
      memory[index].arena?.deallocate()
    }
    outputs.pointee.ports.deallocate()
    outputs.deallocate()
    memory.deallocate()
    batches.deallocate()
    now.deallocate()
    timers.pointee.deallocate()
    timers.deallocate()
    spareTimers.pointee.deallocate()
    spareTimers.deallocate()
    latency.deallocate()
  }

  // MARK: what others may see

  var errors: UInt64 { errorCount.load(ordering: .relaxed) }
  var calls: UInt64 { callCount.load(ordering: .relaxed) }
  var latencies: LatencySnapshot { latency.snapshot }
  /// Why it is not to be called any more.
  var faultText: String? { isBroken.load(ordering: .acquiring) ? fault.withLock { $0 } : nil }

  var isWhole: Bool { !isBroken.load(ordering: .relaxed) }

  func fails(_ why: String) {
    fault.withLock { $0 = $0 ?? why }
    isBroken.store(true, ordering: .releasing)
  }

  // MARK: calls

  /// Offers `count` rows of one edge, again after each failure. The rows are valid for this call only.
  func call(
    input: Int, rows: UnsafePointer<UInt8>, count: Int, stride: Int, schema: UnsafePointer<gantry_schema>?,
    arena: UnsafePointer<UInt8>?, arenaCount: Int, nowNs: Int64, chain: Int64
  ) {
    guard !isBroken.load(ordering: .relaxed) else { return }
    now[0] = nowNs
    now[1] = chain
    fireDue(upTo: nowNs)
    begin()
    let batch = batches + input
    batch.pointee.stride = UInt32(truncatingIfNeeded: stride)
    batch.pointee.schema = schema
    batch.pointee.arena.data = arena
    batch.pointee.arena.length = UInt64(arenaCount)
    var start = 0
    while start < count {
      let length = count - start
      batch.pointee.count = UInt32(truncatingIfNeeded: length)
      batch.pointee.base = rows + start * stride
      outputs.pointee.consumed = UInt32(truncatingIfNeeded: length)
      outputs.pointee.committed = 0
      let began = clinux_ticks()
      let status = instance.code.raw.pointee.on_batch(instance.raw, batch, outputs)
      let ticks = clinux_ticks() &- began
      latency.record(UInt64(Double(ticks) * clock.nsPerTick) / UInt64(length), count: UInt64(length))
      callCount.store(callCount.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
      var consumed = Int(outputs.pointee.consumed)
      guard consumed <= length else { return fails("handled \(consumed) of \(length) events") }
      let hasFailed = status != GANTRY_OK && status != GANTRY_AGAIN
      if consumed == 0, !hasFailed { return fails("returned \(statusName(status)) without handling a single event") }
      if hasFailed, consumed == length { consumed = length - 1 }
      guard keep(causesBelow: UInt32(consumed)) else { return }
      start += consumed
      if hasFailed {
        errorCount.store(errorCount.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        start += 1
      }
    }
  }

  /// Fires its own timers, each at the time it was set for.
  func fireDue(upTo nowNs: Int64) {
    while timers.pointee.nextDueNs <= nowNs, let entry = timers.pointee.popDue(nowNs) {
      guard let call = instance.code.raw.pointee.on_timer, !isBroken.load(ordering: .relaxed) else { continue }
      let kept = now[0]
      now[0] = entry.dueNs
      begin()
      var timer = gantry_timer(size: UInt32(MemoryLayout<gantry_timer>.size), reserved: 0, tag: entry.tag, due_ns: entry.dueNs)
      outputs.pointee.consumed = 1
      outputs.pointee.committed = 0
      if call(instance.raw, &timer, outputs) != GANTRY_OK { errorCount.store(errorCount.load(ordering: .relaxed) &+ 1, ordering: .relaxed) }
      now[0] = kept
    }
  }

  /// The rows that the last call wrote to a port.
  func rows(port: Int) -> (base: UnsafePointer<UInt8>, count: Int, stride: Int) {
    (UnsafePointer(memory[port].rows), memory[port].count, memory[port].stride)
  }

  private func begin() {
    reset()
    instance.context.pointee.failLength = 0
  }

  private func reset() {
    for index in 0..<portCount {
      memory[index].count = 0
      let port = outputs.pointee.ports + index
      port.pointee.base = memory[index].rows
      port.pointee.cause = memory[index].causes
      port.pointee.capacity = UInt32(memory[index].capacity)
      port.pointee.count = 0
      port.pointee.arena = memory[index].arena
      port.pointee.arena_capacity = UInt64(memory[index].arenaCapacity)
      port.pointee.arena_count = 0
    }
  }

  /// Keeps the rows of handled inputs for comparison and forgets those of the one that failed.
  private func keep(causesBelow limit: UInt32) -> Bool {
    for index in 0..<portCount {
      let port = outputs.pointee.ports + index
      let count = Int(port.pointee.count)
      guard count > 0 else { continue }
      guard count <= Int(port.pointee.capacity) else {
        fails("committed \(count) rows where there was room for \(port.pointee.capacity)")
        return false
      }
      var kept = count
      while kept > 0, port.pointee.cause[kept - 1] >= limit { kept -= 1 }
      memory[index].count += kept
      port.pointee.base += kept * memory[index].stride
      port.pointee.cause += kept
      port.pointee.capacity -= UInt32(kept)
      port.pointee.count = 0
      let end = UnsafeRawPointer(memory[index].rows) + memory[index].capacity * memory[index].stride
      guard end.loadUnaligned(as: UInt64.self) == guardPattern else {
        fails("wrote behind the rows it had reserved on port \(index)")
        return false
      }
    }
    return true
  }

  private static let grow: @convention(c) (UnsafeMutablePointer<gantry_outputs>?, UInt32, UInt32, UInt64) -> gantry_status = {
    outputs, index, rows, arena in
    guard let outputs, let context = outputs.pointee.context, index < outputs.pointee.port_count else { return GANTRY_MISUSE }
    let memory = context.assumingMemoryBound(to: MutedPort.self) + Int(index)
    let port = outputs.pointee.ports + Int(index)
    let used = memory.pointee.count + Int(port.pointee.count)
    if rows > 0, used + Int(rows) > memory.pointee.capacity {
      let capacity = max(memory.pointee.capacity * 2, used + Int(rows))
      guard capacity <= 65_536 else { return GANTRY_FULL }
      let larger = allocateRows(capacity: capacity, stride: memory.pointee.widest)
      (UnsafeMutableRawPointer(larger) + capacity * memory.pointee.stride).storeBytes(of: guardPattern, as: UInt64.self)
      UnsafeMutableRawPointer(larger).copyMemory(from: memory.pointee.rows, byteCount: used * memory.pointee.stride)
      let causes = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
      UnsafeMutableRawPointer(causes).copyMemory(from: memory.pointee.causes, byteCount: used * 4)
      memory.pointee.rows.deallocate()
      memory.pointee.causes.deallocate()
      memory.pointee.rows = larger
      memory.pointee.causes = causes
      memory.pointee.capacity = capacity
      port.pointee.base = larger + memory.pointee.count * memory.pointee.stride
      port.pointee.cause = causes + memory.pointee.count
      port.pointee.capacity = UInt32(capacity - memory.pointee.count)
    }
    let needed = Int(port.pointee.arena_count) + Int(min(arena, 1 << 30))
    if needed > memory.pointee.arenaCapacity {
      let capacity = max(memory.pointee.arenaCapacity * 2, needed, 4096)
      guard capacity <= 16 << 20 else { return GANTRY_FULL }
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
      if let old = memory.pointee.arena {
        UnsafeMutableRawPointer(larger).copyMemory(from: old, byteCount: Int(port.pointee.arena_count))
        old.deallocate()
      }
      memory.pointee.arena = larger
      memory.pointee.arenaCapacity = capacity
      port.pointee.arena = larger
      port.pointee.arena_capacity = UInt64(capacity)
    }
    return GANTRY_OK
  }

  /// Begins where another muted instance stands.
  func clone(from other: MutedInstance) {
    let old = other.instance.context
    let new = instance.context
    new.pointee.nextID = old.pointee.nextID
    new.pointee.random = old.pointee.random
    new.pointee.counters |= old.pointee.counters
    for index in 0..<metricsPerNode { new.pointee.metrics[index] = old.pointee.metrics[index] }
    timers.pointee.removeAll()
    other.timers.pointee.copy(slot: 0, to: timers, slot: 0)
  }

  // MARK: on the lane

  /// For a replay: which instance counts when this one begins.
  func stand(beside instance: Instance) {
    counted = instance
    for index in 0..<portCount {
      memory[index].countedStride = instance.schemas[index].stride
      memory[index].rows.deallocate()
      memory[index].rows = allocateRows(capacity: memory[index].capacity, stride: memory[index].widest)
    }
    takeWidths()
    reset()
  }

  /// Begins where the counted instance stands: its ids, random position, metrics and timers are cloned.
  func clone(from node: UnsafeMutablePointer<LaneNode>) {
    let old = node.pointee.context
    let new = instance.context
    new.pointee.nextID = old.pointee.nextID
    new.pointee.random = old.pointee.random
    new.pointee.counters |= old.pointee.counters
    for index in 0..<metricsPerNode { new.pointee.metrics[index] = old.pointee.metrics[index] }
    timers.pointee.removeAll()
    old.pointee.timers.pointee.copy(slot: old.pointee.slot, to: timers, slot: 0)
  }

  /// The two instances change places on the lane: for one event of a canary, or for good. Timers, ids
  /// and random numbers stay each one's own.
  func change(places lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) {
    let old = node.pointee.context
    let new = instance.context
    new.pointee.now = lane.now
    old.pointee.now = now
    new.pointee.laneTag = old.pointee.laneTag
    old.pointee.laneTag = tag
    new.pointee.trace = old.pointee.trace
    old.pointee.trace = nil
    let isTraced = old.pointee.isTraced
    old.pointee.isTraced = false
    new.pointee.isTraced = isTraced
    node.pointee.instance = instance.raw
    node.pointee.onBatch = instance.code.raw.pointee.on_batch
    node.pointee.plugin = instance.code.raw
    node.pointee.outputs.pointee.idle = 0
    node.pointee.context = new
    node.pointee.generation = instance.code.generation
    swap(&node.pointee.breaker, &breaker)
    noteTrouble(lane, node)
    swap(&counted, &instance)
  }

  private func noteTrouble(_ lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) {
    let isTroubled = node.pointee.breaker.consecutiveFailures != 0 || node.pointee.breaker.state != .closed
    if isTroubled { node.pointee.watch.insert(.troubled) } else { node.pointee.watch.remove(.troubled) }
    node.pointee.statistics.pointee.breaker = node.pointee.breaker
  }

  /// The two instances change their roles: this one is counted from here on, and the counted one is
  /// held here, muted. Between two events; allocates nothing.
  func exchange(_ lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) {
    let old = node.pointee.context
    let new = instance.context
    now[0] = lane.now[0]
    now[1] = lane.now[1]
    // Ids never repeat: the new instance goes on after whichever gave out more.
    new.pointee.nextID = max(new.pointee.nextID, old.pointee.nextID)
    let slot = old.pointee.slot
    let heap = old.pointee.timers
    spareTimers.pointee.removeAll()
    heap.pointee.copy(slot: slot, to: spareTimers, slot: 0)
    heap.pointee.removeAll(slot: slot)
    timers.pointee.copy(slot: 0, to: heap, slot: slot)
    timers.pointee.removeAll()
    spareTimers.pointee.copy(slot: 0, to: timers, slot: 0)
    new.pointee.timers = heap
    new.pointee.slot = slot
    old.pointee.timers = timers
    old.pointee.slot = 0
    change(places: lane, node)
    lane.gate.riskIsClosed(node: node.pointee.index, node.pointee.breaker.state == .open)
    hasExchanged.toggle()
    for index in 0..<portCount { swap(&memory[index].stride, &memory[index].countedStride) }
    takeWidths()
    errorCount.store(0, ordering: .relaxed)
  }
}
