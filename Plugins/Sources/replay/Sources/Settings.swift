import GantrySDK

/// The parameters of one instance, checked against each other.
struct Settings {
  enum Format: Int64 { case csv, lean }

  /// The parameters' places in the descriptor.
  enum Index: Int {
    case path, format, instrument, events, columns, header, delimiter, timeFormat, timeZone, barLength, barTime
    case from, to, onBadRow, onBrokenLine, onFieldCount, onBadNumber, onTimeBackwards, onCrossed
    case speed, `repeat`, limit, preload
  }

  var path: Text = ""
  var format = Format.csv
  var instrument: UInt32 = 0
  /// What is asked for; nil takes what the columns allow.
  var events: RowKind?
  var columns: ColumnMap
  var hasHeader = true
  var delimiter = UInt8(ascii: ",")
  var timeForm = TimeForm.auto
  var unitNs: Int64 = 1
  var timeZone: Text = "UTC"
  var barNs: Int64 = 0
  var barTimeIsEnd = false
  var from: ISOTime?
  var to: ISOTime?
  var policies = [RowPolicy](repeating: .skip, count: RowFault.count)
  var pace: Pace
  var repeats: Int64 = 1
  var limit: Int64 = 0
  var preload = false

  init(_ configuration: borrowing Configuration) throws(Failure) {
    func integer(_ index: Index) -> Int64 { configuration.integer(index.rawValue) }
    func text(_ index: Index) -> TextView { configuration.text(index.rawValue) }

    path = Text(text(.path))
    format = Format(rawValue: integer(.format)) ?? .csv
    instrument = UInt32(truncatingIfNeeded: integer(.instrument))
    switch integer(.events) {
    case 1: events = .ticks
    case 2: events = .trades
    case 3: events = .bars
    default: events = nil
    }
    hasHeader = configuration.bool(Index.header.rawValue)
    delimiter = try Settings.delimiter(text(.delimiter))
    var entries: [Text] = []
    for position in 0..<configuration.count(Index.columns.rawValue) {
      entries.append(Text(configuration.text(Index.columns.rawValue, at: position)))
    }
    if format == .lean, !entries.isEmpty {
      throw Failure.invalid("columns: LEAN's files have columns of their own; leave it out, or use format: csv")
    }
    columns = try ColumnMap(entries, hasHeader: hasHeader || format == .lean)
    (timeForm, unitNs) = Settings.timeForm(integer(.timeFormat))
    timeZone = Text(text(.timeZone))
    if timeZone.bytes.isEmpty { timeZone = format == .lean ? "America/New_York" : "UTC" }
    try Zones.check(timeZone)
    barNs = integer(.barLength)
    barTimeIsEnd = integer(.barTime) == 1
    from = try Settings.time(text(.from), "from")
    to = try Settings.time(text(.to), "to")
    guard let pace = Pace(text(.speed)) else {
      throw Failure.invalid("speed: `\(text(.speed))` is none of max, real and xN, such as x10")
    }
    self.pace = pace
    repeats = integer(.repeat)
    limit = integer(.limit)
    preload = configuration.bool(Index.preload.rawValue)
    let common = RowPolicy(rawValue: UInt8(truncatingIfNeeded: integer(.onBadRow))) ?? .skip
    policies[RowFault.brokenLine.rawValue] = Settings.policy(configuration, .onBrokenLine, common)
    policies[RowFault.fieldCount.rawValue] = Settings.policy(configuration, .onFieldCount, common)
    policies[RowFault.badNumber.rawValue] = Settings.policy(configuration, .onBadNumber, common)
    policies[RowFault.timeBackwards.rawValue] = Settings.policy(configuration, .onTimeBackwards, common)
    policies[RowFault.crossed.rawValue] = Settings.policy(configuration, .onCrossed, common)
  }

  /// The policy for one fault: its own parameter, else `on_bad_row`.
  private static func policy(_ configuration: borrowing Configuration, _ index: Index, _ common: RowPolicy) -> RowPolicy {
    guard configuration.isSet(index.rawValue) else { return common }
    let text = configuration.text(index.rawValue)
    return text == "refuse" ? .refuse : text == "count" ? .count : .skip
  }

  private static func delimiter(_ text: TextView) throws(Failure) -> UInt8 {
    if text == "tab" { return 9 }
    guard text.count == 1 else {
      throw Failure.invalid("delimiter: `\(text)` is none of `,` `;` `|` and tab")
    }
    switch text[0] {
    case UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "|"), 9: return text[0]
    default: throw Failure.invalid("delimiter: `\(text)` is none of `,` `;` `|` and tab")
    }
  }

  private static func timeForm(_ choice: Int64) -> (TimeForm, Int64) {
    switch choice {
    case 1: (.epoch, 1)
    case 2: (.epoch, 1000)
    case 3: (.epoch, 1_000_000)
    case 4: (.epoch, 1_000_000_000)
    case 5: (.iso, 1)
    default: (.auto, 1)
    }
  }

  private static func time(_ text: TextView, _ name: StaticString) throws(Failure) -> ISOTime? {
    if text.isEmpty { return nil }
    guard let time = text.withBytes({ ISOTime($0) }) else {
      throw Failure.invalid("\(name): `\(text)` is no time; write it as 2014-05-01 or 2014-05-01T09:30:00Z")
    }
    return time
  }
}
