import CLinux
import GantryBase
import Glibc
import Synchronization

/// The consumer of all rings. Sleeps until a frame is due, a ring is a quarter full, or somebody
/// flushes: at rest it wakes `1 / flushNs` times a second and finds nothing.
final class JournalThread: @unchecked Sendable {
  // Guarded by: the thread owns `writer`; the rings and atomics by themselves; `failure` by its mutex.
  /// One for each lane, as addresses; lanes may be added while the thread runs.
  private let lanes = Mutex<[UInt]>([])
  private let writer: SegmentWriter
  private let options: JournalOptions
  private let bell: UnsafeMutablePointer<UInt32>
  private let done: UnsafeMutablePointer<UInt32>
  private let isStopping = Atomic<Bool>(false)
  private let flushWanted = Atomic<UInt32>(0)
  private let syncWanted = Atomic<UInt32>(0)
  private let failure = Mutex<GantryError?>(nil)
  private let shown = Mutex(JournalStatistics())
  private let syncListener = Mutex<(@Sendable (GantryError?) -> Void)?>(nil)

  init(writer: SegmentWriter, options: JournalOptions) {
    self.writer = writer
    self.options = options
    bell = .allocate(capacity: 1)
    bell.initialize(to: 0)
    done = .allocate(capacity: 1)
    done.initialize(to: 0)
    _ = ring(lane: options.lanes - 1)
  }

  var rings: [UnsafeMutablePointer<JournalRing>] { lanes.withLock { $0 }.compactMap { UnsafeMutablePointer(bitPattern: $0) } }

  /// The ring of a lane, made if it is the first time that somebody asks.
  func ring(lane: Int) -> UnsafeMutablePointer<JournalRing> {
    lanes.withLock { lanes in
      while lanes.count <= lane {
        let ring = UnsafeMutablePointer<JournalRing>.allocate(capacity: 1)
        ring.initialize(to: JournalRing(capacity: options.ringBytes, bell: bell))
        if error != nil { ring.pointee.refuses.store(1, ordering: .relaxed) }
        lanes.append(UInt(bitPattern: ring))
      }
      return UnsafeMutablePointer(bitPattern: lanes[lane])!
    }
  }

  deinit {
    for ring in rings {
      ring.deinitialize(count: 1)
      ring.deallocate()
    }
    bell.deallocate()
    done.deallocate()
  }

  var error: GantryError? { failure.withLock { $0 } }

  var statistics: JournalStatistics {
    var result = shown.withLock { $0 }
    for ring in rings {
      result.stalls += ring.pointee.stalls.load(ordering: .relaxed)
      result.stallNs += ring.pointee.stallNs.load(ordering: .relaxed)
    }
    return result
  }

  // MARK: Called by others

  func stop() {
    isStopping.store(true, ordering: .releasing)
    wake()
  }

  /// Returns when the thread has written all that was published before the call.
  func flush(sync: Bool) {
    if sync { syncWanted.add(1, ordering: .relaxed) }
    let ticket = flushWanted.add(1, ordering: .releasing).newValue
    wake()
    while true {
      let seen = atomic(done).pointee.load(ordering: .acquiring)
      if Int32(bitPattern: seen &- ticket) >= 0 { return }
      clinux_futex_wait(done, seen, 100_000_000)
    }
  }

  func onSync(_ action: @escaping @Sendable (GantryError?) -> Void) { syncListener.withLock { $0 = action } }

  private func wake() {
    atomic(bell).pointee.add(1, ordering: .releasing)
    clinux_futex_wake(bell, 1)
  }

  // MARK: The thread

  static func main(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    clinux_name_thread("gantry-journal", -1)
    let thread = Unmanaged<JournalThread>.fromOpaque(argument).takeRetainedValue()
    thread.run()
    return nil
  }

  private func run() {
    var written = clinux_monotonic_ns()
    var synced: UInt32 = 0
    while true {
      let heard = atomic(bell).pointee.load(ordering: .acquiring)
      let isLast = isStopping.load(ordering: .acquiring)
      let ticket = flushWanted.load(ordering: .acquiring)
      let syncTicket = syncWanted.load(ordering: .relaxed)
      let now = clinux_monotonic_ns()
      let isDue = isLast || ticket != atomic(done).pointee.load(ordering: .relaxed) || now - written >= options.flushNs
      if isDue { written = now }
      let isWanted = isSyncWanted
      let wrote = drain(all: isDue)
      if error == nil, wrote && options.sync == .everyFrame || syncTicket != synced || isWanted { sync() }
      synced = syncTicket
      if isWanted, error == nil { syncListener.withLock { $0 }?(nil) }
      if wrote || isLast { publishStatistics() }
      if ticket != atomic(done).pointee.load(ordering: .relaxed) {
        atomic(done).pointee.store(ticket, ordering: .releasing)
        clinux_futex_wake(done, .max)
      }
      if isLast { break }
      if !wrote { sleep(heard, atMost: max(options.flushNs - (now - written), 1_000_000)) }
    }
    for ring in rings { ring.pointee.refuses.store(1, ordering: .relaxed) }
    if error == nil { attempt { () throws(GantryError) in try writer.close() } }
    publishStatistics()
  }

