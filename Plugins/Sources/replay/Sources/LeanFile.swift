import GantrySDK

/// What the names of a QuantConnect LEAN data file say: `20140501_eurusd_tick_quote.csv` in
/// `forex/oanda/tick/eurusd/20140501_quote.zip`, or `eurusd.csv` in `forex/oanda/hour/eurusd.zip`.
struct LeanFile {
  enum Resolution { case tick, second, minute, hour, daily }

  var resolution: Resolution
  var isTrade: Bool
  /// Local midnight of the day in the name, as if it were UTC; the lines then count milliseconds from it.
  var dayNs: Int64?

  /// - Parameters:
  ///   - name: the name of the text within the archive, or the file's own
  ///   - path: the file's path, whose folders are asked where the name says nothing
  init(name: Text, path: Text) throws(Failure) {
    let file = path.bytes.lastIndex(of: UInt8(ascii: "/")).map { Text(bytes: Array(path.bytes[($0 + 1)...])) } ?? path
    dayNs = LeanFile.day(name) ?? LeanFile.day(file)
    isTrade = LeanFile.has(name, "_trade") || (LeanFile.has(file, "_trade") && !LeanFile.has(name, "_quote"))
    func says(_ infix: StaticString, _ folder: StaticString) -> Bool {
      LeanFile.has(name, infix) || LeanFile.has(path, folder)
    }
    if says("_tick_", "/tick/") {
      resolution = .tick
    } else if says("_second_", "/second/") {
      resolution = .second
    } else if says("_minute_", "/minute/") {
      resolution = .minute
    } else if says("_hour_", "/hour/") {
      resolution = .hour
    } else if says("_daily_", "/daily/") {
      resolution = .daily
    } else if dayNs != nil {
      resolution = .tick
    } else {
      throw Failure.invalid(
        "\(path): neither its name nor its folder says which LEAN data it is (tick, second, minute, hour or daily); keep LEAN's folders, or use format: csv")
    }
    if dayNs == nil, resolution != .hour, resolution != .daily {
      throw Failure.invalid("\(path): LEAN's \(name) should begin with its day, such as 20140501_quote.zip, because its lines do not say it")
    }
  }

  /// The length of a bar.
  var barNs: Int64 {
    switch resolution {
    case .tick: 0
    case .second: 1_000_000_000
    case .minute: 60_000_000_000
    case .hour: 3_600_000_000_000
    case .daily: ISOTime.dayNs
    }
  }

  /// The layout of lines with `fields` fields, nil when LEAN has none such.
  func layout(fields: Int) -> RowLayout? {
    func value(_ index: UInt8, optional: Bool = false) -> RowLayout.Role {
      (RowLayout.value + index) | (optional ? RowLayout.optional : 0)
    }
    let time = RowLayout.time
    if resolution == .tick {
      if isTrade {
        guard fields == 3 else { return nil }
        return RowLayout(kind: .trades, hasSizes: true, roles: [time, value(0), value(1, optional: true)])
      }
      switch fields {
      case 3: return RowLayout(kind: .ticks, hasSizes: false, roles: [time, value(0), value(1)])
      case 5:
        return RowLayout(
          kind: .ticks, hasSizes: true,
          roles: [time, value(0), value(2, optional: true), value(1), value(3, optional: true)])
      default: return nil
      }
    }
    switch fields {
    case 11:
      return RowLayout(
        kind: .quoteBars, hasSizes: true,
        roles: [
          time, value(0), value(1), value(2), value(3), value(8, optional: true), value(4), value(5), value(6), value(7),
          value(9, optional: true),
        ])
    case 6:
      return RowLayout(
        kind: .bars, hasSizes: true, roles: [time, value(0), value(1), value(2), value(3), value(4, optional: true)])
    default: return nil
    }
  }

  /// Of a folder's files, those of one kind: quotes, unless trades are asked for or there is nothing else.
  static func choose(_ files: [DataFile], trades: Bool) -> [DataFile] {
    let quotes = files.filter { has($0.name, "_quote") }
    let traded = files.filter { has($0.name, "_trade") }
    if trades { return traded.isEmpty ? files : traded }
    return quotes.isEmpty ? files : quotes
  }

  private static func day(_ name: Text) -> Int64? {
    guard name.bytes.count >= 8 else { return nil }
    let day = name.bytes.withUnsafeBufferPointer { ISOTime(UnsafeBufferPointer(rebasing: $0[0..<8])) }
    guard let day, name.bytes.count == 8 || name.bytes[8] &- 48 > 9 else { return nil }
    return day.ns
  }

  private static func has(_ text: Text, _ part: StaticString) -> Bool {
    let length = part.utf8CodeUnitCount
    guard text.bytes.count >= length else { return false }
    for start in 0...(text.bytes.count - length) {
      var index = 0
      while index < length, text.bytes[start + index] == part.utf8Start[index] { index += 1 }
      if index == length { return true }
    }
    return false
  }
}
