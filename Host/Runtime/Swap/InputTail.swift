import CGantry
import GantryBase

/// The last rows that a node was given, for warming a candidate of a plugin that cannot hand its
/// state over (`swap: { warm: N }`). The lane writes them, call by call, and reads them at the
/// boundary where a candidate begins.
///
/// Two pages of N rows are written in turn, so that nothing is moved and the oldest page is
/// forgotten whole. Given on are the last calls that have N rows together, or all there were.
struct InputTail {
  private struct Page {
    var memory: UnsafeMutableRawPointer
    var used = 0
    var rows = 0
  }

  private struct Entry: BitwiseCopyable {
    var input: Int32
    var count: Int32
    var stride: Int32
    var arenaCount: Int32
    var nowNs: Int64
    var chain: Int64
    var span: Int64
  }

  private var current: Page
  private var previous: Page
  private let capacity: Int
  private let limit: Int
  private static let entryBytes = 64

  /// - Parameter rowBytes: of one row at most, with its text
  init(rows limit: Int, rowBytes: Int) {
    self.limit = limit
    // Single events come one a call, each with an entry of its own.
    capacity = (limit + blockRows) * ((rowBytes + 63) & ~63 + InputTail.entryBytes)
    current = Page(memory: .allocate(byteCount: capacity, alignment: 64))
    previous = Page(memory: .allocate(byteCount: capacity, alignment: 64))
  }

  func deallocate() {
    current.memory.deallocate()
    previous.memory.deallocate()
  }

  mutating func add(
    input: Int, rows: UnsafePointer<UInt8>, count: Int, stride: Int, arena: UnsafePointer<UInt8>?, arenaCount: Int,
    now: UnsafePointer<Int64>
  ) {
    let rowBytes = (count &* stride &+ 63) & ~63
    let span = InputTail.entryBytes &+ rowBytes &+ (arenaCount &+ 63) & ~63
    if current.rows >= limit || current.used &+ span > capacity {
      swap(&current, &previous)
      current.used = 0
      current.rows = 0
    }
    guard span <= capacity else { return }
    let place = current.memory + current.used
    place.storeBytes(
      of: Entry(
        input: Int32(truncatingIfNeeded: input), count: Int32(truncatingIfNeeded: count), stride: Int32(truncatingIfNeeded: stride),
        arenaCount: Int32(truncatingIfNeeded: arenaCount), nowNs: now[0], chain: now[1], span: Int64(span)), as: Entry.self)
    (place + InputTail.entryBytes).copyMemory(from: rows, byteCount: count &* stride)
    if arenaCount > 0, let arena { (place + InputTail.entryBytes + rowBytes).copyMemory(from: arena, byteCount: arenaCount) }
    current.used &+= span
    current.rows &+= count
  }

  /// Gives the calls on to a follower, oldest first.
  func feed(_ follower: Follower) {
    var surplus = current.rows + previous.rows - limit
    for page in [previous, current] {
      var offset = 0
      while offset < page.used {
        let place = page.memory + offset
        let entry = place.load(as: Entry.self)
        offset += Int(entry.span)
        if surplus >= Int(entry.count) {
          surplus -= Int(entry.count)
          continue
        }
        surplus = 0
        let rows = UnsafePointer((place + InputTail.entryBytes).assumingMemoryBound(to: UInt8.self))
        let rowBytes = (Int(entry.count) * Int(entry.stride) + 63) & ~63
        var now = (entry.nowNs, entry.chain)
        withUnsafePointer(to: &now) { now in
          now.withMemoryRebound(to: Int64.self, capacity: 2) { now in
            follower.push(
              input: Int(entry.input), rows: rows, count: Int(entry.count), stride: Int(entry.stride),
              arena: entry.arenaCount > 0 ? rows + rowBytes : nil, arenaCount: Int(entry.arenaCount), now: now)
          }
        }
      }
    }
  }
}
