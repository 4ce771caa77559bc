import CGantry

/// What a column takes from an event.
protocol PriceReader {
  associatedtype Event
  func price(_ event: Event) -> Double
  func high(_ event: Event) -> Double
  func low(_ event: Event) -> Double
  func field(_ field: ColumnForm.Field, _ event: Event) -> Double
}

/// A tick is a bar of one price: its range is the distance from the price before.
struct TickPrices: PriceReader {
  let read: (gantry_tick) -> Double

  @inline(__always) init(_ read: @escaping (gantry_tick) -> Double) { self.read = read }
  @inline(__always) func price(_ event: gantry_tick) -> Double { read(event) }
  @inline(__always) func high(_ event: gantry_tick) -> Double { read(event) }
  @inline(__always) func low(_ event: gantry_tick) -> Double { read(event) }

  @inline(__always)
  func field(_ field: ColumnForm.Field, _ event: gantry_tick) -> Double {
    switch field {
    case .price: read(event)
    case .bid: event.bid
    case .ask: event.ask
    case .mid: (event.bid + event.ask) * 0.5
    case .spread: event.ask - event.bid
    case .bidSize: event.bid_size
    case .askSize: event.ask_size
    case .open, .high, .low, .close, .volume: .nan
    }
  }
}

struct BarPrices: PriceReader {
  @inline(__always) func price(_ event: gantry_bar) -> Double { event.close }
  @inline(__always) func high(_ event: gantry_bar) -> Double { event.high }
  @inline(__always) func low(_ event: gantry_bar) -> Double { event.low }

  @inline(__always)
  func field(_ field: ColumnForm.Field, _ event: gantry_bar) -> Double {
    switch field {
    case .price, .close: event.close
    case .open: event.open
    case .high: event.high
    case .low: event.low
    case .volume: event.volume
    case .spread: event.spread
    case .bid, .ask, .mid, .bidSize, .askSize: .nan
    }
  }
}
