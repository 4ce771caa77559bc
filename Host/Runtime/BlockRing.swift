import CGantry
import CLinux
import Synchronization

/// Blocks of events on their way from a reader, feed or other lane to the lane that consumes them:
/// one producer, one consumer, a fixed number of blocks. Waiting is a short spin, then a futex.
///
/// A block belongs to the producer until `publish`, then to the lane until `release`.
final class BlockRing: Sendable {
  /// One run of events of one output port.
  struct Block {
    var rows: UnsafeMutablePointer<UInt8>
    /// Where a source names its causes. From another lane: how often feedback had come round for each row.
    var causes: UnsafeMutablePointer<UInt32>
    var arena: UnsafeMutablePointer<UInt8>
    var arenaCount: Int
    var count: Int
    var port: Int
    /// What the source says of these rows: the content's hash and the first row's number.
    var contentHash: UInt64
    var firstRow: UInt64
    /// 0 while the source goes on; GANTRY_END or an error with the last block.
    var status: gantry_status
    /// Not events but what a journal says happened here.
    var notice = Notice.none
    /// With a decision: the source that the blocks after this one come from.
    var context: UnsafeMutablePointer<NodeContext>?
    /// What nodes of another lane emitted after their last event: it comes after all events.
    var isLast: Bool
    /// A journal says that the lane ran the next block together with this one.
    var isPart: Bool
    /// What must be synced before the lane takes the block: a position in its producer's journal.
    var syncedAt: UInt64 = 0
  }

  /// What `rows` holds instead of events.
  enum Notice: UInt8 {
    case none
    /// The `TimerRecord` of a timer that fired.
    case timer
    /// The `DecisionRecord` of a swap that went on.
    case decision
    /// The `ApplyRecord` of an apply.
    case change
  }

