#if canImport(GantrySDK)
  import GantrySDK
#endif

/// The rule at the end of a TZif file, for the years after its last listed change:
/// `EST5EDT,M3.2.0,M11.1.0` (POSIX TZ, with RFC 8536's hours from -167 to 167).
struct ZoneRule {
  private var standardNs: Int64 = 0
  private var summerNs: Int64?
  private var toSummer = Change()
  private var toStandard = Change()

  /// The day of a year on which the clocks change, and when on it.
  private struct Change {
    enum Form { case month, julian, ordinal }
    var form = Form.ordinal
    var month: Int64 = 0
    var week: Int64 = 0
    var day: Int64 = 0
    var seconds: Int64 = 7200

    /// Local nanoseconds of the change in `year`.
    func localNs(_ year: Int64) -> Int64 {
      let newYear = ISOTime.days(year: year, month: 1, day: 1)
      let isLeap = ISOTime.days(inMonth: 2, of: year) == 29
      var days: Int64
      switch form {
      case .ordinal: days = newYear + day
      case .julian: days = newYear + day - 1 + (isLeap && day >= 60 ? 1 : 0)
      case .month:
        let first = ISOTime.days(year: year, month: month, day: 1)
        // 1970-01-01 was a Thursday: day 4 of a week that begins on Sunday.
        let weekday = ((first + 4) % 7 + 7) % 7
        days = first + (day - weekday + 7) % 7 + (week - 1) * 7
        if days >= first + ISOTime.days(inMonth: month, of: year) { days -= 7 }
      }
      return days * ISOTime.dayNs + seconds * 1_000_000_000
    }
  }

  init?(_ text: ArraySlice<UInt8>) {
    var reader = Reader(bytes: text, position: text.startIndex)
    guard reader.name(), let standard = reader.time(hoursMax: 24) else { return nil }
    standardNs = -standard * 1_000_000_000
    if reader.isAtEnd { return }
    guard reader.name() else { return nil }
    var summer = standardNs + 3_600_000_000_000
    if reader.byte != UInt8(ascii: ",") {
      guard let value = reader.time(hoursMax: 24) else { return nil }
      summer = -value * 1_000_000_000
    }
    guard let first = ZoneRule.change(&reader), let second = ZoneRule.change(&reader), reader.isAtEnd else { return nil }
    summerNs = summer
    toSummer = first
    toStandard = second
  }

  /// The table with the rule's changes after its last one, up to 2261.
  func extend(_ zone: ZoneTable) -> ZoneTable {
    guard let summerNs else { return zone }
    var starts = zone.starts
    var offsets = zone.offsets
    for year in Int64(1970)...2260 {
      let changes = [
        (ns: toSummer.localNs(year) - standardNs, offset: summerNs),
        (ns: toStandard.localNs(year) - summerNs, offset: standardNs),
      ]
      let isNorthern = changes[0].ns < changes[1].ns
      for change in isNorthern ? changes : [changes[1], changes[0]]
      where change.ns > starts[starts.count - 1] && change.offset != offsets[offsets.count - 1] {
        starts.append(change.ns)
        offsets.append(change.offset)
      }
    }
    return ZoneTable(starts: starts, offsets: offsets)
  }

  private static func change(_ reader: inout Reader) -> Change? {
    guard reader.take(UInt8(ascii: ",")) else { return nil }
    var change = Change()
    if reader.take(UInt8(ascii: "M")) {
      guard let month = reader.number(), month >= 1, month <= 12, reader.take(UInt8(ascii: ".")),
        let week = reader.number(), week >= 1, week <= 5, reader.take(UInt8(ascii: ".")),
        let day = reader.number(), day <= 6
      else { return nil }
      change.form = .month
      change.month = month
      change.week = week
      change.day = day
    } else {
      change.form = reader.take(UInt8(ascii: "J")) ? .julian : .ordinal
      guard let day = reader.number(), day <= 366 else { return nil }
      change.day = day
    }
    if reader.take(UInt8(ascii: "/")) {
      guard let seconds = reader.time(hoursMax: 167) else { return nil }
      change.seconds = seconds
    }
    return change
  }

  private struct Reader {
    let bytes: ArraySlice<UInt8>
    var position: Int

    var isAtEnd: Bool { position == bytes.endIndex }
    var byte: UInt8 { position < bytes.endIndex ? bytes[position] : 0 }

    mutating func take(_ wanted: UInt8) -> Bool {
      guard byte == wanted, !isAtEnd else { return false }
      position += 1
      return true
    }

    /// An abbreviation: letters, or anything between `<` and `>`.
    mutating func name() -> Bool {
      let start = position
      if take(UInt8(ascii: "<")) {
        while !isAtEnd, byte != UInt8(ascii: ">") { position += 1 }
        return take(UInt8(ascii: ">"))
      }
      while (byte | 0x20) &- 97 < 26 { position += 1 }
      return position > start
    }

    mutating func number() -> Int64? {
      let start = position
      var value: Int64 = 0
      while byte &- 48 <= 9, position - start < 4 {
        value = value * 10 + Int64(byte &- 48)
        position += 1
      }
      return position > start ? value : nil
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    mutating func time(hoursMax: Int64) -> Int64? {
      let isNegative = take(UInt8(ascii: "-"))
      if !isNegative { _ = take(UInt8(ascii: "+")) }
      guard let hours = number(), hours <= hoursMax else { return nil }
      var seconds = hours * 3600
      if take(UInt8(ascii: ":")) {
        guard let minutes = number(), minutes <= 59 else { return nil }
        seconds += minutes * 60
        if take(UInt8(ascii: ":")) {
          guard let rest = number(), rest <= 59 else { return nil }
          seconds += rest
        }
      }
      return isNegative ? -seconds : seconds
    }
  }
}
