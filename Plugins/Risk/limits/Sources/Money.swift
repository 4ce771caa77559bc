import GantrySDK

/// Profit, equity, its peak and the day's loss, in integers that count 10^-`digits` of the quote
/// currency: enough digits for every instrument's exact amounts, so nothing is rounded.
struct Money: BitwiseCopyable {
  static var dayNs: Int64 { 86_400_000_000_000 }

  /// Fills are added up, so that a limit can be set later; false without executions, and where
  /// instruments are quoted in several currencies.
  var isTracked = false
  /// A loss limit is set: open positions are valued at every quote.
  var isWatched = false
  var currency: UInt32 = 0
  var digits: UInt32 = 0
  /// One unit of cash in these units.
  var cashFactor: Int128 = 1
  var dayStartNs: Int64 = 0
  /// Loss that stops the day, and nil for no limit.
  var maxDailyLoss: Int128 = -1
  var maxDrawdownBillionths: Int64 = -1

  /// Since the start, open positions at the last quotes, commission taken off.
  var profit: Int128 = 0
  /// Equity minus `profit`.
  var base: Int128 = 0
  var isBaseKnown = false
  var peak: Int128 = 0
  var dayEquity: Int128 = 0
  var dayEndsNs = Int64.min
  /// Which limits are broken now, so that each break is told once.
  var isDayLost = false
  var isDrawnDown = false

  var equity: Int128 { base &+ profit }
  var dayLoss: Int128 { dayEquity &- equity }
  var fall: Int128 { peak &- equity }

  mutating func setBase(_ amount: Int128) throws(Failure) {
    let change = try Exact.subtract(amount, base)
    if !isBaseKnown {
      // What was measured so far started from zero.
      peak = try Exact.add(peak, change)
      dayEquity = try Exact.add(dayEquity, change)
      isBaseKnown = true
    }
    base = amount
  }

  /// Takes the broker's word for the equity of this moment.
  mutating func rebase(equity: Int64) throws(Failure) {
    try setBase(Exact.subtract(Exact.multiply(Int128(equity), cashFactor), profit))
    peak = max(peak, self.equity)
  }

  mutating func addProfit(_ change: Int128) throws(Failure) {
    profit = try Exact.add(profit, change)
    let equity = try Exact.add(base, profit)
    if equity > peak { peak = equity }
  }

  mutating func forgetPeak() {
    peak = equity
    dayEquity = equity
    isDayLost = false
    isDrawnDown = false
  }

  /// The day that holds `now` begins with the equity of this moment.
  mutating func startDay(_ now: Int64) {
    let (since, overflow) = now.subtractingReportingOverflow(dayStartNs)
    if overflow { return dayEndsNs = Int64.max }
    var day = since / Money.dayNs
    if since % Money.dayNs < 0 { day -= 1 }
    let (end, isLast) = (dayStartNs + day * Money.dayNs).addingReportingOverflow(Money.dayNs)
    dayEndsNs = isLast ? Int64.max : end
    dayEquity = equity
    isDayLost = false
  }

  func hasLostDay() throws(Failure) -> Bool {
    maxDailyLoss >= 0 ? try Exact.subtract(dayEquity, equity) >= maxDailyLoss : false
  }

  func hasDrawnDown() throws(Failure) -> Bool {
    guard maxDrawdownBillionths >= 0, isBaseKnown else { return false }
    let fall = try Exact.multiply(Exact.subtract(peak, equity), 1_000_000_000)
    return try fall >= Exact.multiply(peak, Int128(maxDrawdownBillionths))
  }
}
