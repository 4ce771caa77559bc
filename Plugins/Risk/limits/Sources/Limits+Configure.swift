import CGantry
import GantrySDK

extension Limits {
  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    hasExecutions = configuration.schema(ofPort: Limits.executionsPort) != nil
    hasTicks = configuration.schema(ofPort: Limits.ticksPort) != nil
    hasAccount = configuration.schema(ofPort: Limits.accountPort) != nil
    isLive = configuration.isLive
    var brokers = 0
    for index in 0..<configuration.inputCount where Int(configuration.input(index).port) == Limits.executionsPort { brokers += 1 }
    adoptsPosition = brokers == 1
    let count = Int(configuration.raw.pointee.value_count)
    let values = configuration.raw.pointee.values
    let next = try Bounds { index in
      precondition(index < count)
      return values.unsafelyUnwrapped[index]
    }
    resetCount = next.reset
    try readInstruments(configuration)
    assumesEquity = next.equity == nil && !hasAccount
    try check(next)
    rate.setCapacity(Int(next.ordersPerSecond ?? 0))
    money.dayStartNs = next.dayStartNs
    try useBounds(next)
    let assumed = Decimal(mantissa: 100_000, digits: 0)
    if let equity = next.equity ?? (assumesEquity && !isLive ? assumed : nil) {
      guard let amount = equity.scaled(to: money.digits) else {
        throw Failure.invalid("equity: \(equity.mantissa, digits: equity.digits) has more digits than the account's currency")
      }
      try money.setBase(Int128(amount))
    }
    passedMetric = host.defineMetric("passed", counter: true, help: "orders, changes and cancels that passed")
    refusedMetric = host.defineMetric("refused", counter: true, help: "orders and changes refused")
    haltedMetric = host.defineMetric("halts", counter: true, help: "times that trading was halted")
  }

  func start() throws(Failure) {
    if assumesEquity && bounds.maxDrawdownBillionths != nil {
      host.log(.warning, "limits: max_drawdown is measured from an assumed equity of 100000; add `broker.account~` to `from`, or set `equity:`")
    }
    if bounds.isEmpty { host.log(.warning, "limits: no limit is set, so every order passes; see `gantry plugin inspect limits`") }
  }

  private mutating func readInstruments(_ configuration: borrowing Configuration) throws(Failure) {
    bookCount = configuration.instrumentCount
    guard bookCount > 0 else { throw Failure.invalid("limits has nothing to guard: list the graph's `instruments:`") }
    book.deallocate()
    book = UnsafeMutablePointer<Exposure>.allocate(capacity: bookCount)
    var digits: UInt32 = 0
    for slot in 0..<bookCount {
      let terms = try terms(slot)
      digits = max(digits, max(terms.fineDigits, terms.cashDigits))
    }
    guard digits <= 36 else { throw Failure.invalid("an instrument has more than 36 digits of price and quantity; exact numbers hold 36") }
    for slot in 0..<bookCount {
      let terms = try terms(slot)
      let factor = try Exact.power(of10: digits - terms.fineDigits)
      (book + slot).initialize(to: Exposure(terms, moneyFactor: factor))
    }
    money.digits = digits
    money.currency = book[0].terms.quoteCurrency
    money.cashFactor = try Exact.power(of10: digits - book[0].terms.cashDigits)
  }

  private func terms(_ slot: Int) throws(Failure) -> InstrumentTerms {
    guard let instrument = host.instrument(UInt32(slot + 1)), let quote = host.currency(instrument.quote_currency) else {
      throw Failure.bug("limits: the host does not know instrument \(slot + 1) of its own table")
    }
    return try InstrumentTerms(instrument, quote)
  }

  /// Whether what the limits need is connected, and whether one sum of money makes sense.
  func check(_ next: Bounds) throws(Failure) {
    if next.priceBandBillionths != nil && !hasTicks {
      throw Failure.invalid("price_band needs quotes to compare with; add the tick source to `from`, as `ticks: NODE`")
    }
    if !hasExecutions {
      guard !next.needsMoney else {
        throw Failure.invalid("max_daily_loss and max_drawdown need the fills; add the broker's executions to `from`, as `broker.executions~`")
      }
      guard next.maxOpenOrders == nil else {
        throw Failure.invalid("max_open_orders needs to know what became of the orders; add `broker.executions~` to `from`")
      }
    }
    if next.maxDrawdownBillionths != nil && assumesEquity && isLive {
      throw Failure.invalid("max_drawdown: the equity is not known; add the broker's account to `from`, as `broker.account~`, or set `equity:`")
    }
    if (next.needsMoney || next.maxNotional != nil) && !hasOneCurrency {
      throw Failure.invalid(
        "max_notional, max_daily_loss and max_drawdown add up money, but the graph's instruments are quoted in several currencies; give each currency a graph of its own"
      )
    }
  }

  private var hasOneCurrency: Bool {
    for slot in 0..<bookCount where book[slot].terms.quoteCurrency != money.currency { return false }
    return true
  }

  /// Takes checked limits into force.
  mutating func useBounds(_ next: Bounds) throws(Failure) {
    var money = money
    money.isTracked = hasExecutions && hasOneCurrency
    money.isWatched = next.needsMoney
    money.maxDailyLoss = try next.maxDailyLoss.map { (value) throws(Failure) in try cash(value, "max_daily_loss") } ?? -1
    money.maxDrawdownBillionths = next.maxDrawdownBillionths ?? -1
    let notional = try next.maxNotional.map { (value) throws(Failure) in try cash(value, "max_notional") }
    for slot in 0..<bookCount {
      book[slot].maxPosition = next.maxPosition.map { Limits.bound($0, book[slot].terms) } ?? Int64.max
      book[slot].maxOrder = next.maxOrder.map { Limits.bound($0, book[slot].terms) } ?? Int64.max
    }
    let begins = money.isWatched && !self.money.isWatched
    self.money = money
    maxNotional = notional
    bounds = next
    if begins {
      // A loss limit that was not there before measures from now on.
      try revalueAll()
      self.money.forgetPeak()
    }
  }

  private func cash(_ value: Decimal, _ name: StaticString) throws(Failure) -> Int128 {
    guard value.digits <= money.digits else {
      throw Failure.invalid("\(name): \(value.mantissa, digits: value.digits) has more digits than the account's currency")
    }
    return try Exact.rescale(Int128(value.mantissa), from: value.digits, to: money.digits, .down)
  }

  /// A bound in quantity units. Quantities are whole units, so cutting a bound down keeps its meaning.
  private static func bound(_ value: Decimal, _ terms: InstrumentTerms) -> Int64 {
    guard let units = try? Exact.rescale(Int128(value.mantissa), from: value.digits, to: terms.quantityDigits, .down) else {
      return Int64.max - 1
    }
    return Int64(clamping: min(units, Int128(Int64.max - 1)))
  }
}
