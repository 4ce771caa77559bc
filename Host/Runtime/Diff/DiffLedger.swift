import CGantry
import GantryBase

/// Sums up pairs of rows: how many differ, in which fields, how far, and where first.
struct DiffLedger {
  private let ports: [(name: String, type: EventType)]
  private let columns: [[String]]
  private let comparison: FieldComparison
  private let chainName: (gantry_header) -> String
  private(set) var result = DiffReport.Outputs()
  private var tallies: [Int: [Tally]] = [:]

  private struct Tally {
    var name: String
    var count: UInt64 = 0
    var measured: UInt64 = 0
    var largest = 0.0
    var sum = 0.0
  }

  init(
    ports: [(name: String, type: EventType)], columns: [[String]], comparison: FieldComparison,
    chainName: @escaping (gantry_header) -> String
  ) {
    self.ports = ports
    self.columns = columns
    self.comparison = comparison
    self.chainName = chainName
  }

  /// The sums, with the fields in the order of their ports.
  var outputs: DiffReport.Outputs {
    var outputs = result
    outputs.fields = tallies.sorted { $0.key < $1.key }.flatMap { port, list in
      list.map { tally in
        DiffReport.Field(
          port: ports[port].name, name: tally.name, count: tally.count, largest: tally.measured > 0 ? tally.largest : nil,
          mean: tally.measured > 0 ? tally.sum / Double(tally.measured) : nil)
      }
    }
    return outputs
  }

  mutating func take(_ key: RowPairs.Key, _ before: RowPairs.Row?, _ with: RowPairs.Row?) {
    guard let before, let with else {
      if before != nil { result.onlyBefore += 1 } else { result.onlyWith += 1 }
      return note(key, before, with, [])
    }
    result.compared += 1
    let differences = comparison.differences(ports[key.port].type, before, with, columns: columns[key.port])
    guard !differences.isEmpty else { return }
    result.differing += 1
    for difference in differences { count(difference, key.port) }
    note(key, before, with, differences.map(\.name))
  }

  private mutating func count(_ difference: FieldComparison.Difference, _ port: Int) {
    var list = tallies[port] ?? []
    let place = list.firstIndex { $0.name == difference.name } ?? list.count
    if place == list.count { list.append(Tally(name: difference.name)) }
    list[place].count += 1
    if let distance = difference.distance, distance.isFinite {
      list[place].measured += 1
      list[place].largest = max(list[place].largest, distance)
      list[place].sum += distance
    }
    tallies[port] = list
  }

  private mutating func note(_ key: RowPairs.Key, _ before: RowPairs.Row?, _ with: RowPairs.Row?, _ fields: [String]) {
    guard result.first == nil, let row = before ?? with else { return }
    let type = ports[key.port].type
    func said(_ row: RowPairs.Row?) -> [String: String] {
      guard let row else { return [:] }
      return Dictionary(comparison.fields(type, row, columns[key.port]).map { ($0.name, $0.text) }, uniquingKeysWith: { first, _ in first })
    }
    result.first = DiffReport.Place(
      port: ports[key.port].name, chain: chainName(row.header), eventNs: row.header.event_ns, before: said(before), with: said(with), fields: fields)
  }
}
