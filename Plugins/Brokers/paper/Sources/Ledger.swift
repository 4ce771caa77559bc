import GantrySDK

/// The account's double-entry ledger, in units of the account's currency. Every movement takes
/// from one entry what it gives to another, so the entries always sum to zero.
struct Ledger: BitwiseCopyable {
  /// What the account holds.
  private(set) var cash: Int64 = 0
  /// What the owner paid in, as a negative number.
  private(set) var owner: Int64 = 0
  /// What the market paid, as a negative number: profit.
  private(set) var market: Int64 = 0
  /// What the broker took: commission.
  private(set) var broker: Int64 = 0
  private(set) var fills: UInt64 = 0

  init() {}

  /// A saved ledger; refused when it does not balance.
  init(cash: Int64, owner: Int64, market: Int64, broker: Int64, fills: UInt64) throws(Failure) {
    guard Int128(cash) + Int128(owner) + Int128(market) + Int128(broker) == 0, owner != Int64.min else {
      throw Failure.invalid("the saved ledger does not balance to zero")
    }
    self.cash = cash
    self.owner = owner
    self.market = market
    self.broker = broker
    self.fills = fills
  }

  var initial: Int64 { 0 - owner }
  var profit: Int64 { 0 - market }

  mutating func deposit(_ amount: Int64) throws(Failure) {
    let cash = try Exact.add(self.cash, amount)
    owner = try Exact.subtract(owner, amount)
    self.cash = cash
  }

  /// Books one fill, all of it or nothing.
  mutating func fill(profit: Int64, commission: Int64) throws(Failure) {
    var next = self
    next.cash = try Exact.add(next.cash, profit)
    next.market = try Exact.subtract(next.market, profit)
    next.cash = try Exact.subtract(next.cash, commission)
    next.broker = try Exact.add(next.broker, commission)
    next.fills += 1
    self = next
  }

  func verify() throws(Failure) {
    if Int128(cash) + Int128(owner) + Int128(market) + Int128(broker) != 0 {
      throw Failure.bug("paper: the ledger does not balance to zero")
    }
  }
}
