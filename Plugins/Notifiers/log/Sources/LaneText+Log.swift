import CGantry
import CPosix
import GantrySDK

/// How the log writes times, numbers and other people's text.
extension LaneText {
  /// An event's time in UTC: when it happened, or when it came in.
  mutating func append(timeOf header: gantry_header, separator: UInt8, decimals: Int) {
    let time = header.event_ns != 0 ? header.event_ns : header.receive_ns
    var day = time / ISOTime.dayNs
    var rest = time % ISOTime.dayNs
    if rest < 0 {
      rest += ISOTime.dayNs
      day -= 1
    }
    append(day: day)
    append(byte: separator)
    let seconds = UInt64(rest / 1_000_000_000)
    appendDigits(seconds / 3600, scale: 100)
    append(byte: 58)
    appendDigits(seconds / 60 % 60, scale: 100)
    append(byte: 58)
    appendDigits(seconds % 60, scale: 100)
    append(byte: 46)
    let fraction = UInt64(rest % 1_000_000_000)
    if decimals == 3 { appendDigits(fraction / 1_000_000, scale: 1000) } else { appendDigits(fraction, scale: 1_000_000_000) }
  }

  /// A day since 1970-01-01 as year, month and day. Howard Hinnant's `civil_from_days`.
  private mutating func append(day: Int64) {
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    appendDigits(UInt64(clamping: year), scale: 10_000)
    append(byte: 45)
    appendDigits(UInt64(month), scale: 100)
    append(byte: 45)
    appendDigits(UInt64(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1), scale: 100)
  }

  mutating func pad(to column: Int) {
    while count < column && count < capacity { append(byte: 32) }
  }

  /// An exact decimal without the zeros at its end.
  mutating func append(trimmed value: Int64, digits: UInt32) {
    var value = value
    var digits = digits
    while digits > 0 && value % 10 == 0 {
      value /= 10
      digits -= 1
    }
    append(value, digits: digits)
  }

  /// A double in as few digits as say which one it is, 15 at least.
  mutating func append(shortest value: Double) {
    if value.isNaN { return append("nan") }
    if value.isInfinite { return append(value < 0 ? "-inf" : "inf") }
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
      guard let text = buffer.baseAddress else { return }
      var digits: Int32 = 15
      while true {
        gcvt(value, digits, text)
        if digits == 17 || strtod(text, nil) == value { break }
        digits += 1
      }
      append(bytes: UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
  }

  /// A double as JSON knows it.
  mutating func append(json value: Double) {
    if value.isNaN || value.isInfinite { append("null") } else { append(shortest: value) }
  }

  /// Other people's text on one line of a terminal: control characters become spaces.
  mutating func append(printable bytes: UnsafeRawBufferPointer) {
    for byte in bytes { append(byte: byte < 32 || byte == 127 ? 32 : byte) }
  }

  mutating func append(escaped text: TextView) {
    for index in 0..<text.count { append(escaped: text[index]) }
  }

  /// Text inside JSON quotes.
  mutating func append(escaped bytes: UnsafeRawBufferPointer) {
    for byte in bytes { append(escaped: byte) }
  }

  private mutating func append(escaped byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): append("\\\"")
    case UInt8(ascii: "\\"): append("\\\\")
    case 10: append("\\n")
    case 13: append("\\r")
    case 9: append("\\t")
    case 0..<32:
      append("\\u00")
      append(byte: byte < 16 ? 48 : 49)
      append(byte: byte % 16 < 10 ? 48 + byte % 16 : 87 + byte % 16)
    default: append(byte: byte)
    }
  }
}
