/// What a row holds.
enum RowKind: UInt8 { case ticks, trades, bars, quoteBars }

/// Which field of a line goes where, and what the rows become.
///
/// A decoded row is `slots` 64-bit words: the event time in nanoseconds, then doubles.
/// Ticks: bid, ask and, with sizes, bid size, ask size. Trades: price, size.
/// Bars of both kinds: start (nanoseconds), open, high, low, close, volume, spread.
struct RowLayout {
  /// What one field is for: `skip`, `time`, or a value with its number among the row's values.
  typealias Role = UInt8
  static var skip: Role { 0 }
  static var time: Role { 1 }
  /// Values begin here ...
  static var value: Role { 8 }
  /// ... and may be empty (0) with this bit.
  static var optional: Role { 0x80 }
  /// More fields than this in a line are refused.
  static var fieldsMax: Int { 256 }

  var kind: RowKind
  var hasSizes: Bool
  var roles: [Role]

  /// The 64-bit words of a decoded row.
  var slots: Int {
    switch kind {
    case .ticks: hasSizes ? 5 : 3
    case .trades: 3
    case .bars, .quoteBars: 8
    }
  }

  /// The longest decoded row, in 64-bit words.
  static var slotsMax: Int { 8 }
}

/// How the time field is written.
enum TimeForm: UInt8 {
  /// Not known before the first row: told by its digits.
  case auto
  /// Units of `unitNs` since 1970-01-01 UTC.
  case epoch
  /// Units of `unitNs` of local time since `midnightNs`.
  case sinceMidnight
  /// ISO-8601; local time of the zone where there is no offset.
  case iso
}

/// What can be wrong with a row, the gravest first.
enum RowFault: Int {
  case brokenLine, fieldCount, badNumber, timeBackwards, crossed
  static var count: Int { 5 }
}

/// What is done about it. Every fault is counted.
enum RowPolicy: UInt8 {
  /// Left out.
  case skip
  /// Let through where an event can be made of it (a crossed quote); otherwise left out.
  case count
  /// The run ends there.
  case refuse
}
