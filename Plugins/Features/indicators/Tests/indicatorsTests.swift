import CGantry
import Glibc
import PluginHarness
import Testing

@Suite struct IndicatorsTests {
  @Test func `an average begins with the first price and moves by its share`() throws {
    let p = try indicators(["ema_10", "mid", "spread"])
    let rows = try p.send([tick(1.0), tick(2.0), tick(2.0)]).map(\.columns)
    #expect(rows[0] == [1, 1, 0.5])
    let share = 2.0 / 11
    let second = 1 + share
    #expect(rows[1] == [second, 2, 0.5])
    #expect(rows[2][0] == second + share * (2 - second))
  }

  @Test func `an average may begin with the mean of the first prices`() throws {
    let p = try indicators(["ema_3"], ["ema_seed": "sma"])
    let values = try p.send([1, 2, 6, 4].map { tick($0) }).map { $0.columns[0] }
    #expect(values[0].isNaN && values[1].isNaN)
    #expect(values[2...] == [3, 3.5])
  }

  @Test func `what has not enough history says NaN, and then never again`() throws {
    let columns = [
      "sma_5": 4, "rsi_5": 5, "atr_5": 5, "bollinger_upper_5_2": 4, "bollinger_middle_5": 4, "bollinger_lower_5_2.5": 4,
      "stdev_5": 4, "zscore_5": 4, "return_5": 5, "logreturn_1": 1, "ema_5": 0, "macd_3_5_4": 0, "macd_signal_3_5_4": 0, "macd_hist_3_5_4": 0,
    ]
    let names = columns.keys.sorted()
    let p = try indicators(names)
    #expect(p.columnNames("features") == names)
    let rows = try p.send(walk(40, seed: 1).map { tick($0) }).map(\.columns)
    for (index, name) in names.enumerated() {
      #expect(rows.map { $0[index].isNaN } == (0..<40).map { $0 < columns[name]! }, "\(name)")
    }
  }

