import CPosix

/// Reads decimal numbers to the double that `strtod` would give: correctly rounded.
///
/// Up to 15 digits and 22 decimal places, the digits and the power of ten are both exact doubles, so one
/// division rounds once (Clinger 1990, "How to read floating point numbers accurately"). Everything else
/// goes through `strtod`. Prices in files are nearly always of the first form.
struct DecimalNumber {
  /// 10^0 ... 10^22, each exact.
  let powers: UnsafeMutablePointer<Double>

  init() {
    powers = .allocate(capacity: 23)
    var power = 1.0
    for index in 0..<23 {
      (powers + index).initialize(to: power)
      power *= 10
    }
  }

  func deallocate() { powers.deallocate() }

  /// Reads a number at `cursor` and moves `cursor` past it. Leaves `cursor` where it was when there is none.
  /// The text must be followed by some byte that cannot be part of a number, such as a line's end.
  @inline(__always)
  func scan(_ cursor: inout UnsafePointer<UInt8>) -> Double {
    var next = cursor
    var mantissa: UInt64 = 0
    while true {
      let digit = next.pointee &- 48
      if digit > 9 { break }
      mantissa = mantissa &* 10 &+ UInt64(digit)
      next += 1
    }
    var digits = next - cursor
    var decimals = 0
    if next.pointee == UInt8(ascii: ".") {
      next += 1
      let start = next
      while true {
        let digit = next.pointee &- 48
        if digit > 9 { break }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        next += 1
      }
      decimals = next - start
      digits &+= decimals
    }
    if UInt(bitPattern: digits &- 1) < 15, next.pointee | 0x20 != UInt8(ascii: "e") {
      cursor = next
      return Double(Int64(bitPattern: mantissa)) / powers[decimals]
    }
    return scanAnyForm(&cursor)
  }

  /// Signs, exponents, `nan`, `inf`, and more digits than the short way takes.
  @inline(never)
  private func scanAnyForm(_ cursor: inout UnsafePointer<UInt8>) -> Double {
    let start = cursor
    var next = cursor
    let isNegative = next.pointee == UInt8(ascii: "-")
    if isNegative || next.pointee == UInt8(ascii: "+") { next += 1 }
    if let special = DecimalNumber.special(&next) {
      cursor = next
      return isNegative ? -special : special
    }
    var digits = 0
    while next.pointee &- 48 <= 9 { next += 1; digits += 1 }
    if next.pointee == UInt8(ascii: ".") {
      next += 1
      while next.pointee &- 48 <= 9 { next += 1; digits += 1 }
    }
    guard digits > 0 else { return 0 }
    if next.pointee | 0x20 == UInt8(ascii: "e") {
      var exponent = next + 1
      if exponent.pointee == UInt8(ascii: "-") || exponent.pointee == UInt8(ascii: "+") { exponent += 1 }
      guard exponent.pointee &- 48 <= 9 else { return 0 }
      while exponent.pointee &- 48 <= 9 { exponent += 1 }
      next = exponent
    }
    let length = next - start
    guard length < DecimalNumber.lengthMax else { return 0 }
    let value = withUnsafeTemporaryAllocation(of: CChar.self, capacity: DecimalNumber.lengthMax) { copy in
      for index in 0..<length { copy[index] = CChar(bitPattern: start[index]) }
      copy[length] = 0
      return strtod(copy.baseAddress.unsafelyUnwrapped, nil)
    }
    cursor = next
    return value
  }

  /// The longest number that is read; a longer one is no number.
  private static var lengthMax: Int { 128 }

  /// `nan`, `inf` or `infinity`, in any case.
  private static func special(_ cursor: inout UnsafePointer<UInt8>) -> Double? {
    if has("infinity", at: cursor) {
      cursor += 8
      return .infinity
    }
    if has("inf", at: cursor) {
      cursor += 3
      return .infinity
    }
    if has("nan", at: cursor) {
      cursor += 3
      return .nan
    }
    return nil
  }

  private static func has(_ word: StaticString, at cursor: UnsafePointer<UInt8>) -> Bool {
    for index in 0..<word.utf8CodeUnitCount where cursor[index] | 0x20 != word.utf8Start[index] { return false }
    return true
  }
}
