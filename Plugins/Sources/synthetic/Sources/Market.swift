/// The prices of one instrument: a geometric random walk whose volatility and drift are those of the
/// regime it is in, with an occasional jump. Counts in ticks; prices are always on the instrument's grid.
struct Market {
  var instrument: UInt32
  /// The middle of bid and ask, in ticks, not rounded.
  var middle: Double
  var regime: Int = 0
  /// A tick in the price's scale, and that scale; the same of a lot.
  var tickSize: Double
  var priceScale: Double
  var lotSize: Double
  var quantityScale: Double
  /// The mean quoted size, in lots.
  var sizeLots: Double
}

/// What distinguishes a regime, as multiples of the parameters.
struct Regime {
  /// Of the volatility of one quote.
  var volatility: Double
  /// Of the drift.
  var drift: Double
  /// Of the spread.
  var spread: Double

  /// Regime `index`: calm, up, down, wild, steep up, steep down, and so on, ever wilder.
  init(_ index: Int) {
    let round = Double(index / 4)
    switch index % 4 {
    case 0: (volatility, drift, spread) = (0.5 + 0.25 * round, 0, 1)
    case 1: (volatility, drift, spread) = (1 + 0.5 * round, 1 + round, 1)
    case 2: (volatility, drift, spread) = (1 + 0.5 * round, -1 - round, 1)
    default: (volatility, drift, spread) = (2.5 + round, 0, 2 + round)
    }
  }
}

/// One made-up quote.
struct Quote {
  var timeNs: Int64
  var instrument: UInt32
  var bid: Double
  var ask: Double
  var bidSize: Double
  var askSize: Double
}

/// Makes quotes of several instruments. Same parameters, same quotes, on every machine: only additions,
/// multiplications and divisions, which IEEE 754 rounds in one way.
struct QuoteMaker {
  struct Parameters {
    var seed: UInt64 = 1
    var startNs: Int64 = 0
    var intervalNs: Double = 1e9
    /// Standard deviation of a year's return.
    var volatility = 0.1
    var spreadTicks = 10.0
    var regimes = 3
    var regimeLength = 2000.0
    /// Mean move of a quote in a trending regime, as a share of the standard deviation of a quote.
    var drift = 0.05
    var jumpProbability = 0.0001
    /// Standard deviations of a quote.
    var jumpSize = 20.0
  }

  private let markets: UnsafeMutablePointer<Market>
  private let marketCount: Int
  private let regimes: UnsafeMutablePointer<Regime>
  private let regimeCount: UInt64
  private let waiting = WaitingTimes()
  private var random: Xoshiro
  private let gapNs: Double
  /// Standard deviation of one quote's return.
  private let deviation: Double
  private let drift: Double
  private let spreadTicks: Double
  private let jumpSize: Double
  /// Compared with 32 random bits.
  private let switchBelow: UInt64
  private let jumpBelow: UInt64
  /// When the next quote comes.
  private(set) var nextNs: Int64

  init(_ parameters: Parameters, _ list: [Market]) {
    marketCount = list.count
    markets = .allocate(capacity: max(list.count, 1))
    for (index, market) in list.enumerated() { (markets + index).initialize(to: market) }
    regimes = .allocate(capacity: parameters.regimes)
    for index in 0..<parameters.regimes { (regimes + index).initialize(to: Regime(index)) }
    regimeCount = UInt64(parameters.regimes)
    random = Xoshiro(seed: parameters.seed)
    gapNs = parameters.intervalNs / Double(list.count)
    let yearNs = 31_557_600e9
    deviation = parameters.volatility * QuoteMaker.squareRoot(parameters.intervalNs / yearNs)
    drift = parameters.drift
    spreadTicks = parameters.spreadTicks
    jumpSize = parameters.jumpSize
    switchBelow = UInt64(4_294_967_296 / max(parameters.regimeLength, 1))
    jumpBelow = UInt64(4_294_967_296 * parameters.jumpProbability)
    nextNs = parameters.startNs
  }

