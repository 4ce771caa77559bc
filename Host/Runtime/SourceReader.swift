import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The thread beside the lane that pulls one source and hands its events over in blocks, so that
/// decoding never costs the lane anything. It stamps what the lane would otherwise stamp: chain
/// number, origin, receive time.
///
/// Stops when the source ends or fails, or when the ring is closed.
final class SourceReader: @unchecked Sendable {  // `progress` is the thread's, and the control thread's before and after it
  struct Setup: @unchecked Sendable {  // handed to the thread once, used by it alone
    var instance: OpaquePointer
    var pull: UnsafePointer<gantry_pull>
    var context: UnsafeMutablePointer<NodeContext>
    /// One for each output port of the source.
    var outputs: UnsafeMutablePointer<gantry_outputs>
    var strides: [Int]
    var origin: UInt16
    var blockSize: Int
    var clock: Graph.ClockKind
    var name: String
    var tag: UInt64
    /// The number that its first event gets.
    var firstChain: UInt64
  }

  let ring: BlockRing
  private let cpuNs = Atomic<Int64>(0)
  /// What is asked of the thread; see `IntakeState`.
  private let intake = Atomic<UInt32>(0)
  /// The source has given its last event, or has failed.
  private let hasGivenAll = Atomic<Bool>(false)
  private let thread: LaneThread
  /// Goes into the ring before this reader's first events.
  private var notice: SourceNotice?

  init(_ setup: Setup, ring: BlockRing) {
    self.ring = ring
    thread = LaneThread()
    self.setup = setup
    progress = Progress(chain: setup.firstChain)
  }

  private let setup: Setup
  /// How far this reader's own thread has come.
  private(set) var progress: Progress

  /// Before the thread starts: which number the first event gets, and which events are left out, as they
  /// belong to what was before a change.
  func begin(chain: UInt64, afterNs: Int64) { progress = Progress(chain: chain, afterNs: afterNs) }

  /// Before the thread starts: from which event on it takes over from another instance's reader.
  func takeOver(from other: SourceReader, _ notice: SourceNotice?) {
    progress = other.progress
    self.notice = notice
  }

  var hasEnded: Bool { hasGivenAll.load(ordering: .acquiring) }

  func start() throws(GantryError) {
    try thread.start(name: "read:\(setup.name)") { [self] in
      clinux_set_thread_tag(setup.tag)
      clinux_crash_on_node(setup.context.pointee.node, 0, crashPhase("pull"))
      run()
      cpuNs.store(clinux_thread_cpu_ns(), ordering: .relaxed)
    }
  }

  /// Waits for the thread's end. Call after the ring has been closed or has ended.
  func join() {
    // A paused thread sleeps until it is told something else.
    if paused { _ = pause(false) }
    thread.join()
  }

  var cpuTimeNs: Int64 { cpuNs.load(ordering: .relaxed) }

  /// Returns whether that changed anything.
  func pause(_ on: Bool) -> Bool {
    let change = intake.compareExchange(expected: on ? IntakeState.open : IntakeState.paused, desired: on ? IntakeState.paused : IntakeState.open, ordering: .releasing)
    wake(intake)
    return change.exchanged
  }

  var paused: Bool { intake.load(ordering: .acquiring) == IntakeState.paused }

  /// Ends the source after what it has given so far.
  func drain() {
    intake.store(IntakeState.ended, ordering: .releasing)
    wake(intake)
  }

  private func run() {
    if let notice {
      guard let block = ring.acquire() else { return }
      notice.write(to: block)
      ring.publish()
      self.notice = nil
    }
    while let block = ring.acquire() {
      switch intake.load(ordering: .acquiring) {
      case IntakeState.paused:
        wait(intake, while: IntakeState.paused)
        continue
      case IntakeState.ended:
        prepare(block)
        block.pointee.status = GANTRY_END
        hasGivenAll.store(true, ordering: .releasing)
        return ring.publish()
      default: break
      }
      let status = fill(block, max: setup.blockSize, &progress)
      let isLast = block.pointee.status != GANTRY_OK
      if isLast { hasGivenAll.store(true, ordering: .releasing) }
      if block.pointee.count > 0 || isLast { ring.publish() }
      if isLast { return }
      if status == GANTRY_AGAIN, block.pointee.count == 0 { sleepBriefly() }
    }
  }

