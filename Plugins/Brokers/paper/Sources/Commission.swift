import GantrySDK

/// What a fill costs in one instrument: per unit of quantity, per fill and as a percentage of the
/// notional, added exactly and rounded up once.
struct Commission: BitwiseCopyable {
  /// Each a count of 10^-digits of cash, for one quantity unit, one fill, one fine unit of notional.
  private var perUnit: Int128 = 0
  private var perFill: Int128 = 0
  private var perNotional: Int128 = 0
  private var divisor: Int128 = 1
  private var isFree = true

  init(perUnit: Decimal, perFill: Decimal, percent: Decimal, _ terms: InstrumentTerms) throws(Failure) {
    if perUnit.mantissa == 0 && perFill.mantissa == 0 && percent.mantissa == 0 { return }
    isFree = false
    let unitDigits = perUnit.digits + terms.quantityDigits
    let percentDigits = percent.digits + 2 + terms.fineDigits
    let digits = max(max(unitDigits, percentDigits), max(perFill.digits, terms.cashDigits))
    self.perUnit = try Exact.rescale(Int128(perUnit.mantissa), from: unitDigits, to: digits, .up)
    self.perFill = try Exact.rescale(Int128(perFill.mantissa), from: perFill.digits, to: digits, .up)
    self.perNotional = try Exact.rescale(Int128(percent.mantissa), from: percentDigits, to: digits, .up)
    divisor = try Exact.power(of10: digits - terms.cashDigits)
  }

  /// In cash, rounded up. `notional` is the fill's, not negative.
  func charge(quantity: Int64, notional: Int128) throws(Failure) -> Int64 {
    if isFree { return 0 }
    var sum = try Exact.multiply(perUnit, Int128(quantity))
    sum = try Exact.add(sum, perFill)
    sum = try Exact.add(sum, Exact.multiply(perNotional, notional))
    return try Exact.narrow(Exact.divide(sum, by: divisor, .up))
  }
}
