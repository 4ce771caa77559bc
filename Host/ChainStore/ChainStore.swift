import FoundationEssentials
import GRDB
import GantryBase
import GantryTrace

/// The chains of one run: indexes what its lanes have written since the last time, then answers.
/// Works beside a running host. For one thread at a time.
public final class ChainStore {
  public let directory: String
  public let meta: TraceMeta
  /// Records that lanes overwrote before they were indexed, over all times.
  public let lost: UInt64
  let database: ChainDatabase

  /// Throws `trace.not-found` for a folder without a run, `trace.damaged`, `chain.store-failed`.
  public init(directory: String) throws(GantryError) {
    self.directory = directory
    meta = try TraceMeta.read(from: directory)
    let database = try ChainDatabase.open(directory: directory, meta: meta)
    self.database = database
    lost = try failable {
      try database.queue.write { access in
        _ = try ChainImporter(database: access).importAll(directory)
        return UInt64(try Int64.fetchOne(access, sql: "SELECT sum(lost) FROM rings") ?? 0)
      }
    }
  }

  // MARK: names

  public func id(_ key: ChainKey) -> String {
    ChainID(origin: meta.originValue(key.origin) ?? UInt64(key.origin), sequence: key.sequence).description
  }

  /// `ticks:42`.
  public func name(_ key: ChainKey) -> String {
    let origin = meta.origins.first { $0.index == Int(key.origin) }?.name ?? "origin \(key.origin)"
    return "\(origin):\(key.sequence)"
  }

  func instrument(_ id: Int64) -> Instrument? {
    id >= 1 && id <= meta.instruments.count ? meta.instruments[Int(id) - 1] : nil
  }

  // MARK: listing

  public func list(_ filter: ChainFilter) throws(GantryError) -> [ChainSummary] {
    var conditions: [String] = []
    var arguments: [any DatabaseValueConvertible] = []
    switch filter.since {
    case .lastNs(let ns):
      conditions.append("start_ns >= (SELECT max(start_ns) FROM chains) - ?")
      arguments.append(ns)
    case .eventNs(let ns):
      conditions.append("event_ns >= ?")
      arguments.append(ns)
    case nil: break
    }
    if let name = filter.node {
      conditions.append("EXISTS (SELECT 1 FROM hops h WHERE h.origin = c.origin AND h.chain = c.chain AND h.node = ?)")
      arguments.append(try node(name))
    }
    if filter.withOrders { conditions.append("orders > 0") }
    if filter.withErrors { conditions.append("errors > 0") }
    let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
    let order = filter.slowest ? "end_ns - start_ns DESC, start_ns" : "start_ns DESC, chain DESC"
    arguments.append(max(filter.limit, 0))
    let sql = "SELECT * FROM chains c \(condition) ORDER BY \(order) LIMIT ?"
    return try failable {
      try database.queue.read { access in
        try Row.fetchAll(access, sql: sql, arguments: StatementArguments(arguments)).map(summary)
      }
    }
  }

  private func node(_ name: String) throws(GantryError) -> Int {
    if let index = meta.nodes.firstIndex(where: { $0.name == name }) { return index }
    let names = meta.nodes.map(\.name)
    let guess = nearest(to: name, among: names)
    throw GantryError(
      "chain.unknown-node", "the graph \(meta.graph) has no node \(name).",
      help: [guess.map { "did you mean \($0)?" } ?? "its nodes are \(names.joined(separator: ", "))"], exit: .usage)
  }

  private func summary(_ row: Row) -> ChainSummary {
    let key = ChainKey(origin: UInt16(truncatingIfNeeded: row["origin"] as Int64), sequence: UInt64(bitPattern: row["chain"] as Int64))
    let (start, end): (Int64, Int64) = (row["start_ns"], row["end_ns"])
    return ChainSummary(
      id: id(key), name: name(key), span: row["span"], startedNs: wallNs(start), eventNs: row["event_ns"],
      durationNs: end &- start, hops: row["hops"], orders: row["orders"], fills: row["fills"], errors: row["errors"],
      instrument: instrument(row["instrument"])?.symbol)
  }

  /// A moment of the clock that hops are timed with, on the calendar.
  func wallNs(_ monotonicNs: Int64) -> Int64 { meta.startedWallNs &+ (monotonicNs &- meta.startedMonotonicNs) }

