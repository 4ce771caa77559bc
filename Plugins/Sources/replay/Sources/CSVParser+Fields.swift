#if canImport(GantrySDK)
  import GantrySDK
#endif

/// The parts of a line. A line always ends with `\n`, at which every loop here stops.
extension CSVParser {
  /// Skips an empty line or a comment; false, with the cursor where it was, at a row.
  static func skipNoRow(_ cursor: inout UnsafePointer<UInt8>) -> Bool {
    if cursor.pointee == 10 {
      cursor += 1
      return true
    }
    if cursor.pointee == 13, cursor[1] == 10 {
      cursor += 2
      return true
    }
    guard cursor.pointee == UInt8(ascii: "#") else { return false }
    while cursor.pointee != 10 { cursor += 1 }
    cursor += 1
    return true
  }

  /// Skips a field that nobody asked for. Within quotes the delimiter is text; a doubled quote needs no care.
  @inline(__always)
  static func skipField(_ cursor: inout UnsafePointer<UInt8>, _ delimiter: UInt8) {
    var isQuoted = false
    while true {
      let byte = cursor.pointee
      if byte == 10 { break }
      if byte == delimiter, !isQuoted { break }
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      cursor += 1
    }
    // A carriage return belongs to the line's end. The byte before the field is never one within a line.
    if cursor.pointee == 10, !isQuoted, cursor[-1] == 13 { cursor -= 1 }
  }

  /// Reads a number that does not begin with a digit: after spaces, in quotes, or left out.
  @inline(never)
  mutating func scanOddNumber(_ cursor: inout UnsafePointer<UInt8>, _ role: RowLayout.Role) -> Bool {
    while cursor.pointee == 32 { cursor += 1 }
    let isQuoted = cursor.pointee == UInt8(ascii: "\"")
    if isQuoted { cursor += 1 }
    let before = cursor
    let value = number.scan(&cursor)
    if cursor == before {
      guard role & RowLayout.optional != 0 else { return false }
    }
    setValue(role, cursor == before ? 0 : value)
    guard isQuoted else { return true }
    guard cursor.pointee == UInt8(ascii: "\"") else { return false }
    cursor += 1
    return true
  }

  /// Reads the time field. False when it is none, or one outside 1678 to 2261.
  @inline(__always)
  mutating func scanTime(
    _ cursor: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ timeNs: inout Int64
  ) -> Bool {
    if timeForm == .sinceMidnight || timeForm == .epoch {
      var next = cursor
      var value: UInt64 = 0
      while true {
        let digit = next.pointee &- 48
        if digit > 9 { break }
        value = value &* 10 &+ UInt64(digit)
        next += 1
      }
      // 19 digits fit in 64 bits, and up to `unitsMax` their nanoseconds do.
      if UInt(bitPattern: (next - cursor) &- 1) < 19, next.pointee == delimiter, value < unitsMax {
        let ns = Int64(bitPattern: value) &* unitNs
        if timeForm == .sinceMidnight {
          guard ns < ISOTime.dayNs else { return false }
          timeNs = utc(ofLocal: midnightNs &+ ns)
        } else {
          timeNs = ns
        }
        cursor = next
        return true
      }
    }
    return scanAnyTime(&cursor, end, &timeNs)
  }

  /// All other forms: with fractions, signs, quotes, many digits, as ISO text, or not known yet.
  @inline(never)
  private mutating func scanAnyTime(
    _ cursor: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ timeNs: inout Int64
  ) -> Bool {
    while cursor.pointee == 32 { cursor += 1 }
    let isQuoted = cursor.pointee == UInt8(ascii: "\"")
    if isQuoted { cursor += 1 }
    if timeForm == .auto {
      guard let (form, unit) = CSVParser.timeForm(of: cursor) else { return false }
      timeForm = form
      unitNs = unit
    }
    if timeForm == .iso {
      guard let time = ISOTime.scan(&cursor, end: end) else { return false }
      timeNs = time.hasOffset ? time.ns : utc(ofLocal: time.ns)
    } else {
      guard let ns = scanUnits(&cursor) else { return false }
      if timeForm == .sinceMidnight {
        guard ns >= 0, ns < ISOTime.dayNs else { return false }
        timeNs = utc(ofLocal: midnightNs &+ ns)
      } else {
        timeNs = ns
      }
    }
    guard isQuoted else { return true }
    guard cursor.pointee == UInt8(ascii: "\"") else { return false }
    cursor += 1
    return true
  }

  /// A count of units, perhaps with a fraction, as nanoseconds within the years 1678 to 2261.
  private func scanUnits(_ cursor: inout UnsafePointer<UInt8>) -> Int64? {
    let isNegative = cursor.pointee == UInt8(ascii: "-")
    if isNegative { cursor += 1 }
    let start = cursor
    var value: Int64 = 0
    while cursor.pointee &- 48 <= 9 {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int64(cursor.pointee &- 48))
      if overflow || carry { return nil }
      value = sum
      cursor += 1
    }
    guard cursor > start else { return nil }
    var (ns, overflow) = value.multipliedReportingOverflow(by: unitNs)
    if overflow { return nil }
    if cursor.pointee == UInt8(ascii: "."), delimiter != UInt8(ascii: ".") {
      cursor += 1
      var unit = unitNs
      let fraction = cursor
      while cursor.pointee &- 48 <= 9 {
        unit /= 10
        ns &+= Int64(cursor.pointee &- 48) &* unit
        cursor += 1
      }
      guard cursor > fraction else { return nil }
    }
    guard ns >= 0, ns < 9_200_000_000_000_000_000 else { return nil }
    return isNegative ? -ns : ns
  }

  /// Tells how times are written from the first one: by its digits before the first other byte.
  static func timeForm(of start: UnsafePointer<UInt8>) -> (TimeForm, unitNs: Int64)? {
    var next = start
    if next.pointee == UInt8(ascii: "-") { next += 1 }
    let first = next
    while next.pointee &- 48 <= 9 { next += 1 }
    switch next - first {
    case 4: return (.iso, 1)
    // 20140501, or seconds until 1973.
    case 8: return (.iso, 1)
    case 9...11: return (.epoch, 1_000_000_000)
    case 12...14: return (.epoch, 1_000_000)
    case 15...17: return (.epoch, 1000)
    case 18...19: return (.epoch, 1)
    default: return nil
    }
  }

  /// The instant of a local time.
  @inline(__always)
  mutating func utc(ofLocal localNs: Int64) -> Int64 {
    if localNs >= zoneLowNs, localNs < zoneHighNs { return localNs &- zoneOffsetNs }
    return resolve(localNs)
  }

  @inline(never)
  private mutating func resolve(_ localNs: Int64) -> Int64 {
    let resolved = zone.resolve(localNs: localNs, lastNs: lastNs)
    zoneLowNs = resolved.lowNs
    zoneHighNs = resolved.highNs
    zoneOffsetNs = resolved.offsetNs
    return resolved.utcNs
  }
}
