import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// An edge between two lanes: a bounded queue with a stated policy. One producing lane, one
/// consuming lane; no locks.
///
/// `block` keeps all that one block of the producer emits, and lets the producer wait for room between
/// two blocks: within one it would wait for a consumer that waits for the block's other edges.
/// `drop_oldest` takes the oldest events out and counts them. `conflate`
/// takes the newest waiting event of the same instrument out for a new one, and counts that. Events with
/// texts carry at most `arenaPerEvent` bytes of arena each; longer texts are cut there and counted.
///
/// The consumer's end is a `BlockRing`. The producer writes straight into its free blocks and keeps
/// what finds no room in a backlog of its own, of the queue's size, where the policy acts.
final class EdgeQueue: @unchecked Sendable {  // backlog and table belong to the producing lane
  static let arenaPerEvent = 512

  let ring: BlockRing
  let policy: QueuePolicy
  /// Of a durable edge: what its producer appends to, and the broker. Rows go on once all that was appended
  /// before they were is synced, or cannot be any more, which the broker's end is told.
  private let durable: (journal: JournalLane, broker: DurableBroker)?
  private let stride: Int
  private let type: EventType
  /// The producer's backlog: a circular buffer of events that found no room in the ring.
  private var backlog: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private let slotBytes: Int
  /// How much text an event may carry.
  private let textBytes: Int
  private var backlogHead = 0
  private var backlogCount = 0
  private let droppedCount = Atomic<UInt64>(0)
  private let cutCount = Atomic<UInt64>(0)
  private let depthNow = Atomic<Int>(0)
  /// The producer says that nothing before this is to come; what waits in the backlog is older.
  private var target = ChainKey.first
  /// The backlog holds what nodes emitted after their last event.
  private var isLast = false
  /// By origin: the producer has finished the chains up to this number, for the consumer once all of
  /// them have gone out.
  private var reached: UnsafeMutablePointer<UInt64>
  private let progress: UnsafeMutablePointer<Atomic<UInt64>>
  private let origins: OriginTable
  private var isBehind = false
  /// `watermark`, guarded by a sequence lock: odd while it is written.
  private let watermarkTurn = Atomic<UInt32>(0)
  private let watermarkNs = Atomic<Int64>(.min)
  private let watermarkPlace = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - origins: those that the layout knows
  ///   - carries: by place in `origins`, whether its chains can come over this edge at all
  init(
    policy: QueuePolicy, stride: Int, type: EventType, bell: Bell, origins: OriginTable = OriginTable(sources: 0, lanes: 0),
    carries: [Bool] = [false], durable: (journal: JournalLane, broker: DurableBroker)? = nil
  ) {
    self.durable = durable
    self.policy = policy
    self.stride = stride
    self.type = type
    textBytes = PortSchema.hasArena(type) ? EdgeQueue.arenaPerEvent : 0
    slotBytes = stride + 8 + textBytes
    capacity = max(policy.size, 1)
    ring = BlockRing(rows: blockRows, stride: stride, arena: blockRows * textBytes, bell: bell)
    backlog = .allocate(capacity: capacity * slotBytes)
    self.origins = origins
    reached = .allocate(capacity: origins.count)
    progress = .allocate(capacity: origins.count)
    for (place, isCarried) in carries.enumerated() {
      (reached + place).initialize(to: isCarried ? 0 : .max)
      (progress + place).initialize(to: Atomic<UInt64>(isCarried ? 0 : .max))
    }
  }

  deinit {
    backlog.deallocate()
    reached.deallocate()
    progress.deallocate()
  }

  var dropped: UInt64 { droppedCount.load(ordering: .relaxed) }
  /// Events that wait for room.
  var depth: Int { depthNow.load(ordering: .relaxed) }
  var cutTexts: UInt64 { cutCount.load(ordering: .relaxed) }

  /// No event that is still to come is before this. The consumer reads it before it looks at the
  /// ring: what was published before it is then seen.
  var watermark: ChainKey {
    while true {
      let turn = watermarkTurn.load(ordering: .acquiring)
      let key = ChainKey(ns: watermarkNs.load(ordering: .acquiring), place: watermarkPlace.load(ordering: .acquiring))
      if turn & 1 == 0, watermarkTurn.load(ordering: .relaxed) == turn { return key }
      clinux_pause()
    }
  }

  /// The producer begins with `key`: all before it has been pushed.
  func advance(to key: ChainKey) {
    guard !isLast else { return }
    target = key
    publishWatermark()
    ring.ringBell()
  }

