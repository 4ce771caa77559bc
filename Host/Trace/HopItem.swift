import GantryBase

/// What a hop log holds, slot by slot: hops, and what belongs to the hop before.
public enum HopItem: Sendable, Equatable {
  case hop(HopRecord)
  case detail(HopDetail)
}

extension HopLogReader {
  /// Calls `body` with the items from slot `number` on and the slot each stands in, oldest first,
  /// and returns where to go on. What was overwritten before it could be read is skipped.
  @discardableResult
  public func forEach(
    from number: UInt64 = 0, _ body: (_ slot: UInt64, _ item: HopItem) throws -> Void
  ) throws -> UInt64 {
    var next = number
    let end = written
    while next < end {
      let (first, slots) = try read(from: next, limit: 1 << 16)
      guard !slots.isEmpty else { return max(first, next) }
      var index = 0
      while index < slots.count {
        let slot = slots[index]
        if slot.kind.isHop {
          try body(first + UInt64(index), .hop(slot.record))
          index += 1
          continue
        }
        guard let (detail, count) = HopDetail.read(slots[index...]) else {
          index += 1
          continue
        }
        // One that goes on behind this piece is read again with the next.
        if index + count > slots.count, first + UInt64(slots.count) < end, index > 0 { break }
        if index + count <= slots.count, let detail { try body(first + UInt64(index), .detail(detail)) }
        index += max(count, 1)
      }
      next = first + UInt64(min(index, slots.count))
    }
    return next
  }
}

extension HopDetail {
  /// Reads what begins at the first slot: nil when nothing begins there, the detail itself nil when
  /// its slots are incomplete; and how many slots it takes.
  static func read(_ slots: ArraySlice<HopSlot>) -> (detail: HopDetail?, slots: Int)? {
    guard let first = slots.first, [.note, .event, .alias].contains(first.kind) else { return nil }
    let (count, total) = first.withBytes {
      (Int($0.load(fromByteOffset: 24, as: UInt8.self)), Int($0.load(fromByteOffset: 10, as: UInt16.self)))
    }
    let isAlias = first.kind == .alias
    let room = (isAlias ? 38 : 46) + max(count - 1, 0) * moreBytes
    guard count >= 1, total <= room else { return (nil, 1) }
    guard count <= slots.count else { return (nil, count) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(room)
    for (number, slot) in slots.prefix(count).enumerated() {
      if number > 0 {
        let fits = slot.kind == .more && slot.record.chain == first.record.chain
        guard fits, slot.withBytes({ $0.load(fromByteOffset: 24, as: UInt8.self) }) == UInt8(number) else { return (nil, number) }
      }
      slot.withBytes { raw in
        if number > 0 {
          bytes += raw[8..<24]
        } else if !isAlias {
          bytes += raw[16..<24]
        }
        bytes += raw[26..<64]
      }
    }
    bytes.removeLast(bytes.count - total)
    var detail = HopDetail(kind: first.kind, chain: first.record.chain)
    first.withBytes { raw in
      detail.instrument = raw.load(fromByteOffset: 12, as: UInt32.self)
      switch first.kind {
      case .event:
        detail.eventType = raw[8]
        detail.isOutput = raw[9] == 1
        detail.payload = bytes
      case .alias:
        detail.orderID = raw.load(fromByteOffset: 16, as: UInt64.self)
        detail.text = String(decoding: bytes, as: UTF8.self)
      default:
        let key = min(Int(raw[8]), bytes.count)
        detail.key = String(decoding: bytes[..<key], as: UTF8.self)
        detail.text = String(decoding: bytes[key...], as: UTF8.self)
      }
    }
    return (detail, count)
  }
}
