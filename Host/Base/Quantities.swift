/// Text to exact decimals and durations, as graph files write them.

/// An exact decimal number, or nil: "0.00001" is (1, 5); "1e-5" and "5%" are not decimals.
/// Trailing zeros after the point are dropped. At most 18 digits.
public func parseDecimal(_ text: some StringProtocol) -> (mantissa: Int64, digits: UInt32)? {
  var rest = Substring(text)
  let negative = rest.first == "-"
  if negative || rest.first == "+" { rest.removeFirst() }
  guard !rest.isEmpty else { return nil }
  var mantissa: Int64 = 0
  var digits: UInt32 = 0
  var seenPoint = false
  var seenDigit = false
  for character in rest {
    if character == "_" { continue }
    if character == "." {
      if seenPoint { return nil }
      seenPoint = true
      continue
    }
    guard let digit = character.wholeNumberValue, character.isASCII else { return nil }
    seenDigit = true
    let (scaled, overflow) = mantissa.multipliedReportingOverflow(by: 10)
    let (sum, overflowToo) = scaled.addingReportingOverflow(Int64(digit))
    if overflow || overflowToo { return nil }
    mantissa = sum
    if seenPoint { digits += 1 }
  }
  guard seenDigit, digits <= 18 else { return nil }
  while digits > 0, mantissa % 10 == 0 {
    mantissa /= 10
    digits -= 1
  }
  return (negative ? -mantissa : mantissa, digits)
}

/// A duration in nanoseconds, or nil: `250ms`, `1.5s`, `5m`, `1h`, `2d`, `10us`, `100ns`, `0`.
public func parseDuration(_ text: some StringProtocol) -> Int64? {
  let units: [(String, Int64)] = [
    ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
    ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
  ]
  if text == "0" { return 0 }
  let number = text.prefix { $0.isNumber || $0 == "." }
  let suffix = text.dropFirst(number.count)
  guard let unit = units.first(where: { $0.0 == suffix }), let (mantissa, digits) = parseDecimal(number) else {
    return nil
  }
  let (product, overflow) = mantissa.multipliedReportingOverflow(by: unit.1)
  if overflow { return nil }
  var scale: Int64 = 1
  for _ in 0..<digits { scale *= 10 }
  return product % scale == 0 ? product / scale : nil
}

/// A size in bytes, or nil: `512MB`, `2GB`, `64KB`, by 1024; `0` is none.
public func parseBytes(_ text: some StringProtocol) -> UInt64? {
  let units: [(String, UInt64)] = [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)]
  guard let unit = units.first(where: { text.hasSuffix($0.0) }) else { return text == "0" ? 0 : nil }
  let digits = text.dropLast(unit.0.count)
  guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt64(digits) else { return nil }
  let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.1)
  return overflow ? nil : bytes
}

/// A number; `5%` is 0.05. Nil for anything that is not finite.
public func parseNumber(_ text: some StringProtocol) -> Double? {
  let isPercent = text.last == "%"
  if text.dropLast(isPercent ? 1 : 0).contains("%") { return nil }
  let digits = String(text.filter { $0 != "_" && $0 != "%" })
  guard let first = digits.first, first.isNumber || first == "-" || first == "+" || first == ".",
    let value = Double(digits), value.isFinite
  else { return nil }
  return isPercent ? value / 100 : value
}
