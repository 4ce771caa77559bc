import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// The thread of a feed source (`gantry.feed/1`): runs the plugin's `run` and copies what it emits
/// into the lane's ring. A full ring blocks the feed.
///
/// A feed that fails is run again after a pause that doubles up to a minute, unless its node's
/// on_error is halt. One that ends with GANTRY_END ends its ingress.
final class FeedReader: @unchecked Sendable {  // set up before start; then its thread's, but for the atomics
  struct Setup {
    var instance: OpaquePointer
    var feed: UnsafePointer<gantry_feed_source>
    var context: UnsafeMutablePointer<NodeContext>
    var strides: [Int]
    var origin: UInt16
    var name: String
    var tag: UInt64
    var halts: Bool
  }

  /// One block's worth of events.
  private struct Part {
    var port: Int
    var count: Int
    var rows: [UInt8]
    var arena: [UInt8]
  }

  let ring: BlockRing
  private let setup: Setup
  private let log: LogRing
  private let thread = LaneThread()
  /// 1: at once. 2 (`leaving`): what a running `emit` was given is kept for whoever takes over.
  private let stopping = Atomic<UInt32>(0)
  private static let leaving: UInt32 = 2
  /// The feed has ended by itself, or has failed.
  private let hasGivenAll = Atomic<Bool>(false)
  /// Events that a feed had handed over and that found no place in the ring, stamped. The thread's, and the
  /// control thread's before and after it.
  private var rest: [Part] = []
  /// Goes into the ring before this feed's first events.
  private var notice: SourceNotice?
  /// What is asked of the thread; see `IntakeState`.
  private let intake = Atomic<UInt32>(0)
  private let cpuNs = Atomic<Int64>(0)
  /// The number of the next event.
  private(set) var chain: UInt64 = 1
  private var lastNs = Int64.min
  /// The plugin's end. It stays for calls that come late, from threads that the plugin has not ended yet.
  private let feed: UnsafeMutablePointer<gantry_feed>
  private static let firstPauseNs: Int64 = 1_000_000_000
  private static let longestPauseNs: Int64 = 60_000_000_000

