/// Dates and times as text: ISO-8601 and its usual relatives in market data files.
///
/// Read: `2014-05-01`, `2014-05-01T04:00:00.292Z`, `20140501 04:00`, `2014.05.01 04:00:00`,
/// `2014/05/01 04:00:00,25`, each with an optional `Z`, `+02`, `+0200` or `+02:00`. Proleptic
/// Gregorian, years 1678 to 2261 (what fits nanoseconds in 64 bits). A leap second `:60` counts as the
/// first second of the next minute. Digits of a fraction beyond the ninth are cut off.
public struct ISOTime: Equatable, Sendable {
  /// Nanoseconds since 1970-01-01: of UTC when `hasOffset`, else of the unnamed local time.
  public var ns: Int64
  /// Whether the text said which offset it is in.
  public var hasOffset: Bool

  public init(ns: Int64, hasOffset: Bool) {
    self.ns = ns
    self.hasOffset = hasOffset
  }

  /// Reads the whole of `text`; nil when it is anything but one time.
  public init?(_ text: UnsafeBufferPointer<UInt8>) {
    guard var cursor = text.baseAddress else { return nil }
    let end = cursor + text.count
    guard let time = ISOTime.scan(&cursor, end: end), cursor == end else { return nil }
    self = time
  }

  /// Reads a time that begins at `cursor`, never looking at `end` or beyond, and moves `cursor` past it;
  /// nil, with `cursor` where it was, when there is none.
  public static func scan(_ cursor: inout UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) -> ISOTime? {
    var scanner = Scanner(cursor: cursor, end: end)
    guard let time = scanner.time() else { return nil }
    cursor = scanner.cursor
    return time
  }

  /// The number of days from 1970-01-01 to a date of the proleptic Gregorian calendar.
  /// Howard Hinnant's `days_from_civil`.
  public static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// The number of days in a month.
  public static func days(inMonth month: Int64, of year: Int64) -> Int64 {
    if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
  }

  /// The nanoseconds of a day.
  public static var dayNs: Int64 { 86_400_000_000_000 }
}

private struct Scanner {
  var cursor: UnsafePointer<UInt8>
  let end: UnsafePointer<UInt8>

  /// The byte at the cursor; 0 at the end.
  var byte: UInt8 { cursor < end ? cursor.pointee : 0 }

  mutating func number(digits: Int) -> Int64? {
    guard end - cursor >= digits else { return nil }
    var value: Int64 = 0
    for index in 0..<digits {
      let digit = cursor[index] &- 48
      if digit > 9 { return nil }
      value = value * 10 + Int64(digit)
    }
    cursor += digits
    return value
  }

  mutating func time() -> ISOTime? {
    guard let date = date() else { return nil }
    var ns: Int64 = 0
    var offset: Int64?
    let hasClock: Bool
    if byte == UInt8(ascii: "T") || byte == UInt8(ascii: "t") {
      cursor += 1
      hasClock = true
    } else if byte == 32, end - cursor > 1, cursor[1] &- 48 <= 9 {
      cursor += 1
      hasClock = true
    } else {
      hasClock = false
    }
    if hasClock {
      guard let clock = clock() else { return nil }
      ns = clock
      switch self.offset() {
      case .none: break
      case .some(let seconds): offset = seconds
      case .wrong: return nil
      }
    }
    return ISOTime(ns: date * ISOTime.dayNs + ns - (offset ?? 0) * 1_000_000_000, hasOffset: offset != nil)
  }

  private mutating func date() -> Int64? {
    guard let year = number(digits: 4), year >= 1678, year <= 2261 else { return nil }
    let separator = byte
    let isSeparated = separator == UInt8(ascii: "-") || separator == UInt8(ascii: ".") || separator == UInt8(ascii: "/")
    if isSeparated { cursor += 1 }
    guard let month = number(digits: 2), month >= 1, month <= 12 else { return nil }
    if isSeparated {
      guard byte == separator else { return nil }
      cursor += 1
    }
    guard let day = number(digits: 2), day >= 1, day <= ISOTime.days(inMonth: month, of: year) else { return nil }
    return ISOTime.days(year: year, month: month, day: day)
  }

  private mutating func clock() -> Int64? {
    guard let hour = number(digits: 2), hour <= 23 else { return nil }
    let isSeparated = byte == UInt8(ascii: ":")
    if isSeparated { cursor += 1 }
    guard let minute = number(digits: 2), minute <= 59 else { return nil }
    var seconds = hour * 3600 + minute * 60
    var fraction: Int64 = 0
    if isSeparated ? byte == UInt8(ascii: ":") : byte &- 48 <= 9 {
      if isSeparated { cursor += 1 }
      guard let second = number(digits: 2), second <= 60 else { return nil }
      seconds += second
      if byte == UInt8(ascii: ".") || (byte == UInt8(ascii: ",") && end - cursor > 1 && isFractionAfterComma) {
        cursor += 1
        guard byte &- 48 <= 9 else { return nil }
        var unit: Int64 = 100_000_000
        while byte &- 48 <= 9 {
          fraction += Int64(byte &- 48) * unit
          unit /= 10
          cursor += 1
        }
      }
    }
    return seconds * 1_000_000_000 + fraction
  }

  /// A comma is a decimal sign only when the text ends with the fraction: in a CSV line it is the delimiter.
  private var isFractionAfterComma: Bool {
    var probe = cursor + 1
    while probe < end, probe.pointee &- 48 <= 9 { probe += 1 }
    return probe == end && probe > cursor + 1
  }

  private enum Offset { case none, some(Int64), wrong }

  private mutating func offset() -> Offset {
    if byte == UInt8(ascii: "Z") || byte == UInt8(ascii: "z") {
      cursor += 1
      return .some(0)
    }
    guard byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") else { return .none }
    let sign: Int64 = byte == UInt8(ascii: "-") ? -1 : 1
    cursor += 1
    guard let hours = number(digits: 2), hours <= 23 else { return .wrong }
    var minutes: Int64 = 0
    if byte == UInt8(ascii: ":") {
      cursor += 1
      guard let value = number(digits: 2), value <= 59 else { return .wrong }
      minutes = value
    } else if byte &- 48 <= 9 {
      guard let value = number(digits: 2), value <= 59 else { return .wrong }
      minutes = value
    }
    return .some(sign * (hours * 3600 + minutes * 60))
  }
}
