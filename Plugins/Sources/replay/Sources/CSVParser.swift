#if canImport(GantrySDK)
  import GantrySDK
#endif

/// Decodes lines of delimited text to rows. Does no I/O, keeps no line, never allocates in `parse`, and
/// takes any bytes without a crash.
///
/// A line ends with `\n` or `\r\n`. Empty lines and lines that begin with `#` are no rows. A field may stand in
/// double quotes. Numbers are those of `DecimalNumber`; a price must be finite and above 0, a size finite and
/// not below 0. The times of the rows given out never go back.
struct CSVParser {
  /// What one kind of fault came to.
  struct FaultCount {
    var count: UInt64 = 0
    var firstFile: Int = 0
    var firstLine: UInt64 = 0
  }

  // What does not change within a file.
  let number = DecimalNumber()
  private let roles: UnsafeMutablePointer<RowLayout.Role>
  private let values: UnsafeMutablePointer<Double>
  private(set) var fieldCount = 0
  private(set) var kind = RowKind.ticks
  private(set) var hasSizes = false
  private(set) var slots = 3
  var delimiter = UInt8(ascii: ",")
  var timeForm = TimeForm.auto
  var unitNs: Int64 = 1 { didSet { unitsMax = UInt64(9_200_000_000_000_000_000 / max(unitNs, 1)) } }
  private(set) var unitsMax: UInt64 = 9_200_000_000_000_000_000
  /// Local midnight of the file's day, as if it were UTC.
  var midnightNs: Int64 = 0
  var zone = ZoneTable(fixedOffsetNs: 0) { didSet { forgetZone() } }
  /// The length of a bar, and whether its time is its end.
  var barNs: Int64 = 0
  var barTimeIsEnd = false
  /// Rows before `fromNs`, or at or after `toNs`, are left out.
  var fromNs = Int64.min
  var toNs = Int64.max
  var file = 0

  // What is known so far.
  let policies: UnsafeMutablePointer<RowPolicy>
  let faults: UnsafeMutablePointer<FaultCount>
  /// Lines so far in this file.
  var line: UInt64 = 0
  private(set) var rows: UInt64 = 0
  private(set) var rowsOutside: UInt64 = 0
  /// The event time of the last row given out.
  var lastNs = Int64.min
  /// Set when a row met the policy `refuse`: nothing is parsed from then on.
  private(set) var refusal: RowFault?
  /// The refused line; it points into what `parse` was given.
  private(set) var refusedLine: UnsafePointer<UInt8>?

  // Local times from low to before high are UTC plus offset.
  var zoneLowNs = Int64.max
  var zoneHighNs = Int64.min
  var zoneOffsetNs: Int64 = 0

  init() {
    roles = .allocate(capacity: RowLayout.fieldsMax)
    roles.initialize(repeating: RowLayout.skip, count: RowLayout.fieldsMax)
    values = .allocate(capacity: CSVParser.valuesMax)
    values.initialize(repeating: 0, count: CSVParser.valuesMax)
    policies = .allocate(capacity: RowFault.count)
    policies.initialize(repeating: .skip, count: RowFault.count)
    faults = .allocate(capacity: RowFault.count)
    faults.initialize(repeating: FaultCount(), count: RowFault.count)
  }

  /// Frees what the parser holds; it cannot be used afterwards.
  func deallocate() {
    number.deallocate()
    roles.deallocate()
    values.deallocate()
    policies.deallocate()
    faults.deallocate()
  }

  /// The most values a layout names.
  private static var valuesMax: Int { 16 }

  mutating func setLayout(_ layout: RowLayout) {
    precondition(layout.roles.count <= RowLayout.fieldsMax)
    fieldCount = layout.roles.count
    for (index, role) in layout.roles.enumerated() {
      precondition(role & ~RowLayout.optional < RowLayout.value + UInt8(CSVParser.valuesMax))
      roles[index] = role
    }
    values.update(repeating: 0, count: CSVParser.valuesMax)
    kind = layout.kind
    hasSizes = layout.hasSizes
    slots = layout.slots
  }