  /// Some lane waits for what it has appended to be on the disk.
  private var isSyncWanted: Bool { error == nil && rings.contains { JournalThread.wantsSync($0) } }

  private static func wantsSync(_ ring: UnsafeMutablePointer<JournalRing>) -> Bool {
    ring.pointee.syncWanted.load(ordering: .acquiring) > ring.pointee.synced.load(ordering: .relaxed)
  }

  /// Everything that has been written is on the disk afterwards, or the journal has failed: what could not
  /// be synced once is never taken to be synced, whatever a second attempt would say.
  private func sync() {
    attempt { () throws(GantryError) in try writer.sync() }
    guard error == nil else { return }
    for ring in rings { ring.pointee.synced.store(ring.pointee.head.load(ordering: .relaxed), ordering: .releasing) }
  }

  /// Producers wake us once a quarter of a ring is filled; a wake that crosses this is made up for
  /// by the producer's next append, or by the time limit.
  private func sleep(_ heard: UInt32, atMost timeoutNs: Int64) {
    for ring in rings {
      ring.pointee.wakeAt.store(ring.pointee.head.load(ordering: .relaxed) + ring.pointee.capacity / 4, ordering: .relaxed)
    }
    clinux_futex_wait(bell, heard, timeoutNs)
    for ring in rings { ring.pointee.wakeAt.store(.max, ordering: .relaxed) }
  }

  /// Writes full frames of all rings, and what is left as well with `all` and of lanes that want it
  /// synced. True when it wrote any.
  private func drain(all: Bool) -> Bool {
    var wrote = false
    for (lane, ring) in rings.enumerated() {
      let all = all || JournalThread.wantsSync(ring)
      // Read after what is wanted: all of that is published.
      let published = ring.pointee.published.load(ordering: .acquiring)
      var head = ring.pointee.head.load(ordering: .relaxed)
      while head < published {
        let run = nextRun(ring, from: head, to: published)
        if run.bytes < options.frameBytes / 2 && !run.isCut && !all { break }
        if run.bytes > 0 {
          if error == nil {
            let bytes = UnsafeRawBufferPointer(start: ring.pointee.base + Int(head & ring.pointee.mask), count: run.bytes)
            attempt { () throws(GantryError) in
              try writer.write(bytes, records: run.records, firstSequence: run.firstSequence, lane: lane)
            }
          }
          wrote = true
        }
        head = run.next
        ring.release(upTo: head)
      }
    }
    return wrote
  }

  private struct Run {
    var bytes = 0
    var records = 0
    var firstSequence: UInt64 = 0
    /// Where the next run begins.
    var next: UInt64
    /// Ends because the frame is full or the ring goes on at its front.
    var isCut = false
  }

  /// The longest run of whole records that fits a frame; at least one record.
  private func nextRun(_ ring: UnsafeMutablePointer<JournalRing>, from head: UInt64, to published: UInt64) -> Run {
    let base = UnsafeRawPointer(ring.pointee.base)
    let mask = ring.pointee.mask
    var run = Run(next: head)
    while run.next < published {
      let offset = run.next & mask
      let record = base + Int(offset)
      let length = record.load(as: UInt32.self)
      if length == JournalRing.skipLength {
        run.next += mask + 1 - offset
        run.isCut = true
        return run
      }
      if run.records > 0, offset == 0 {
        run.isCut = true
        return run
      }
      let span = JournalLane.span(Int(length))
      if run.records > 0, run.bytes + Int(span) > options.frameBytes {
        run.isCut = true
        return run
      }
      if run.records == 0 { run.firstSequence = record.load(fromByteOffset: 8, as: UInt64.self) }
      run.bytes += Int(span)
      run.records += 1
      run.next += span
    }
    return run
  }

  private func attempt(_ work: () throws(GantryError) -> Void) {
    do throws(GantryError) {
      try work()
    } catch {
      failure.withLock { if $0 == nil { $0 = error } }
      for ring in rings { ring.pointee.refuses.store(1, ordering: .releasing) }
      syncListener.withLock { $0 }?(error)
    }
  }

  private func publishStatistics() {
    shown.withLock {
      $0.records = writer.records
      $0.frames = writer.frames
      $0.segments = writer.segment
      $0.rawBytes = writer.rawBytes
      $0.storedBytes = writer.storedBytes
      $0.threadCpuNs = clinux_thread_cpu_ns()
    }
  }
}

/// A plain word, which the futex needs, seen as an atomic.
func atomic(_ word: UnsafeMutablePointer<UInt32>) -> UnsafeMutablePointer<Atomic<UInt32>> {
  UnsafeMutableRawPointer(word).assumingMemoryBound(to: Atomic<UInt32>.self)
}