  /// The number up to which the producer has finished the chains of `origin`; all ones for one whose
  /// chains never come over this edge. Read it before looking at the ring, like `watermark`.
  @inline(__always)
  func finished(_ origin: UInt16) -> UInt64 {
    finished(place: origins.place(origin))
  }

  /// By place in the layout's origins. Those that the layout does not know stand at 0, never waited for.
  @inline(__always)
  func finished(place: Int) -> UInt64 {
    progress[place].load(ordering: .acquiring)
  }

  /// The producer has finished the chains of each origin up to these numbers.
  func reach(_ chains: UnsafePointer<UInt64>) {
    for place in 0..<origins.count where chains[place] > reached[place] {
      reached[place] = chains[place]
      isBehind = true
    }
    publishProgress()
  }

  private func publishProgress() {
    guard isBehind, backlogCount == 0 else { return }
    isBehind = false
    for place in 0..<origins.count where progress[place].load(ordering: .relaxed) < reached[place] {
      progress[place].store(reached[place], ordering: .releasing)
    }
    ring.bell.ring()
  }

  private func publishWatermark() {
    let key = backlogCount > 0 && !isLast ? min(target, oldest) : target
    let turn = watermarkTurn.load(ordering: .relaxed)
    watermarkTurn.store(turn &+ 1, ordering: .relaxed)
    watermarkNs.store(key.ns, ordering: .releasing)
    watermarkPlace.store(key.place, ordering: .releasing)
    watermarkTurn.store(turn &+ 2, ordering: .releasing)
  }

  private var oldest: ChainKey {
    ChainKey(UnsafeRawPointer(backlog + backlogHead * slotBytes).assumingMemoryBound(to: gantry_header.self), sources: Origins.sourcesMax)
  }

  /// Whether a block has to wait for the journal. The consumer.
  @inline(__always)
  func isHeld(_ block: UnsafeMutablePointer<BlockRing.Block>) -> Bool {
    guard let durable, block.pointee.syncedAt > durable.journal.synced else { return false }
    if !durable.journal.isRefusing { return true }
    durable.broker.isUnsynced.store(true, ordering: .releasing)
    return false
  }

  /// Whether the producer is to wait for room before its next block: more waits here than the queue's
  /// size. With the replay clock only for what the consumer can take, knowing that nothing older comes
  /// over another edge.
  func mustWait(_ clock: Graph.ClockKind) -> Bool {
    guard policy.whenFull == .block, backlogCount > policy.size, !ring.closed else { return false }
    return clock == .live || oldest < target
  }

  /// Whether events still wait here for a consumer that takes them.
  var isWaiting: Bool { backlogCount > 0 && !ring.closed }

  /// Nothing waits here and nothing is on its way in the ring. Any thread.
  var isEmpty: Bool { depthNow.load(ordering: .sequentiallyConsistent) == 0 && ring.depth == 0 }

  /// What is pushed from now on comes after all events.
  func beginLast() {
    target = .beginLast
    publishWatermark()
    isLast = true
    ring.bell.ring()
  }

  /// - Parameter round: of each row, how often feedback had come round in its chain
  func push(
    _ rows: UnsafeRawPointer, count: Int, stride: Int, arena: UnsafePointer<UInt8>?, arenaCount: Int,
    round: (Int) -> UInt32 = { _ in 0 }
  ) {
    for index in 0..<count {
      let row = rows + index * stride
      guard let text = ArenaText(row, type), let arena, text.offset <= UInt64(arenaCount) else {
        enqueue(row, text: nil, length: 0, round: round(index))
        continue
      }
      // A plugin may have written any offset and length.
      let length = min(text.length, textBytes, arenaCount - Int(text.offset))
      if text.length > length { cutCount.wrappingAdd(1, ordering: .relaxed) }
      enqueue(row, text: UnsafeRawPointer(arena) + Int(text.offset), length: length, round: round(index))
    }
    drain()
  }

  private func enqueue(_ row: UnsafeRawPointer, text: UnsafeRawPointer?, length: Int, round: UInt32) {
    while backlogCount == capacity {
      drain()
      if backlogCount < capacity { break }
      switch policy.whenFull {
      case .block:
        if ring.closed {
          droppedCount.wrappingAdd(1, ordering: .relaxed)
          return
        }
        grow()
      case .dropOldest:
        dropOldest()
      case .conflate:
        if !takeOutSameInstrument(row) { dropOldest() }
      }
    }
    write(row, text: text, length: length, round: round, at: (backlogHead + backlogCount) % capacity)
    backlogCount += 1
    depthNow.store(backlogCount, ordering: .relaxed)
  }

