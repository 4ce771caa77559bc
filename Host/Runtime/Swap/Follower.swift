import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Feeds a muted instance with all that its node gets, in the same order, off the lane: the lane
/// copies each call's rows into a ring of bytes, a thread of the follower's own makes the calls.
///
/// Guarantees: the muted instance sees every event that the node was offered, once, in order, with
/// the same clock; the lane never waits for the thread, except with the replay clock when the ring
/// is full; at a flip the lane itself makes the last few calls, so that both instances stand at the
/// same event. When a live lane finds the ring full the muted instance has missed something: it is
/// `mutedFault` from there on and will never count.
///
/// Who handles records holds `turn`. Inline (canaries, and replays of swaps) the lane holds it
/// always and the thread sleeps.
final class Follower: @unchecked Sendable {  // ring: lane produces, the turn's holder consumes; see fields
  /// The instance that may come to count, or a standby. Exchanged by whoever holds the turn.
  private(set) var muted: MutedInstance
  /// Fed the same, and never compared: standbys.
  private(set) var others: [MutedInstance] = []
  /// The ring was full and the lane could not wait.
  private let hasLost = Atomic<Bool>(false)
  private let isGivenUp = Atomic<Bool>(false)
  /// The tag of the lane's thread, set again after calls made on it.
  private var laneTag: UInt64 = 0
  let memory: UnsafeMutableRawPointer
  let capacity: UInt64
  /// The lane's.
  private var tail: UInt64 = 0
  private var pushedRows: UInt64 = 0
  private let canWait: Bool
  /// The call pushed last is to be compared: its outputs are pushed as well.
  private var callCompares = false
  /// Calls are made by the lane at once, and nothing is copied.
  private(set) var isInline = false
  /// Everything before this position may be handled.
  let published = Atomic<UInt64>(0)
  let head = Atomic<UInt64>(0)
  private let pushed = Atomic<UInt64>(0)
  let handled = Atomic<UInt64>(0)
  let compared = Atomic<UInt64>(0)
  private let turn = Atomic<UInt32>(0)
  /// The lane wants the turn: the thread stops between two records.
  let isWanted = Atomic<Bool>(false)
  let isStopped = Atomic<Bool>(false)
  let isReady = Atomic<Bool>(false)
  let bell = Bell()
  /// Rung whenever the turn is free again, and when the thread may begin.
  let turned = Bell()
  let thread = LaneThread()
  var hasThread = false
  /// Compared while set; the turn holder's.
  let compares = Atomic<Bool>(false)
  private var comparison = OutputComparison()
  private let outcome = Mutex(OutputComparison.Result())
  private var expectsOutputs = false
  private let comparedRows: UnsafeMutablePointer<Int>
  private let portTypes: UnsafeMutablePointer<UInt32>
  let name: String

  static let ringBytes = 32 << 20
  static let recordBytes = 64

  /// One call, or what the counted instance wrote in it. Rows and arena follow, 64 bytes aligned.
  struct Record: BitwiseCopyable {
    enum Kind { static let skip: UInt32 = 0, call: UInt32 = 1, outputs: UInt32 = 2 }
    var kind: UInt32
    /// Input of a call, port of outputs.
    var index: UInt32
    var count: UInt32
    var stride: UInt32
    /// Of a call: 1 when its outputs follow, to be compared.
    var isCompared: UInt64
    var nowNs: Int64
    var chain: Int64
    var arenaCount: UInt64
    /// Of the whole record.
    var span: UInt64
    /// What the rows of a call are.
    var schema: UnsafePointer<gantry_schema>?
  }

