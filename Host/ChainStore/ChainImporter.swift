import CGantry
import FoundationEssentials
import GRDB
import GantryBase
import GantryTrace

/// Reads what is new in a run's ring files into the index, in one transaction a file.
struct ChainImporter {
  struct Report: Sendable, Equatable {
    var hops = 0
    var details = 0
    /// Records that were overwritten before they could be read.
    var lost: UInt64 = 0
  }

  let database: Database

  /// Ring files of a run folder, by name.
  static func ringFiles(_ directory: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.filter { ($0.hasPrefix("hops-") || $0.hasPrefix("orders-")) && $0.hasSuffix(".bin") }.sorted()
  }

  func importAll(_ directory: String) throws -> Report {
    var report = Report()
    let firstHop = try nextID("hops")
    let firstDetail = try nextID("details")
    var latencies: [Int: LatencySnapshot] = [:]
    for file in Self.ringFiles(directory) { try importRing(directory, file, &report, &latencies) }
    guard report.hops + report.details > 0 else { return report }
    try summarise(hopsFrom: firstHop, detailsFrom: firstDetail)
    try keep(latencies)
    return report
  }

  private func nextID(_ table: String) throws -> Int64 {
    (try Int64.fetchOne(database, sql: "SELECT max(id) FROM \(table)") ?? 0) + 1
  }

  private func importRing(
    _ directory: String, _ file: String, _ report: inout Report, _ latencies: inout [Int: LatencySnapshot]
  ) throws {
    let reader = try HopLogReader(path: directory + "/" + file)
    var ring = try Row.fetchOne(database, sql: "SELECT id, made_ns, next, lost, last_hop FROM rings WHERE file = ?", arguments: [file])
    if let known = ring, known["made_ns"] != reader.madeNs {
      // The lane began a new log of this name: what it holds is new, and so is its place.
      try database.execute(sql: "UPDATE rings SET file = file || ' ' || made_ns WHERE id = ?", arguments: [known["id"] as Int64])
      ring = nil
    }
    if ring == nil {
      try database.execute(
        sql: "INSERT INTO rings (file, made_ns, next, lost, last_hop) VALUES (?, ?, 0, 0, 0)", arguments: [file, reader.madeNs])
    }
    let ringID: Int64 = ring?["id"] ?? database.lastInsertedRowID
    let next: Int64 = ring?["next"] ?? 0
    let oldest = reader.oldest
    let lost = UInt64(next) < oldest ? oldest - UInt64(next) : 0
    var rows = HopRows(ring: ringID, nextHop: try nextID("hops"), nextDetail: try nextID("details"))
    if let known = ring, lost == 0 {
      rows.lastHop = known["last_hop"]
      rows.lastOrigin = try Int64.fetchOne(database, sql: "SELECT origin FROM hops WHERE id = ?", arguments: [rows.lastHop]) ?? 0
    }
    let insertHop = try database.cachedStatement(sql: HopRows.hopSQL)
    let insertDetail = try database.cachedStatement(sql: HopRows.detailSQL)
    let reached = try reader.forEach(from: UInt64(next)) { _, item in
      switch item {
      case .hop(let record):
        insertHop.setUncheckedArguments(rows.arguments(record))
        try insertHop.execute()
        if record.durationNs > 0, record.kind != .call {
          let events = UInt64(max(record.inputs, 1))
          latencies[Int(record.node), default: LatencySnapshot()].record(UInt64(record.durationNs) / events, count: events)
        }
        report.hops += 1
      case .detail(let detail):
        // What belongs to a hop that was overwritten goes with it.
        guard let arguments = rows.arguments(detail) else { return }
        insertDetail.setUncheckedArguments(arguments)
        try insertDetail.execute()
        report.details += 1
      }
    }
    report.lost += lost
    try database.execute(
      sql: "UPDATE rings SET next = ?, lost = lost + ?, last_hop = ? WHERE id = ?",
      arguments: [Int64(reached), Int64(lost), rows.lastHop, ringID])
  }

  /// Brings the chains of the new rows up to date.
  private func summarise(hopsFrom: Int64, detailsFrom: Int64) throws {
    try database.execute(
      sql: """
        INSERT INTO chains
          SELECT origin, chain, max(span), min(start_ns), max(start_ns + duration_ns), min(event_ns), count(*), 0, 0,
            sum(status < 0), 0
          FROM hops WHERE id >= ? GROUP BY origin, chain
        ON CONFLICT (origin, chain) DO UPDATE SET
          span = max(span, excluded.span), start_ns = min(start_ns, excluded.start_ns), end_ns = max(end_ns, excluded.end_ns),
          event_ns = min(event_ns, excluded.event_ns), hops = hops + excluded.hops, errors = errors + excluded.errors
        """, arguments: [hopsFrom])
    try database.execute(
      sql: """
        UPDATE chains SET
          orders = (SELECT count(DISTINCT order_id) FROM details d
            WHERE d.origin = chains.origin AND d.chain = chains.chain AND d.event_type = \(GANTRY_ORDER) AND d.is_output = 1),
          fills = (SELECT count(DISTINCT e.execution_id) FROM details e
            WHERE e.execution_kind = \(GANTRY_EXEC_FILL) AND e.order_id IN (
              SELECT order_id FROM details d
              WHERE d.origin = chains.origin AND d.chain = chains.chain AND d.event_type = \(GANTRY_ORDER) AND d.order_id <> 0)),
          instrument = coalesce((SELECT instrument FROM details d
            WHERE d.origin = chains.origin AND d.chain = chains.chain AND d.instrument <> 0 LIMIT 1), 0)
        WHERE (origin, chain) IN (
          SELECT origin, chain FROM details WHERE id >= ?1
          UNION
          SELECT o.origin, o.chain FROM details e JOIN details o ON o.order_id = e.order_id
          WHERE e.id >= ?1 AND e.event_type = \(GANTRY_EXECUTION) AND e.order_id <> 0 AND o.event_type = \(GANTRY_ORDER))
        """, arguments: [detailsFrom])
  }

  private func keep(_ latencies: [Int: LatencySnapshot]) throws {
    for (node, new) in latencies {
      var snapshot = new
      if let old = try String.fetchOne(database, sql: "SELECT latency FROM nodes WHERE node = ?", arguments: [node]),
        let known = try? JSONDecoder().decode(LatencySnapshot.self, from: Data(old.utf8))
      {
        snapshot.merge(known)
      }
      let text = String(decoding: try JSONEncoder().encode(snapshot), as: UTF8.self)
      try database.execute(sql: "INSERT OR REPLACE INTO nodes VALUES (?, ?)", arguments: [node, text])
    }
  }
}
