import CGantry
import GantryBase
import GantryJournal

/// Pairs the rows of two streams that were written for the same chain, as they come, holding only the
/// chains of the last few blocks.
///
/// Rows of one chain and port are paired in their order. Chains that timers began are told apart by their
/// time, not by their number, which another timer of the lane shifts.
struct RowPairs {
  struct Row {
    var bytes: [UInt8]
    /// The row's own part of the arena, for types that have one; the row's offset is 0 then.
    var arena: [UInt8] = []

    var header: gantry_header { bytes.withUnsafeBytes { $0.loadUnaligned(as: gantry_header.self) } }
  }

  struct Key: Hashable {
    var port: Int
    var origin: UInt16
    var number: UInt64

    init(port: Int, _ header: gantry_header) {
      self.port = port
      origin = header.origin > Origins.sourcesMax ? .max : header.origin
      number = header.origin > Origins.sourcesMax ? UInt64(bitPattern: header.receive_ns) : header.chain
    }
  }

  private struct Chain {
    var before: [Row] = []
    var with: [Row] = []
  }

  /// More than the chains of any two blocks of a lane.
  private let window: Int
  private var chains: [Key: Chain] = [:]
  private var order: [Key] = []
  private var first = 0

  init(window: Int = 8 * blockRows) { self.window = window }

  mutating func add(_ row: Row, port: Int, isWith: Bool, _ body: (Key, Row?, Row?) -> Void) {
    let key = Key(port: port, row.header)
    if chains[key] == nil {
      chains[key] = Chain()
      order.append(key)
      if order.count - first > window { settle(body) }
    }
    if isWith { chains[key]!.with.append(row) } else { chains[key]!.before.append(row) }
  }

  mutating func finish(_ body: (Key, Row?, Row?) -> Void) {
    while first < order.count { settle(body) }
  }

  private mutating func settle(_ body: (Key, Row?, Row?) -> Void) {
    let key = order[first]
    first += 1
    if first > 4 * window {
      order.removeFirst(first)
      first = 0
    }
    guard let chain = chains.removeValue(forKey: key) else { return }
    for index in 0..<max(chain.before.count, chain.with.count) {
      body(key, index < chain.before.count ? chain.before[index] : nil, index < chain.with.count ? chain.with[index] : nil)
    }
  }
}

/// The rows of chosen nodes in a journal, in its order.
struct JournalRows {
  /// Calls `body` with each row that left a node whose number `wanted` has, and its port.
  static func read(
    _ journal: String, of wanted: Set<Int>, types: (_ node: Int, _ port: Int) -> EventType, _ body: (Int, Int, RowPairs.Row) -> Void
  ) throws(GantryError) {
    let reader = try JournalReader(directory: journal)
    let size = MemoryLayout<EventsRecord>.size
    while let record = try reader.next() {
      guard record.kind == RecordKind.output.rawValue, record.payload.count >= size else { continue }
      let events = record.payload.loadUnaligned(as: EventsRecord.self)
      guard wanted.contains(Int(events.node)) else { continue }
      let (stride, count) = (Int(events.stride), Int(events.count))
      let type = types(Int(events.node), Int(events.port))
      let arena = UnsafeRawBufferPointer(rebasing: record.payload[(size + stride * count)...])
      for index in 0..<count {
        let slice = UnsafeRawBufferPointer(rebasing: record.payload[(size + index * stride)..<(size + (index + 1) * stride)])
        var row = RowPairs.Row(bytes: Array(slice))
        row.bytes.withUnsafeMutableBytes { bytes in
          guard let text = ArenaText(UnsafeRawPointer(bytes.baseAddress!), type) else { return }
          if let range = text.range(in: arena.count) { row.arena = Array(arena[range]) }
          bytes.storeBytes(of: 0, toByteOffset: text.field, as: UInt64.self)
        }
        body(Int(events.node), Int(events.port), row)
      }
    }
  }

  /// All orders that passed the gate.
  static func orders(_ journal: String, _ body: (RowPairs.Row) -> Void) throws(GantryError) {
    let reader = try JournalReader(directory: journal)
    while let record = try reader.next() {
      guard record.kind == RecordKind.order.rawValue, record.payload.count == MemoryLayout<gantry_order>.size else { continue }
      body(RowPairs.Row(bytes: Array(record.payload)))
    }
  }
}
