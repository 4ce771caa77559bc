import CGantry

/// The bar of one instrument that is being made; all zero while there is none.
struct OpenBar {
  var startNs: Int64 = 0
  /// The first moment that is no longer part of it; time bars only.
  var endNs: Int64 = 0
  var lastNs: Int64 = 0
  var open = 0.0
  var high = 0.0
  var low = 0.0
  var close = 0.0
  var volume = 0.0
  var spreadSum = 0.0
  /// How many events made it; 0 = there is no bar.
  var ticks: UInt64 = 0

  @inline(__always)
  mutating func take(_ event: PriceEvent) {
    if ticks == 0 {
      open = event.price
      high = event.price
      low = event.price
      volume = 0
      spreadSum = 0
      lastNs = event.eventNs
    } else {
      if event.price > high { high = event.price }
      if event.price < low { low = event.price }
    }
    close = event.price
    volume += event.volume
    spreadSum += event.spread
    ticks &+= 1
    if event.eventNs > lastNs { lastNs = event.eventNs }
  }

  /// Writes it as an event that ends at `endNs`.
  func write(to bar: UnsafeMutablePointer<gantry_bar>, endNs: Int64, instrument: Int) {
    bar.pointee.header.event_ns = endNs
    bar.pointee.header.instrument = UInt32(truncatingIfNeeded: instrument)
    bar.pointee.start_ns = startNs
    bar.pointee.open = open
    bar.pointee.high = high
    bar.pointee.low = low
    bar.pointee.close = close
    bar.pointee.volume = volume
    bar.pointee.ticks = ticks
    bar.pointee.spread = ticks > 0 ? spreadSum / Double(ticks) : 0
  }

  /// The bar of the next interval, in which nothing happened: the last close four times.
  func repeated(every intervalNs: Int64) -> OpenBar {
    var bar = OpenBar()
    bar.startNs = endNs
    bar.endNs = endNs.addingClamped(intervalNs)
    bar.lastNs = lastNs
    bar.open = close
    bar.high = close
    bar.low = close
    bar.close = close
    return bar
  }
}

/// What a bar takes from a tick or a trade.
struct PriceEvent {
  var eventNs: Int64
  var instrument: Int
  var price: Double
  var volume: Double
  var spread: Double
}

extension Int64 {
  @inline(__always)
  func addingClamped(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? .min : .max) : sum
  }

  /// The largest multiple of `step` that is not above this.
  @inline(__always)
  func roundedDown(to step: Int64) -> Int64 {
    let rest = self % step
    return addingClamped(rest < 0 ? -rest - step : -rest)
  }
}
