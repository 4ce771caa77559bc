import CGantry
import GantrySDK

/// The last good quote of one instrument, and what the account has in it. The first cache line is
/// all that a tick touches while no order rests.
struct Market: BitwiseCopyable {
  var bid = 0.0
  var ask = 0.0
  var bidSize = 0.0
  var askSize = 0.0
  /// When the quote entered the host; Int64.min before the first one.
  var quoteNs = Int64.min
  /// The quote's chain, which settles the order of events of one nanosecond.
  var chain: UInt64 = 0
  var origin: UInt16 = 0
  var isTraded: Bool
  /// Nothing of this quote's sizes has been filled yet.
  var isUntouched = true
  var openOrders: Int32 = 0

  /// What is left of the quote's sizes, once something was filled against it.
  var sizesLeft: (bid: Int64, ask: Int64) = (0, 0)
  var position = Position()
  let terms: InstrumentTerms
  let commission: Commission

  init(isTraded: Bool, _ terms: InstrumentTerms, _ commission: Commission) {
    self.isTraded = isTraded
    self.terms = terms
    self.commission = commission
  }

  var hasQuote: Bool { quoteNs != Int64.min }
  /// Not crossed, not broken; false for NaN as well.
  var isGood: Bool { bid > 0 && ask >= bid && ask < .infinity }

  /// Whether the quote may fill an order of `notBeforeNs` and this chain: it is not older than
  /// what caused the order.
  @inline(__always)
  func mayFill(notBeforeNs: Int64, chain orderChain: UInt64, origin orderOrigin: UInt16) -> Bool {
    if quoteNs > notBeforeNs { return hasQuote }
    return quoteNs == notBeforeNs && (origin != orderOrigin || chain >= orderChain)
  }

  /// The quoted price that an order of this side meets, never better for the account than the quote.
  func opposite(buy: Bool) throws(Failure) -> Int64 {
    try terms.price(buy ? ask : bid, .chargedPrice(buy: buy))
  }

  /// The price at which the position could be closed.
  func mark() throws(Failure) -> Int64 { try opposite(buy: position.quantity < 0) }

  /// How much of the quoted size an order of this side may still take. A size of 0 means that the
  /// source does not say: no bound.
  mutating func available(buy: Bool) -> Int64 {
    if isUntouched {
      sizesLeft.bid = bidSize == 0 ? Int64.max : terms.quantity(covering: bidSize)
      sizesLeft.ask = askSize == 0 ? Int64.max : terms.quantity(covering: askSize)
      isUntouched = false
    }
    return buy ? sizesLeft.ask : sizesLeft.bid
  }

  mutating func take(_ quantity: Int64, buy: Bool) {
    if isUntouched { return }
    if buy {
      if sizesLeft.ask != Int64.max { sizesLeft.ask -= quantity }
    } else if sizesLeft.bid != Int64.max {
      sizesLeft.bid -= quantity
    }
  }
}
