import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// An edge between two lanes: a bounded queue with a stated policy. One producing lane, one
/// consuming lane; no locks.
///
/// `block` keeps all that one block of the producer emits, and lets the producer wait for room between
/// two blocks: within one it would wait for a consumer that waits for the block's other edges.
/// `drop_oldest` takes the oldest events out and counts them. `conflate`
/// lets a new event replace the newest waiting one of its instrument, and counts that. Events with
/// texts carry at most `arenaPerEvent` bytes of arena each; longer texts are cut there and counted.
///
/// The consumer's end is a `BlockRing`. The producer writes straight into its free blocks and keeps
/// what finds no room in a backlog of its own, of the queue's size, where the policy acts.
final class EdgeQueue: @unchecked Sendable {  // backlog and table belong to the producing lane
  static let arenaPerEvent = 512

  let ring: BlockRing
  let policy: QueuePolicy
  private let stride: Int
  private let type: EventType
  /// The producer's backlog: a circular buffer of events that found no room in the ring.
  private var backlog: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private let slotBytes: Int
  /// How much text an event may carry.
  private let textBytes: Int
  private let sources: UInt16
  private var backlogHead = 0
  private var backlogCount = 0
  private let droppedCount = Atomic<UInt64>(0)
  private let cutCount = Atomic<UInt64>(0)
  private let depthNow = Atomic<Int>(0)
  /// The producer says that nothing before this is to come; what waits in the backlog is older.
  private var target = ChainKey.first
  /// The backlog holds what nodes emitted after their last event.
  private var isLast = false
  /// `watermark`, guarded by a sequence lock: odd while it is written.
  private let watermarkTurn = Atomic<UInt32>(0)
  private let watermarkNs = Atomic<Int64>(.min)
  private let watermarkPlace = Atomic<UInt64>(0)

  init(policy: QueuePolicy, stride: Int, type: EventType, bell: Bell, sources: UInt16 = .max) {
    self.policy = policy
    self.stride = stride
    self.type = type
    self.sources = sources
    textBytes = PortSchema.hasArena(type) ? EdgeQueue.arenaPerEvent : 0
    slotBytes = stride + 8 + textBytes
    capacity = max(policy.size, 1)
    ring = BlockRing(rows: blockRows, stride: stride, arena: blockRows * textBytes, bell: bell)
    backlog = .allocate(capacity: capacity * slotBytes)
  }

  deinit { backlog.deallocate() }

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
    target = key
    publishWatermark()
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
    ChainKey(UnsafeRawPointer(backlog + backlogHead * slotBytes).assumingMemoryBound(to: gantry_header.self), sources: sources)
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

  /// What is pushed from now on comes after all events.
  func beginLast() { isLast = true }

  /// Offset and length of an event's text, for the types that have one.
  private func text(_ row: UnsafeRawPointer) -> (offset: UInt64, length: Int, field: Int)? {
    switch type {
    case .alert:
      let event = row.assumingMemoryBound(to: gantry_alert.self)
      return (event.pointee.offset, Int(event.pointee.length), MemoryLayout<gantry_alert>.offset(of: \.offset)!)
    case .blob:
      let event = row.assumingMemoryBound(to: gantry_blob.self)
      return (event.pointee.offset, Int(min(event.pointee.length, 1 << 30)), MemoryLayout<gantry_blob>.offset(of: \.offset)!)
    case .book:
      let event = row.assumingMemoryBound(to: gantry_book.self)
      let levels = Int(event.pointee.bids) + Int(event.pointee.asks)
      return (event.pointee.offset, levels * MemoryLayout<gantry_level>.stride, MemoryLayout<gantry_book>.offset(of: \.offset)!)
    case .news:
      let event = row.assumingMemoryBound(to: gantry_news.self)
      return (event.pointee.offset, Int(event.pointee.headline) + Int(event.pointee.body), MemoryLayout<gantry_news>.offset(of: \.offset)!)
    case .calendar:
      let event = row.assumingMemoryBound(to: gantry_calendar.self)
      return (event.pointee.offset, Int(event.pointee.length), MemoryLayout<gantry_calendar>.offset(of: \.offset)!)
    default: return nil
    }
  }

