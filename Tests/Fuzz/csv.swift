import GantrySDK

/// Any bytes as rows of a CSV file, under every layout: no crash, no byte behind the end is looked
/// at, times never go back, and every row is either given out or counted as faulty.
///
/// The first byte chooses the layout, the second the policies.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCSV(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  guard size >= 3, let data else { return 0 }
  let layouts: [RowLayout] = [
    RowLayout(kind: .ticks, hasSizes: false, roles: [RowLayout.time, RowLayout.value, RowLayout.value + 1]),
    RowLayout(
      kind: .ticks, hasSizes: true,
      roles: [RowLayout.time, RowLayout.value, RowLayout.value + 1, RowLayout.value + 2 | RowLayout.optional, RowLayout.value + 3 | RowLayout.optional]),
    RowLayout(kind: .trades, hasSizes: true, roles: [RowLayout.skip, RowLayout.time, RowLayout.value, RowLayout.value + 1]),
    RowLayout(
      kind: .bars, hasSizes: false,
      roles: [RowLayout.time, RowLayout.value, RowLayout.value + 1, RowLayout.value + 2, RowLayout.value + 3, RowLayout.value + 4]),
  ]
  var parser = CSVParser()
  defer { parser.deallocate() }
  parser.setLayout(layouts[Int(data[0]) % layouts.count])
  parser.timeForm = [.auto, .epoch, .sinceMidnight, .iso][Int(data[0] >> 4) % 4]
  parser.unitNs = [1, 1_000, 1_000_000, 1_000_000_000][Int(data[0] >> 6) % 4]
  parser.delimiter = [44, 59, 9, 124][Int(data[1] >> 6) % 4]
  for index in 0..<RowFault.count { parser.policies[index] = data[1] >> UInt8(index) & 1 == 0 ? .skip : .count }

  // The text in memory of exactly its size, ending with a line's end.
  let count = size - 1
  let text = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
  defer { text.deallocate() }
  text.update(from: data + 2, count: size - 2)
  text[count - 1] = 10

  let capacity = 7
  let rows = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity * parser.slots)
  defer { rows.deallocate() }
  var start = 0
  var lastNs = Int64.min
  var written: UInt64 = 0
  while start < count {
    let (used, count) = parser.parse(text + start, count: count - start, into: rows, capacity: capacity)
    precondition(used > 0 && count <= capacity, "no progress at byte \(start)")
    for row in 0..<count {
      let ns = Int64(bitPattern: rows[row * parser.slots])
      precondition(ns >= lastNs, "time went back")
      lastNs = ns
    }
    start += used
    written += UInt64(count)
  }
  precondition(written <= parser.rows)
  return 0
}
