import CGantry
import GantryBase

/// One stream of rows into a lane that joins edges of other lanes.
///
/// Rows of an edge are copied out of its ring as they come, so that a chain whose rows lie in several
/// blocks of the ring stands together. A source of the lane itself is read where its block stands: each
/// of its rows is a chain. A row is, in this order: to come, here, selected for the running block, run.
///
/// Memory grows only for a chain that has more rows than fit, and stays.
struct JoinStream {
  let ingress: UnsafeMutablePointer<Lane.Ingress>
  /// The port that the rows go to. For a source that of the block that is here.
  var entry: UnsafeMutablePointer<Lane.IngressPort>
  /// The rows are copies.
  let isStaged: Bool
  /// The producing lane is waited for; not so when it waits for this lane.
  let waits: Bool
  private(set) var rows: UnsafeMutablePointer<UInt8>
  private(set) var ordinals: UnsafeMutablePointer<UInt32>
  /// For each copied row, how often feedback had come round in its chain.
  private(set) var rounds: UnsafeMutablePointer<UInt32>
  private(set) var arena: UnsafeMutablePointer<UInt8>
  private(set) var arenaCount = 0
  private(set) var stride: Int
  /// Rows that are here; those before `next` have been run, those before `end` are selected.
  private(set) var count = 0
  private(set) var next = 0
  var end = 0
  /// How far the chain reaches that is being looked at.
  var trial = 0
  /// Rows from here on were emitted after the last event.
  private(set) var firstLast = Int.max
  private var capacity: Int
  private var arenaCapacity: Int
  private let type: EventType
  /// By place in `origins`: chains up to this number have been run or do not come.
  let finished: UnsafeMutablePointer<UInt64>
  private let origins: OriginTable

  init(
    ingress: UnsafeMutablePointer<Lane.Ingress>, entry: UnsafeMutablePointer<Lane.IngressPort>, isStaged: Bool,
    waits: Bool, origins: OriginTable
  ) {
    self.origins = origins
    self.ingress = ingress
    self.entry = entry
    self.isStaged = isStaged
    self.waits = waits
    stride = entry.pointee.buffer.pointee.stride
    type = EventType(rawValue: entry.pointee.buffer.pointee.schema.pointee.type) ?? .any
    capacity = isStaged ? 2 * blockRows : blockRows
    arenaCapacity = isStaged && PortSchema.hasArena(type) ? capacity * EdgeQueue.arenaPerEvent : 0
    rows = isStaged ? .allocate(capacity: capacity * stride + guardBytes) : entry.pointee.buffer.pointee.rows
    ordinals = .allocate(capacity: capacity)
    ordinals.initialize(repeating: 0, count: capacity)
    rounds = .allocate(capacity: capacity)
    rounds.initialize(repeating: 0, count: capacity)
    arena = .allocate(capacity: max(arenaCapacity, 1))
    finished = .allocate(capacity: origins.count)
    finished.initialize(repeating: 0, count: origins.count)
  }

  func deallocate() {
    if isStaged { rows.deallocate() }
    ordinals.deallocate()
    rounds.deallocate()
    arena.deallocate()
    finished.deallocate()
  }

  @inline(__always)
  func header(_ row: Int) -> UnsafePointer<gantry_header> {
    UnsafeRawPointer(rows + row &* stride).assumingMemoryBound(to: gantry_header.self)
  }

  /// A row's place in the order of all chains.
  @inline(__always)
  func key(_ row: Int, sources: UInt16) -> ChainKey {
    var key = ChainKey(header(row), sources: sources)
    key.round = rounds[row]
    if row >= firstLast { key.ns = ChainKey.beginLast.ns }
    return key
  }

  /// A chain that fills more than the usual room goes on taking memory; others leave the rest in the ring.
  var isFull: Bool { count - next >= 2 * blockRows }

  /// Takes a source's block: its rows are read where they stand.
  mutating func show(_ block: UnsafeMutablePointer<BlockRing.Block>, port: UnsafeMutablePointer<Lane.IngressPort>) {
    entry = port
    rows = block.pointee.rows
    stride = port.pointee.buffer.pointee.stride
    count = block.pointee.count
    next = ingress.pointee.offset
    end = next
  }

  /// The source's block is its reader's again.
  mutating func clear() {
    count = 0
    next = 0
    end = 0
  }

