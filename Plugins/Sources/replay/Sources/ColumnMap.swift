import GantrySDK

/// Which field of a file is what: from the header line, the `columns` parameter, or both.
struct ColumnMap {
  /// A name a column can have here, and the value it becomes.
  enum Column: Int {
    case time, bid, ask, bidSize, askSize, open, high, low, close, volume, price, size
    static var count: Int { 12 }

    var name: StaticString {
      switch self {
      case .time: "time"
      case .bid: "bid"
      case .ask: "ask"
      case .bidSize: "bid_size"
      case .askSize: "ask_size"
      case .open: "open"
      case .high: "high"
      case .low: "low"
      case .close: "close"
      case .volume: "volume"
      case .price: "price"
      case .size: "size"
      }
    }

    init?(named text: Text) {
      for index in 0..<Column.count {
        if let column = Column(rawValue: index), Text(stringLiteral: column.name) == text {
          self = column
          return
        }
      }
      return nil
    }
  }

  /// One entry of `columns`: `bid=Bid price` names a header's column; without `=`, entries name the
  /// fields in their order, `-` being one to ignore.
  private var headerNames: [Text?]
  private var positions: [Column?] = []
  private let isByPosition: Bool

  /// Reads the `columns` parameter.
  init(_ entries: [Text], hasHeader: Bool) throws(Failure) {
    headerNames = [Text?](repeating: nil, count: Column.count)
    isByPosition = !hasHeader
    if entries.isEmpty, !hasHeader {
      throw Failure.invalid(
        "without a header line the fields need names: give columns in their order, such as [time, bid, ask], with - for one to ignore")
    }
    for entry in entries {
      let equals = entry.bytes.firstIndex(of: UInt8(ascii: "="))
      let name = equals.map { Text(bytes: Array(entry.bytes[..<$0])) } ?? entry
      if hasHeader {
        guard let equals else {
          throw Failure.invalid("columns: `\(entry)` is not name=header; write for example bid=\(entry), or header: false")
        }
        guard let column = Column(named: name) else { throw ColumnMap.unknown(name) }
        headerNames[column.rawValue] = ColumnMap.plain(entry.bytes[(equals + 1)...])
      } else {
        if equals != nil {
          throw Failure.invalid("columns: `\(entry)` names a header's column, but header is false: list the fields in their order")
        }
        if name == "-" {
          positions.append(nil)
        } else {
          guard let column = Column(named: name) else { throw ColumnMap.unknown(name) }
          positions.append(column)
        }
      }
    }
    if positions.count > RowLayout.fieldsMax { throw Failure.invalid("columns: more than 256 fields") }
  }

  private static func unknown(_ name: Text) -> Failure {
    .invalid(
      "columns: there is no `\(name)`; known are time, bid, ask, bid_size, ask_size, open, high, low, close, volume, price, size")
  }

