import CGantry
import Foundation
import PluginHarness
import Testing

struct SyntheticTests {
  static let instruments: [HarnessInstrument] = [
    .eurusd,
    HarnessInstrument("USDJPY", base: "USD", quote: "JPY", priceDigits: 3, cashDigits: 0),
    HarnessInstrument("ES", base: "ES", quote: "USD", priceDigits: 2, quantityDigits: 1, tickSize: 25, lotSize: 10, contractUnits: 50),
  ]

  func source(_ parameters: [String: ParameterText] = [:], instruments: [HarnessInstrument] = instruments) throws -> PluginHarness {
    try PluginHarness("synthetic", parameters: parameters, instruments: instruments)
  }

  func ticks(_ parameters: [String: ParameterText] = [:], instruments: [HarnessInstrument] = instruments) throws -> [gantry_tick] {
    try source(parameters, instruments: instruments).pullAll(max: 1000).map(\.tick)
  }

  func failure(_ parameters: [String: ParameterText], instruments: [HarnessInstrument] = instruments) throws -> String {
    do {
      _ = try ticks(parameters, instruments: instruments)
    } catch let failure as PluginFailure {
      return failure.text
    }
    return "nothing failed"
  }

  @Test func `the same seed gives the same bytes, another seed others`() throws {
    let one = try source(["count": 20_000]).pullAll().map(\.bytes)
    #expect(try source(["count": 20_000]).pullAll().map(\.bytes) == one)
    #expect(try source(["count": 20_000, "seed": 2]).pullAll().map(\.bytes) != one)
    #expect(one.count == 20_000)
  }

  @Test func `these bytes are the same on every machine`() throws {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for output in try source(["count": 10_000, "seed": 7]).pullAll() {
      for byte in output.bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }
    #expect(String(hash, radix: 16) == "a41207f3c1812322")
  }

  @Test func `the size of the pulls does not change the quotes`() throws {
    let seed = UInt64.random(in: 1...1_000_000)
    print("seed \(seed)")
    var random = Seeded(seed)
    let whole = try source(["count": 5000]).pullAll().map(\.bytes)
    let source = try source(["count": 5000])
    var quotes: [[UInt8]] = []
    while true {
      let pulled = try source.pull(max: Int.random(in: 1...300, using: &random))
      quotes += pulled.outputs.map(\.bytes)
      #expect(try source.cursor().row == UInt64(quotes.count))
      if pulled.isEnd { break }
    }
    #expect(quotes == whole)
  }

  @Test func `prices are on each instrument's grid, the bid below the ask, sizes whole lots`() throws {
    for extra in [[:], ["volatility": 10, "drift": 1, "regimes": 16, "spread_points": 500, "jump_probability": 0.5, "size": 0.1]] as [[String: ParameterText]] {
      for quote in try ticks(extra.merging(["count": 20_000]) { $1 }) {
        let instrument = Self.instruments[Int(quote.header.instrument) - 1]
        #expect(quote.bid > 0 && quote.bid < quote.ask)
        for price in [quote.bid, quote.ask] {
          let counted = Int64((price * pow(10, Double(instrument.priceDigits))).rounded())
          #expect(counted % instrument.tickSize == 0)
          #expect(price == Double(counted) / pow(10, Double(instrument.priceDigits)), "the nearest double of the decimal")
        }
        for size in [quote.bid_size, quote.ask_size] {
          let counted = (size * pow(10, Double(instrument.quantityDigits))).rounded()
          #expect(counted > 0 && counted.truncatingRemainder(dividingBy: Double(instrument.lotSize)) == 0)
        }
      }
    }
  }

