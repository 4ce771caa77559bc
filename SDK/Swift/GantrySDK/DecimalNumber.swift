/// A decimal number as text has it, and the double nearest to it (ties to even).
///
/// Correctly rounded for every input and made of integer arithmetic, so it depends on no C library
/// and no locale. Two doubles do for short numbers (Clinger 1990), 128 bits for those that programs
/// write (up to 19 digits, 10^27 either way); others are divided as big integers. Not for the lane: it
/// allocates.
public struct DecimalNumber {
  public var isNegative = false
  /// value = digits, read as an integer, * 10^exponent.
  public var exponent = 0
  /// Most significant first, without leading zeros.
  private var digits: [UInt8] = []

  public init() {}

  public mutating func append(_ digit: UInt8, fraction: Bool) {
    if fraction { exponent -= 1 }
    if digit != 0 || !digits.isEmpty { digits.append(digit) }
  }

  /// Infinite where the number is beyond the range.
  public var nearest: Double {
    let magnitude = self.magnitude
    return isNegative ? -magnitude : magnitude
  }

  /// The double nearest to `digits` * 10^`exponent`: the same number, without a digit's allocation.
  public static func nearest(_ digits: UInt64, exponent: Int) -> Double {
    if digits == 0 { return 0 }
    if digits < 1 << 53, exponent >= -22, exponent <= 22 {
      // Both are exact doubles, so there is one rounding.
      var power = 1.0
      for _ in 0..<exponent.magnitude { power *= 10 }
      return exponent < 0 ? Double(digits) / power : Double(digits) * power
    }
    if exponent >= -27, exponent <= 27 { return exact(digits, exponent) }
    var number = DecimalNumber()
    number.exponent = exponent
    var unit: UInt64 = 1
    while digits / unit >= 10 { unit *= 10 }
    while unit > 0 {
      number.append(UInt8(digits / unit % 10), fraction: false)
      unit /= 10
    }
    return number.magnitude
  }

  /// `digits` > 0 times or over a power of five that fits into 64 bits, then the power of two.
  private static func exact(_ digits: UInt64, _ exponent: Int) -> Double {
    var five: UInt64 = 1
    for _ in 0..<exponent.magnitude { five *= 5 }
    if exponent >= 0 {
      let (high, low) = digits.multipliedFullWidth(by: five)
      if high == 0 { return round(low, binaryExponent: exponent, sticky: false) }
      let shift = UInt64(high.leadingZeroBitCount)
      let top = shift == 0 ? high : high << shift | low >> (64 - shift)
      return round(top, binaryExponent: exponent + 64 - Int(shift), sticky: low << shift != 0)
    }
    // A bit of the quotient at a time; both sides have their top bit set, so the first 64 hold enough of it.
    let lead = digits.leadingZeroBitCount
    let fiveLead = five.leadingZeroBitCount
    let divisor = five << UInt64(fiveLead)
    var rest = digits << UInt64(lead)
    var quotient: UInt64 = 0
    var carry = false
    for _ in 0..<64 {
      quotient <<= 1
      if carry || rest >= divisor {
        rest &-= divisor
        quotient |= 1
      }
      carry = rest >> 63 == 1
      rest <<= 1
    }
    return round(quotient, binaryExponent: fiveLead - lead - 63 + exponent, sticky: carry || rest != 0)
  }

  private var magnitude: Double {
    if digits.isEmpty { return 0 }
    let scale = digits.count + exponent
    if scale > 310 { return .infinity }
    if scale < -326 { return 0 }
    if digits.count <= 15, exponent >= -22, exponent <= 22 {
      // Both are exact doubles, so there is one rounding.
      var integer = 0.0
      for digit in digits { integer = integer * 10 + Double(digit) }
      var power = 1.0
      for _ in 0..<exponent.magnitude { power *= 10 }
      return exponent < 0 ? integer / power : integer * power
    }
    return divided
  }

