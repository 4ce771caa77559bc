import CGantry
import FoundationEssentials
import GRDB
import GantryBase
import GantryTrace

/// Turns the items of a hop log into rows of the index, and numbers them.
struct HopRows {
  static let hopSQL = "INSERT INTO hops VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
  static let detailSQL = "INSERT INTO details VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

  let ring: Int64
  var nextHop: Int64
  var nextDetail: Int64
  /// The hop that details belong to: the one before them in their ring; 0 when it is lost.
  var lastHop: Int64 = 0
  var lastOrigin: Int64 = 0

  init(ring: Int64, nextHop: Int64, nextDetail: Int64) {
    self.ring = ring
    self.nextHop = nextHop
    self.nextDetail = nextDetail
  }

  mutating func arguments(_ record: HopRecord) -> StatementArguments {
    lastHop = nextHop
    lastOrigin = Int64(record.origin)
    nextHop += 1
    // Only calls with a block of events cover more chains than their own.
    let span = record.kind == .batch || record.kind == .source ? max(record.inputs, 1) : 1
    return [
      lastHop, ring, Int64(record.origin), Int64(bitPattern: record.chain), Int64(span), record.startNs,
      Int64(record.durationNs), Int64(record.node), Int64(record.hop), Int64(record.kind.rawValue), Int64(record.status),
      Int64(record.inputs), Int64(record.outputs), Int64(record.generation), Int64(bitPattern: record.parentFirst),
      Int64(bitPattern: record.orderID), record.eventNs,
    ]
  }

  /// Nil when the hop it belongs to is lost.
  mutating func arguments(_ detail: HopDetail) -> StatementArguments? {
    guard lastHop != 0 else { return nil }
    var orderID = detail.orderID
    var execution: gantry_execution?
    if detail.kind == .event, detail.eventType == UInt8(GANTRY_ORDER) {
      orderID = decodePayload(detail.payload, gantry_order()).order_id
    }
    if detail.kind == .event, detail.eventType == UInt8(GANTRY_EXECUTION) {
      let decoded = decodePayload(detail.payload, gantry_execution())
      orderID = decoded.order_id
      execution = decoded
    }
    defer { nextDetail += 1 }
    let isEvent = detail.kind == .event
    return [
      nextDetail, lastHop, lastOrigin, Int64(bitPattern: detail.chain), Int64(detail.kind.rawValue), Int64(detail.eventType),
      detail.isOutput, Int64(detail.instrument), Int64(bitPattern: orderID), Int64(execution?.kind ?? 0),
      Int64(bitPattern: execution?.execution_id ?? 0), execution.map { Int64($0.order_origin) },
      execution.map { Int64(bitPattern: $0.order_chain) }, isEvent ? detail.payload.withUnsafeBytes { Data($0) } : nil,
      isEvent ? nil : detail.key, isEvent ? nil : detail.text,
    ]
  }
}

/// An event from its payload; the header and what the payload does not have are zero.
func decodePayload<Event: BitwiseCopyable>(_ payload: [UInt8], _ empty: Event) -> Event {
  var event = empty
  withUnsafeMutableBytes(of: &event) { bytes in
    let room = UnsafeMutableRawBufferPointer(rebasing: bytes[MemoryLayout<gantry_header>.size...])
    payload.withUnsafeBytes { source in
      room.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(room.count)))
    }
  }
  return event
}