  /// Puts a value where its role says.
  @inline(__always)
  func setValue(_ role: RowLayout.Role, _ value: Double) {
    values[Int((role & ~RowLayout.optional) &- RowLayout.value)] = value
  }

  private mutating func forgetZone() {
    zoneLowNs = .max
    zoneHighNs = .min
  }

  /// Decodes lines from `start`, until `count` bytes or `capacity` rows are done, and returns how many bytes
  /// were used (whole lines) and how many rows were written. The last of the bytes must be a line's end;
  /// bytes after the last one are not looked at, and not used.
  mutating func parse(
    _ start: UnsafePointer<UInt8>, count: Int, into rows: UnsafeMutablePointer<UInt64>, capacity: Int
  ) -> (used: Int, rows: Int) {
    guard count > 0, start[count - 1] == 10, fieldCount > 0, refusal == nil else { return (0, 0) }
    let end = start + count
    let delimiter = self.delimiter
    let fieldLast = fieldCount &- 1
    let roles = self.roles
    let slots = self.slots
    var cursor = start
    var row = rows
    var written = 0
    while cursor < end, written < capacity {
      line &+= 1
      if cursor.pointee <= UInt8(ascii: "#"), CSVParser.skipNoRow(&cursor) { continue }
      self.rows &+= 1
      let lineStart = cursor
      var timeNs: Int64 = 0
      var field = 0
      var fault: RowFault?
      while true {
        let role = roles[field]
        let before = cursor
        if role >= RowLayout.value {
          let value = number.scan(&cursor)
          setValue(role, value)
          if cursor == before, !scanOddNumber(&cursor, role) { fault = .brokenLine; break }
        } else if role == RowLayout.time {
          guard scanTime(&cursor, end, &timeNs) else { fault = .brokenLine; break }
        } else {
          CSVParser.skipField(&cursor, delimiter)
        }
        var byte = cursor.pointee
        if byte == delimiter {
          if field == fieldLast { fault = .fieldCount; break }
          field &+= 1
          cursor += 1
          continue
        }
        if byte == 32 || byte == 9 {
          repeat { cursor += 1 } while cursor.pointee == 32 || (cursor.pointee == 9 && delimiter != 9)
          byte = cursor.pointee
          if byte == delimiter {
            if field == fieldLast { fault = .fieldCount; break }
            field &+= 1
            cursor += 1
            continue
          }
        }
        if byte == 13, cursor[1] == 10 {
          cursor += 1
          byte = 10
        }
        if byte != 10 {
          fault = .brokenLine
        } else if field != fieldLast {
          fault = .fieldCount
        }
        break
      }
      // On a fault the cursor is somewhere in the line, at its end at most.
      if fault != nil { while cursor.pointee != 10 { cursor += 1 } }
      cursor += 1
      if fault == nil {
        if timeNs < fromNs || timeNs >= toNs {
          rowsOutside &+= 1
          continue
        }
        fault = finish(row, timeNs)
      }
      if let fault {
        guard accept(fault) else {
          if refusal == nil { continue }
          refusedLine = lineStart
          break
        }
        lastNs = Int64(bitPattern: row[0])
      }
      row += slots
      written &+= 1
    }
    return (cursor - start, written)
  }

