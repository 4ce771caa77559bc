import CGantry

/// What happens to the part of a number that its digits cannot hold. Stated at every operation
/// that can lose something.
public enum Rounding: UInt32, Sendable {
  /// Towards minus infinity. Cash that is credited: never more than was earned.
  case down
  /// Towards plus infinity. Cash that is charged: never less than is owed.
  case up
  /// To the nearest, ties to the even neighbour: no drift over many operations.
  case halfEven
  case towardZero
  case awayFromZero

  /// For the price an order asks for: never worse for the account than the signal said. A buyer
  /// asks for less, a seller for more.
  @inline(__always)
  public static func wishedPrice(buy: Bool) -> Rounding { buy ? .down : .up }

  /// For the price an account is charged with: never better for it than the market was. A buyer
  /// pays more, a seller gets less.
  @inline(__always)
  public static func chargedPrice(buy: Bool) -> Rounding { buy ? .up : .down }
}

/// Checked integer arithmetic for money. Nothing wraps and nothing is rounded silently: a result
/// out of range throws `Failure.overflow`, and every division names its rounding.
public enum Exact {
  /// 10^digits as an exact integer; up to 38 digits fit.
  public static func power(of10 digits: UInt32) throws(Failure) -> Int128 {
    guard digits <= 38 else { throw Failure.overflow("10^\(digits) does not fit into 128 bits") }
    var result: Int128 = 1
    for _ in 0..<digits { result *= 10 }
    return result
  }

  /// 10^digits as a double, exact up to 22 digits.
  static func double(powerOf10 digits: UInt32) -> Double {
    var result = 1.0
    for _ in 0..<min(digits, 22) { result *= 10 }
    return result
  }

  /// The nearest integer, ties to even, for magnitudes below 2^51. Adding 1.5 * 2^52 leaves no room
  /// for a fraction; `rounded()` would need libm.
  @inline(__always)
  static func nearest(_ value: Double) -> Double { (value + 0x1.8p52) - 0x1.8p52 }

  @inline(__always)
  public static func add(_ left: Int64, _ right: Int64) throws(Failure) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    if overflow { throw outOfRange }
    return sum
  }

  @inline(__always)
  public static func subtract(_ left: Int64, _ right: Int64) throws(Failure) -> Int64 {
    let (difference, overflow) = left.subtractingReportingOverflow(right)
    if overflow { throw outOfRange }
    return difference
  }

  @inline(__always)
  public static func add(_ left: Int128, _ right: Int128) throws(Failure) -> Int128 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    if overflow { throw outOfRange }
    return sum
  }

  @inline(__always)
  public static func subtract(_ left: Int128, _ right: Int128) throws(Failure) -> Int128 {
    let (difference, overflow) = left.subtractingReportingOverflow(right)
    if overflow { throw outOfRange }
    return difference
  }

  @inline(__always)
  public static func multiply(_ left: Int128, _ right: Int128) throws(Failure) -> Int128 {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    if overflow { throw outOfRange }
    return product
  }

  /// The product of two 64-bit numbers always fits.
  @inline(__always)
  public static func product(_ left: Int64, _ right: Int64) -> Int128 { Int128(left) &* Int128(right) }

  @inline(__always)
  public static func narrow(_ value: Int128) throws(Failure) -> Int64 {
    guard let narrow = Int64(exactly: value) else { throw outOfRange }
    return narrow
  }

  /// `value` / `divisor`, rounded. The divisor is positive.
  public static func divide(_ value: Int128, by divisor: Int128, _ rounding: Rounding) throws(Failure) -> Int128 {
    guard divisor > 0 else { throw Failure.bug("an exact division by \(divisor == 0 ? "zero" : "a negative number" as StaticString)") }
    if divisor == 1 { return value }
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    if remainder == 0 { return quotient }
    // The quotient is cut towards zero; `step` leads away from it.
    let step: Int128 = value < 0 ? -1 : 1
    switch rounding {
    case .down: return value < 0 ? quotient - 1 : quotient
    case .up: return value < 0 ? quotient : quotient + 1
    case .towardZero: return quotient
    case .awayFromZero: return quotient + step
    case .halfEven:
      let magnitude = remainder.magnitude
      let rest = divisor.magnitude - magnitude
      if magnitude > rest || (magnitude == rest && quotient & 1 != 0) { return quotient + step }
      return quotient
    }
  }

  /// The same value with other digits: 12345 with 3 digits is 1235 with 2, rounded up.
  public static func rescale(
    _ value: Int128, from: UInt32, to: UInt32, _ rounding: Rounding
  ) throws(Failure) -> Int128 {
    if from == to { return value }
    if from < to { return try multiply(value, power(of10: to - from)) }
    return try divide(value, by: power(of10: from - to), rounding)
  }

  /// The part of `whole` that belongs to `part` out of `total` (0 <= part <= total, total > 0):
  /// all of it for all, so that a cost paid off in parts leaves nothing behind.
  public static func share(
    of whole: Int128, part: Int64, total: Int64, _ rounding: Rounding
  ) throws(Failure) -> Int128 {
    if part == total { return whole }
    return try divide(multiply(whole, Int128(part)), by: Int128(total), rounding)
  }

  static var outOfRange: Failure { Failure.overflow("an exact calculation left its range") }
}

