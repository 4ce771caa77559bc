import CGantry
import GantrySDK

/// `indicators`: technical indicators as columns of features, from ticks or from bars.
///
/// Guarantees: one row for each input event; each instrument has a state of its own; the same
/// events give the same bits on every machine and however they are cut into batches. A column that
/// needs more history than there is says NaN. An event whose price (or, for atr, high or low) is not
/// finite gives a row of NaN, is counted in `skipped_prices`, and leaves the state as it was.
struct Indicators: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "indicators", version: "1.0.0", kind: .feature,
      summary: "moving averages, RSI, ATR, MACD, Bollinger bands, deviations and returns as named columns",
      inputs: [
        Port("ticks", .tick, optional: true, help: "quotes; connect these or bars"),
        Port("bars", .bar, optional: true, help: "closed bars; connect these or ticks"),
      ],
      outputs: [Port("features", .features, help: "one row for each event, with the columns asked for")],
      parameters: [
        Parameter("columns", .texts, required: true, minimum: 1, maximum: 4096, help: "what to compute, such as ema_10, rsi_14, bollinger_upper_20_2, spread"),
        Parameter("price", .choice, default: "mid", choices: ["mid", "bid", "ask"], help: "the price of a tick; a bar's is its close"),
        Parameter(
          "ema_seed", .choice, default: "first", choices: ["first", "sma"],
          help: "averages begin with the first price, or (as TA-Lib) with the mean of the first N"),
      ])
  }

  static var abilities: Abilities { .state }
  static var stateSchema: (name: StaticString, version: UInt32) { ("gantry.indicators", 1) }

  private enum Source { case mid, bid, ask, bar }

  private let host: Host
  private let program = UnsafeMutablePointer<Program>.allocate(capacity: 1)
  private var source = Source.mid
  /// The states of instruments 0 (events without one), 1, 2, ..., `program.pointee.stride` doubles each.
  private var states: UnsafeMutablePointer<Double>?
  private var instruments = 0
  /// The finite prices of the run being taken, at most `runMax`.
  private var prices: UnsafeMutablePointer<Double>?
  /// Equal for instances whose states fit each other.
  private var fingerprint: UInt64 = 0
  private var skippedPrices: UInt32 = 0

  private static var stateBytesMax: Int { 1 << 30 }
  private static var runMax: Int { 256 }

  init(host: Host) {
    self.host = host
    program.initialize(to: Program())
  }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    let fromTicks = configuration.schema(ofPort: 0) != nil
    let fromBars = configuration.schema(ofPort: 1) != nil
    if fromTicks == fromBars {
      throw Failure.invalid(
        fromTicks
          ? "both ticks and bars are connected; connect one of them, and use a second node for the other"
          : "nothing is connected; give the node a `from` that offers ticks or bars")
    }
    if fromBars {
      source = .bar
    } else {
      source = configuration.integer(1) == 1 ? .bid : configuration.integer(1) == 2 ? .ask : .mid
    }
    var names: [Text] = []
    var forms: [ColumnForm] = []
    for index in 0..<configuration.count(0) {
      let name = Text(configuration.text(0, at: index))
      let (form, needs) = try ColumnForm.parse(name)
      for other in names where other == name { throw Failure.invalid("the column \"\(name)\" is asked for twice") }
      if needs == .bars, fromTicks {
        throw Failure.invalid("the column \"\(name)\" needs bars, but ticks are connected; put a `bars` node in between")
      }
      if needs == .ticks, fromBars {
        throw Failure.invalid("the column \"\(name)\" needs ticks, but bars are connected; connect ticks, or use close and spread")
      }
      names.append(name)
      forms.append(form)
    }
    let seedsWithMean = configuration.integer(2) == 1
    program.pointee.deallocate()
    program.pointee = Program(forms, seedsWithMean: seedsWithMean)
    try configuration.setColumns(0, names)
    try allocateStates(configuration.instrumentCount)
    fingerprint = hash(names, source == .bid ? 1 : source == .ask ? 2 : source == .bar ? 3 : 0, seedsWithMean ? 1 : 0)
    skippedPrices = host.defineMetric(
      "skipped_prices", counter: true, unit: "events", help: "events without a finite price, which gave a row of NaN")
  }

  private mutating func allocateStates(_ instrumentCount: Int) throws(Failure) {
    let slots = (instrumentCount + 1) * program.pointee.stride
    guard slots <= Indicators.stateBytesMax / 8 else {
      throw Failure.invalid(
        "\(instrumentCount) instruments with \(program.pointee.stride * 8) bytes each need more than 1 GB; use shorter periods or several nodes")
    }
    states?.deallocate()
    let states = UnsafeMutablePointer<Double>.allocate(capacity: slots)
    states.initialize(repeating: 0, count: slots)
    self.states = states
    prices?.deallocate()
    prices = .allocate(capacity: Indicators.runMax)
    instruments = instrumentCount + 1
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    switch source {
    case .mid: try run(batch, outputs, TickPrices { ($0.bid + $0.ask) * 0.5 })
    case .bid: try run(batch, outputs, TickPrices { $0.bid })
    case .ask: try run(batch, outputs, TickPrices { $0.ask })
    case .bar: try run(batch, outputs, BarPrices())
    }
  }

  /// Cuts the batch into runs of finite prices of one instrument, which is what `Engine` takes.
  @inline(__always)
  private mutating func run<Reader: PriceReader>(_ batch: borrowing Batch, _ outputs: borrowing Outputs, _ reader: Reader) throws(Failure) {
    let prices = self.prices.unsafelyUnwrapped
    let count = batch.count
    var first = 0
    var skipped = 0
    while first < count {
      let instrument = batch.header(first).pointee.instrument
      let end = min(count, first &+ Indicators.runMax)
      var next = first
      while next < end, batch.header(next).pointee.instrument == instrument {
        let price = reader.price(batch.event(next, as: Reader.Event.self).pointee)
        guard price.isFinite, isUsable(batch, next, reader) else { break }
        prices[next &- first] = price
        next &+= 1
      }
      if next > first {
        try take(batch, first, next &- first, Int(instrument), outputs, reader)
        first = next
      } else {
        try refuse(first, outputs)
        skipped &+= 1
        first &+= 1
      }
    }
    if skipped > 0 { host.updateMetric(skippedPrices, Double(skipped)) }
  }

  /// ATR needs more than the price.
  @inline(__always)
  private mutating func isUsable<Reader: PriceReader>(_ batch: borrowing Batch, _ index: Int, _ reader: Reader) -> Bool {
    if program.pointee.ranges.count == 0 { return true }
    let event = batch.event(index, as: Reader.Event.self)
    return reader.high(event.pointee).isFinite && reader.low(event.pointee).isFinite
  }

  @inline(__always)
  private mutating func take<Reader: PriceReader>(
    _ batch: borrowing Batch, _ first: Int, _ count: Int, _ instrument: Int, _ outputs: borrowing Outputs, _ reader: Reader
  ) throws(Failure) {
    guard instrument < instruments else {
      outputs.setConsumed(first)
      throw Failure.invalid("an event names instrument \(instrument), but the graph has \(instruments - 1)")
    }
    guard let (columns, stride) = outputs.reserveRows(0, first: first, count: count) else {
      outputs.setConsumed(first)
      throw Failure.full
    }
    let rows = Rows(columns: columns, stride: stride, count: count)
    let state = states.unsafelyUnwrapped + instrument &* program.pointee.stride
    let prices = self.prices.unsafelyUnwrapped
    let engine = Engine(program: program)
    let seen = engine.takeAverages(prices, state, rows)
    if engine.looksBack {
      for index in 0..<count {
        let event = batch.event(first &+ index, as: Reader.Event.self)
        engine.run(prices[index], high: reader.high(event.pointee), low: reader.low(event.pointee), seen &+ index, state, rows[index])
      }
    }
    for position in 0..<program.pointee.copies.count {
      let copy = program.pointee.copies[position].pointee
      for index in 0..<count {
        rows[index][copy.column] = reader.field(copy.field, batch.event(first &+ index, as: Reader.Event.self).pointee)
      }
    }
    outputs.commitRows(0, count: count)
  }

  /// A row of NaN for an event without a finite price.
  @inline(never)
  private mutating func refuse(_ index: Int, _ outputs: borrowing Outputs) throws(Failure) {
    guard let row = outputs.reserveColumns(0, cause: index) else {
      outputs.setConsumed(index)
      throw Failure.full
    }
    for column in 0..<program.pointee.columnCount { row[column] = .nan }
    outputs.commit(0)
  }

  mutating func destroy() {
    states?.deallocate()
    states = nil
    prices?.deallocate()
    prices = nil
    program.pointee.deallocate()
    program.deallocate()
  }
}

extension Indicators {
  func stateBound() -> Int { 16 + instruments * program.pointee.stride * 8 }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(fingerprint)
    try writer.write(states.unsafelyUnwrapped, count: instruments * program.pointee.stride)
  }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("a state of version \(version); this plugin reads version 1") }
    guard try reader.read(as: UInt64.self) == fingerprint else {
      throw Failure.unsupported("the saved state was made with other columns, another price or another ema_seed")
    }
    let states = self.states.unsafelyUnwrapped
    try reader.read(into: states, count: instruments * program.pointee.stride)
    for instrument in 0..<instruments where !program.pointee.isSound(states + instrument * program.pointee.stride) {
      throw Failure.invalid("the saved state is damaged: a count is out of range")
    }
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Indicators.self, request)
}