  /// How far a source has been read.
  struct Progress {
    var chain: UInt64
    var lastNs = Int64.min
    /// Events of this time and before are left out.
    var afterNs = Int64.min
  }

  /// Pulls once into a block: up to `max` events, stamped. Returns what the plugin returned; the
  /// block's status says whether the source goes on.
  private func fill(_ block: UnsafeMutablePointer<BlockRing.Block>, max: Int, _ progress: inout Progress) -> gantry_status {
    prepare(block)
    var hash: UInt64 = 0
    var row: UInt64 = 0
    if let cursor = setup.pull.pointee.cursor { _ = cursor(setup.instance, &hash, &row) }
    setup.context.pointee.failLength = 0
    let status = setup.pull.pointee.pull(setup.instance, UInt32(max), setup.outputs)
    block.pointee.status = status == GANTRY_AGAIN ? GANTRY_OK : status
    block.pointee.contentHash = hash
    block.pointee.firstRow = row
    if !collect(block) {
      block.pointee.count = 0
      block.pointee.arenaCount = 0
      block.pointee.status = GANTRY_BUG
    } else if status > GANTRY_AGAIN {
      _ = broken("pull returned status \(status), which the ABI does not have")
      block.pointee.status = GANTRY_BUG
    }
    if progress.lastNs <= progress.afterNs { leaveOut(block, progress.afterNs) }
    if !stamp(block, &progress.chain, &progress.lastNs) { block.pointee.status = GANTRY_BUG }
    return status
  }

  // MARK: by the thread that follows a journal, in this one's place

  /// Pulls once, or gives what was pulled ahead.
  func fillAgain(_ block: UnsafeMutablePointer<BlockRing.Block>, max: Int) {
    guard var first = ahead.first else {
      _ = fill(block, max: min(max, setup.blockSize), &progress)
      return
    }
    let count = min(max, first.count)
    let bytes = count * first.stride
    first.rows.withUnsafeBytes {
      UnsafeMutableRawPointer(block.pointee.rows).copyMemory(from: $0.baseAddress! + first.offset * first.stride, byteCount: bytes)
    }
    if !first.arena.isEmpty { first.arena.withUnsafeBytes { UnsafeMutableRawPointer(block.pointee.arena).copyMemory(from: $0.baseAddress!, byteCount: $0.count) } }
    block.pointee.arenaCount = first.arena.count
    block.pointee.count = count
    block.pointee.port = first.port
    block.pointee.status = GANTRY_OK
    block.pointee.contentHash = first.contentHash
    block.pointee.firstRow = first.firstRow &+ UInt64(first.offset)
    first.offset += count
    first.count -= count
    if first.count == 0 { ahead.removeFirst() } else { ahead[0] = first }
  }

  /// Rows that an instance had pulled and no lane had run when an apply gave it a successor.
  struct Ahead {
    fileprivate var rows: [UInt8]
    fileprivate var arena: [UInt8]
    fileprivate var count: Int
    fileprivate var offset = 0
    fileprivate var stride: Int
    fileprivate var port: Int
    fileprivate var contentHash: UInt64
    fileprivate var firstRow: UInt64
  }
  private var ahead: [Ahead] = []

