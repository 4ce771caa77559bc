import CGantry

/// Elementary functions whose result has the same bits on every machine.
///
/// libm's differ between versions, and between processors with and without fused multiply-add; a
/// node that says `determinism: exact` uses these. They are made of + - * / and bit operations
/// alone, in a fixed order. Swift never contracts a * b + c into one rounding.
///
/// Accuracy: the true value is computed to some 57 bits or more as a sum of two doubles
/// (`Math+Pair.swift`) and rounded once. Results are within 0.56 ulp (log, log1p and expm1 within 0.65;
/// where the result is subnormal, 0.8), and all but one in a hundred are the nearest doubles; measured
/// against mpmath in `Tests/SDKTests/MathTests.swift`. `sqrt` is the hardware's, which rounds correctly.
///
/// Method, with the notation of Muller, "Elementary Functions", 3rd ed.: exp by Cody and Waite's
/// reduction x = k ln 2 + r and a Taylor series in r; log by x = 2^k m and the series of
/// 2 atanh((m-1)/(m+1)); the others from these two. Special cases are those of IEEE 754-2019,
/// section 9.2.1.
public enum Math {
  /// e to the power of `x`.
  public static func exp(_ x: Double) -> Double {
    if x.isNaN { return x }
    return exponential(Pair(hi: x, lo: 0))
  }

  /// e to the power of `x`, minus 1; exact to the last bits near 0 too.
  public static func expm1(_ x: Double) -> Double {
    if x.isNaN || x.magnitude < 0x1p-54 { return x }
    if x > 45 { return exponential(Pair(hi: x, lo: 0)) }
    if x < -45 { return -1 }
    return exponentialMinusOne(x).hi
  }

  /// The square root, correctly rounded: `gantry_sqrt`. (`squareRoot()` needs libm where it is not
  /// optimised.)
  @inline(__always)
  public static func sqrt(_ x: Double) -> Double { gantry_sqrt(x) }

  /// The natural logarithm: -inf at 0, NaN below.
  public static func log(_ x: Double) -> Double {
    if !(x > 0) { return x == 0 ? -.infinity : .nan }
    if x == .infinity { return x }
    let (exponent, mantissa) = split(x)
    return roundedLogarithm(Pair(hi: mantissa - 1, lo: 0), exponent)
  }

  /// The natural logarithm of 1 + `x`; exact to the last bits near 0 too.
  public static func log1p(_ x: Double) -> Double {
    if !(x > -1) { return x == -1 ? -.infinity : .nan }
    if x.magnitude < 0x1p-54 { return x }
    if x >= 0x1p54 { return log(x) }
    let sum = exactSum(1, x)
    let (exponent, mantissa) = split(sum.hi)
    let f = exactSum(mantissa - 1, sum.lo * power(of: -exponent))
    return roundedLogarithm(f, exponent)
  }

  /// The hyperbolic tangent.
  public static func tanh(_ x: Double) -> Double {
    let magnitude = x.magnitude
    if x.isNaN || magnitude < 0x1p-28 { return x }
    if magnitude > 22 { return x < 0 ? -1 : 1 }
    let e = exponentialMinusOne(2 * magnitude)
    let result = (e / (e + Pair(hi: 2, lo: 0))).hi
    return x < 0 ? -result : result
  }

  /// The logistic function 1 / (1 + e^-x): 0 at -inf, 0.5 at 0, 1 at +inf.
  public static func logistic(_ x: Double) -> Double {
    if x.isNaN { return x }
    if x > 45 { return 1 }
    if x < -45 { return exponential(Pair(hi: x, lo: 0)) }
    let e = exponentialPair(Pair(hi: -x.magnitude, lo: 0))
    let scale = power(of: e.exponent)
    let small = Pair(hi: e.value.hi * scale, lo: e.value.lo * scale)
    let whole = Pair(hi: 1, lo: 0) + small
    return ((x < 0 ? small : Pair(hi: 1, lo: 0)) / whole).hi
  }

  /// `x` to the power of `y`.
  public static func pow(_ x: Double, _ y: Double) -> Double {
    if y == 0 || x == 1 { return 1 }
    if x.isNaN || y.isNaN { return .nan }
    let magnitude = x.magnitude
    let isNegative = x.sign == .minus && isOdd(y)
    if magnitude == 0 || magnitude == .infinity {
      let result: Double = (magnitude == 0) == (y > 0) ? 0 : .infinity
      return isNegative ? -result : result
    }
    if y.magnitude == .infinity {
      if magnitude == 1 { return 1 }
      return (magnitude > 1) == (y > 0) ? .infinity : 0
    }
    if x < 0, y.magnitude < 0x1p52, Double(Int64(y)) != y { return .nan }
    let result = positivePower(magnitude, y)
    return isNegative ? -result : result
  }

  /// For finite `x` > 0 and finite `y`.
  private static func positivePower(_ x: Double, _ y: Double) -> Double {
    if x == 1 { return 1 }
    // |log x| is at least 2^-53 and at most 745, so these over- or underflow, or round to 1.
    if y.magnitude > 0x1p65 { return (x > 1) == (y > 0) ? .infinity : 0 }
    if y.magnitude < 0x1p-65 { return 1 }
    let log = logarithm(x)
    var exponent = exactProduct(y, log.hi)
    exponent.lo += y * log.lo
    return exponential(quickSum(exponent.hi, exponent.lo))
  }

  /// Whether `y` is an odd integer; beyond 2^53 all doubles are even.
  private static func isOdd(_ y: Double) -> Bool {
    guard y.magnitude < 0x1p53 else { return false }
    let integer = Int64(y)
    return Double(integer) == y && integer & 1 == 1
  }
}
