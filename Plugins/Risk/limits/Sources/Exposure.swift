import GantrySDK

/// What the account has, and may come to have, in one instrument.
struct Exposure: BitwiseCopyable {
  let terms: InstrumentTerms
  /// One fine amount of this instrument in units of `Money`.
  let moneyFactor: Int128
  /// In quantity units; Int64.max = no limit.
  var maxPosition: Int64 = Int64.max
  var maxOrder: Int64 = Int64.max

  /// The last good quote, 0 before the first one.
  var bid = 0.0
  var ask = 0.0
  /// The bid or ask that `value` was computed with; not saved, so that a new instance computes it anew.
  var valuedAt = 0.0
  /// Of the last fill, 0 before the first one.
  var lastPrice: Int64 = 0
  /// Signed.
  var position: Int64 = 0
  /// What the orders on their way may still buy and sell, each not below 0.
  var buying: Int64 = 0
  var selling: Int64 = 0
  /// The same of reduce-only orders, which never take the position past zero.
  var buyingBack: Int64 = 0
  var sellingOff: Int64 = 0
  /// Received minus paid for all fills, in units of `Money`.
  var flow: Int128 = 0
  /// `flow` and what the position is worth, as counted in `Money.profit`.
  var value: Int128 = 0

  init(_ terms: InstrumentTerms, moneyFactor: Int128) {
    self.terms = terms
    self.moneyFactor = moneyFactor
  }

  /// The highest position that the orders on their way can lead to, with `more` bought on top.
  func highest(adding more: Int64 = 0) throws(Failure) -> Int64 {
    let covered = position < 0 ? min(position + min(buyingBack, 0 - position), 0) : position
    return try Exact.add(covered, Exact.add(buying, more))
  }

  /// The lowest one, with `more` sold on top.
  func lowest(adding more: Int64 = 0) throws(Failure) -> Int64 {
    let covered = position > 0 ? max(position - min(sellingOff, position), 0) : position
    return try Exact.subtract(covered, Exact.add(selling, more))
  }

  /// Whether `quantity` can only make the position smaller, whatever is filled before it.
  func isReduction(buy: Bool, quantity: Int64) -> Bool {
    if buy {
      guard position < 0, let highest = try? highest(adding: quantity) else { return false }
      return highest <= 0
    }
    guard position > 0, let lowest = try? lowest(adding: quantity) else { return false }
    return lowest >= 0
  }

  mutating func addPending(buy: Bool, reduceOnly: Bool, _ change: Int64) throws(Failure) {
    if reduceOnly {
      if buy { buyingBack = try Exact.add(buyingBack, change) } else { sellingOff = try Exact.add(sellingOff, change) }
    } else {
      if buy { buying = try Exact.add(buying, change) } else { selling = try Exact.add(selling, change) }
    }
  }

  /// The highest known price for the value of what may be held: the ask, the last fill, or `order`.
  func highestPrice(_ order: Int64) throws(Failure) -> Int64 {
    max(ask > 0 ? try terms.price(ask, .up) : lastPrice, order)
  }

  /// What closing the position would bring now, in units of `Money`; the last fill's price where
  /// there is no quote.
  func worth() throws(Failure) -> Int128 {
    if position == 0 { return 0 }
    let isLong = position > 0
    let price = bid > 0 ? try terms.price(isLong ? bid : ask, .chargedPrice(buy: !isLong)) : lastPrice
    let notional = try terms.notional(price: price, quantity: position)
    return moneyFactor == 1 ? notional : try Exact.multiply(notional, moneyFactor)
  }

  /// The side of the quote at which the position could be closed.
  @inline(__always)
  var closingQuote: Double { position > 0 ? bid : ask }
}
