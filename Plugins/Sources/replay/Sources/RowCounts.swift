import GantrySDK

/// What the rows came to at some moment.
struct RowCounts {
  var rows: UInt64
  var rowsOutside: UInt64
  var faults: [CSVParser.FaultCount] = []
  var letsCrossedThrough: Bool

  init(_ parser: borrowing CSVParser) {
    rows = parser.rows
    rowsOutside = parser.rowsOutside
    for index in 0..<RowFault.count { faults.append(parser.faults[index]) }
    letsCrossedThrough = parser.policies[RowFault.crossed.rawValue] == .count
  }

  /// Whether any row was not as it should be.
  var hasFaults: Bool {
    for fault in faults where fault.count > 0 { return true }
    return false
  }
}