  // MARK: finding

  /// A chain by its id, by the beginning of an id that no other traced chain has, or by source and
  /// number (`ticks:42`). Throws `chain.not-found`, `chain.ambiguous`.
  public func find(_ text: String) throws(GantryError) -> ChainKey {
    let wanted = text.lowercased()
    if let colon = text.lastIndex(of: ":"), let number = UInt64(text[text.index(after: colon)...]) {
      let name = String(text[..<colon])
      guard let origin = meta.origins.first(where: { $0.name == name }) else {
        let names = meta.origins.map(\.name)
        throw GantryError(
          "chain.not-found", "no source of this run is called \(name).",
          help: [nearest(to: name, among: names).map { "did you mean \($0):\(number)?" } ?? "sources: \(names.joined(separator: ", "))"],
          exit: .usage)
      }
      return ChainKey(origin: UInt16(truncatingIfNeeded: origin.index), sequence: number)
    }
    if let id = ChainID(wanted) {
      guard let origin = meta.origins.first(where: { ChainID(origin: $0.value, sequence: 0).origin == id.origin }) else {
        throw GantryError(
          "chain.not-found", "\(text) belongs to another run than \(directory).",
          help: ["name the folder of its run: gantry chain show \(text) RUN"], exit: .usage)
      }
      return ChainKey(origin: UInt16(truncatingIfNeeded: origin.index), sequence: id.sequence)
    }
    let prefix = wanted.filter { $0 != "-" }
    guard !prefix.isEmpty, prefix.count < 32, prefix.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
      throw GantryError(
        "chain.bad-id", "\(text) is no chain id.",
        help: ["give an id as `gantry chain list` prints it, its beginning, or source and number, such as ticks:42"], exit: .usage)
    }
    return try find(prefix: prefix, text)
  }

  private func find(prefix: String, _ text: String) throws(GantryError) -> ChainKey {
    var found: [ChainKey] = []
    for origin in meta.origins {
      guard let range = Self.sequences(prefix: prefix, origin: origin.value) else { continue }
      found += try failable {
        try database.queue.read { access in
          try Int64.fetchAll(
            access, sql: "SELECT chain FROM chains WHERE origin = ? AND chain BETWEEN ? AND ? ORDER BY chain LIMIT 4",
            arguments: [origin.index, Int64(range.lowerBound), Int64(range.upperBound)])
        }
      }.map { ChainKey(origin: UInt16(truncatingIfNeeded: origin.index), sequence: UInt64($0)) }
    }
    guard let first = found.first else {
      throw GantryError(
        "chain.not-found", "no traced chain begins with \(text).",
        help: ["gantry chain list shows what was traced; one chain in \(meta.traceEvery) is, and each that orders or errs"], exit: .usage)
    }
    guard found.count == 1 else {
      throw GantryError(
        "chain.ambiguous", "more than one chain begins with \(text): \(found.prefix(3).map(id).joined(separator: ", "))\(found.count > 3 ? " ..." : "").",
        help: ["give more of the id, or source and number, such as \(name(first))"], exit: .usage)
    }
    return first
  }

  /// The sequences of an origin whose ids begin with these hexadecimal digits, if any.
  static func sequences(prefix: String, origin: UInt64) -> ClosedRange<UInt64>? {
    func digits(_ sequence: UInt64) -> String {
      ChainID(origin: origin, sequence: sequence).description.filter { $0 != "-" }
    }
    let last: UInt64 = 0x3FFF_FFFF_FFFF_FFFF
    // Ids of one origin are ordered as their sequences are.
    guard digits(0).prefix(prefix.count) <= prefix, digits(last).prefix(prefix.count) >= prefix else { return nil }
    if prefix.count <= 16 { return 0...last }
    guard let value = UInt64(prefix.dropFirst(16), radix: 16) else { return nil }
    let free = UInt64(32 - prefix.count) * 4
    let low = value << free
    let high = low | (free == 0 ? 0 : (1 << free) - 1)
    let top: UInt64 = 0x8000_0000_0000_0000
    guard high >= top, low <= top | last else { return nil }
    return (max(low, top) - top)...(min(high, top | last) - top)
  }
}