  @Test func `times increase, with the stated mean for each instrument`() throws {
    let quotes = try ticks(["count": 60_000, "interval": "250ms"])
    for (one, two) in zip(quotes, quotes.dropFirst()) { #expect(one.header.event_ns < two.header.event_ns) }
    for id in 1...3 {
      let times = quotes.filter { $0.header.instrument == UInt32(id) }.map(\.header.event_ns)
      let mean = Double(times.last! - times.first!) / Double(times.count - 1)
      #expect(abs(mean / 250e6 - 1) < 0.05, "instrument \(id): \(mean)")
      #expect(abs(Double(times.count) / 20_000 - 1) < 0.05)
    }
    // Exponential gaps deviate by their mean.
    let gaps = zip(quotes, quotes.dropFirst()).map { Double($1.header.event_ns - $0.header.event_ns) }
    let mean = gaps.reduce(0, +) / Double(gaps.count)
    let deviation = (gaps.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(gaps.count)).squareRoot()
    #expect(abs(deviation / mean - 1) < 0.05)
    #expect(quotes.first?.header.event_ns == 1_704_153_600_000_000_000)
  }

  /// The returns of the middle of one instrument, in standard deviations of a quote.
  func returns(_ parameters: [String: ParameterText]) throws -> [Double] {
    let quotes = try ticks(
      parameters.merging(["volatility": "100%", "price": [1000], "spread_points": 1, "interval": "1m"]) { a, _ in a }, instruments: [.eurusd])
    let deviation = (60 / 31_557_600.0).squareRoot()
    return zip(quotes, quotes.dropFirst()).map { (($1.bid + $1.ask) / ($0.bid + $0.ask) - 1) / deviation }
  }

  @Test func `one calm regime has half the volatility, no trend and thin tails`() throws {
    let calm = try returns(["regimes": 1, "jump_probability": 0, "count": 50_000])
    let mean = calm.reduce(0, +) / Double(calm.count)
    let deviation = (calm.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(calm.count)).squareRoot()
    #expect(abs(mean) < 0.01)
    #expect(abs(deviation - 0.5) < 0.01)
    #expect(calm.allSatisfy { abs($0) < 3 })
  }

  @Test func `regimes change volatility and spread, and jumps make the tails fat`() throws {
    let quotes = try ticks(["count": 80_000, "regimes": 4, "regime_length": 1000, "spread_points": 20], instruments: [.eurusd])
    let spreads = quotes.map { ($0.ask - $0.bid) * 100_000 }
    let wild = spreads.filter { $0 > 26 }.count
    #expect(spreads.allSatisfy { $0 > 14.9 && $0 < 50.1 })
    #expect(wild > spreads.count / 10 && wild < spreads.count / 2, "about a quarter of the time: \(wild)")
    let jumps = try returns(["jump_probability": 0.001, "count": 50_000, "regimes": 1])
    let far = jumps.filter { abs($0) > 8 }.count
    #expect(far > 25 && far < 90, "about 50: \(far)")
  }

  @Test func `a trend moves the price by its drift`() throws {
    // Regime 1 is up, regime 2 down; with two regimes the price only calms or rises.
    let rising = try returns(["regimes": 2, "regime_length": 500, "drift": 0.2, "jump_probability": 0, "count": 50_000])
    let mean = rising.reduce(0, +) / Double(rising.count)
    #expect(abs(mean - 0.1) < 0.03, "half of the time 0.2: \(mean)")
  }

  @Test func `instruments chooses by symbol, price sets where they begin`() throws {
    let quotes = try ticks(["instruments": ["ES", "EURUSD"], "price": [5000, 1.25], "count": 1000])
    #expect(Set(quotes.map(\.header.instrument)) == [1, 3])
    #expect(abs(quotes.first { $0.header.instrument == 3 }!.bid - 5000) < 10)
    #expect(abs(quotes.first { $0.header.instrument == 1 }!.bid - 1.25) < 0.01)
    #expect(try ticks(["count": 100, "start": "2030-01-01T00:00:00+01:00"]).first?.header.event_ns == 1_893_452_400_000_000_000)
  }

  @Test func `parameters that do not fit are refused with the remedy`() throws {
    #expect(try failure(["instruments": ["EURUSD", "GBPUSD"]]) == "instruments: the graph has no instrument `GBPUSD`; add it there")
    #expect(try failure(["instruments": ["ES", "ES"]]) == "instruments: `ES` is given twice")
    #expect(try failure(["price": [1, 2]]) == "price: 2 prices for 3 instruments; give one, or one for each")
    #expect(try failure(["price": [0.001]]).hasPrefix("price: 0.001000 is 100 ticks of EURUSD; allowed are 1,000 to"))
    #expect(try failure(["speed": "x"]) == "speed: `x` is none of max, real and xN, such as x10")
    #expect(try failure(["start": "now"]) == "start: `now` is no time; write it as 2024-01-02 or 2024-01-02T09:30:00Z")
    #expect(try failure([:], instruments: []).hasPrefix("the graph has no instruments"))
    #expect(try failure(["start": "2250-01-01"]).hasPrefix("the quotes run beyond the year"))
  }

  @Test func `the cursor's hash tells other parameters from these`() throws {
    func hash(_ parameters: [String: ParameterText]) throws -> UInt64 { try source(parameters).cursor().contentHash }
    let one = try hash([:])
    #expect(try hash([:]) == one)
    for other in [["seed": 2], ["count": 5], ["interval": "2s"], ["drift": 0.06], ["instruments": ["ES"]], ["size": 5]] as [[String: ParameterText]] {
      #expect(try hash(other) != one)
    }
  }

  @Test func `on a live clock the first quote is of the present`() throws {
    let source = try PluginHarness("synthetic", parameters: ["count": 1], isLive: true, nowNs: 1_900_000_000_000_000_000)
    #expect(try source.pullAll().first?.header.event_ns == 1_900_000_000_000_000_000)
  }

  @Test func `a speed makes the quotes wait`() throws {
    let source = try source(["count": 50, "interval": "3s", "speed": "x1000"])
    let start = DispatchTime.now().uptimeNanoseconds
    var times: [Int64] = []
    while true {
      let pulled = try source.pull()
      times += pulled.outputs.map(\.header.event_ns)
      if pulled.isEnd { break }
      try #require(DispatchTime.now().uptimeNanoseconds - start < 60_000_000_000)
    }
    #expect(times.count == 50)
    #expect(DispatchTime.now().uptimeNanoseconds - start >= UInt64(times.last! - times.first!) / 1000)
  }
}

/// A small generator, so that a printed seed repeats a test.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}
