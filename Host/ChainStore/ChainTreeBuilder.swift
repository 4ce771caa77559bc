import CGantry
import FoundationEssentials
import GRDB
import GantryBase
import GantryTrace

extension ChainStore {
  /// Everything that is known of one chain. Throws `chain.not-found`.
  public func tree(_ key: ChainKey) throws(GantryError) -> ChainTree {
    try failable {
      try database.queue.read { access in try ChainTreeBuilder(store: self, access: access, key: key).build() }
    }
  }
}

/// Puts a chain's rows together. The parent of a hop is the latest hop before it of a node that
/// feeds its node; hops that were not traced (the chain was one of a block until it ordered) are
/// filled in from the graph, without times.
struct ChainTreeBuilder {
  let store: ChainStore
  let access: Database
  let key: ChainKey

  /// One hop record and what stands behind it.
  private struct Record {
    var id: Int64
    var node: Int
    var startNs: Int64
    var durationNs: Int64
    var parent: Int?
    var hop: ChainTree.Hop
  }

  func build() throws -> ChainTree {
    let origin = Int64(key.origin)
    let chain = Int64(bitPattern: key.sequence)
    // Rows of a block stand under its first chain.
    let widest = try Int64.fetchOne(access, sql: "SELECT max(span) FROM chains WHERE origin = ?", arguments: [origin]) ?? 1
    let rows = try Row.fetchAll(
      access,
      sql: """
        SELECT * FROM hops WHERE origin = ?1 AND chain <= ?2 AND chain > ?2 - ?3 AND chain + span > ?2
        ORDER BY start_ns, hop, id
        """, arguments: [origin, chain, widest])
    guard !rows.isEmpty else {
      throw GantryError(
        "chain.not-found", "nothing was traced of \(store.name(key)).",
        help: [
          "one chain in \(store.meta.traceEvery) is traced, and each that orders or errs; gantry run --trace all keeps all of them",
          "gantry chain list shows what there is",
        ], exit: .usage)
    }
    let startNs = rows.map { $0["start_ns"] as Int64 }.min() ?? 0
    let endNs = rows.map { ($0["start_ns"] as Int64) &+ ($0["duration_ns"] as Int64) }.max() ?? startNs
    var records = merged(try rows.map { try record($0, from: startNs) })
    connect(&records)
    let details = try Row.fetchAll(access, sql: "SELECT * FROM details WHERE origin = ? AND chain = ?", arguments: [origin, chain])
    let orders = Set(details.filter { $0["event_type"] == Int64(GANTRY_ORDER) }.map { $0["order_id"] as Int64 }.filter { $0 != 0 })
    let later = try later(orders: orders)
    let summary = try Row.fetchOne(access, sql: "SELECT fills FROM chains WHERE origin = ? AND chain = ?", arguments: [origin, chain])
    return ChainTree(
      id: store.id(key), name: store.name(key), graph: store.meta.graph, run: store.meta.run,
      instrument: details.lazy.compactMap { self.store.instrument($0["instrument"])?.symbol }.first,
      eventNs: eventNs(rows), startedNs: store.wallNs(startNs), durationNs: endNs &- startNs,
      orders: orders.count, fills: summary?["fills"] ?? 0, errors: rows.filter { ($0["status"] as Int64) < 0 }.count,
      aliases: details.filter { $0["kind"] == Int64(HopKind.alias.rawValue) }.map {
        ChainTree.Alias(order: String(UInt64(bitPattern: $0["order_id"])), outside: $0["text"] ?? "")
      }, about: try about(), roots: tree(records), later: later)
  }

  /// The first event's own time; a block's rows have that of the block's first event.
  private func eventNs(_ rows: [Row]) -> Int64 {
    let own = rows.filter { $0["chain"] == Int64(bitPattern: key.sequence) }
    return (own.isEmpty ? rows : own).map { $0["event_ns"] as Int64 }.min() ?? 0
  }

  // MARK: hops

