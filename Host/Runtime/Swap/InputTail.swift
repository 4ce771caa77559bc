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

    /// Goes on in `memory`, which is then what the page had.
    mutating func move(to memory: inout UnsafeMutableRawPointer, _ capacity: Int, _ stride: (Int) -> Int) {
      var moved = Page(memory: memory)
      var offset = 0
      while offset < used {
        let from = self.memory + offset
        var entry = from.load(as: Entry.self)
        offset += Int(entry.span)
        let (old, width, count) = (Int(entry.stride), stride(Int(entry.input)), Int(entry.count))
        let oldBytes = (count &* old &+ 63) & ~63
        let rowBytes = (count &* width &+ 63) & ~63
        let arenaBytes = (Int(entry.arenaCount) &+ 63) & ~63
        let span = InputTail.entryBytes &+ rowBytes &+ arenaBytes
        guard moved.used &+ span <= capacity else { continue }
        entry.stride = Int32(truncatingIfNeeded: width)
        entry.span = Int64(span)
        let place = memory + moved.used
        place.storeBytes(of: entry, as: Entry.self)
        for row in 0..<count {
          copyRow(place + InputTail.entryBytes + row &* width, width, from: from + InputTail.entryBytes + row &* old, old)
        }
        if arenaBytes > 0 { (place + InputTail.entryBytes + rowBytes).copyMemory(from: from + InputTail.entryBytes + oldBytes, byteCount: arenaBytes) }
        moved.used &+= span
        moved.rows &+= count
      }
      memory = self.memory
      self = moved
    }
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
  private var capacity: Int
  private let limit: Int

  /// Memory for a tail of other rows.
  struct Pages {
    fileprivate var first: UnsafeMutableRawPointer
    fileprivate var second: UnsafeMutableRawPointer
    fileprivate var capacity: Int

    func deallocate() {
      first.deallocate()
      second.deallocate()
    }
  }
  private static let entryBytes = 64

  /// - Parameter rowBytes: of one row at most, with its text
  init(rows limit: Int, rowBytes: Int) {
    self.limit = limit
    capacity = InputTail.capacity(limit, rowBytes)
    current = Page(memory: .allocate(byteCount: capacity, alignment: 64))
    previous = Page(memory: .allocate(byteCount: capacity, alignment: 64))
  }

  /// Single events come one a call, each with an entry of its own.
  private static func capacity(_ limit: Int, _ rowBytes: Int) -> Int {
    (limit + blockRows) * ((rowBytes + 63) & ~63 + entryBytes)
  }

  func makePages(rowBytes: Int) -> Pages {
    let capacity = InputTail.capacity(limit, rowBytes)
    return Pages(
      first: .allocate(byteCount: capacity, alignment: 64), second: .allocate(byteCount: capacity, alignment: 64), capacity: capacity)
  }

  /// Goes on in other memory, with all rows as wide as their edges' are now. `pages` has then what the
  /// tail had. On the lane, between two events.
  mutating func take(_ pages: inout Pages, stride: (Int) -> Int) {
    current.move(to: &pages.first, pages.capacity, stride)
    previous.move(to: &pages.second, pages.capacity, stride)
    swap(&capacity, &pages.capacity)
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
  func feed(_ follower: Follower, like node: UnsafeMutablePointer<LaneNode>) {
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
              schema: node.pointee.inputs[Int(entry.input)].batch.pointee.schema, arena: entry.arenaCount > 0 ? rows + rowBytes : nil, arenaCount: Int(entry.arenaCount), now: now)
          }
        }
      }
    }
  }
}