  /// Twice the room. Exceptional: a block has emitted more than the queue's size, and the room stays.
  private func grow() {
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2 * slotBytes)
    for index in 0..<backlogCount {
      UnsafeMutableRawPointer(larger + index * slotBytes).copyMemory(
        from: backlog + (backlogHead + index) % capacity * slotBytes, byteCount: slotBytes)
    }
    backlog.deallocate()
    backlog = larger
    backlogHead = 0
    capacity *= 2
  }

  private func dropOldest() {
    backlogHead = (backlogHead + 1) % capacity
    backlogCount -= 1
    droppedCount.wrappingAdd(1, ordering: .relaxed)
  }

  /// Conflation: the newest waiting event of the same instrument gives way to this one, which goes to
  /// the end: what waits stays in the order of time.
  private func takeOutSameInstrument(_ row: UnsafeRawPointer) -> Bool {
    let instrument = row.assumingMemoryBound(to: gantry_header.self).pointee.instrument
    var position = backlogCount - 1
    while position >= 0 {
      if waiting(position).assumingMemoryBound(to: gantry_header.self).pointee.instrument == instrument { break }
      position -= 1
    }
    guard position >= 0 else { return false }
    for place in position..<(backlogCount - 1) {
      waiting(place).copyMemory(from: waiting(place + 1), byteCount: slotBytes)
    }
    backlogCount -= 1
    droppedCount.wrappingAdd(1, ordering: .relaxed)
    return true
  }

  /// The slot of the event that has `position` others before it.
  private func waiting(_ position: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(backlog + (backlogHead + position) % capacity * slotBytes)
  }

  /// A slot is the event, the length of its text, its round and the text.
  private func write(_ row: UnsafeRawPointer, text: UnsafeRawPointer?, length: Int, round: UInt32, at slot: Int) {
    let target = UnsafeMutableRawPointer(backlog + slot * slotBytes)
    target.copyMemory(from: row, byteCount: stride)
    target.storeBytes(of: UInt32(length), toByteOffset: stride, as: UInt32.self)
    target.storeBytes(of: round, toByteOffset: stride + 4, as: UInt32.self)
    if length > 0, let text { (target + stride + 8).copyMemory(from: text, byteCount: length) }
  }

  /// Moves waiting events into free blocks of the ring.
  func drain() {
    while backlogCount > 0 {
      guard let block = ring.tryAcquire() else { return }
      let count = min(backlogCount, ring.rowCapacity)
      block.pointee.count = count
      block.pointee.port = 0
      block.pointee.status = GANTRY_OK
      block.pointee.isLast = isLast
      block.pointee.arenaCount = 0
      block.pointee.syncedAt = durable?.journal.appended ?? 0
      for index in 0..<count {
        let slot = UnsafeRawPointer(backlog + ((backlogHead + index) % capacity) * slotBytes)
        let row = UnsafeMutableRawPointer(block.pointee.rows + index * stride)
        row.copyMemory(from: slot, byteCount: stride)
        block.pointee.causes[index] = slot.load(fromByteOffset: stride + 4, as: UInt32.self)
        if let text = ArenaText(row, type) {
          let length = Int(slot.load(fromByteOffset: stride, as: UInt32.self))
          (UnsafeMutableRawPointer(block.pointee.arena) + block.pointee.arenaCount).copyMemory(from: slot + stride + 8, byteCount: length)
          row.storeBytes(of: UInt64(block.pointee.arenaCount), toByteOffset: text.field, as: UInt64.self)
          block.pointee.arenaCount += length
          if length < text.length { ArenaText.shorten(row, type, to: length) }
        }
      }
      backlogHead = (backlogHead + count) % capacity
      backlogCount -= count
      depthNow.store(backlogCount, ordering: .relaxed)
      ring.publish()
      publishWatermark()
    }
    publishProgress()
  }

  /// The producing lane has ended: once all that waits has gone out, the end goes out. False as long
  /// as there is no room for it.
  func tryFinish() -> Bool {
    drain()
    if ring.closed { return true }
    guard backlogCount == 0, let block = ring.tryAcquire() else { return false }
    block.pointee.count = 0
    block.pointee.port = 0
    block.pointee.arenaCount = 0
    block.pointee.status = GANTRY_END
    block.pointee.syncedAt = 0
    ring.publish()
    return true
  }
}