  private func record(_ row: Row, from startNs: Int64) throws -> Record {
    let node: Int = row["node"]
    let known = node < store.meta.nodes.count ? store.meta.nodes[node] : nil
    let span: Int = row["span"]
    let parentFirst = UInt64(bitPattern: row["parent_first"] as Int64)
    let kind = HopKind(rawValue: UInt8(truncatingIfNeeded: row["kind"] as Int64))
    let id: Int64 = row["id"]
    let isTimed = span > 1 || kind == .flush || kind == .timer || (row["duration_ns"] as Int64) > 0
    var hop = ChainTree.Hop(
      node: known?.name ?? "node \(node)", plugin: known?.plugin ?? "", version: known?.version ?? "", kind: kind.name,
      hop: row["hop"], isTimed: isTimed, offsetNs: (row["start_ns"] as Int64) &- startNs, durationNs: row["duration_ns"],
      inputs: row["inputs"], outputs: row["outputs"], status: row["status"], generation: row["generation"], block: span,
      parentFirst: parentFirst == 0 ? nil : store.name(ChainKey(origin: key.origin, sequence: parentFirst)),
      latency: try latency(node), notes: [], events: [], children: [])
    let details = try Row.fetchAll(
      access, sql: "SELECT * FROM details WHERE hop = ? AND chain = ? ORDER BY id", arguments: [id, Int64(bitPattern: key.sequence)])
    attach(details, to: &hop, columns: known?.columns)
    return Record(
      id: id, node: node, startNs: row["start_ns"], durationNs: row["duration_ns"], parent: nil, hop: hop)
  }

  /// A chain that orders has its earlier hops written down without times; where a block was timed
  /// that it was in, the block's times are taken.
  private func merged(_ records: [Record]) -> [Record] {
    var result = records
    for index in result.indices where !result[index].hop.isTimed {
      guard let block = records.first(where: { $0.node == result[index].node && $0.hop.block > 1 }) else { continue }
      result[index].startNs = block.startNs
      result[index].durationNs = block.durationNs
      result[index].hop.isTimed = true
      result[index].hop.offsetNs = block.hop.offsetNs
      result[index].hop.durationNs = block.hop.durationNs
      result[index].hop.block = block.hop.block
      result[index].hop.generation = block.hop.generation
      result.removeAll { $0.id == block.id }
      return merged(result)
    }
    return result.sorted { ($0.startNs, $0.hop.hop, $0.id) < ($1.startNs, $1.hop.hop, $1.id) }
  }

  private func attach(_ details: [Row], to hop: inout ChainTree.Hop, columns: [String]?) {
    let text = EventText(meta: store.meta)
    for row in details {
      switch HopKind(rawValue: UInt8(truncatingIfNeeded: row["kind"] as Int64)) {
      case .note: hop.notes.append(ChainTree.Note(key: row["key"] ?? "", text: row["text"] ?? ""))
      case .event:
        var detail = HopDetail(kind: .event, chain: key.sequence)
        detail.eventType = UInt8(truncatingIfNeeded: row["event_type"] as Int64)
        detail.isOutput = row["is_output"]
        detail.instrument = UInt32(truncatingIfNeeded: row["instrument"] as Int64)
        detail.payload = (row["payload"] as Data?).map { [UInt8]($0) } ?? []
        hop.events.append(text.event(detail, columns: columns))
      default: break
      }
    }
  }

  /// All calls of the node where the run has ended and says so, the traced ones otherwise.
  private func latency(_ node: Int) throws -> TraceMeta.Latency? {
    if node < store.meta.nodes.count, let known = store.meta.nodes[node].latency { return known }
    guard let text = try String.fetchOne(access, sql: "SELECT latency FROM nodes WHERE node = ?", arguments: [node]) else { return nil }
    return (try? JSONDecoder().decode(LatencySnapshot.self, from: Data(text.utf8))).map { TraceMeta.Latency($0) }
  }

  // MARK: the tree

  private func connect(_ records: inout [Record]) {
    for index in records.indices where index > 0 {
      let hop = records[index].hop
      let known = records[index].node < store.meta.nodes.count ? store.meta.nodes[records[index].node].inputs : []
      let inputs = known.map { $0.hasSuffix("~") ? String($0.dropLast()) : $0 }
      let earlier = (0..<index).reversed()
      // A call to the outside hangs on the hop that made it.
      if hop.kind == HopKind.call.name {
        records[index].parent = earlier.first { records[$0].node == records[index].node && records[$0].hop.kind != hop.kind }
        continue
      }
      let feeders = earlier.filter { inputs.contains(records[$0].hop.node) }
      records[index].parent =
        feeders.first { records[$0].hop.hop == hop.hop - 1 } ?? feeders.first
        ?? earlier.first { records[$0].hop.hop < hop.hop && records[$0].hop.kind != HopKind.call.name }
    }
  }

