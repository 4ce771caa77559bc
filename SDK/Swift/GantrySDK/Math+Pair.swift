/// What `Math` is made of: numbers as the unevaluated sum of two doubles, some 100 bits together
/// (Dekker 1971; Knuth, TAOCP 2, 4.2.2), and the two series in them.

/// `hi` + `lo`, with `lo` at most half a unit in the last place of `hi`.
struct Pair {
  var hi: Double
  var lo: Double

  @inline(__always)
  static func + (a: Pair, b: Pair) -> Pair {
    let sum = exactSum(a.hi, b.hi)
    return quickSum(sum.hi, sum.lo + (a.lo + b.lo))
  }

  @inline(__always)
  static func * (a: Pair, b: Pair) -> Pair {
    let product = exactProduct(a.hi, b.hi)
    return quickSum(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi))
  }

  @inline(__always)
  static func / (a: Pair, b: Pair) -> Pair {
    let quotient = a.hi / b.hi
    let product = exactProduct(quotient, b.hi)
    let rest = ((a.hi - product.hi) - product.lo) + (a.lo - quotient * b.lo)
    return quickSum(quotient, rest / b.hi)
  }
}

/// a + b exactly, for |a| >= |b| or a = 0.
@inline(__always)
func quickSum(_ a: Double, _ b: Double) -> Pair {
  let sum = a + b
  return Pair(hi: sum, lo: b - (sum - a))
}

/// a + b exactly (Knuth).
@inline(__always)
func exactSum(_ a: Double, _ b: Double) -> Pair {
  let sum = a + b
  let bRounded = sum - a
  return Pair(hi: sum, lo: (a - (sum - bRounded)) + (b - bRounded))
}

/// a * b exactly (Veltkamp's splitting, Dekker's product), for results from 1e-270 to 1e290.
@inline(__always)
func exactProduct(_ a: Double, _ b: Double) -> Pair {
  let product = a * b
  let (aHigh, aLow) = halves(a)
  let (bHigh, bLow) = halves(b)
  return Pair(
    hi: product, lo: (((aHigh * bHigh - product) + aHigh * bLow) + aLow * bHigh) + aLow * bLow)
}

/// Two numbers of 26 bits with the sum `a`.
@inline(__always)
func halves(_ a: Double) -> (high: Double, low: Double) {
  let scaled = a * 0x1.0000002p27
  let high = scaled - (scaled - a)
  return (high, a - high)
}

/// 2^exponent, for -1022...1023.
@inline(__always)
func power(of exponent: Int) -> Double {
  Double(bitPattern: UInt64(truncatingIfNeeded: exponent &+ 1023) << 52)
}

/// x = 2^exponent * mantissa, with sqrt(1/2) <= mantissa < sqrt(2), for finite x > 0.
func split(_ x: Double) -> (exponent: Int, mantissa: Double) {
  let isSubnormal = x < 0x1p-1022
  let bits = (isSubnormal ? x * 0x1p54 : x).bitPattern
  // Adding what is missing from sqrt(2) to 2 carries into the exponent from sqrt(2) on.
  let carried = bits &+ (0x3FF0_0000_0000_0000 &- 0x3FE6_A09E_667F_3BCD)
  let exponent = Int(carried >> 52) &- 1023
  let mantissa = Double(bitPattern: (carried & 0x000F_FFFF_FFFF_FFFF) &+ 0x3FE6_A09E_667F_3BCD)
  return (isSubnormal ? exponent &- 54 : exponent, mantissa)
}

/// ln 2: the first 32 bits (so that k times it is exact), and the rest.
private var ln2High: Double { 0x1.62e42feep-1 }
private var ln2Low: Double { 0x1.a39ef35793c76p-33 }

/// e^x = 2^exponent * value, for |x| < 750.
@inline(__always)
func exponentialPair(_ x: Pair) -> (value: Pair, exponent: Int) {
  let (rest, exponent) = reduced(x)
  let series = exponentialSeries(rest)
  let sum = quickSum(1, series.hi)
  return (quickSum(sum.hi, sum.lo + series.lo), exponent)
}

/// e^x as one double, for any x that is not NaN.
func exponential(_ x: Pair) -> Double {
  if x.hi > 710 { return .infinity }
  if x.hi < -746 { return 0 }
  let (value, exponent) = exponentialPair(x)
  if exponent > 1023 { return value.hi * 0x1p1023 * power(of: exponent &- 1023) }
  if exponent >= -1021 { return value.hi * power(of: exponent) }
  return value.hi * power(of: exponent &+ 100) * 0x1p-100
}

/// e^x - 1, for |x| < 700.
func exponentialMinusOne(_ x: Double) -> Pair {
  let (rest, exponent) = reduced(Pair(hi: x, lo: 0))
  let series = exponentialSeries(rest)
  if exponent == 0 { return series }
  let scale = power(of: exponent)
  return exactSum(scale, -1) + Pair(hi: series.hi * scale, lo: series.lo * scale)
}