  init(_ muted: MutedInstance, like node: UnsafeMutablePointer<LaneNode>, name: String, clock: Graph.ClockKind) {
    self.muted = muted
    self.name = name
    canWait = clock == .replay
    capacity = UInt64(Follower.ringBytes)
    // Fresh pages of the system's: those that are not used cost nothing.
    memory = mmap(nil, Follower.ringBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    precondition(memory != MAP_FAILED, "no address space for a follower's ring")
    portTypes = .allocate(capacity: max(muted.portCount, 1))
    for index in 0..<muted.portCount { portTypes[index] = node.pointee.ports[index].schema.pointee.type }
    comparedRows = .allocate(capacity: max(muted.portCount, 1))
    comparedRows.initialize(repeating: 0, count: max(muted.portCount, 1))
  }

  deinit {
    munmap(memory, Follower.ringBytes)
    portTypes.deallocate()
    comparedRows.deallocate()
    share?.deallocate()
  }

  // MARK: the lane's side

  /// The node is followed from here on: the muted instance begins where the counted one stands.
  func begin(_ lane: Lane, _ node: UnsafeMutablePointer<LaneNode>, usesTail: Bool) {
    muted.clone(from: node)
    laneTag = lane.tag
    if usesTail, let tail = node.pointee.tail { tail.pointee.feed(self, like: node) }
    node.pointee.follower = .passUnretained(self)
    node.pointee.watch.insert(.followed)
    lane.followerCount += 1
  }

  /// The node is followed no more.
  func end(_ lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) {
    node.pointee.follower = nil
    node.pointee.watch.remove(.canary)
    if node.pointee.tail == nil { node.pointee.watch.remove(.followed) }
    lane.followerCount -= 1
  }

  /// Handles all that was pushed. For the thread of a change, while the lane stands.
  func handleAll() {
    holdTurn()
    let own = clinux_thread_tag()
    clinux_set_thread_tag(muted.tag)
    handle(atMost: .max)
    clinux_set_thread_tag(own)
    giveTurn()
    bell.ring()
  }

  /// The node stands here from now on, on another lane perhaps. While the lanes stand; `handleAll` before.
  func move(to lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) {
    laneTag = lane.tag
    node.pointee.follower = .passUnretained(self)
    node.pointee.watch.insert(.followed)
    lane.followerCount += 1
  }

  /// A call that the counted instance gets, or has got.
  @inline(never)
  func push(
    input: Int, rows: UnsafePointer<UInt8>, count: Int, stride: Int, schema: UnsafePointer<gantry_schema>?,
    arena: UnsafePointer<UInt8>?, arenaCount: Int, now: UnsafePointer<Int64>
  ) {
    callCompares = compares.load(ordering: .relaxed)
    if isInline {
      clinux_set_thread_tag(muted.tag)
      beginCall(callCompares)
      for other in others {
        other.call(
          input: input, rows: rows, count: count, stride: stride, schema: schema, arena: arena, arenaCount: arenaCount, nowNs: now[0], chain: now[1])
      }
      muted.call(
        input: input, rows: rows, count: count, stride: stride, schema: schema, arena: arena, arenaCount: arenaCount, nowNs: now[0], chain: now[1])
      return
    }
    append(
      kind: Record.Kind.call, index: UInt32(truncatingIfNeeded: input), rows: rows, count: count, stride: stride, schema: schema,
      arena: arena, arenaCount: arenaCount, now: now)
    pushedRows &+= UInt64(count)
    pushed.store(pushedRows, ordering: .relaxed)
  }

  /// What the counted instance wrote to one port in the call pushed before.
  func pushOutputs(port: Int, rows: UnsafePointer<UInt8>, count: Int, stride: Int, now: UnsafePointer<Int64>) {
    guard callCompares else { return }
    if isInline { return compare(port: port, rows: rows, count: count, stride: stride) }
    append(
      kind: Record.Kind.outputs, index: UInt32(truncatingIfNeeded: port), rows: rows, count: count, stride: stride, schema: nil,
      arena: nil, arenaCount: 0, now: now)
  }

  /// Lets the thread see that there is work; at the end of a block. A replay runs as fast as it can, so
  /// there the lane lends a hand when the thread does not keep up.
  func nudge(_ lane: Lane) {
    bell.ring()
    guard canWait, !isInline, backlogRows > SwapMachine.caughtUpRows / 2, isReady.load(ordering: .acquiring) else { return }
    // One that is slower than the lane would never be within a few rows: the lane waits for it here.
    while !takeTurn() {
      guard !isStopped.load(ordering: .relaxed), !isGivenUp.load(ordering: .relaxed) else { return }
      isWanted.store(true, ordering: .releasing)
      clinux_pause()
    }
    isWanted.store(false, ordering: .relaxed)
    clinux_set_thread_tag(muted.tag)
    handle(atMost: .max)
    clinux_set_thread_tag(lane.tag)
    giveTurn()
  }

  private func append(
    kind: UInt32, index: UInt32, rows: UnsafePointer<UInt8>, count: Int, stride: Int, schema: UnsafePointer<gantry_schema>?,
    arena: UnsafePointer<UInt8>?, arenaCount: Int, now: UnsafePointer<Int64>
  ) {
    let rowBytes = (count &* stride &+ 63) & ~63
    let span = UInt64(Follower.recordBytes &+ rowBytes &+ (arenaCount &+ 63) & ~63)
    guard let place = place(span) else { return }
    place.storeBytes(
      of: Record(
        kind: kind, index: index, count: UInt32(truncatingIfNeeded: count), stride: UInt32(truncatingIfNeeded: stride), isCompared: callCompares ? 1 : 0,
        nowNs: now[0], chain: now[1], arenaCount: UInt64(arenaCount), span: span, schema: schema), as: Record.self)
    (place + Follower.recordBytes).copyMemory(from: rows, byteCount: count &* stride)
    if arenaCount > 0, let arena { (place + Follower.recordBytes + rowBytes).copyMemory(from: arena, byteCount: arenaCount) }
    tail &+= span
    published.store(tail, ordering: .releasing)
  }

  private func place(_ span: UInt64) -> UnsafeMutableRawPointer? {
    let offset = tail & (capacity - 1)
    let toEnd = capacity - offset
    if span > toEnd {
      guard hasRoom(toEnd) else { return nil }
      (memory + Int(offset)).storeBytes(of: Record.Kind.skip, as: UInt32.self)
      tail &+= toEnd
      published.store(tail, ordering: .releasing)
      return place(span)
    }
    return hasRoom(span) ? memory + Int(offset) : nil
  }

  private func hasRoom(_ span: UInt64) -> Bool {
    guard span <= capacity / 4 else {
      hasLost.store(true, ordering: .releasing)
      return false
    }
    while tail &+ span &- head.load(ordering: .acquiring) > capacity {
      guard canWait, !isGivenUp.load(ordering: .relaxed), !isStopped.load(ordering: .relaxed) else {
        hasLost.store(true, ordering: .releasing)
        return false
      }
      // A replay waits for its slowest part. The lane may do the work itself.
      bell.ring()
      let seen = turned.current
      if !isReady.load(ordering: .acquiring) {
        turned.wait(since: seen, timeoutNs: 1_000_000)
      } else if takeTurn() {
        clinux_set_thread_tag(muted.tag)
        handle(atMost: 4096)
        giveTurn()
        clinux_set_thread_tag(laneTag)
      } else {
        clinux_pause()
      }
    }
    return true
  }

  /// Why what is fed here can never count; nil while it can.
  var faultText: String? { hasLost.load(ordering: .acquiring) ? "fell so far behind that it missed events" : muted.faultText }

  /// It has missed nothing, and may still count.
  var isWhole: Bool { !hasLost.load(ordering: .acquiring) && muted.isWhole }

  /// Nobody will handle what is pushed: a lane that waits for room goes on.
  func giveUp(_ why: String) {
    muted.fails(why)
    isGivenUp.store(true, ordering: .releasing)
    turned.ring()
  }

  // MARK: the turn

  /// The turn, for the thread of a change, between two records.
  func holdTurn() {
    isWanted.store(true, ordering: .releasing)
    wait { takeTurn() }
    isWanted.store(false, ordering: .releasing)
  }

  /// Waits until `isOver`, or until `untilNs`. Looks whenever somebody has handled something and given the turn
  /// back, and for what else may come at least every few milliseconds.
  func wait(untilNs: Int64 = .max, _ isOver: () -> Bool) {
    while true {
      let seen = turned.current
      let nowNs = clinux_monotonic_ns()
      if isOver() || nowNs >= untilNs { return }
      turned.wait(since: seen, timeoutNs: min(untilNs - nowNs, 5_000_000))
    }
  }

  /// The turn's holder: who is fed from here on. Each has handled what was handled so far, and nothing
  /// of what comes was compared.
  func feed(_ first: MutedInstance, _ others: [MutedInstance]) {
    muted = first
    self.others = others
    compares.store(false, ordering: .relaxed)
    compared.store(0, ordering: .relaxed)
    comparison = OutputComparison()
    expectsOutputs = false
    publishComparison()
  }

  func takeTurn() -> Bool { turn.compareExchange(expected: 0, desired: 1, ordering: .acquiringAndReleasing).exchanged }
  func giveTurn() {
    turn.store(0, ordering: .releasing)
    turned.ring()
  }

  /// For the lane, at a boundary: the turn, with everything handled, or false: ask again at the next
  /// boundary. The lane itself makes the last calls when they are few.
  func takeOver(_ lane: Lane) -> Bool {
    guard isReady.load(ordering: .acquiring) else { return false }
    guard takeTurn() else {
      isWanted.store(true, ordering: .releasing)
      return false
    }
    guard canWait || backlogRows <= SwapMachine.caughtUpRows else {
      isWanted.store(false, ordering: .relaxed)
      giveTurn()
      bell.ring()
      return false
    }
    clinux_set_thread_tag(muted.tag)
    handle(atMost: .max)
    muted.fireDue(upTo: lane.now[0])
    clinux_set_thread_tag(lane.tag)
    return true
  }

  /// In a replay, which makes all calls inline: what `takeOver` does before the roles change.
  func fireDueInline(_ lane: Lane) {
    guard !hasThread else { return }
    clinux_set_thread_tag(muted.tag)
    muted.fireDue(upTo: lane.now[0])
    clinux_set_thread_tag(lane.tag)
  }

  /// The flip was not to be now: the thread goes on.
  func giveUpWaiting() {
    isWanted.store(false, ordering: .releasing)
    bell.ring()
  }

  func giveBack() {
    isWanted.store(false, ordering: .relaxed)
    giveTurn()
    bell.ring()
  }

  /// Without a thread: the lane makes all calls.
  func startInline() {
    isReady.store(true, ordering: .releasing)
    turned.ring()
    _ = takeTurn()
    isInline = true
  }

  /// From here on the lane makes the calls itself. It holds the turn and keeps it.
  func beInline() { isInline = true }

  /// The thread makes the calls again; nothing where it did, or where there is none. For the lane, or
  /// anybody once the lane has ended.
  func leaveInline() {
    guard isInline, hasThread else { return }
    isInline = false
    giveBack()
  }

  // MARK: canaries

  /// Chains whose hash is below this count in the candidate; 0: chains are not what is shared out.
  private var chainsBelow: UInt64 = 0
  /// Which instruments' events count in the candidate: one bit each; nil while there is no canary.
  private var share: UnsafeMutablePointer<UInt64>?
  private var shareWords = 0

  /// Set before the canary begins; freed with the follower.
  func setShare(_ instruments: Set<Int>, of count: Int) {
    share?.deallocate()
    shareWords = (count + 64) / 64
    let words = UnsafeMutablePointer<UInt64>.allocate(capacity: shareWords)
    words.initialize(repeating: 0, count: shareWords)
    for instrument in instruments { words[instrument / 64] |= 1 << UInt64(instrument % 64) }
    share = words
  }

  /// Set before the canary begins: this share of the chains.
  func setShare(ofChains share: Double) { chainsBelow = UInt64(share * 0x1p63) << 1 }

  func selects(_ row: UnsafePointer<UInt8>) -> Bool {
    if chainsBelow != 0 { return Follower.hash(UnsafeRawPointer(row).assumingMemoryBound(to: gantry_header.self)) < chainsBelow }
    guard let share else { return false }
    let instrument = Int(UnsafeRawPointer(row).assumingMemoryBound(to: gantry_header.self).pointee.instrument)
    return instrument / 64 < shareWords && share[instrument / 64] >> UInt64(instrument % 64) & 1 == 1
  }

  /// Of a chain's number, by the finaliser of splitmix64: the same wherever the chain comes.
  @inline(__always)
  private static func hash(_ header: UnsafePointer<gantry_header>) -> UInt64 {
    var x = header.pointee.chain &+ UInt64(header.pointee.origin) &<< 48
    x = (x ^ x >> 30) &* 0xBF58_476D_1CE4_E5B9
    x = (x ^ x >> 27) &* 0x94D0_49BB_1331_11EB
    return x ^ x >> 31
  }

  /// For one event the candidate counts and the old instance is the muted one.
  func lend(_ lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) { muted.change(places: lane, node) }
  func takeBack(_ lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) { muted.change(places: lane, node) }

  /// Rows pushed so far.
  var pushedCount: UInt64 { pushed.load(ordering: .relaxed) }
  /// Rows pushed and not yet handled.
  var backlogRows: UInt64 { pushed.load(ordering: .relaxed) &- handled.load(ordering: .relaxed) }
  /// Rows whose outputs were compared.
  var comparedInputs: UInt64 { compared.load(ordering: .relaxed) }
  var isLoaded: Bool { isReady.load(ordering: .acquiring) }
  var comparisonResult: OutputComparison.Result { outcome.withLock { $0 } }
  func compare() { compares.store(true, ordering: .relaxed) }

  // MARK: comparison

  /// What the call before wrote is final: what the counted instance did not write is a difference.
  func beginCall(_ isCompared: Bool) {
    if expectsOutputs {
      for port in 0..<muted.portCount {
        let surplus = muted.rows(port: port).count - comparedRows[port]
        if surplus > 0 { comparison.surplus(surplus) }
      }
    }
    expectsOutputs = isCompared
    for port in 0..<muted.portCount { comparedRows[port] = 0 }
  }

  func compare(port: Int, rows: UnsafePointer<UInt8>, count: Int, stride: Int) {
    guard expectsOutputs else { return }
    let own = muted.rows(port: port)
    for index in 0..<count {
      let place = comparedRows[port] + index
      if place < own.count {
        // A candidate may write further columns: those in common are compared.
        comparison.compare(rows + index * stride, own.base + place * own.stride, type: portTypes[port], stride: min(stride, own.stride))
      } else {
        comparison.surplus(1)
      }
    }
    comparedRows[port] += count
  }

  func publishComparison() {
    let result = comparison.result
    outcome.withLock { $0 = result }
  }

  /// The comparison ends with a flip: the roles change.
  func endComparison() {
    beginCall(false)
    publishComparison()
    compares.store(false, ordering: .relaxed)
  }
}