  init(_ setup: Setup, ring: BlockRing, log: LogRing) {
    self.setup = setup
    self.ring = ring
    self.log = log
    feed = .allocate(capacity: 1)
    feed.initialize(to: gantry_feed())
    feed.pointee.size = UInt32(MemoryLayout<gantry_feed>.size)
    feed.pointee.emit = { feed, port, events, count, arena in
      guard let context = feed?.pointee.context, let events else { return GANTRY_MISUSE }
      return Unmanaged<FeedReader>.fromOpaque(context)._withUnsafeGuaranteedRef {
        $0.emit(Int(port), events, Int(count), arena)
      }
    }
    feed.pointee.wait = { feed, due in
      guard let context = feed?.pointee.context else { return GANTRY_MISUSE }
      return Unmanaged<FeedReader>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.sleep(until: due) }
    }
    feed.pointee.context = Unmanaged.passUnretained(self).toOpaque()
  }

  deinit { feed.deallocate() }

  func start() throws(GantryError) {
    try thread.start(name: "feed:\(setup.name)") { [self] in
      clinux_set_thread_tag(setup.tag)
      clinux_crash_on_node(setup.context.pointee.node, 0, crashPhase("feed"))
      run()
      cpuNs.store(clinux_thread_cpu_ns(), ordering: .relaxed)
    }
  }

  /// Before the thread starts: which number the first event gets.
  func begin(chain: UInt64) { self.chain = chain }

  /// After `stopAndJoin`: as if it had not been.
  func resume() throws(GantryError) {
    stopping.store(0, ordering: .sequentiallyConsistent)
    intake.store(IntakeState.open, ordering: .releasing)
    try start()
  }

  var cpuTimeNs: Int64 { cpuNs.load(ordering: .relaxed) }
  var hasEnded: Bool { hasGivenAll.load(ordering: .acquiring) }

  /// Before the thread starts: goes on after the last event of another instance's feed, which has left,
  /// beginning with what that one could not put into the ring.
  func takeOver(from other: FeedReader, _ notice: SourceNotice?) {
    chain = other.chain
    lastNs = other.lastNs
    rest = other.rest
    other.rest = []
    self.notice = notice
  }

  /// Ends the feed between two calls of `emit`: one that is under way hands all of its events over, and
  /// every later one, and `wait`, answers GANTRY_GONE. So the instance knows exactly what it has given.
  /// Waits for the thread's end.
  func leaveAndJoin() {
    stopping.store(FeedReader.leaving, ordering: .sequentiallyConsistent)
    ring.close()
    wake(stopping)
    wake(intake)
    thread.join()
  }

  private var isLeaving: Bool { stopping.load(ordering: .acquiring) == FeedReader.leaving }

  /// Makes `emit` and `wait` answer GANTRY_GONE and waits for the thread's end.
  func stopAndJoin() {
    // First, so that no end is put behind what it has given: another instance may go on.
    ring.close()
    stopping.store(1, ordering: .sequentiallyConsistent)
    wake(stopping)
    intake.store(IntakeState.ended, ordering: .releasing)
    wake(intake)
    thread.join()
  }

  /// A paused feed waits in `emit`. Returns whether that changed anything.
  func pause(_ on: Bool) -> Bool {
    let change = intake.compareExchange(expected: on ? IntakeState.open : IntakeState.paused, desired: on ? IntakeState.paused : IntakeState.open, ordering: .releasing)
    wake(intake)
    return change.exchanged
  }

  var paused: Bool { intake.load(ordering: .acquiring) == IntakeState.paused }

  /// Ends the feed: `emit` and `wait` answer GANTRY_GONE, and what was emitted before is run.
  func drain() {
    intake.store(IntakeState.ended, ordering: .releasing)
    wake(intake)
    stopping.store(1, ordering: .sequentiallyConsistent)
    wake(stopping)
  }

  /// The feed is to end, or its lane takes nothing more.
  private var isStopping: Bool { stopping.load(ordering: .acquiring) != 0 || ring.closed }

  private func run() {
    guard begin() else { return }
    var pauseNs = FeedReader.firstPauseNs
    while !isStopping {
      setup.context.pointee.failLength = 0
      let before = chain
      let status = setup.feed.pointee.run(setup.instance, feed)
      if isStopping || status == GANTRY_GONE { return end(GANTRY_END) }
      if status == GANTRY_END || status == GANTRY_OK { return end(GANTRY_END) }
      if setup.halts { return end(status) }
      if chain != before { pauseNs = FeedReader.firstPauseNs }
      say(status, pauseNs)
      if sleep(until: clinux_wall_ns() + pauseNs) != GANTRY_OK { return end(GANTRY_END) }
      pauseNs = min(pauseNs * 2, FeedReader.longestPauseNs)
    }
  }

  /// What was there before this feed's own events. False when it is to end already.
  private func begin() -> Bool {
    while let part = rest.first {
      guard let block = ring.acquire() else { return false }
      UnsafeMutableRawPointer(block.pointee.rows).copyMemory(from: part.rows, byteCount: part.rows.count)
      UnsafeMutableRawPointer(block.pointee.arena).copyMemory(from: part.arena, byteCount: part.arena.count)
      describe(block, port: part.port, count: part.count, arenaCount: part.arena.count)
      ring.publish()
      rest.removeFirst()
    }
    if let notice {
      guard let block = ring.acquire() else { return false }
      notice.write(to: block)
      ring.publish()
      self.notice = nil
    }
    return true
  }

  private func describe(_ block: UnsafeMutablePointer<BlockRing.Block>, port: Int, count: Int, arenaCount: Int) {
    block.pointee.arenaCount = arenaCount
    block.pointee.port = port
    block.pointee.count = count
    block.pointee.status = GANTRY_OK
    block.pointee.notice = .none
  }

  private func say(_ status: gantry_status, _ pauseNs: Int64) {
    let reason =
      setup.context.pointee.failLength > 0
      ? String(decoding: UnsafeBufferPointer(start: setup.context.pointee.failText, count: setup.context.pointee.failLength), as: UTF8.self)
      : "PLUGIN gave no reason"
    var text = "the feed failed: \(reason) (\(statusName(status))); again in \(pauseNs / 1_000_000_000) s"
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        log.write(
          node: setup.context.pointee.node, severity: LogLine.Severity.warning.rawValue, chain: 0,
          gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
      }
    }
  }

  private func end(_ status: gantry_status) {
    // Another instance goes on.
    if isLeaving { return }
    hasGivenAll.store(true, ordering: .releasing)
    guard let block = ring.acquire() else { return }
    block.pointee.count = 0
    block.pointee.port = 0
    block.pointee.arenaCount = 0
    block.pointee.status = status
    ring.publish()
  }

  private func emit(_ port: Int, _ events: UnsafeRawPointer, _ count: Int, _ arena: gantry_bytes) -> gantry_status {
    if isStopping { return GANTRY_GONE }
    guard clinux_thread_tag() == setup.tag, setup.strides.indices.contains(port) else { return GANTRY_MISUSE }
    guard arena.length <= UInt64(ring.arenaCapacity) else { return GANTRY_FULL }
    let stride = setup.strides[port]
    var done = 0
    while done < count {
      while intake.load(ordering: .acquiring) == IntakeState.paused, !isStopping { GantryRuntime.wait(intake, while: IntakeState.paused) }
      let part = min(count - done, ring.rowCapacity)
      if let block = ring.acquire() {
        UnsafeMutableRawPointer(block.pointee.rows).copyMemory(from: events + done * stride, byteCount: part * stride)
        if let data = arena.data, arena.length > 0 {
          UnsafeMutableRawPointer(block.pointee.arena).copyMemory(from: data, byteCount: Int(arena.length))
        }
        describe(block, port: port, count: part, arenaCount: Int(arena.length))
        stamp(UnsafeMutableRawPointer(block.pointee.rows), part, stride)
        ring.publish()
      } else if isLeaving {
        keep(events + done * stride, part, stride, port, arena)
      } else {
        return GANTRY_GONE
      }
      done += part
    }
    return isStopping && !isLeaving ? GANTRY_GONE : GANTRY_OK
  }

  /// For whoever takes over: they have been handed over, and the ring takes no more.
  private func keep(_ events: UnsafeRawPointer, _ count: Int, _ stride: Int, _ port: Int, _ arena: gantry_bytes) {
    var rows = Array(UnsafeRawBufferPointer(start: events, count: count * stride))
    rows.withUnsafeMutableBytes { stamp($0.baseAddress!, count, stride) }
    rest.append(Part(port: port, count: count, rows: rows, arena: Array(UnsafeRawBufferPointer(start: arena.data, count: Int(arena.length)))))
  }

  private func stamp(_ first: UnsafeMutableRawPointer, _ count: Int, _ stride: Int) {
    // The wall clock may be set back; the order of what came in does not change with it.
    let nowNs = max(clinux_wall_ns(), lastNs)
    lastNs = nowNs
    var row = first
    for _ in 0..<count {
      let header = row.assumingMemoryBound(to: gantry_header.self)
      if header.pointee.event_ns == 0 { header.pointee.event_ns = nowNs }
      header.pointee.receive_ns = nowNs
      header.pointee.chain = chain
      header.pointee.origin = setup.origin
      header.pointee.hop = 0
      chain &+= 1
      row += stride
    }
  }

  private func sleep(until dueNs: Int64) -> gantry_status {
    while !isStopping {
      let nowNs = clinux_wall_ns()
      if dueNs <= nowNs { return GANTRY_OK }
      wait(stopping, while: 0, timeoutNs: dueNs - nowNs)
    }
    return GANTRY_GONE
  }
}