/// x - exponent * ln 2, at most 0.3466 in magnitude.
@inline(__always)
private func reduced(_ x: Pair) -> (rest: Pair, exponent: Int) {
  // Adding 1.5 * 2^52 rounds to the nearest integer.
  let rounded = (x.hi * 0x1.71547652b82fep0 + 0x1.8p52) - 0x1.8p52
  let high = x.hi - rounded * ln2High
  let rest = exactSum(high, -(rounded * ln2Low))
  return (exactSum(rest.hi, rest.lo + x.lo), Int(rounded))
}

/// e^r - 1 = r + r^2/2 + r^3 (1/3! + r/4! + ...), for |r| <= 0.3466. The first two terms are
/// exact; the third is below 0.0077, so that its rounding errors stay under 2^-57.
@inline(__always)
private func exponentialSeries(_ r: Pair) -> Pair {
  let x = r.hi
  let square = exactProduct(x, x)
  let x2 = square.hi
  let x4 = x2 * x2
  let a = (1.0 / 6 + x * (1.0 / 24)) + x2 * (1.0 / 120 + x * (1.0 / 720))
  let b = (1.0 / 5_040 + x * (1.0 / 40_320)) + x2 * (1.0 / 362_880 + x * (1.0 / 3_628_800))
  let c = (1.0 / 39_916_800 + x * (1.0 / 479_001_600)) + x2 * (1.0 / 6_227_020_800 + x * (1.0 / 87_178_291_200))
  let cubic = x * x2 * (a + x4 * (b + x4 * c))
  let sum = quickSum(x, x2 * 0.5)
  return quickSum(sum.hi, sum.lo + ((square.lo * 0.5 + (r.lo + r.lo * sum.hi)) + cubic))
}

/// ln(2^exponent * (1 + f)) to a double's precision, for 1 + f from sqrt(1/2) to sqrt(2).
///
/// With s = f / (2 + f) and z = s^2: ln(1 + f) = f - f^2/2 + s (f^2/2 + 2z/3 + 2z^2/5 + ...). The first
/// two terms are exact; the third is below 0.0183, so that its rounding errors stay under 2^-57.
func roundedLogarithm(_ f: Pair, _ exponent: Int) -> Double {
  let x = f.hi
  let square = exactProduct(x, x)
  let half = square.hi * 0.5
  let s = x / (2 + x)
  let z = s * s
  let z2 = z * z
  let z4 = z2 * z2
  let a = (2.0 / 3 + z * (2.0 / 5)) + z2 * (2.0 / 7 + z * (2.0 / 9))
  let b = (2.0 / 11 + z * (2.0 / 13)) + z2 * (2.0 / 15 + z * (2.0 / 17))
  let c = (2.0 / 19 + z * (2.0 / 21)) + z2 * (2.0 / 23)
  let third = s * (half + z * (a + z4 * (b + z4 * c)))
  let sum = quickSum(x, -half)
  let k = Double(exponent)
  let whole = exactSum(k * ln2High, sum.hi)
  return whole.hi + (whole.lo + ((sum.lo - square.lo * 0.5 + f.lo / (1 + x)) + (third + k * ln2Low)))
}

/// ln x, for finite x > 0; relative error below 2^-68.
func logarithm(_ x: Double) -> Pair {
  let (exponent, mantissa) = split(x)
  return logarithm(Pair(hi: mantissa - 1, lo: 0), exponent)
}

/// ln(2^exponent * (1 + f)), for 1 + f from sqrt(1/2) to sqrt(2).
///
/// ln(1 + f) = 2 s (1 + z/3 + z^2/5 + ...) with s = f / (2 + f), z = s^2 <= 0.0295. The terms up to
/// z^2/5 are pairs; what follows is below 2^-18, so plain doubles do.
func logarithm(_ f: Pair, _ exponent: Int) -> Pair {
  let s = f / (Pair(hi: 2, lo: 0) + f)
  let z = s * s
  let x = z.hi
  let x2 = x * x
  let x4 = x2 * x2
  let a = (1.0 / 7 + x * (1.0 / 9)) + x2 * (1.0 / 11 + x * (1.0 / 13))
  let b = (1.0 / 15 + x * (1.0 / 17)) + x2 * (1.0 / 19 + x * (1.0 / 21))
  let c = (1.0 / 23 + x * (1.0 / 25)) + x2 * (1.0 / 27 + x * (1.0 / 29))
  let rest = x * (a + x4 * (b + x4 * c))
  let fifth = Pair(hi: 0x1.999999999999ap-3, lo: -0x1.999999999999ap-57) + Pair(hi: rest, lo: 0)
  let third = Pair(hi: 0x1.5555555555555p-2, lo: 0x1.5555555555555p-56) + z * fifth
  let double = Pair(hi: 2 * s.hi, lo: 2 * s.lo)
  let series = double + double * (z * third)
  if exponent == 0 { return series }
  let k = Double(exponent)
  return exactSum(k * ln2High, series.hi) + Pair(hi: k * ln2Low, lo: series.lo)
}