  /// Checks the values of a line and writes the row. A crossed row is written all the same.
  @inline(__always)
  private mutating func finish(_ row: UnsafeMutablePointer<UInt64>, _ timeNs: Int64) -> RowFault? {
    switch kind {
    case .ticks:
      let bid = values[0]
      let ask = values[1]
      // Comparisons with NaN are false.
      guard bid > 0, ask > 0, bid < .infinity, ask < .infinity else { return .badNumber }
      if hasSizes {
        guard CSVParser.isSize(values[2]), CSVParser.isSize(values[3]) else { return .badNumber }
        row[3] = values[2].bitPattern
        row[4] = values[3].bitPattern
      }
      if timeNs < lastNs { return .timeBackwards }
      row[0] = UInt64(bitPattern: timeNs)
      row[1] = bid.bitPattern
      row[2] = ask.bitPattern
      if ask < bid { return .crossed }
      lastNs = timeNs
      return nil
    case .trades:
      guard CSVParser.isPrice(values[0]), CSVParser.isSize(values[1]) else { return .badNumber }
      if timeNs < lastNs { return .timeBackwards }
      row[0] = UInt64(bitPattern: timeNs)
      row[1] = values[0].bitPattern
      row[2] = values[1].bitPattern
      lastNs = timeNs
      return nil
    case .bars, .quoteBars:
      return finishBar(row, timeNs)
    }
  }

  private mutating func finishBar(_ row: UnsafeMutablePointer<UInt64>, _ timeNs: Int64) -> RowFault? {
    let prices = kind == .bars ? 4 : 8
    for index in 0..<prices where !CSVParser.isPrice(values[index]) { return .badNumber }
    for index in prices..<(kind == .bars ? 5 : 10) where !CSVParser.isSize(values[index]) { return .badNumber }
    let (end, start) = barSpan(timeNs)
    if end < lastNs { return .timeBackwards }
    row[0] = UInt64(bitPattern: end)
    row[1] = UInt64(bitPattern: start)
    var isCrossed = false
    if kind == .bars {
      for index in 0..<5 { row[2 + index] = values[index].bitPattern }
      row[7] = 0.0.bitPattern
      isCrossed = values[1] < values[2]
    } else {
      // Bid open, high, low, close, then the same of the ask, then both last sizes.
      var spread = 0.0
      for index in 0..<4 {
        row[2 + index] = ((values[index] + values[4 + index]) / 2).bitPattern
        spread += values[4 + index] - values[index]
        if values[4 + index] < values[index] { isCrossed = true }
      }
      row[6] = (values[8] + values[9]).bitPattern
      row[7] = (spread / 4).bitPattern
      if values[1] < values[2] || values[5] < values[6] { isCrossed = true }
    }
    if isCrossed { return .crossed }
    lastNs = end
    return nil
  }

  /// The end and the start of a bar, from its line's time. Whole days are counted in local time, so the bar of a
  /// day on which the clocks change is 23 or 25 hours long.
  private func barSpan(_ timeNs: Int64) -> (end: Int64, start: Int64) {
    let step = barTimeIsEnd ? -barNs : barNs
    var other = timeNs &+ step
    if barNs > 0, barNs % 86_400_000_000_000 == 0, timeForm == .iso {
      let local = timeNs &+ zone.offsetNs(at: timeNs)
      other = zone.resolve(localNs: local &+ step, lastNs: .min).utcNs
    }
    return barTimeIsEnd ? (timeNs, other) : (other, timeNs)
  }

  @inline(__always)
  private static func isPrice(_ value: Double) -> Bool { value > 0 && value < .infinity }

  @inline(__always)
  private static func isSize(_ value: Double) -> Bool { value >= 0 && value < .infinity }

  /// Counts a line that is too long to be looked at.
  mutating func skipLongLine() {
    line &+= 1
    rows &+= 1
    _ = accept(.brokenLine)
  }

  /// Counts a fault; true when the row goes on all the same.
  @inline(never)
  private mutating func accept(_ fault: RowFault) -> Bool {
    let index = fault.rawValue
    if faults[index].count == 0 {
      faults[index].firstFile = file
      faults[index].firstLine = line
    }
    faults[index].count &+= 1
    switch policies[index] {
    case .skip: return false
    case .count:
      guard fault == .crossed else { return false }
      return true
    case .refuse:
      refusal = fault
      return false
    }
  }
}