  /// Copies a block of the ring behind the rows that are here.
  mutating func stage(_ block: UnsafeMutablePointer<BlockRing.Block>, isLast: Bool) {
    let added = block.pointee.count
    if count + added > capacity { makeRoom(rows: added) }
    let texts = PortSchema.hasArena(type) ? block.pointee.arenaCount : 0
    if arenaCount + texts > arenaCapacity { growArena(to: arenaCount + texts) }
    let target = UnsafeMutableRawPointer(rows + count * stride)
    target.copyMemory(from: block.pointee.rows, byteCount: added * stride)
    (rounds + count).update(from: block.pointee.causes, count: added)
    if texts > 0 {
      UnsafeMutableRawPointer(arena + arenaCount).copyMemory(from: block.pointee.arena, byteCount: texts)
      if arenaCount > 0 { ArenaText.move(target, count: added, stride: stride, type, by: UInt64(arenaCount)) }
      arenaCount += texts
    }
    if isLast { firstLast = min(firstLast, count) }
    count += added
  }

  /// Before anything is selected: moves the rows that are left to the front.
  mutating func compact() {
    guard isStaged, next > 0 else { return }
    let left = count - next
    if left == 0 {
      arenaCount = 0
    } else {
      UnsafeMutableRawPointer(rows).copyMemory(from: rows + next * stride, byteCount: left * stride)
      rounds.update(from: rounds + next, count: left)
      if arenaCount > 0 { compactArena(left) }
    }
    if firstLast != .max { firstLast = left == 0 ? .max : max(firstLast - next, 0) }
    count = left
    end = 0
    next = 0
  }

  /// Forgets the texts before the first that is still needed: texts lie in the order of their rows.
  private mutating func compactArena(_ left: Int) {
    let first = ArenaText.range(of: rows, count: left, stride: stride, type, in: arenaCount).lowerBound
    guard first > 0 else { return }
    UnsafeMutableRawPointer(arena).copyMemory(from: arena + first, byteCount: arenaCount - first)
    ArenaText.move(rows, count: left, stride: stride, type, by: 0 &- UInt64(first))
    arenaCount -= first
  }

  private mutating func makeRoom(rows added: Int) {
    capacity = max(capacity * 2, count + added)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * stride + guardBytes)
    UnsafeMutableRawPointer(larger).copyMemory(from: rows, byteCount: count * stride)
    rows.deallocate()
    rows = larger
    ordinals = JoinStream.enlarged(ordinals, count, capacity)
    rounds = JoinStream.enlarged(rounds, count, capacity)
  }

  private static func enlarged(
    _ old: UnsafeMutablePointer<UInt32>, _ count: Int, _ capacity: Int
  ) -> UnsafeMutablePointer<UInt32> {
    let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
    larger.initialize(repeating: 0, count: capacity)
    larger.update(from: old, count: count)
    old.deallocate()
    return larger
  }

  private mutating func growArena(to needed: Int) {
    arenaCapacity = max(arenaCapacity * 2, needed)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: arenaCapacity)
    UnsafeMutableRawPointer(larger).copyMemory(from: arena, byteCount: arenaCount)
    arena.deallocate()
    arena = larger
  }

  /// The selected rows belong to the running block's chain `ordinal`.
  @inline(__always)
  mutating func take(_ ordinal: UInt32) {
    for row in end..<trial { ordinals[row] = ordinal }
    end = trial
  }

  /// Lets the nodes see the selected rows.
  func publish() {
    let port = entry.pointee.buffer
    port.pointee.rows = rows + next &* stride
    port.pointee.ordinals = ordinals + next
    port.pointee.published = end - next
    if isStaged {
      port.pointee.arena = arena
      port.pointee.output.pointee.arena_count = UInt64(arenaCount)
    } else if let block = ingress.pointee.block {
      port.pointee.arena = block.pointee.arena
      port.pointee.output.pointee.arena_count = UInt64(block.pointee.arenaCount)
    }
  }

  /// The selected rows have been run.
  mutating func ran() {
    for row in next..<end {
      let header = header(row)
      finished[origins.place(header.pointee.origin)] = header.pointee.chain
    }
    entry.pointee.buffer.pointee.published = 0
    next = end
  }
}