  @Test func `every column equals its definition, summed anew`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    for (scale, start, count) in [(1e-5, 100.0, 700), (1.0, 1e6, 700)] {
      let prices = walk(count, seed: seed, start: start, step: scale, jumps: true)
      let names = [
        "sma_7", "stdev_20", "zscore_20", "bollinger_upper_20_2", "bollinger_lower_20_2", "bollinger_middle_20_2", "return_3", "logreturn_3", "rsi_14",
      ]
      let rows = try indicators(names).send(prices.map { tick($0) }).map(\.columns)
      for index in 25..<count {
        let window = Array(prices[(index - 19)...index])
        let distances = window.map { $0 - window[0] }
        let middle = exactMean(distances)
        let mean = window[0] + middle
        let deviation = (distances.map { ($0 - middle) * ($0 - middle) }.reduce(0, +) / 20).squareRoot()
        let change = (prices[index] - prices[index - 3]) / prices[index - 3]
        let expected = [
          exactMean(Array(prices[(index - 6)...index])), deviation, (distances[19] - middle) / deviation, mean + 2 * deviation, mean - 2 * deviation, mean,
          change, log1p(change),
        ]
        let band = bandBound(mean, deviation, period: 20, factor: 2)
        let bounds = [1e-15, 1e-10, 1e-9, band / abs(expected[3]), band / abs(expected[4]), 1e-15, 1e-15, 1e-15]
        for (column, (value, bound)) in zip(expected, bounds).enumerated() {
          guard !close(rows[index][column], value, bound) else { continue }
          Issue.record("\(names[column]) at \(index): \(rows[index][column]), not \(value); scale \(scale), seed \(seed)")
          return
        }
      }
    }
  }

  /// How far a Bollinger band may be from its definition: mean +- K deviation, each with its own error.
  ///
  /// `WindowSums` keeps the variance's relative error below N 2^-40, the deviation's so below N 2^-41. Each
  /// of the N additions between two renewals errs by u = 2^-53 of what it adds or takes out, and that is
  /// below 2^10 sqrt(N) deviations, or the sums would have been renewed (twice 2^-10: of the squares, and
  /// of them to the variance): the mean's error is below sqrt(N) 2^-43 deviations and the rounding of its
  /// last addition. Both are errors of the deviation's size, not of the price's, so that a bound relative
  /// to the band would have to grow with deviation / band, which a jump makes large. The band's own
  /// addition and multiplication round, and so do those of the definition here.
  private func bandBound(_ mean: Double, _ deviation: Double, period: Double, factor: Double) -> Double {
    let ofDeviation = factor * period * 0x1p-41 + period.squareRoot() * 0x1p-43
    return ofDeviation * deviation + 8 * 0x1p-53 * (abs(mean) + factor * deviation)
  }

  @Test func `a constant price gives exactly that mean, no deviation and a neutral rsi`() throws {
    let names = ["ema_10", "sma_30", "stdev_30", "zscore_30", "bollinger_upper_30_2", "rsi_14", "atr_14", "return_2", "macd_12_26_9"]
    let price = 1.3872349871234
    let rows = try indicators(names, ["price": "bid"]).send((0..<200).map { _ in gantry_tick(bid: price, ask: 2) }).map(\.columns)
    for row in rows[30...] { #expect(row == [price, price, 0, 0, price, 50, 0, 0, 0]) }
  }

  @Test func `a deviation recovers as soon as a jump has left the window`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var prices = walk(120, seed: seed, start: 1.3, step: 1e-6)
    prices[40] = 1e6
    let rows = try indicators(["stdev_20"], ["price": "bid"]).send(prices.map { gantry_tick(bid: $0, ask: $0) }).map { $0.columns[0] }
    for index in 60..<120 {
      let window = Array(prices[(index - 19)...index])
      let distances = window.map { $0 - window[0] }
      let middle = exactMean(distances)
      let expected = (distances.map { ($0 - middle) * ($0 - middle) }.reduce(0, +) / 20).squareRoot()
      #expect(close(rows[index], expected, 1e-9), "at \(index), seed \(seed)")
    }
  }

  @Test func `a price that is not finite gives a row of NaN and leaves the state alone`() throws {
    let names = ["ema_10", "sma_3", "rsi_3", "macd_3_5_2", "stdev_3", "return_1", "spread", "ask"]
    let prices = walk(60, seed: 5).map { tick($0) }
    let clean = try indicators(names)
    let expected = try clean.send(prices).map(\.columns)
    var dirty: [gantry_tick] = []
    for (index, price) in prices.enumerated() {
      dirty.append(price)
      if index % 7 == 3 { dirty.append(gantry_tick(bid: .nan, ask: 1)) }
      if index % 11 == 3 { dirty.append(gantry_tick(bid: 1, ask: .infinity)) }
    }
    let p = try indicators(names)
    let rows = try p.send(dirty).map(\.columns)
    let bad = dirty.indices.filter { !dirty[$0].bid.isFinite || !dirty[$0].ask.isFinite }
    #expect(bad.allSatisfy { index in rows[index].filter(\.isNaN).count == names.count })
    #expect(bits(rows.indices.filter { !bad.contains($0) }.map { rows[$0] }) == bits(expected))
    #expect(p.metrics["skipped_prices"] == Double(bad.count))
    #expect(try p.saveState().bytes == clean.saveState().bytes)
  }

  @Test func `instruments do not see each other`() throws {
    let names = ["ema_10", "sma_4", "rsi_3", "zscore_5"]
    let left = walk(80, seed: 2)
    let right = walk(80, seed: 3, start: 150)
    let both = zip(left, right).flatMap { [tick($0, instrument: 1), tick($1, instrument: 2)] }
    let rows = try indicators(names, instruments: [.eurusd, .usdjpy]).send(both)
    let alone = try [left, right].map { prices in try indicators(names).send(prices.map { tick($0) }).map(\.columns) }
    #expect(bits(rows.filter { $0.header.instrument == 1 }.map(\.columns)) == bits(alone[0]))
    #expect(bits(rows.filter { $0.header.instrument == 2 }.map(\.columns)) == bits(alone[1]))
  }

  @Test func `an event of an instrument the graph does not have is refused`() throws {
    let p = try indicators(["ema_10", "sma_4"])
    let failure = #expect(throws: PluginFailure.self) { try p.send([tick(1), tick(1, instrument: 2)]) }
    #expect(failure?.consumed == 1)
    #expect(failure?.text == "an event names instrument 2, but the graph has 1")
  }

  @Test(arguments: ["first", "sma"])
  func `batches of any size and single events give the same bits`(seeding: String) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    let events = walk(1500, seed: seed, jumps: true).enumerated().map { tick($1, instrument: UInt32($0 % 2 + 1)) }
    let expected = try everything(seeding).send(events).map(\.columns)
    let p = try everything(seeding)
    var rows: [[Double]] = []
    var next = 0
    while next < events.count {
      let count = min(Int(random.next() % 256) + 1, events.count - next)
      rows += try p.send(Array(events[next..<(next + count)])).map(\.columns)
      next += count
    }
    #expect(bits(rows) == bits(expected), "seed \(seed)")
    let single = try everything(seeding)
    #expect(bits(try events.map { try single.send($0)[0].columns }) == bits(expected), "seed \(seed)")
  }

  private func everything(_ seeding: String, starts: Bool = true) throws -> PluginHarness {
    try indicators(
      [
        "ema_10", "ema_20", "sma_50", "rsi_14", "atr_14", "macd_12_26_9", "macd_signal_12_26_9", "macd_hist_12_26_9", "macd_hist_3_9_4",
        "bollinger_upper_20_2", "bollinger_middle_20_2", "bollinger_lower_20_2", "stdev_20", "stdev_100", "zscore_20", "return_1", "logreturn_5",
        "spread", "mid", "bid", "ask", "bid_size", "ask_size", "price",
      ], ["ema_seed": .scalar(seeding)], instruments: [.eurusd, .usdjpy], starts: starts)
  }

  @Test(arguments: ["first", "sma"])
  func `a saved state goes on to the bit`(seeding: String) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    let events = walk(600, seed: seed, jumps: true).enumerated().map { tick($1, instrument: UInt32($0 % 3 == 0 ? 1 : 2)) }
    for cut in [0, 1, 2, 13, 14, 27, 61, 300] {
      let whole = try everything(seeding)
      _ = try whole.send(Array(events[..<cut] + events[..<1]).dropLast().map { $0 })
      let state = try whole.saveState()
      let expected = try whole.send(Array(events[cut...])).map(\.columns)
      let resumed = try everything(seeding, starts: false)
      try resumed.loadState(version: state.version, state.bytes)
      try resumed.start()
      #expect(bits(try resumed.send(Array(events[cut...])).map(\.columns)) == bits(expected), "cut \(cut), seed \(seed)")
    }
  }

  @Test func `a damaged or a foreign state is refused`() throws {
    let whole = try indicators(["ema_10", "stdev_20"])
    _ = try whole.send(walk(30, seed: 1).map { tick($0) })
    let (version, bytes) = try whole.saveState()
    func load(_ bytes: [UInt8], version: UInt32 = 1, _ columns: [String] = ["ema_10", "stdev_20"]) throws {
      try indicators(columns, starts: false).loadState(version: version, bytes)
    }
    try load(bytes, version: version)
    for length in stride(from: 0, to: bytes.count, by: 7) {
      #expect(throws: PluginFailure.self) { try load(Array(bytes[..<length])) }
    }
    #expect(throws: PluginFailure.self) { try load(bytes + [0]) }
    #expect(#expect(throws: PluginFailure.self) { try load(bytes, ["ema_10", "stdev_21"]) }?.status == -6)
    #expect(#expect(throws: PluginFailure.self) { try load(bytes, version: 2) }?.status == -6)
    var random = Seeded(7)
    for _ in 0..<200 {
      // Any bytes may come: what is taken must at least not trap.
      var damaged = bytes
      for _ in 0..<8 { damaged[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next()) }
      let p = try indicators(["ema_10", "stdev_20"], starts: false)
      guard (try? p.loadState(version: 1, damaged)) != nil else { continue }
      try p.start()
      _ = try p.send(walk(50, seed: 2).map { tick($0) })
    }
  }
}

