import CLinux
import GantryBase
import Synchronization

/// The thread that makes a follower's calls, and what it does with a record; the lane does the same when it
/// holds the turn.
extension Follower {
  /// The instance has its state: the thread may begin.
  func start() throws(GantryError) {
    isReady.store(true, ordering: .releasing)
    turned.ring()
    hasThread = true
    try thread.start(name: "swap:\(name)") { [self] in
      clinux_set_thread_tag(muted.tag)
      run()
    }
  }

  /// Ends the thread. Called when the lane no longer pushes.
  func stop() {
    isStopped.store(true, ordering: .releasing)
    bell.ring()
    turned.ring()
    if hasThread { thread.join() }
    hasThread = false
  }

  private func run() {
    while !isStopped.load(ordering: .acquiring) {
      let seen = bell.current
      if !isWanted.load(ordering: .relaxed), takeTurn() {
        handle(atMost: .max, untilWanted: true)
        giveTurn()
      }
      if head.load(ordering: .relaxed) == published.load(ordering: .acquiring) || isWanted.load(ordering: .relaxed) {
        bell.wait(since: seen, timeoutNs: 2_000_000)
      } else {
        clinux_pause()
      }
    }
  }

  /// Handles records; the turn's holder.
  func handle(atMost limit: Int, untilWanted: Bool = false) {
    var position = head.load(ordering: .relaxed)
    var rows = handled.load(ordering: .relaxed)
    var count = 0
    while count < limit, position != published.load(ordering: .acquiring) {
      if untilWanted, isWanted.load(ordering: .relaxed) { break }
      let place = memory + Int(position & (capacity - 1))
      if place.load(as: UInt32.self) == Record.Kind.skip {
        position &+= capacity - position & (capacity - 1)
        head.store(position, ordering: .releasing)
        continue
      }
      let record = place.load(as: Record.self)
      let bytes = UnsafeRawPointer(place + Follower.recordBytes).assumingMemoryBound(to: UInt8.self)
      let rowBytes = (Int(record.count) * Int(record.stride) + 63) & ~63
      if record.kind == Record.Kind.call {
        beginCall(record.isCompared != 0)
        for other in others {
          other.call(
            input: Int(record.index), rows: bytes, count: Int(record.count), stride: Int(record.stride), schema: record.schema,
            arena: record.arenaCount > 0 ? bytes + rowBytes : nil, arenaCount: Int(record.arenaCount), nowNs: record.nowNs,
            chain: record.chain)
        }
        muted.call(
          input: Int(record.index), rows: bytes, count: Int(record.count), stride: Int(record.stride), schema: record.schema,
          arena: record.arenaCount > 0 ? bytes + rowBytes : nil, arenaCount: Int(record.arenaCount), nowNs: record.nowNs, chain: record.chain)
        rows &+= UInt64(record.count)
        if record.isCompared != 0 { compared.store(compared.load(ordering: .relaxed) &+ UInt64(record.count), ordering: .relaxed) }
      } else if record.kind == Record.Kind.outputs {
        compare(port: Int(record.index), rows: bytes, count: Int(record.count), stride: Int(record.stride))
      }
      position &+= record.span
      head.store(position, ordering: .releasing)
      handled.store(rows, ordering: .relaxed)
      count += 1
    }
    if compares.load(ordering: .relaxed) { publishComparison() }
  }
}