  /// Pulls all events before the one of this number.
  func pullAhead(to chain: UInt64) throws(GantryError) -> [Ahead] {
    let own = clinux_thread_tag()
    clinux_set_thread_tag(setup.tag)
    defer { clinux_set_thread_tag(own) }
    while progress.chain < chain {
      guard let block = ring.acquire() else { break }
      _ = fill(block, max: Int(min(chain - progress.chain, UInt64(setup.blockSize))), &progress)
      guard block.pointee.status == GANTRY_OK || progress.chain >= chain else {
        throw GantryError("replay.source-short", "source \(setup.name) ended before the journal did")
      }
      let stride = setup.strides[block.pointee.port]
      ahead.append(
        Ahead(
          rows: Array(UnsafeBufferPointer(start: block.pointee.rows, count: block.pointee.count * stride)),
          arena: Array(UnsafeBufferPointer(start: block.pointee.arena, count: block.pointee.arenaCount)), count: block.pointee.count, stride: stride,
          port: block.pointee.port, contentHash: block.pointee.contentHash, firstRow: block.pointee.firstRow))
    }
    defer { ahead = [] }
    return ahead.filter { $0.count > 0 }
  }

  /// What the instance before this one had pulled comes first.
  func take(_ ahead: [Ahead]) { self.ahead = ahead }

  var context: UnsafeMutablePointer<NodeContext> { setup.context }
  var tag: UInt64 { setup.tag }

  /// Lets all ports write into this block; a call may use one of them.
  private func prepare(_ block: UnsafeMutablePointer<BlockRing.Block>) {
    let outputs = setup.outputs
    outputs.pointee.consumed = 0
    outputs.pointee.committed = 0
    for port in 0..<Int(outputs.pointee.port_count) {
      outputs.pointee.ports[port].base = block.pointee.rows
      outputs.pointee.ports[port].cause = block.pointee.causes
      outputs.pointee.ports[port].capacity = UInt32(setup.blockSize)
      outputs.pointee.ports[port].count = 0
      outputs.pointee.ports[port].arena = block.pointee.arena
      outputs.pointee.ports[port].arena_capacity = UInt64(ring.arenaCapacity)
      outputs.pointee.ports[port].arena_count = 0
    }
    block.pointee.count = 0
    block.pointee.port = 0
    block.pointee.arenaCount = 0
    block.pointee.notice = .none
    (UnsafeMutableRawPointer(block.pointee.rows) + setup.blockSize * (setup.strides.max() ?? 0))
      .storeBytes(of: guardPattern, as: UInt64.self)
  }

  /// Finds the port that was written. False, with a reason, when the plugin broke the contract: then
  /// nothing of the block can be trusted.
  private func collect(_ block: UnsafeMutablePointer<BlockRing.Block>) -> Bool {
    let outputs = setup.outputs
    var written = 0
    for port in 0..<Int(outputs.pointee.port_count) where outputs.pointee.ports[port].count > 0 {
      written += 1
      block.pointee.port = port
      block.pointee.count = Int(outputs.pointee.ports[port].count)
      block.pointee.arenaCount = Int(truncatingIfNeeded: min(outputs.pointee.ports[port].arena_count, UInt64(Int32.max)))
    }
    guard written <= 1 else { return broken("one pull wrote to \(written) ports; it may write to one only") }
    guard block.pointee.count <= setup.blockSize else { return broken("one pull committed more rows than there was room for") }
    guard block.pointee.arenaCount <= ring.arenaCapacity else { return broken("the source claims more arena than there is") }
    let end = UnsafeRawPointer(block.pointee.rows) + setup.blockSize * (setup.strides.max() ?? 0)
    guard end.load(as: UInt64.self) == guardPattern else {
      return broken("the source wrote behind the rows it had reserved")
    }
    return true
  }

  /// Leaves out the rows at the block's beginning that are not after `afterNs`.
  private func leaveOut(_ block: UnsafeMutablePointer<BlockRing.Block>, _ afterNs: Int64) {
    guard block.pointee.count > 0 else { return }
    let stride = setup.strides[block.pointee.port]
    let rows = UnsafeMutableRawPointer(block.pointee.rows)
    var first = 0
    while first < block.pointee.count,
      (rows + first * stride).assumingMemoryBound(to: gantry_header.self).pointee.event_ns <= afterNs
    { first += 1 }
    guard first > 0 else { return }
    block.pointee.count -= first
    block.pointee.firstRow &+= UInt64(first)
    rows.copyMemory(from: rows + first * stride, byteCount: block.pointee.count * stride)
  }