// MARK: helpers of these tests

func tick(_ price: Double, instrument: UInt32 = 1) -> gantry_tick {
  gantry_tick(bid: price - 0.25, ask: price + 0.25, instrument: instrument)
}

func indicators(
  _ columns: [String], bars: Bool = false, _ parameters: [String: ParameterText] = [:],
  instruments: [HarnessInstrument] = [.eurusd], starts: Bool = true
) throws -> PluginHarness {
  var parameters = parameters
  parameters["columns"] = .list(columns)
  return try PluginHarness(
    "indicators", parameters: parameters, instruments: instruments, inputs: [.init(port: bars ? "bars" : "ticks")], starts: starts)
}

/// A random walk of prices whose halves are exact; now and then it jumps.
func walk(_ count: Int, seed: UInt64, start: Double = 100, step: Double = 0.01, jumps: Bool = false) -> [Double] {
  var random = Seeded(seed)
  var price = start
  return (0..<count).map { _ in
    price += Double.random(in: -step...step, using: &random)
    if jumps, random.next() % 97 == 0 { price += Double.random(in: -1000 * step...1000 * step, using: &random) }
    return price
  }
}

func bits(_ rows: [[Double]]) -> [[UInt64]] { rows.map { $0.map { $0.isNaN ? 1 : $0.bitPattern } } }

func close(_ value: Double, _ expected: Double, _ tolerance: Double) -> Bool {
  abs(value - expected) <= tolerance * max(abs(value), abs(expected)) || value == expected
}

/// The mean with the sum's rounding errors added back (Neumaier).
func exactMean(_ values: [Double]) -> Double {
  var sum = 0.0
  var lost = 0.0
  for value in values {
    let next = sum + value
    lost += abs(sum) >= abs(value) ? (sum - next) + value : (value - next) + sum
    sum = next
  }
  return (sum + lost) / Double(values.count)
}

/// splitmix64
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