  /// The layout of a file. `header` is its first line, without the line's end; nil when it has none.
  /// `wanted` is the kind of events asked for; nil takes what the columns allow, ticks before bars before trades.
  func layout(header: UnsafeBufferPointer<UInt8>?, delimiter: UInt8, wanted: RowKind?) throws(Failure) -> RowLayout {
    var fields = positions
    var names: [Text] = []
    if !isByPosition, let header {
      names = ColumnMap.split(header, delimiter)
      if names.count > RowLayout.fieldsMax { throw Failure.invalid("the header line names more than 256 fields") }
      fields = try match(names)
    }
    var place = [Int](repeating: -1, count: Column.count)
    for (index, field) in fields.enumerated() {
      guard let field else { continue }
      if place[field.rawValue] >= 0 { throw Failure.invalid("two fields are named `\(field.name)`") }
      place[field.rawValue] = index
    }
    func has(_ columns: [Column]) -> Bool {
      for column in columns where place[column.rawValue] < 0 { return false }
      return true
    }
    let isTicks = has([.bid, .ask])
    let isBars = has([.open, .high, .low, .close])
    let isTrades = has([.price])
    let kind: RowKind
    if let wanted {
      kind = wanted
    } else if isTicks {
      kind = .ticks
    } else if isBars {
      kind = .bars
    } else {
      kind = .trades
    }
    let isThere = kind == .ticks ? isTicks : kind == .trades ? isTrades : isBars
    guard has([.time]), isThere else {
      let needed: StaticString =
        wanted == nil
        ? "time and either bid and ask, or open, high, low and close, or price"
        : kind == .ticks ? "time, bid and ask" : kind == .trades ? "time and price" : "time, open, high, low and close"
      var have = Text()
      for name in names {
        if !have.bytes.isEmpty { have.append(", ") }
        have.bytes += name.bytes.prefix(40)
      }
      throw Failure.invalid("there are no columns for \(needed); the header has: \(have). Name them with columns: [bid=...]")
    }
    var roles = [RowLayout.Role](repeating: RowLayout.skip, count: fields.count)
    func assign(_ column: Column, _ value: Int, optional: Bool) {
      let index = place[column.rawValue]
      guard index >= 0 else { return }
      roles[index] = (RowLayout.value + UInt8(value)) | (optional ? RowLayout.optional : 0)
    }
    roles[place[Column.time.rawValue]] = RowLayout.time
    var hasSizes = false
    switch kind {
    case .ticks:
      assign(.bid, 0, optional: false)
      assign(.ask, 1, optional: false)
      assign(.bidSize, 2, optional: true)
      assign(.askSize, 3, optional: true)
      hasSizes = place[Column.bidSize.rawValue] >= 0 || place[Column.askSize.rawValue] >= 0
    case .trades:
      assign(.price, 0, optional: false)
      assign(.size, 1, optional: true)
      if !has([.size]) { assign(.volume, 1, optional: true) }
    case .bars, .quoteBars:
      assign(.open, 0, optional: false)
      assign(.high, 1, optional: false)
      assign(.low, 2, optional: false)
      assign(.close, 3, optional: false)
      assign(.volume, 4, optional: true)
    }
    return RowLayout(kind: kind, hasSizes: hasSizes, roles: roles)
  }

  private func match(_ names: [Text]) throws(Failure) -> [Column?] {
    var fields = [Column?](repeating: nil, count: names.count)
    for index in 0..<Column.count {
      guard let column = Column(rawValue: index) else { continue }
      let given = headerNames[index]
      let wanted = given ?? Text(stringLiteral: column.name)
      var position = names.firstIndex { $0 == wanted || ColumnMap.plain($0.bytes[...]) == ColumnMap.plain(wanted.bytes[...]) }
      if position == nil, given == nil, column == .time {
        position = names.firstIndex { $0 == "timestamp" || $0 == "datetime" || $0 == "date" }
      }
      if position == nil, given != nil {
        throw Failure.invalid("the header has no column `\(wanted)`, which columns names for \(column.name)")
      }
      if let position {
        if let other = fields[position] {
          throw Failure.invalid("the column `\(names[position])` would be both \(other.name) and \(column.name)")
        }
        fields[position] = column
      }
    }
    return fields
  }

  /// The names of a header line, in plain form.
  private static func split(_ line: UnsafeBufferPointer<UInt8>, _ delimiter: UInt8) -> [Text] {
    var names: [Text] = []
    var start = 0
    for index in 0...line.count where index == line.count || line[index] == delimiter {
      names.append(plain(Array(line[start..<index])[...]))
      start = index + 1
    }
    return names
  }

  /// Lower case, without quotes and brackets and the spaces around, inner spaces as underscores.
  private static func plain(_ bytes: ArraySlice<UInt8>) -> Text {
    var result: [UInt8] = []
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), 13: continue
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): result.append(byte | 0x20)
      case 32: result.append(UInt8(ascii: "_"))
      default: result.append(byte)
      }
    }
    while result.last == UInt8(ascii: "_") { result.removeLast() }
    while result.first == UInt8(ascii: "_") { result.removeFirst() }
    return Text(bytes: result)
  }
}