  private func stamp(
    _ block: UnsafeMutablePointer<BlockRing.Block>, _ chain: inout UInt64, _ lastNs: inout Int64
  ) -> Bool {
    guard block.pointee.count > 0 else { return true }
    let stride = setup.strides[block.pointee.port]
    // The wall clock may be set back; the order of what came in does not change with it.
    let receiveNs = setup.clock == .live ? max(clinux_wall_ns(), lastNs) : 0
    if setup.clock == .live { lastNs = receiveNs }
    var row = UnsafeMutableRawPointer(block.pointee.rows)
    for index in 0..<block.pointee.count {
      let header = row.assumingMemoryBound(to: gantry_header.self)
      let eventNs = header.pointee.event_ns
      if eventNs < lastNs, setup.clock == .replay {
        block.pointee.count = index
        return broken("event time went back from \(lastNs) to \(eventNs) ns; a source must keep its events in order")
      }
      if setup.clock == .replay { lastNs = eventNs }
      header.pointee.receive_ns = setup.clock == .live ? receiveNs : eventNs
      header.pointee.chain = chain
      header.pointee.origin = setup.origin
      header.pointee.hop = 0
      chain &+= 1
      row += stride
    }
    return true
  }

  private func broken(_ text: String) -> Bool {
    var text = text
    text.withUTF8 { bytes in
      let length = min(bytes.count, failTextCapacity)
      UnsafeMutableRawPointer(setup.context.pointee.failText).copyMemory(from: bytes.baseAddress!, byteCount: length)
      setup.context.pointee.failLength = length
      setup.context.pointee.failStatus = GANTRY_BUG
    }
    return false
  }

  private func sleepBriefly() {
    var time = timespec(tv_sec: 0, tv_nsec: 200_000)
    nanosleep(&time, nil)
  }
}

/// What stands in a source's ring where another instance takes over: the lane writes it down there.
struct SourceNotice {
  var decision: DecisionRecord
  /// Of the instance that takes over.
  var context: UnsafeMutablePointer<NodeContext>

  func write(to block: UnsafeMutablePointer<BlockRing.Block>) {
    UnsafeMutableRawPointer(block.pointee.rows).storeBytes(of: decision, as: DecisionRecord.self)
    block.pointee.count = 0
    block.pointee.port = 0
    block.pointee.arenaCount = 0
    block.pointee.status = GANTRY_OK
    block.pointee.notice = .decision
    block.pointee.context = context
  }
}

/// What is asked of a source's thread.
enum IntakeState {
  static let open: UInt32 = 0
  static let paused: UInt32 = 1
  static let ended: UInt32 = 2
}

/// One POSIX thread; Swift concurrency has no place on a lane.
package final class LaneThread: Sendable {
  private let handle = Mutex<pthread_t?>(nil)

  package init() {}

  package func start(name: String, cpu: Int32 = -1, _ body: @escaping @Sendable () -> Void) throws(GantryError) {
    final class Start: Sendable {
      let body: @Sendable () -> Void
      let name: String
      let cpu: Int32
      init(_ name: String, _ cpu: Int32, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.cpu = cpu
        self.body = body
      }
    }
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(name, cpu, body))
    let error = pthread_create(
      &thread, nil,
      { argument in
        let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        _ = clinux_name_thread(start.name, start.cpu)
        clinux_crash_thread_begin()
        start.body()
        clinux_crash_thread_end()
        return nil
      }, start.toOpaque())
    guard error == 0 else {
      start.release()
      throw GantryError("runtime.no-thread", "the system refused a thread: \(String(cString: strerror(error)))", exit: .failed)
    }
    handle.withLock { $0 = thread }
  }

  package func join() {
    let thread = handle.withLock { handle -> pthread_t? in
      defer { handle = nil }
      return handle
    }
    if let thread { pthread_join(thread, nil) }
  }
}
