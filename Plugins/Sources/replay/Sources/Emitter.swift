import CGantry
import GantrySDK

/// Writes decoded rows as events. All methods return false when the host has no more room.
struct Emitter {
  let rows: UnsafePointer<UInt64>
  let slots: Int
  let count: Int
  let shiftNs: Int64
  let instrument: UInt32

  @inline(__always)
  private func header(_ row: UnsafePointer<UInt64>) -> gantry_header {
    gantry_header(
      event_ns: Int64(bitPattern: row[0]) &+ shiftNs, receive_ns: 0, chain: 0, instrument: instrument, origin: 0, flags: 0,
      hop: 0)
  }

  @inline(__always)
  private func number(_ row: UnsafePointer<UInt64>, _ slot: Int) -> Double { Double(bitPattern: row[slot]) }

  func ticks(_ outputs: borrowing Outputs, hasSizes: Bool) -> Bool {
    guard let events = outputs.reserve(0, count: count, cause: 0, as: gantry_tick.self) else { return false }
    var row = rows
    if hasSizes {
      for index in 0..<count {
        events[index] = gantry_tick(
          header: header(row), bid: number(row, 1), ask: number(row, 2), bid_size: number(row, 3), ask_size: number(row, 4))
        row += 5
      }
    } else {
      for index in 0..<count {
        events[index] = gantry_tick(header: header(row), bid: number(row, 1), ask: number(row, 2), bid_size: 0, ask_size: 0)
        row += 3
      }
    }
    outputs.commit(0, count: count)
    return true
  }

  func trades(_ outputs: borrowing Outputs) -> Bool {
    guard let events = outputs.reserve(1, count: count, cause: 0, as: gantry_trade.self) else { return false }
    var row = rows
    for index in 0..<count {
      events[index] = gantry_trade(
        header: header(row), price: number(row, 1), size: number(row, 2), trade_id: 0, aggressor: 0, reserved: 0)
      row += slots
    }
    outputs.commit(1, count: count)
    return true
  }

  func bars(_ outputs: borrowing Outputs) -> Bool {
    guard let events = outputs.reserve(2, count: count, cause: 0, as: gantry_bar.self) else { return false }
    var row = rows
    for index in 0..<count {
      events[index] = gantry_bar(
        header: header(row), start_ns: Int64(bitPattern: row[1]) &+ shiftNs, open: number(row, 2), high: number(row, 3),
        low: number(row, 4), close: number(row, 5), volume: number(row, 6), ticks: 0, spread: number(row, 7))
      row += slots
    }
    outputs.commit(2, count: count)
    return true
  }
}