/// How an instrument's prices and quantities turn into cash. A trivial copy of what the host says.
///
/// A *fine* amount counts 10^-(price digits + quantity digits) of the quote currency: a price
/// times a quantity times the contract, with nothing lost. Cash counts 10^-`cashDigits`.
public struct InstrumentTerms: BitwiseCopyable, Sendable {
  public var tickSize: Int64
  public var lotSize: Int64
  public var contractUnits: Int64
  public var priceDigits: UInt32
  public var quantityDigits: UInt32
  public var cashDigits: UInt32
  public var quoteCurrency: UInt32
  /// 10^priceDigits.
  public var priceScale: Double

  public init(_ instrument: gantry_instrument, _ quote: gantry_currency) throws(Failure) {
    let symbol = TextView(instrument.symbol)
    guard instrument.price_digits <= 18, instrument.quantity_digits <= 18, quote.digits <= 18 else {
      throw Failure.invalid("\(symbol) has more than 18 digits of price, quantity or cash; exact numbers hold 18")
    }
    guard instrument.tick_size > 0, instrument.lot_size > 0, instrument.contract_units > 0 else {
      throw Failure.invalid("\(symbol) has a tick, lot or contract that is not above 0")
    }
    tickSize = instrument.tick_size
    lotSize = instrument.lot_size
    contractUnits = instrument.contract_units
    priceDigits = instrument.price_digits
    quantityDigits = instrument.quantity_digits
    cashDigits = quote.digits
    quoteCurrency = instrument.quote_currency
    priceScale = Exact.double(powerOf10: instrument.price_digits)
  }

  public var fineDigits: UInt32 { priceDigits + quantityDigits }

  /// price x quantity x contract, exact; signed like its arguments.
  public func notional(price: Int64, quantity: Int64) throws(Failure) -> Int128 {
    let product = Exact.product(price, quantity)
    return contractUnits == 1 ? product : try Exact.multiply(product, Int128(contractUnits))
  }

  /// A fine amount as cash.
  public func cash(fine: Int128, _ rounding: Rounding) throws(Failure) -> Int64 {
    try Exact.narrow(Exact.rescale(fine, from: fineDigits, to: cashDigits, rounding))
  }

  /// Cash as a fine amount; exact when there are at least as many fine digits, else rounded.
  public func fine(cash: Int64, _ rounding: Rounding) throws(Failure) -> Int128 {
    try Exact.rescale(Int128(cash), from: cashDigits, to: fineDigits, rounding)
  }

  /// A market price on the instrument's tick grid. A double that is the nearest to a decimal of
  /// the instrument's digits counts as that decimal, so 1.1 is 1.10000 under any rounding.
  public func price(_ value: Double, _ rounding: Rounding) throws(Failure) -> Int64 {
    let product = value * priceScale
    guard product.magnitude < 0x1p51 else {
      throw Failure.overflow("a price is not a number, or does not fit the instrument's digits")
    }
    let nearest = Exact.nearest(product)
    // Rounding is monotone: comparing the nearest decimal's double with the value says on which
    // side of the value that decimal lies.
    let back = nearest / priceScale
    let units = Int64(nearest) &- (back > value ? 1 : 0)
    let isExact = back == value
    var below = tickSize == 1 ? units : units / tickSize * tickSize
    if below > units { below -= tickSize }
    if isExact && below == units { return units }
    switch rounding {
    case .down: return below
    case .up: return below + tickSize
    case .towardZero: return value < 0 ? below + tickSize : below
    case .awayFromZero: return value < 0 ? below : below + tickSize
    case .halfEven:
      let comparison = compare(value, units: units, isExact: isExact, withMiddleAbove: below)
      let isUp = comparison > 0 || (comparison == 0 && below / tickSize & 1 != 0)
      return isUp ? below + tickSize : below
    }
  }

  /// -1, 0 or 1: `value` against the middle of the grid step above `below`.
  private func compare(_ value: Double, units: Int64, isExact: Bool, withMiddleAbove below: Int64) -> Int {
    let twice = (units - below) * 2
    if twice >= tickSize { return twice == tickSize && isExact ? 0 : 1 }
    if isExact || twice + 2 <= tickSize { return -1 }
    // The step is odd and the value lies in the unit that holds its middle.
    let middle = Double(2 * units + 1) / (2 * priceScale)
    return value == middle ? 0 : value > middle ? 1 : -1
  }

  /// The nearest double of an exact price.
  @inline(__always)
  public func double(price: Int64) -> Double { Double(price) / priceScale }

  /// A decimal as a quantity, or nil when it is not a whole number of lots.
  public func quantity(_ decimal: Decimal) -> Int64? {
    guard let units = decimal.scaled(to: quantityDigits), units % lotSize == 0 else { return nil }
    return units
  }

  /// The largest quantity that a market size covers, in whole lots. Huge sizes are cut to 10^15 units.
  public func quantity(covering size: Double) -> Int64 {
    let units = size * Exact.double(powerOf10: quantityDigits)
    guard units >= 1 else { return 0 }
    // A size that is the nearest double of a decimal counts as that decimal.
    let limited = min(units, 1e15)
    let nearest = Exact.nearest(limited)
    let whole = Int64(nearest / Exact.double(powerOf10: quantityDigits) > size ? nearest - 1 : nearest)
    return whole / lotSize * lotSize
  }
}