  static let blocks = 8
  let rowCapacity: Int
  let arenaCapacity: Int
  private let storage: Storage
  /// Futex words.
  private let published = Atomic<UInt32>(0)
  private let released = Atomic<UInt32>(0)
  private let isClosed = Atomic<Bool>(false)
  /// The bell of the lane that consumes this ring; whoever moves the ring keeps all bells alive.
  private let bellWord: Atomic<UInt>
  var bell: Bell { Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: bellWord.load(ordering: .acquiring))!).takeUnretainedValue() }

  private let firstBell: Bell

  /// Another lane consumes the ring from now on. While no lane does.
  func move(to bell: Bell) { bellWord.store(UInt(bitPattern: Unmanaged.passUnretained(bell).toOpaque()), ordering: .releasing) }

  /// Written by the side that owns the block; the two counters hand it over.
  private struct Storage: @unchecked Sendable {
    let blocks: UnsafeMutablePointer<Block>
    let memory: UnsafeMutableRawPointer
  }

  init(rows: Int, stride: Int, arena: Int, bell: Bell) {
    rowCapacity = rows
    arenaCapacity = arena
    bellWord = Atomic(UInt(bitPattern: Unmanaged.passUnretained(bell).toOpaque()))
    firstBell = bell
    let rowBytes = (rows * stride + guardBytes + 63) & ~63
    let causeBytes = (rows * 4 + 63) & ~63
    let arenaBytes = (arena + 63) & ~63
    let each = rowBytes + causeBytes + arenaBytes
    let memory = UnsafeMutableRawPointer.allocate(byteCount: each * BlockRing.blocks, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: each * BlockRing.blocks)
    let blocks = UnsafeMutablePointer<Block>.allocate(capacity: BlockRing.blocks)
    for index in 0..<BlockRing.blocks {
      let base = memory + index * each
      (blocks + index).initialize(
        to: Block(
          rows: base.assumingMemoryBound(to: UInt8.self),
          causes: (base + rowBytes).assumingMemoryBound(to: UInt32.self),
          arena: (base + rowBytes + causeBytes).assumingMemoryBound(to: UInt8.self), arenaCount: 0, count: 0,
          port: 0, contentHash: 0, firstRow: 0, status: 0, isLast: false, isPart: false))
    }
    storage = Storage(blocks: blocks, memory: memory)
  }

  deinit {
    storage.memory.deallocate()
    storage.blocks.deallocate()
  }

  // MARK: the producer's side

  /// The next free block; nil once the ring has been closed.
  func acquire() -> UnsafeMutablePointer<Block>? {
    let position = published.load(ordering: .relaxed)
    var spins = 0
    while true {
      if isClosed.load(ordering: .relaxed) { return nil }
      let done = released.load(ordering: .acquiring)
      if position &- done < UInt32(BlockRing.blocks) { return storage.blocks + Int(position) % BlockRing.blocks }
      spins += 1
      if spins < 200 { clinux_pause() } else { wait(released, while: done) }
    }
  }

  /// The next free block if there is one now.
  func tryAcquire() -> UnsafeMutablePointer<Block>? {
    let position = published.load(ordering: .relaxed)
    guard position &- released.load(ordering: .acquiring) < UInt32(BlockRing.blocks) else { return nil }
    return storage.blocks + Int(position) % BlockRing.blocks
  }

  /// Waits a moment for the lane to give a block back.
  func waitForRoom() {
    let done = released.load(ordering: .acquiring)
    guard published.load(ordering: .relaxed) &- done >= UInt32(BlockRing.blocks), !closed else { return }
    wait(released, while: done, timeoutNs: 1_000_000)
  }

  func publish() {
    published.wrappingAdd(1, ordering: .releasing)
    ringBell()
  }

  @inline(__always)
  func ringBell() {
    let bell = UnsafeRawPointer(bitPattern: bellWord.load(ordering: .acquiring)).unsafelyUnwrapped
    Unmanaged<Bell>.fromOpaque(bell)._withUnsafeGuaranteedRef { $0.ring() }
  }

  // MARK: the lane's side

  /// The oldest block, if there is one.
  @inline(__always)
  func front() -> UnsafeMutablePointer<Block>? {
    let position = released.load(ordering: .relaxed)
    guard published.load(ordering: .acquiring) != position else { return nil }
    return storage.blocks + Int(position) % BlockRing.blocks
  }

  func release() {
    released.wrappingAdd(1, ordering: .releasing)
    wake(released)
  }

  /// Ends the producer's waiting: the lane takes no more.
  func close() {
    isClosed.store(true, ordering: .sequentiallyConsistent)
    released.wrappingAdd(0, ordering: .sequentiallyConsistent)
    wake(released)
  }

  /// Takes blocks again, those that stand in it first. While no thread produces.
  func reopen() { isClosed.store(false, ordering: .sequentiallyConsistent) }

  var closed: Bool { isClosed.load(ordering: .relaxed) }
  var depth: Int { Int(published.load(ordering: .relaxed) &- released.load(ordering: .relaxed)) }
}

/// Where a lane sleeps when it has nothing to do.
final class Bell: Sendable {
  private let count = Atomic<UInt32>(0)
  private let sleepers = Atomic<UInt32>(0)

  /// Rings; a system call only when somebody sleeps.
  @inline(__always)
  func ring() {
    count.wrappingAdd(1, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) != 0 { wake(count) }
  }

  /// The number to give to `wait`; read it before looking for work.
  var current: UInt32 { count.load(ordering: .sequentiallyConsistent) }

  /// Sleeps until rung since `seen`, or until the time is over (negative: no limit).
  func wait(since seen: UInt32, timeoutNs: Int64) {
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    if count.load(ordering: .sequentiallyConsistent) == seen { GantryRuntime.wait(count, while: seen, timeoutNs: timeoutNs) }
    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }
}

/// Atomic<UInt32> is laid out as its value, so its address is the futex word.
private func word(_ atomic: borrowing Atomic<UInt32>) -> UnsafeMutablePointer<UInt32> {
  withUnsafePointer(to: atomic) { UnsafeMutableRawPointer(mutating: UnsafeRawPointer($0)).assumingMemoryBound(to: UInt32.self) }
}

func wait(_ atomic: borrowing Atomic<UInt32>, while value: UInt32, timeoutNs: Int64 = 50_000_000) {
  clinux_futex_wait(word(atomic), value, timeoutNs)
}

func wake(_ atomic: borrowing Atomic<UInt32>) { clinux_futex_wake(word(atomic), Int32.max) }
