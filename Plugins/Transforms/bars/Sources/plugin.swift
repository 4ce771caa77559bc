import CGantry
import GantrySDK

/// `bars`: makes bars out of ticks or trades, for each instrument by itself.
///
/// Guarantees: every event with a finite price is in exactly one bar. A time bar covers [start, end),
/// with start a multiple of `every` since 1970 UTC; it is closed by the first event at or after its
/// end, whose chain it gets, and which begins the next bar. A tick or volume bar is closed by the
/// event that fills it, which is its last; a trade is never split. The bar's event time is its end
/// (for the others, its last event). An event older than the open bar counts into it and is counted
/// in `late_events`; one without a finite price is left out and counted in `skipped_prices`.
struct Bars: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "bars", version: "1.0.0", kind: .transform,
      summary: "bars by time, number of ticks or volume, out of ticks or trades",
      inputs: [
        Port("prices", .tick, optional: true, many: true, help: "quotes; connect these or trades"),
        Port("trades", .trade, optional: true, many: true, help: "trades; connect these or prices"),
      ],
      outputs: [Port("bars", .bar, help: "closed bars")],
      parameters: [
        Parameter("every", .duration, minimum: 0, aboveMinimum: true, help: "the length of a bar; give this, ticks or volume"),
        Parameter("ticks", .integer, minimum: 1, help: "how many events make a bar"),
        Parameter("volume", .number, minimum: 0, aboveMinimum: true, help: "how much volume makes a bar: traded, or quoted on both sides of a tick"),
        Parameter("price", .choice, default: "mid", choices: ["mid", "bid", "ask"], help: "the price of a tick; a trade has its own"),
        Parameter(
          "empty", .choice, default: "skip", choices: ["skip", "repeat"], help: "an interval without events gives no bar, or one that repeats the last close"),
        Parameter(
          "repeat_max", .integer, default: "10000", minimum: 1, maximum: 60_000, unit: "bars",
          help: "the most bars that one gap repeats; the rest of it is skipped"),
        Parameter("partial", .bool, default: "false", help: "give out the unfinished bars when the run ends"),
      ])
  }

  static var abilities: Abilities { .state }
  static var stateSchema: (name: StaticString, version: UInt32) { ("gantry.bars", 1) }

  private enum Rule: UInt8 { case time, ticks, volume }

  private let host: Host
  private var rule = Rule.time
  private var everyNs: Int64 = 1
  private var ticksMax: UInt64 = 1
  private var volumeMax = 1.0
  private var price: Int64 = 0
  private var repeats = false
  private var repeatMax: Int64 = 1
  private var givesPartial = false
  /// By instrument; 0 is for events without one.
  private var open: UnsafeMutablePointer<OpenBar>?
  private var instruments = 0
  private var lateEvents: UInt32 = 0
  private var skippedPrices: UInt32 = 0
  private var cutGaps: UInt32 = 0

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    let given = (configuration.isSet(0) ? 1 : 0) + (configuration.isSet(1) ? 1 : 0) + (configuration.isSet(2) ? 1 : 0)
    if given != 1 {
      throw Failure.invalid("\(given == 0 ? "none" : "more than one" as Text) of every, ticks and volume is given; give one, such as every: 1m")
    }
    rule = configuration.isSet(0) ? .time : configuration.isSet(1) ? .ticks : .volume
    everyNs = max(configuration.integer(0), 1)
    ticksMax = UInt64(max(configuration.integer(1), 1))
    volumeMax = configuration.number(2)
    price = configuration.integer(3)
    repeats = configuration.integer(4) == 1
    repeatMax = configuration.integer(5)
    givesPartial = configuration.bool(6)
    if repeats, rule != .time { throw Failure.invalid("empty: repeat goes with every only; bars by ticks or volume are never empty") }
    let fromTicks = configuration.schema(ofPort: 0) != nil
    if fromTicks == (configuration.schema(ofPort: 1) != nil) {
      throw Failure.invalid(
        fromTicks
          ? "both prices and trades are connected; connect one of them, and use a second node for the other"
          : "nothing is connected; give the node a `from` that offers ticks or trades")
    }
    instruments = configuration.instrumentCount + 1
    open?.deallocate()
    open = .allocate(capacity: instruments)
    open?.initialize(repeating: OpenBar(), count: instruments)
    lateEvents = host.defineMetric("late_events", counter: true, unit: "events", help: "events older than the open bar, counted into it")
    skippedPrices = host.defineMetric("skipped_prices", counter: true, unit: "events", help: "events without a finite price, left out")
    cutGaps = host.defineMetric("cut_gaps", counter: true, unit: "gaps", help: "gaps longer than repeat_max")
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let event = batch.port == 0 ? tick(batch, index) : trade(batch, index)
      do throws(Failure) {
        try take(event, index, outputs)
      } catch {
        outputs.setConsumed(index)
        throw error
      }
    }
  }

  @inline(__always)
  private func tick(_ batch: borrowing Batch, _ index: Int) -> PriceEvent {
    let tick = batch.event(index, as: gantry_tick.self)
    let bid = tick.pointee.bid
    let ask = tick.pointee.ask
    return PriceEvent(
      eventNs: tick.pointee.header.event_ns, instrument: Int(tick.pointee.header.instrument),
      price: price == 0 ? (bid + ask) * 0.5 : price == 1 ? bid : ask, volume: tick.pointee.bid_size + tick.pointee.ask_size,
      spread: ask - bid)
  }

  @inline(__always)
  private func trade(_ batch: borrowing Batch, _ index: Int) -> PriceEvent {
    let trade = batch.event(index, as: gantry_trade.self)
    return PriceEvent(
      eventNs: trade.pointee.header.event_ns, instrument: Int(trade.pointee.header.instrument), price: trade.pointee.price,
      volume: trade.pointee.size, spread: 0)
  }

  /// Puts one event into its bar and gives out what it closes. What can fail comes before any change.
  @inline(__always)
  private func take(_ event: PriceEvent, _ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    guard event.instrument < instruments else {
      throw Failure.invalid("an event names instrument \(event.instrument), but the graph has \(instruments - 1)")
    }
    guard event.price.isFinite else { return host.updateMetric(skippedPrices, 1) }
    let bar = open.unsafelyUnwrapped + event.instrument
    if bar.pointee.ticks > 0, event.eventNs < bar.pointee.startNs { host.updateMetric(lateEvents, 1) }
    if rule == .time, bar.pointee.ticks > 0, event.eventNs >= bar.pointee.endNs {
      try close(bar.pointee, event, cause, outputs)
      bar.pointee.ticks = 0
    }
    var next = bar.pointee
    if next.ticks == 0 {
      next.startNs = rule == .time ? event.eventNs.roundedDown(to: everyNs) : event.eventNs
      next.endNs = next.startNs.addingClamped(everyNs)
    }
    next.take(event.finite)
    if rule == .ticks && next.ticks >= ticksMax || rule == .volume && next.volume >= volumeMax {
      try emit(next, endNs: next.lastNs, event.instrument, cause, outputs)
      next.ticks = 0
    }
    bar.pointee = next
  }

  /// Gives out a time bar and, if asked to, the empty ones up to the event.
  private func close(_ bar: OpenBar, _ event: PriceEvent, _ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    try emit(bar, endNs: bar.endNs, event.instrument, cause, outputs)
    guard repeats else { return }
    var last = bar
    var count: Int64 = 0
    while last.endNs.addingClamped(everyNs) <= event.eventNs, last.endNs < .max - everyNs {
      if count == repeatMax { return host.updateMetric(cutGaps, 1) }
      last = last.repeated(every: everyNs)
      try emit(last, endNs: last.endNs, event.instrument, cause, outputs)
      count += 1
    }
  }

  private func emit(_ bar: OpenBar, endNs: Int64, _ instrument: Int, _ cause: Int, _ outputs: borrowing Outputs) throws(Failure) {
    guard let row = outputs.reserve(0, cause: cause, as: gantry_bar.self) else { throw Failure.full }
    bar.write(to: row, endNs: endNs, instrument: instrument)
    outputs.commit(0)
  }

  mutating func flush(_ outputs: borrowing Outputs) throws(Failure) {
    guard givesPartial, let open else { return }
    for instrument in 0..<instruments where open[instrument].ticks > 0 {
      try emit(open[instrument], endNs: open[instrument].lastNs, instrument, 0, outputs)
      open[instrument].ticks = 0
    }
  }

  mutating func destroy() {
    open?.deallocate()
    open = nil
  }
}

extension PriceEvent {
  /// A size or spread that is not finite counts as unknown: 0.
  @inline(__always)
  var finite: PriceEvent {
    var event = self
    if !volume.isFinite { event.volume = 0 }
    if !spread.isFinite { event.spread = 0 }
    return event
  }
}

extension Bars {
  /// What a state must have in common with this instance.
  private var form: (rule: Int64, size: Int64, price: Int64) {
    switch rule {
    case .time: (0, everyNs, price)
    case .ticks: (1, Int64(ticksMax), price)
    case .volume: (2, Int64(bitPattern: volumeMax.bitPattern), price)
    }
  }

  func stateBound() -> Int { 32 + instruments * MemoryLayout<OpenBar>.stride }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(form.rule)
    try writer.write(form.size)
    try writer.write(form.price)
    try writer.write(open.unsafelyUnwrapped, count: instruments)
  }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("a state of version \(version); this plugin reads version 1") }
    let saved = (try reader.read(as: Int64.self), try reader.read(as: Int64.self), try reader.read(as: Int64.self))
    guard saved == form else { throw Failure.unsupported("the saved state was made with another size or price") }
    try reader.read(into: open.unsafelyUnwrapped, count: instruments)
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Bars.self, request)
}