  func deallocate() {
    markets.deallocate()
    regimes.deallocate()
    waiting.deallocate()
  }

  /// The quote that comes at `nextNs`.
  @inline(__always)
  mutating func next() -> Quote {
    let first = random.next()
    let market = markets + Int(((first >> 32) &* UInt64(marketCount)) >> 32)
    let timeNs = nextNs
    nextNs = timeNs &+ 1 &+ Int64(waiting.draw(UInt32(truncatingIfNeeded: first)) * gapNs)

    let chances = random.next()
    if chances & 0xffff_ffff < switchBelow { switchRegime(market) }
    let regime = regimes[market.pointee.regime]
    var change = (normal() * regime.volatility + regime.drift * drift) * deviation
    if chances >> 32 < jumpBelow { change += jump() }
    var middle = market.pointee.middle * (1 + change)
    // Far from both ends of what doubles count exactly, whatever the parameters.
    middle = max(100, min(middle, 1e12))
    market.pointee.middle = middle

    let last = random.next()
    // 0.75 to 1.25 of the regime's spread, rounded, and at least one tick.
    let wanted = spreadTicks * regime.spread * (0.75 + Double(last & 0xffff) * (0.5 / 65_536))
    let spread = max(1, QuoteMaker.floor(wanted + 0.5))
    let bid = QuoteMaker.floor(max(1, middle - spread / 2 + 0.5))
    let sizes = market.pointee.sizeLots
    let bidLots = max(1, QuoteMaker.floor(sizes * (0.25 + Double(last >> 16 & 0xffff) * (1.5 / 65_536))))
    let askLots = max(1, QuoteMaker.floor(sizes * (0.25 + Double(last >> 32 & 0xffff) * (1.5 / 65_536))))
    return Quote(
      timeNs: timeNs, instrument: market.pointee.instrument,
      bid: bid * market.pointee.tickSize / market.pointee.priceScale,
      ask: (bid + spread) * market.pointee.tickSize / market.pointee.priceScale,
      bidSize: bidLots * market.pointee.lotSize / market.pointee.quantityScale,
      askSize: askLots * market.pointee.lotSize / market.pointee.quantityScale)
  }

  /// The whole part of a number from 0 to 2^53.
  @inline(__always)
  private static func floor(_ value: Double) -> Double { Double(Int64(value)) }

  /// By Newton's method, from above: the same on every machine, and without libm.
  private static func squareRoot(_ value: Double) -> Double {
    guard value > 0 else { return 0 }
    var root = max(value, 1)
    while true {
      let next = (root + value / root) / 2
      if next >= root { return root }
      root = next
    }
  }

  /// Nearly normal, mean 0 and deviation 1: the sum of eight uniform numbers, within 4.9.
  @inline(__always)
  private mutating func normal() -> Double {
    var sum: UInt64 = 0
    for _ in 0..<2 {
      let bits = random.next()
      sum &+= bits & 0xffff &+ bits >> 16 & 0xffff &+ bits >> 32 & 0xffff &+ bits >> 48
    }
    // Mean 8 * 65,535 / 2, variance 8 * (65,536^2 - 1) / 12.
    return (Double(sum) - 262_140) * (1 / 53_509.92)
  }

  @inline(never)
  private mutating func jump() -> Double {
    let size = jumpSize * deviation * (0.5 + Double(random.next() >> 11) * 0x1p-53)
    return random.next() & 1 == 0 ? size : -size
  }

  /// Any other regime, each as likely.
  @inline(never)
  private mutating func switchRegime(_ market: UnsafeMutablePointer<Market>) {
    guard regimeCount > 1 else { return }
    let step = 1 + random.next() % (regimeCount - 1)
    market.pointee.regime = Int((UInt64(market.pointee.regime) + step) % regimeCount)
  }
}
