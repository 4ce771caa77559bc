import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// An edge between two lanes: a bounded queue with a stated policy. One producing lane, one
/// consuming lane; no locks.
///
/// `block` waits for room. `drop_oldest` takes the oldest events out and counts them. `conflate`
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
  private let backlog: UnsafeMutablePointer<UInt8>
  private let slotBytes: Int
  private var backlogHead = 0
  private var backlogCount = 0
  private let droppedCount = Atomic<UInt64>(0)
  private let cutCount = Atomic<UInt64>(0)
  private let depthNow = Atomic<Int>(0)
  private let watermarkNs = Atomic<Int64>(.min)

  init(policy: QueuePolicy, stride: Int, type: EventType, bell: Bell) {
    self.policy = policy
    self.stride = stride
    self.type = type
    slotBytes = stride + 8 + EdgeQueue.arenaPerEvent
    ring = BlockRing(rows: blockRows, stride: stride, arena: blockRows * EdgeQueue.arenaPerEvent, bell: bell)
    backlog = .allocate(capacity: max(policy.size, 1) * slotBytes)
  }

  deinit { backlog.deallocate() }

  var dropped: UInt64 { droppedCount.load(ordering: .relaxed) }
  var cutTexts: UInt64 { cutCount.load(ordering: .relaxed) }
  /// No event that is still to come is older than this.
  var watermark: Int64 { watermarkNs.load(ordering: .acquiring) }
  func advance(to ns: Int64) { watermarkNs.store(ns, ordering: .releasing) }
  var isFull: Bool { ring.depth >= BlockRing.blocks }
  var depth: Int { ring.depth + depthNow.load(ordering: .relaxed) }

  /// Offset and length of an event's text, for the types that have one.
  private func text(_ row: UnsafeRawPointer) -> (offset: UInt64, length: Int, field: Int)? {
    switch type {
    case .alert:
      let event = row.assumingMemoryBound(to: gantry_alert.self)
      return (event.pointee.offset, Int(event.pointee.length), MemoryLayout<gantry_alert>.offset(of: \.offset)!)
    case .blob:
      let event = row.assumingMemoryBound(to: gantry_blob.self)
      return (event.pointee.offset, Int(min(event.pointee.length, 1 << 30)), MemoryLayout<gantry_blob>.offset(of: \.offset)!)
    case .news:
      let event = row.assumingMemoryBound(to: gantry_news.self)
      return (event.pointee.offset, Int(event.pointee.headline) + Int(event.pointee.body), MemoryLayout<gantry_news>.offset(of: \.offset)!)
    case .calendar:
      let event = row.assumingMemoryBound(to: gantry_calendar.self)
      return (event.pointee.offset, Int(event.pointee.length), MemoryLayout<gantry_calendar>.offset(of: \.offset)!)
    default: return nil
    }
  }

  func push(_ rows: UnsafeRawPointer, count: Int, stride: Int, arena: UnsafePointer<UInt8>?) {
    for index in 0..<count {
      let row = rows + index * stride
      let text = text(row)
      let source = text.flatMap { text in arena.map { UnsafeRawPointer($0) + Int(text.offset) } }
      let length = min(text?.length ?? 0, EdgeQueue.arenaPerEvent)
      if let text, text.length > EdgeQueue.arenaPerEvent { cutCount.wrappingAdd(1, ordering: .relaxed) }
      enqueue(row, text: source, length: length)
    }
    drain(waiting: false)
  }

  private func enqueue(_ row: UnsafeRawPointer, text: UnsafeRawPointer?, length: Int) {
    while backlogCount == policy.size {
      drain(waiting: policy.whenFull == .block)
      if backlogCount < policy.size { break }
      switch policy.whenFull {
      case .block:
        if ring.closed {
          droppedCount.wrappingAdd(1, ordering: .relaxed)
          return
        }
      case .dropOldest:
        dropOldest()
      case .conflate:
        if replaceSameInstrument(row, text: text, length: length) { return }
        dropOldest()
      }
    }
    write(row, text: text, length: length, at: (backlogHead + backlogCount) % policy.size)
    backlogCount += 1
    depthNow.store(backlogCount, ordering: .relaxed)
  }

  private func dropOldest() {
    backlogHead = (backlogHead + 1) % policy.size
    backlogCount -= 1
    droppedCount.wrappingAdd(1, ordering: .relaxed)
  }

  /// Conflation: the newest waiting event of the same instrument gives way to this one.
  private func replaceSameInstrument(_ row: UnsafeRawPointer, text: UnsafeRawPointer?, length: Int) -> Bool {
    let instrument = row.assumingMemoryBound(to: gantry_header.self).pointee.instrument
    var position = backlogCount - 1
    while position >= 0 {
      let slot = (backlogHead + position) % policy.size
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
  func drain(waiting: Bool) {
    while backlogCount > 0 {
      guard let block = waiting ? ring.acquire() : ring.tryAcquire() else { return }
      let count = min(backlogCount, ring.rowCapacity)
      block.pointee.count = count
      block.pointee.port = 0
      block.pointee.status = GANTRY_OK
      block.pointee.arenaCount = 0
      for index in 0..<count {
        let slot = UnsafeRawPointer(backlog + ((backlogHead + index) % policy.size) * slotBytes)
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
      backlogHead = (backlogHead + count) % policy.size
      backlogCount -= count
      depthNow.store(backlogCount, ordering: .relaxed)
      ring.publish()
      if waiting { return }
    }
  }

  private func shorten(_ row: UnsafeMutableRawPointer, to length: Int) {
    switch type {
    case .alert: row.assumingMemoryBound(to: gantry_alert.self).pointee.length = UInt32(length)
    case .blob: row.assumingMemoryBound(to: gantry_blob.self).pointee.length = UInt64(length)
    case .calendar: row.assumingMemoryBound(to: gantry_calendar.self).pointee.length = UInt32(length)
    case .news:
      let event = row.assumingMemoryBound(to: gantry_news.self)
      event.pointee.headline = min(event.pointee.headline, UInt32(length))
      event.pointee.body = UInt32(length) - event.pointee.headline
    default: break
    }
  }

  /// The producing lane has ended: what waits goes out, then the end.
  func finish() {
    while backlogCount > 0, !ring.closed { drain(waiting: true) }
    guard let block = ring.acquire() else { return }
    block.pointee.count = 0
    block.pointee.port = 0
    block.pointee.arenaCount = 0
    block.pointee.status = GANTRY_END
    ring.publish()
  }
}
