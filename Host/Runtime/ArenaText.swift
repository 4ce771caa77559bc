import CGantry
import GantryBase

/// Where the variable part of an event (a text, a list of levels) stands in its batch's arena, for the
/// types that have one.
struct ArenaText {
  var offset: UInt64
  var length: Int
  /// Where in the event the offset stands.
  var field: Int

  /// Nil for types without an arena. A plugin may have written any offset and length.
  init?(_ row: UnsafeRawPointer, _ type: EventType) {
    switch type {
    case .alert:
      let event = row.assumingMemoryBound(to: gantry_alert.self)
      offset = event.pointee.offset
      length = Int(event.pointee.length)
      field = MemoryLayout<gantry_alert>.offset(of: \.offset)!
    case .blob:
      let event = row.assumingMemoryBound(to: gantry_blob.self)
      offset = event.pointee.offset
      length = Int(min(event.pointee.length, 1 << 30))
      field = MemoryLayout<gantry_blob>.offset(of: \.offset)!
    case .book:
      let event = row.assumingMemoryBound(to: gantry_book.self)
      offset = event.pointee.offset
      length = (Int(event.pointee.bids) + Int(event.pointee.asks)) * MemoryLayout<gantry_level>.stride
      field = MemoryLayout<gantry_book>.offset(of: \.offset)!
    case .news:
      let event = row.assumingMemoryBound(to: gantry_news.self)
      offset = event.pointee.offset
      length = Int(event.pointee.headline) + Int(event.pointee.body)
      field = MemoryLayout<gantry_news>.offset(of: \.offset)!
    case .calendar:
      let event = row.assumingMemoryBound(to: gantry_calendar.self)
      offset = event.pointee.offset
      length = Int(event.pointee.length)
      field = MemoryLayout<gantry_calendar>.offset(of: \.offset)!
    default: return nil
    }
  }

  /// The part of an arena of `count` bytes that this is; nil when it is empty or does not lie within.
  func range(in count: Int) -> Range<Int>? {
    guard length > 0, offset <= UInt64(count), length <= count - Int(offset) else { return nil }
    return Int(offset)..<(Int(offset) + length)
  }

  /// The part of an arena of `arenaCount` bytes that holds all texts of `count` rows.
  static func range(of rows: UnsafeRawPointer, count: Int, stride: Int, _ type: EventType, in arenaCount: Int) -> Range<Int> {
    var all = 0..<0
    guard arenaCount > 0 else { return all }
    for row in 0..<count {
      guard let range = ArenaText(rows + row * stride, type)?.range(in: arenaCount) else { continue }
      all = all.isEmpty ? range : min(all.lowerBound, range.lowerBound)..<max(all.upperBound, range.upperBound)
    }
    return all
  }

  /// Adds `distance` to the offsets of `count` rows, whose arena stands elsewhere now.
  static func move(_ rows: UnsafeMutableRawPointer, count: Int, stride: Int, _ type: EventType, by distance: UInt64) {
    for row in 0..<count {
      let event = rows + row * stride
      guard let text = ArenaText(event, type) else { return }
      event.storeBytes(of: text.offset &+ distance, toByteOffset: text.field, as: UInt64.self)
    }
  }

  /// Says in the event that its variable part is `length` bytes long.
  static func shorten(_ row: UnsafeMutableRawPointer, _ type: EventType, to length: Int) {
    switch type {
    case .alert: row.assumingMemoryBound(to: gantry_alert.self).pointee.length = UInt32(length)
    case .blob: row.assumingMemoryBound(to: gantry_blob.self).pointee.length = UInt64(length)
    case .calendar: row.assumingMemoryBound(to: gantry_calendar.self).pointee.length = UInt32(length)
    case .book:
      let event = row.assumingMemoryBound(to: gantry_book.self)
      let levels = UInt32(length / MemoryLayout<gantry_level>.stride)
      event.pointee.bids = min(event.pointee.bids, levels)
      event.pointee.asks = min(event.pointee.asks, levels - event.pointee.bids)
    case .news:
      let event = row.assumingMemoryBound(to: gantry_news.self)
      event.pointee.headline = min(event.pointee.headline, UInt32(length))
      event.pointee.body = UInt32(length) - event.pointee.headline
    default: break
    }
  }
}
