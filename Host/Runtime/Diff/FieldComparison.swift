import CGantry
import GantryBase
import GantryGraph

/// Compares rows of one event type field by field.
///
/// Left out are what the host stamps, and what differs by intention: the name of the model in a
/// prediction, the ids of orders.
struct FieldComparison {
  let text: EventText

  /// A field in which two rows differ; `distance` where it is a number in both.
  struct Difference {
    var name: String
    var distance: Double?
  }

  private static let skipped: Set<String> = ["event_ns", "chain", "model", "order_id", "target_id"]

  /// Empty for rows that say the same.
  func differences(_ type: EventType, _ before: RowPairs.Row, _ with: RowPairs.Row, columns: [String]) -> [Difference] {
    if areEqual(type, before, with) { return [] }
    if type == .features, before.bytes.count == with.bytes.count { return columnDifferences(before, with, columns) }
    let left = fields(type, before, columns)
    let right = fields(type, with, columns)
    var list: [Difference] = []
    for (a, b) in zip(left, right) where a.text != b.text {
      list.append(Difference(name: a.name, distance: FieldComparison.distance(Double(a.text), Double(b.text))))
    }
    if left.count != right.count { list.append(Difference(name: "fields")) }
    // Types that the text does not spell out in full.
    if list.isEmpty, !FieldComparison.isSpelledOut(type) { list.append(Difference(name: "bytes")) }
    return list
  }

  /// What a row says, without what is left out.
  func fields(_ type: EventType, _ row: RowPairs.Row, _ columns: [String]) -> [(name: String, text: String)] {
    text.fields(type, row.bytes, arena: row.arena, columns: columns).filter { !FieldComparison.skipped.contains($0.name) }
  }

  private func areEqual(_ type: EventType, _ before: RowPairs.Row, _ with: RowPairs.Row) -> Bool {
    let header = MemoryLayout<gantry_header>.size
    return before.header.instrument == with.header.instrument && before.bytes[header...] == with.bytes[header...] && before.arena == with.arena
  }

  private func columnDifferences(_ before: RowPairs.Row, _ with: RowPairs.Row, _ columns: [String]) -> [Difference] {
    let header = MemoryLayout<gantry_header>.size
    var list: [Difference] = []
    for index in 0..<(before.bytes.count - header) / 8 {
      let a = FieldComparison.double(before.bytes, header + 8 * index)
      let b = FieldComparison.double(with.bytes, header + 8 * index)
      guard a.bitPattern != b.bitPattern else { continue }
      list.append(
        Difference(name: index < columns.count ? columns[index] : "column_\(index)", distance: FieldComparison.distance(a, b)))
    }
    return list
  }

  private static func double(_ bytes: [UInt8], _ offset: Int) -> Double {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Double.self) }
  }

  /// Nil unless both are numbers.
  private static func distance(_ a: Double?, _ b: Double?) -> Double? {
    guard let a, let b, !a.isNaN, !b.isNaN else { return nil }
    return abs(a - b)
  }

  private static func isSpelledOut(_ type: EventType) -> Bool {
    switch type {
    case .prediction, .order, .tick, .features: true
    default: false
    }
  }
}