  func push(_ rows: UnsafeRawPointer, count: Int, stride: Int, arena: UnsafePointer<UInt8>?, arenaCount: Int) {
    for index in 0..<count {
      let row = rows + index * stride
      guard let text = text(row), let arena, text.offset <= UInt64(arenaCount) else {
        enqueue(row, text: nil, length: 0)
        continue
      }
      // A plugin may have written any offset and length.
      let length = min(text.length, textBytes, arenaCount - Int(text.offset))
      if text.length > length { cutCount.wrappingAdd(1, ordering: .relaxed) }
      enqueue(row, text: UnsafeRawPointer(arena) + Int(text.offset), length: length)
    }
    drain()
  }

  private func enqueue(_ row: UnsafeRawPointer, text: UnsafeRawPointer?, length: Int) {
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
        if replaceSameInstrument(row, text: text, length: length) { return }
        dropOldest()
      }
    }
    write(row, text: text, length: length, at: (backlogHead + backlogCount) % capacity)
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

  /// Conflation: the newest waiting event of the same instrument gives way to this one.
  private func replaceSameInstrument(_ row: UnsafeRawPointer, text: UnsafeRawPointer?, length: Int) -> Bool {
    let instrument = row.assumingMemoryBound(to: gantry_header.self).pointee.instrument
    var position = backlogCount - 1
    while position >= 0 {
      let slot = (backlogHead + position) % capacity
      let waiting = UnsafeRawPointer(backlog + slot * slotBytes).assumingMemoryBound(to: gantry_header.self)
      if waiting.pointee.instrument == instrument {
        write(row, text: text, length: length, at: slot)
        droppedCount.wrappingAdd(1, ordering: .relaxed)
        return true
      }
      position -= 1
    }
    return false
  }

  private func write(_ row: UnsafeRawPointer, text: UnsafeRawPointer?, length: Int, at slot: Int) {
    let target = UnsafeMutableRawPointer(backlog + slot * slotBytes)
    target.copyMemory(from: row, byteCount: stride)
    target.storeBytes(of: UInt64(length), toByteOffset: stride, as: UInt64.self)
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
      for index in 0..<count {
        let slot = UnsafeRawPointer(backlog + ((backlogHead + index) % capacity) * slotBytes)
        let row = UnsafeMutableRawPointer(block.pointee.rows + index * stride)
        row.copyMemory(from: slot, byteCount: stride)
        if let text = text(UnsafeRawPointer(row)) {
          let length = Int(slot.load(fromByteOffset: stride, as: UInt64.self))
          (UnsafeMutableRawPointer(block.pointee.arena) + block.pointee.arenaCount).copyMemory(from: slot + stride + 8, byteCount: length)
          row.storeBytes(of: UInt64(block.pointee.arenaCount), toByteOffset: text.field, as: UInt64.self)
          block.pointee.arenaCount += length
          if length < text.length { shorten(row, to: length) }
        }
      }
      backlogHead = (backlogHead + count) % capacity
      backlogCount -= count
      depthNow.store(backlogCount, ordering: .relaxed)
      ring.publish()
      publishWatermark()
    }
  }

  private func shorten(_ row: UnsafeMutableRawPointer, to length: Int) {
    switch type {
    case .alert: row.assumingMemoryBound(to: gantry_alert.self).pointee.length = UInt32(length)
    case .blob: row.assumingMemoryBound(to: gantry_blob.self).pointee.length = UInt64(length)
    case .calendar: row.assumingMemoryBound(to: gantry_calendar.self).pointee.length = UInt32(length)
    case .book:
      let event = row.assumingMemoryBound(to: gantry_book.self)
      let levels = UInt32(length / MemoryLayout<gantry_level>.stride)
      event.pointee.bids = min(event.pointee.bids, levels)
      event.pointee.asks = min(event.pointee.asks, levels - event.pointee.bids)
    case .news:
      let event = row.assumingMemoryBound(to: gantry_news.self)
      event.pointee.headline = min(event.pointee.headline, UInt32(length))
      event.pointee.body = UInt32(length) - event.pointee.headline
    default: break
    }
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
    ring.publish()
    return true
  }
}
