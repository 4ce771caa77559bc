import GantrySDK

/// Numbers as the libraries write them into text: decimal, with or without an exponent, or a word for
/// what is none.
enum NumberText {
  /// Reads a number and moves behind it; nil where none begins. "nan" and "inf" in any of their
  /// spellings are numbers here: whoever asks says whether they may be.
  static func parse(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> Double? {
    var index = position
    let isNegative = index < bytes.count && bytes[index] == 45
    if isNegative || index < bytes.count && bytes[index] == 43 { index += 1 }
    guard index < bytes.count else { return nil }
    guard bytes[index] == 46 || bytes[index] >= 48 && bytes[index] <= 57 else {
      guard let word = word(bytes, &index) else { return nil }
      position = index
      return isNegative ? -word : word
    }
    var digits: UInt64 = 0
    var exponent = 0
    var digitCount = 0
    var significant = 0
    var long: DecimalNumber?
    var hasPoint = false
    while index < bytes.count {
      let byte = bytes[index]
      if byte == 46, !hasPoint {
        hasPoint = true
      } else if byte >= 48, byte <= 57 {
        digitCount += 1
        if significant > 0 || byte != 48 { significant += 1 }
        if significant > 128 { return nil }
        if significant == 20 { long = decimal(digits) }
        if significant < 20 { digits = digits * 10 + UInt64(byte - 48) } else { long?.append(byte - 48, fraction: false) }
        if hasPoint { exponent -= 1 }
      } else {
        break
      }
      index += 1
    }
    guard digitCount > 0 else { return nil }
    if index < bytes.count, bytes[index] | 32 == 101 {
      var next = index + 1
      let isBelow = next < bytes.count && bytes[next] == 45
      if isBelow || next < bytes.count && bytes[next] == 43 { next += 1 }
      var power = 0
      let first = next
      while next < bytes.count, bytes[next] >= 48, bytes[next] <= 57 {
        power = min(power * 10 + Int(bytes[next] - 48), 100_000)
        next += 1
      }
      guard next > first else { return nil }
      exponent += isBelow ? -power : power
      index = next
    }
    position = index
    let magnitude: Double
    if long == nil {
      magnitude = exponent < -400 ? 0 : exponent > 400 && digits != 0 ? .infinity : DecimalNumber.nearest(digits, exponent: exponent)
    } else {
      long!.exponent = exponent
      magnitude = long!.nearest
    }
    return isNegative ? -magnitude : magnitude
  }

  /// The number that the whole text is, or nil.
  static func parse(_ text: Text) -> Double? {
    text.bytes.withUnsafeBytes { bytes in
      var position = 0
      guard let value = parse(bytes, &position), position == bytes.count else { return nil }
      return value
    }
  }

  /// The whole number, not negative, that the whole text is; nil for anything else or above `maximum`.
  static func count(_ text: Text, maximum: Int) -> Int? {
    guard let value = parse(text), value >= 0, value <= Double(maximum), value == Double(Int(value)) else { return nil }
    return Int(value)
  }

  private static func decimal(_ digits: UInt64) -> DecimalNumber {
    var number = DecimalNumber()
    var unit: UInt64 = 1_000_000_000_000_000_000
    while unit > 0 {
      number.append(UInt8(digits / unit % 10), fraction: false)
      unit /= 10
    }
    return number
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> Double? {
    func take(_ word: StaticString) -> Bool {
      guard bytes.count - position >= word.utf8CodeUnitCount else { return false }
      for index in 0..<word.utf8CodeUnitCount where bytes[position + index] | 32 != word.utf8Start[index] { return false }
      position += word.utf8CodeUnitCount
      return true
    }
    if take("nan") { return .nan }
    if take("infinity") || take("inf") { return .infinity }
    return nil
  }
}