  /// 64 bits of the quotient of two big integers, and whether anything is left over.
  private var divided: Double {
    var numerator = BigInteger(0)
    for digit in digits { numerator.multiply(by: 10, adding: UInt32(digit)) }
    var denominator = BigInteger(1)
    for _ in 0..<max(exponent, 0) { numerator.multiply(by: 10, adding: 0) }
    for _ in 0..<max(-exponent, 0) { denominator.multiply(by: 10, adding: 0) }
    // numerator * 2^shift / denominator is from 2^62 to 2^64.
    let shift = 63 - (numerator.bitCount - denominator.bitCount)
    if shift > 0 { numerator.shiftLeft(shift) } else { denominator.shiftLeft(-shift) }
    denominator.shiftLeft(63)
    var quotient: UInt64 = 0
    for _ in 0..<64 {
      quotient <<= 1
      if numerator.subtract(denominator) { quotient |= 1 }
      numerator.shiftLeft(1)
    }
    return DecimalNumber.round(quotient, binaryExponent: -shift, sticky: !numerator.isZero)
  }

  /// The double nearest to (quotient + something in 0..<1 if sticky) * 2^binaryExponent.
  private static func round(_ quotient: UInt64, binaryExponent: Int, sticky: Bool) -> Double {
    let lead = quotient.leadingZeroBitCount
    let significand = quotient << UInt64(lead)
    let exponent = 63 + binaryExponent - lead
    let dropped = 11 + max(0, -1022 - exponent)
    if dropped > 64 { return 0 }
    var kept = dropped == 64 ? 0 : significand >> UInt64(dropped)
    let rest = dropped == 64 ? significand : significand & (1 << UInt64(dropped) - 1)
    let half = UInt64(1) << UInt64(dropped - 1)
    if rest > half || rest == half && (sticky || kept & 1 == 1) { kept += 1 }
    // The leading bit of `kept` adds the one that is taken off the exponent here.
    let biased = UInt64(max(exponent, -1022) + 1022)
    let bits = biased << 52 + kept
    return bits >= 0x7FF0_0000_0000_0000 ? .infinity : Double(bitPattern: bits)
  }
}

/// A natural number of any size, least significant word first, without leading zero words.
private struct BigInteger {
  private var words: [UInt32]

  init(_ value: UInt32) { words = value == 0 ? [] : [value] }

  var isZero: Bool { words.isEmpty }

  var bitCount: Int {
    guard let last = words.last else { return 0 }
    return words.count * 32 - last.leadingZeroBitCount
  }

  mutating func multiply(by factor: UInt32, adding addend: UInt32) {
    var carry = UInt64(addend)
    for index in words.indices {
      carry += UInt64(words[index]) * UInt64(factor)
      words[index] = UInt32(truncatingIfNeeded: carry)
      carry >>= 32
    }
    if carry > 0 { words.append(UInt32(carry)) }
  }

  mutating func shiftLeft(_ bits: Int) {
    if words.isEmpty { return }
    let small = UInt64(bits % 32)
    var carry: UInt64 = 0
    if small > 0 {
      for index in words.indices {
        carry |= UInt64(words[index]) << small
        words[index] = UInt32(truncatingIfNeeded: carry)
        carry >>= 32
      }
      if carry > 0 { words.append(UInt32(carry)) }
    }
    if bits >= 32 { words = [UInt32](repeating: 0, count: bits / 32) + words }
  }

  /// Takes `other` off if it is not larger, and says whether it did.
  mutating func subtract(_ other: BigInteger) -> Bool {
    if words.count < other.words.count { return false }
    if words.count == other.words.count {
      for index in words.indices.reversed() where words[index] != other.words[index] {
        if words[index] < other.words[index] { return false }
        break
      }
    }
    var borrow: Int64 = 0
    for index in words.indices {
      var difference = Int64(words[index]) - borrow
      if index < other.words.count { difference -= Int64(other.words[index]) }
      borrow = difference < 0 ? 1 : 0
      words[index] = UInt32(truncatingIfNeeded: difference)
    }
    while words.last == 0 { words.removeLast() }
    return true
  }
}
