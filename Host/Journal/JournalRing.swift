import CLinux
import Glibc
import Synchronization

/// The memory between one lane and the journal's thread: a ring of bytes with one producer and
/// one consumer. Positions count bytes from the start and never wrap; a record never crosses the
/// ring's end (what does not fit leaves a skip record behind and starts at the front), so the
/// consumer compresses straight out of the ring.
///
/// Guarded by: the first group of fields is the producer's alone, `published` is stored by the
/// producer and the rest by the consumer, each on a cache line of its own.
@usableFromInline
struct JournalRing: ~Copyable {
  typealias Line = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

  // The producer's own.
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let mask: UInt64
  @usableFromInline let payloadMax: Int
  /// Where the next record goes.
  @usableFromInline var tail: UInt64 = 0
  /// The consumer's head when the producer last looked, plus the capacity.
  @usableFromInline var limit: UInt64
  var line0: Line = (0, 0, 0, 0, 0, 0, 0, 0)

  /// Everything before this position may be read.
  @usableFromInline let published = Atomic<UInt64>(0)
  /// The producer wants everything before this position synced.
  @usableFromInline let syncWanted = Atomic<UInt64>(0)
  let stalls = Atomic<UInt64>(0)
  let stallNs = Atomic<UInt64>(0)
  var line1: Line = (0, 0, 0, 0, 0, 0, 0, 0)

  /// Everything before this position is free again.
  let head = Atomic<UInt64>(0)
  /// Everything before this position is on the disk.
  @usableFromInline let synced = Atomic<UInt64>(0)
  /// The producer wakes the consumer once its tail has passed this.
  @usableFromInline let wakeAt = Atomic<UInt64>(.max)
  /// 0 while the journal takes records.
  @usableFromInline let refuses = Atomic<UInt32>(0)
  /// 1 while the producer sleeps for room, and the word it sleeps on.
  let isWaiting = Atomic<UInt32>(0)
  let room: UnsafeMutablePointer<UInt32>
  /// The word the consumer sleeps on.
  let bell: UnsafeMutablePointer<UInt32>
  var line2: Line = (0, 0, 0, 0, 0, 0, 0, 0)

  init(capacity: Int, bell: UnsafeMutablePointer<UInt32>) {
    base = .allocate(byteCount: capacity, alignment: 4096)
    // Touched now, so that no append meets a page fault.
    base.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
    mask = UInt64(capacity - 1)
    limit = UInt64(capacity)
    payloadMax = capacity / 4
    room = .allocate(capacity: 1)
    room.initialize(to: 0)
    self.bell = bell
  }

  deinit {
    base.deallocate()
    room.deallocate()
  }

  var capacity: UInt64 { mask + 1 }

  /// Kind 0 with this length in the ring means: go on at the front.
  static var skipLength: UInt32 { .max }
}

extension UnsafeMutablePointer<JournalRing> {
  /// Room for one record at the returned place, or nil when the journal takes no more.
  /// `span` is the record's size in the ring, a multiple of 16.
  @inlinable @inline(__always)
  func place(span: UInt64) -> UnsafeMutableRawPointer? {
    let offset = pointee.tail & pointee.mask
    if _fastPath(pointee.tail &+ span <= pointee.limit && offset &+ span <= pointee.mask &+ 1) {
      return pointee.base + Int(truncatingIfNeeded: offset)
    }
    return placeSlowly(span: span)
  }

  /// Makes what was placed visible to the journal's thread.
  @inlinable @inline(__always)
  func publish(span: UInt64) {
    let tail = pointee.tail &+ span
    pointee.tail = tail
    pointee.published.store(tail, ordering: .releasing)
    if _slowPath(tail > pointee.wakeAt.load(ordering: .relaxed)) { ring() }
  }

  @usableFromInline @inline(never)
  func placeSlowly(span: UInt64) -> UnsafeMutableRawPointer? {
    let offset = pointee.tail & pointee.mask
    let toEnd = pointee.capacity - offset
    if span > toEnd {
      guard waitForRoom(toEnd) else { return nil }
      let skip = pointee.base + Int(offset)
      skip.storeBytes(of: JournalRing.skipLength, as: UInt32.self)
      skip.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
      // Loaded and stored like everywhere else: an access that modifies would be one to the whole ring.
      pointee.tail = pointee.tail &+ toEnd
      pointee.published.store(pointee.tail, ordering: .releasing)
    }
    guard waitForRoom(span) else { return nil }
    return pointee.base + Int(pointee.tail & pointee.mask)
  }

  /// Spins, then sleeps, until `span` bytes are free. False when the journal takes no more.
  private func waitForRoom(_ span: UInt64) -> Bool {
    func isFree() -> Bool {
      pointee.limit = pointee.head.load(ordering: .acquiring) + pointee.capacity
      return pointee.tail + span <= pointee.limit
    }
    if isFree() { return true }
    let start = clinux_monotonic_ns()
    ring()
    var spins = 0
    while !isFree() {
      if pointee.refuses.load(ordering: .relaxed) != 0 { return false }
      spins += 1
      if spins < 2_000 {
        clinux_pause()
        continue
      }
      let expected = atomic(pointee.room).pointee.load(ordering: .relaxed)
      pointee.isWaiting.store(1, ordering: .sequentiallyConsistent)
      if isFree() { break }
      // The limit covers a wake that crossed our store; the consumer's own is the rule.
      clinux_futex_wait(pointee.room, expected, 10_000_000)
      ring()
    }
    pointee.isWaiting.store(0, ordering: .relaxed)
    pointee.stalls.store(pointee.stalls.load(ordering: .relaxed) + 1, ordering: .relaxed)
    let waited = UInt64(clinux_monotonic_ns() - start)
    pointee.stallNs.store(pointee.stallNs.load(ordering: .relaxed) + waited, ordering: .relaxed)
    return true
  }

  /// Wakes the journal's thread.
  @usableFromInline @inline(never)
  func ring() {
    pointee.wakeAt.store(.max, ordering: .relaxed)
    atomic(pointee.bell).pointee.add(1, ordering: .releasing)
    clinux_futex_wake(pointee.bell, 1)
  }

  // MARK: The consumer's side

  /// Frees everything before `position` and wakes a producer that waits for it.
  func release(upTo position: UInt64) {
    pointee.head.store(position, ordering: .releasing)
    if pointee.isWaiting.load(ordering: .sequentiallyConsistent) != 0 {
      atomic(pointee.room).pointee.add(1, ordering: .releasing)
      clinux_futex_wake(pointee.room, 1)
    }
  }
}