  private func tree(_ records: [Record]) -> [ChainTree.Hop] {
    func assemble(_ index: Int) -> ChainTree.Hop {
      var hop = records[index].hop
      hop.children = records.indices.filter { records[$0].parent == index }.map(assemble)
      return hop
    }
    var roots = records.indices.filter { records[$0].parent == nil }.map(assemble)
    guard let first = roots.first, first.kind == HopKind.batch.name else { return roots }
    for node in untraced(before: first.node).reversed() {
      var above = ChainTree.Hop(
        node: node.name, plugin: node.plugin, version: node.version, kind: node.kind == .source ? "source" : "batch", hop: 0,
        isTimed: false, offsetNs: 0, durationNs: 0, inputs: 1, outputs: 1, status: 0, generation: 0, block: 1,
        parentFirst: nil, latency: node.latency, notes: [], events: [], children: roots)
      above.latency = try? latency(store.meta.nodes.firstIndex(of: node) ?? 0)
      roots = [above]
    }
    return roots
  }

  /// The nodes from the chain's source to just above `name`, by the shortest way.
  private func untraced(before name: String) -> [TraceMeta.Node] {
    guard let source = store.meta.origins.first(where: { $0.index == Int(key.origin) })?.name, source != name else { return [] }
    var cameFrom: [String: String] = [name: ""]
    var queue = [name]
    while !queue.isEmpty, cameFrom[source] == nil {
      let current = queue.removeFirst()
      for input in store.meta.nodes.first(where: { $0.name == current })?.inputs ?? [] where cameFrom[input] == nil {
        cameFrom[input] = current
        queue.append(input)
      }
    }
    guard cameFrom[source] != nil else { return [] }
    var path: [TraceMeta.Node] = []
    var current = source
    while current != name, let node = store.meta.nodes.first(where: { $0.name == current }), let next = cameFrom[current] {
      path.append(node)
      current = next
    }
    return path
  }

  // MARK: other chains

  /// The chains whose orders this one's executions are about.
  private func about() throws -> [ChainTree.Link] {
    try Row.fetchAll(
      access,
      sql: """
        SELECT DISTINCT order_origin, order_chain FROM details
        WHERE origin = ?1 AND chain = ?2 AND order_chain IS NOT NULL AND (order_origin <> ?1 OR order_chain <> ?2) ORDER BY id
        """, arguments: [Int64(key.origin), Int64(bitPattern: key.sequence)]
    ).map { row in
      let other = ChainKey(
        origin: UInt16(truncatingIfNeeded: row["order_origin"] as Int64), sequence: UInt64(bitPattern: row["order_chain"] as Int64))
      return ChainTree.Link(id: store.id(other), name: store.name(other))
    }
  }

  private func later(orders: Set<Int64>) throws -> [ChainTree.Later] {
    let list = orders.map(String.init).joined(separator: ",")
    let rows = try Row.fetchAll(
      access,
      sql: """
        SELECT DISTINCT d.origin, d.chain FROM details d
        WHERE d.event_type = \(GANTRY_EXECUTION) AND (d.origin <> ?1 OR d.chain <> ?2)
          AND (d.order_id IN (\(list)) OR d.order_origin = ?1 AND d.order_chain = ?2)
        ORDER BY d.id
        """, arguments: [Int64(key.origin), Int64(bitPattern: key.sequence)])
    return try rows.map { row in
      let other = ChainKey(origin: UInt16(truncatingIfNeeded: row["origin"] as Int64), sequence: UInt64(bitPattern: row["chain"] as Int64))
      return try later(other, orders: orders)
    }
  }

  private func later(_ other: ChainKey, orders: Set<Int64>) throws -> ChainTree.Later {
    let builder = ChainTreeBuilder(store: store, access: access, key: other)
    let rows = try Row.fetchAll(
      access,
      sql: """
        SELECT * FROM hops h WHERE origin = ?1 AND chain = ?2 AND EXISTS (
          SELECT 1 FROM details d WHERE d.hop = h.id AND d.event_type = \(GANTRY_EXECUTION))
        ORDER BY start_ns, hop, id
        """, arguments: [Int64(other.origin), Int64(bitPattern: other.sequence)])
    let startNs: Int64 = rows.first?["start_ns"] ?? 0
    let ids = Set(orders.map { String(UInt64(bitPattern: $0)) })
    let hops = try rows.map { row in
      var hop = try builder.record(row, from: startNs).hop
      hop.events = hop.events.filter { $0.order.map(ids.contains) ?? false }
      return hop
    }.filter { !$0.events.isEmpty }
    let first = try Int64.fetchOne(
      access, sql: "SELECT event_ns FROM chains WHERE origin = ? AND chain = ?",
      arguments: [Int64(key.origin), Int64(bitPattern: key.sequence)])
    let eventNs: Int64 = rows.first?["event_ns"] ?? 0
    return ChainTree.Later(id: store.id(other), name: store.name(other), afterNs: eventNs &- (first ?? eventNs), hops: hops)
  }
}
