import CGantry
import GantrySDK

extension Paper {
  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    slippagePoints = configuration.integer(P.slippagePoints)
    delayNs = configuration.integer(P.delay)
    respectsSize = configuration.bool(P.respectSize)
    waitsForMarket = configuration.integer(P.noMarket) == 1
    table.setCapacity(Int(configuration.integer(P.maxOpenOrders)))
    try readMarkets(configuration)
    try readAccount(configuration)
    metrics.fills = host.defineMetric("fills", counter: true, help: "fills of any size")
    metrics.rejected = host.defineMetric("rejected", counter: true, help: "orders, changes and cancels refused")
    metrics.badQuotes = host.defineMetric("bad_quotes", counter: true, help: "quotes that were crossed, broken or of no instrument, and not used")
    metrics.netProfit = host.defineMetric("net_profit", unit: "account currency", help: "equity minus deposit")
    metrics.equity = host.defineMetric("equity", unit: "account currency", help: "balance and open profit")
  }

  private mutating func readMarkets(_ configuration: borrowing Configuration) throws(Failure) {
    marketCount = configuration.instrumentCount
    guard marketCount > 0 else { throw Failure.invalid("paper has nothing to trade: list the graph's `instruments:`") }
    markets.deallocate()
    markets = UnsafeMutablePointer<Market>.allocate(capacity: marketCount)
    for slot in 0..<marketCount {
      let instrument = try instrument(slot)
      guard let quote = host.currency(instrument.quote_currency) else {
        throw Failure.invalid("\(TextView(instrument.symbol)) has an unknown quote currency")
      }
      let terms = try InstrumentTerms(instrument, quote)
      let commission = try Commission(
        perUnit: configuration.decimal(P.commissionPerUnit), perFill: configuration.decimal(P.commissionPerFill),
        percent: configuration.decimal(P.commissionPercent), terms)
      let isTraded = isListed(TextView(instrument.symbol), configuration)
      (markets + slot).initialize(to: Market(isTraded: isTraded, terms, commission))
    }
    try checkListed(configuration)
  }

  /// All traded instruments must be quoted in the account's currency: this account does not convert.
  private mutating func readAccount(_ configuration: borrowing Configuration) throws(Failure) {
    let wanted = configuration.text(P.currency)
    var found: gantry_currency?
    for slot in 0..<marketCount where markets[slot].isTraded {
      let instrument = try instrument(slot)
      guard let quote = host.currency(instrument.quote_currency) else { continue }
      let code = wanted.isEmpty ? found.map { TextView($0.code) } ?? TextView(quote.code) : wanted
      guard TextView(quote.code) == code else {
        throw Failure.invalid(
          "\(TextView(instrument.symbol)) is quoted in \(TextView(quote.code)), but the account is in \(code), and paper does not convert: set `currency: \(TextView(quote.code))`, or give each currency a paper broker of its own with `instruments: [...]`"
        )
      }
      found = quote
      accountCurrency = instrument.quote_currency
    }
    guard let currency = found else { throw Failure.invalid("paper trades no instrument: check its `instruments:`") }
    let deposit = configuration.decimal(P.deposit)
    guard let amount = deposit.scaled(to: currency.digits), amount >= 0 else {
      throw Failure.invalid(
        "deposit: \(deposit.mantissa, digits: deposit.digits) is not an amount of \(TextView(currency.code)), which has \(currency.digits) digits")
    }
    ledger = Ledger()
    try ledger.deposit(amount)
    cashScale = 1
    for _ in 0..<currency.digits { cashScale *= 10 }
  }

  private func instrument(_ slot: Int) throws(Failure) -> gantry_instrument {
    guard let instrument = host.instrument(UInt32(slot + 1)) else {
      throw Failure.bug("paper: the host does not know instrument \(slot + 1) of its own table")
    }
    return instrument
  }

  private func isListed(_ symbol: TextView, _ configuration: borrowing Configuration) -> Bool {
    let count = configuration.count(P.instruments)
    if count == 0 { return true }
    for position in 0..<count where configuration.text(P.instruments, at: position) == symbol { return true }
    return false
  }

  private func checkListed(_ configuration: borrowing Configuration) throws(Failure) {
    for position in 0..<configuration.count(P.instruments) {
      let symbol = configuration.text(P.instruments, at: position)
      var isKnown = false
      for slot in 0..<marketCount {
        if try TextView(instrument(slot).symbol) == symbol { isKnown = true }
      }
      if !isKnown { throw Failure.invalid("instruments: the graph has no instrument \(symbol)") }
    }
  }
}
