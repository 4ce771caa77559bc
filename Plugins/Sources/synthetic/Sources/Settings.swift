import CGantry
import GantrySDK

/// The parameters of one instance, checked against each other and the instruments.
struct Settings {
  /// The parameters' places in the descriptor.
  enum Index: Int {
    case instruments, seed, count, start, interval, volatility, spreadPoints, size, price
    case regimes, regimeLength, drift, jumpProbability, jumpSize, speed
  }

  var maker = QuoteMaker.Parameters()
  var markets: [Market] = []
  /// 0 = no end.
  var count: Int64 = 0
  var pace: Pace
  /// Whether the first quote comes when the graph starts.
  var startsNow = false
  /// Tells one set of parameters from another.
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  init(_ configuration: borrowing Configuration, _ host: Host) throws(Failure) {
    func integer(_ index: Index) -> Int64 { configuration.integer(index.rawValue) }
    func number(_ index: Index) -> Double { configuration.number(index.rawValue) }

    guard let pace = Pace(configuration.text(Index.speed.rawValue)) else {
      throw Failure.invalid("speed: `\(configuration.text(Index.speed.rawValue))` is none of max, real and xN, such as x10")
    }
    self.pace = pace
    count = integer(.count)
    maker.seed = UInt64(bitPattern: integer(.seed))
    maker.intervalNs = Double(integer(.interval))
    maker.volatility = number(.volatility)
    maker.spreadTicks = number(.spreadPoints)
    maker.regimes = Int(integer(.regimes))
    maker.regimeLength = number(.regimeLength)
    maker.drift = number(.drift)
    maker.jumpProbability = number(.jumpProbability)
    maker.jumpSize = number(.jumpSize)
    let start = configuration.text(Index.start.rawValue)
    if start.isEmpty {
      startsNow = configuration.isLive
      maker.startNs = 1_704_153_600_000_000_000  // 2024-01-02T00:00:00Z
    } else {
      guard let time = start.withBytes({ ISOTime($0) }) else {
        throw Failure.invalid("start: `\(start)` is no time; write it as 2024-01-02 or 2024-01-02T09:30:00Z")
      }
      maker.startNs = time.ns
    }
    try addMarkets(configuration, host)
    addHash()
  }

  private mutating func addMarkets(_ configuration: borrowing Configuration, _ host: Host) throws(Failure) {
    var ids: [UInt32] = []
    let wanted = configuration.count(Index.instruments.rawValue)
    for position in 0..<wanted {
      let symbol = configuration.text(Index.instruments.rawValue, at: position)
      var found: UInt32?
      for id in 1...UInt32(max(configuration.instrumentCount, 1)) {
        if let instrument = host.instrument(id), TextView(instrument.symbol) == symbol { found = id }
      }
      guard let found else { throw Failure.invalid("instruments: the graph has no instrument `\(symbol)`; add it there") }
      if ids.contains(found) { throw Failure.invalid("instruments: `\(symbol)` is given twice") }
      ids.append(found)
    }
    if wanted == 0, configuration.instrumentCount > 0 { ids = Array(1...UInt32(configuration.instrumentCount)) }
    guard !ids.isEmpty else { throw Failure.invalid("the graph has no instruments; add some under instruments:") }

    let prices = configuration.count(Index.price.rawValue)
    guard prices <= 1 || prices == ids.count else {
      throw Failure.invalid("price: \(prices) prices for \(ids.count) instruments; give one, or one for each")
    }
    for (position, id) in ids.enumerated() {
      guard let instrument = host.instrument(id) else { throw Failure.invalid("there is no instrument \(id)") }
      let tick = Double(max(instrument.tick_size, 1))
      let scale = Settings.power(instrument.price_digits)
      let lot = Double(max(instrument.lot_size, 1))
      let quantityScale = Settings.power(instrument.quantity_digits)
      var middle = 100_000.0
      if prices > 0 {
        let price = configuration.number(Index.price.rawValue, at: prices == 1 ? 0 : position)
        middle = price * scale / tick
        guard middle >= 1000, middle <= 1e11 else {
          throw Failure.invalid("price: \(price) is \(middle, decimals: 0) ticks of \(TextView(instrument.symbol)); allowed are 1,000 to 100,000,000,000")
        }
      }
      markets.append(
        Market(
          instrument: id, middle: middle, tickSize: tick, priceScale: scale, lotSize: lot, quantityScale: quantityScale,
          sizeLots: max(1, min(configuration.number(Index.size.rawValue) * quantityScale / lot, 1e12))))
    }
  }

  private mutating func addHash() {
    func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
      let product = (hash ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
      return product.high ^ product.low &+ word
    }
    var value = hash
    for word in [maker.seed, UInt64(bitPattern: maker.startNs), UInt64(bitPattern: count), UInt64(maker.regimes)] {
      value = mixed(value, word)
    }
    for number in [
      maker.intervalNs, maker.volatility, maker.spreadTicks, maker.regimeLength, maker.drift, maker.jumpProbability,
      maker.jumpSize,
    ] { value = mixed(value, number.bitPattern) }
    for market in markets {
      value = mixed(value, UInt64(market.instrument))
      for number in [market.middle, market.tickSize, market.priceScale, market.lotSize, market.quantityScale, market.sizeLots] {
        value = mixed(value, number.bitPattern)
      }
    }
    hash = value
  }

  private static func power(_ digits: UInt32) -> Double {
    var value = 1.0
    for _ in 0..<min(digits, 18) { value *= 10 }
    return value
  }
}
