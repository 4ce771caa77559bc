import CGantry
import GantryBase
import GantryGraph

/// Compares a candidate for one node with the instance that a journal was written with.
///
/// The journal is replayed twice. First with the candidate muted beside the node: it stands on the same
/// lane, is given the same events in the same order, and nothing takes from it. Then with the candidate in
/// the node's place, so that everything behind it answers to it, for the orders that would have changed.
public struct NodeDiff: Sendable {
  public var graph: Graph
  public var node: Int
  /// The node as it is to be: plugin and parameters.
  public var candidate: GraphNode
  public var code: @Sendable (Int) -> PluginCode
  public var candidateCode: PluginCode
  /// Folder of the journal.
  public var journal: String
  /// Where both replays keep their journals; the caller's to remove.
  public var folder: String
  /// Of the recorded run.
  public var seed: UInt64
  public var onLog: @Sendable (LogLine) -> Void = { _ in }
  /// Which replay runs, 1 or 2, and the events it has run.
  public var progress: @Sendable (Int, UInt64) -> Void = { _, _ in }

  public init(
    graph: Graph, node: Int, candidate: GraphNode, code: @escaping @Sendable (Int) -> PluginCode, candidateCode: PluginCode,
    journal: String, folder: String, seed: UInt64
  ) {
    self.graph = graph
    self.node = node
    self.candidate = candidate
    self.code = code
    self.candidateCode = candidateCode
    self.journal = journal
    self.folder = folder
    self.seed = seed
  }

  public func report() throws(GantryError) -> DiffReport {
    try check()
    let beside = try replayBeside()
    let outputs = try compareOutputs(columns: beside.columns)
    try replayInPlace()
    return DiffReport(
      node: graph.nodes[node].name, before: NodeDiff.name(graph.nodes[node].plugin), with: NodeDiff.name(candidate.plugin), events: beside.events,
      outputs: outputs, orders: try compareOrders())
  }

  private static func name(_ plugin: PluginDescription) -> String { "\(plugin.id)@\(plugin.version)" }

  private func check() throws(GantryError) {
    let old = graph.nodes[node]
    let name = old.name
    if old.plugin.kind == .source { throw refusal("\(name) is a source: its events are what the journal holds") }
    if old.plugin.kind == .broker { throw refusal("\(name) is a broker: orders end there") }
    guard old.plugin.effects == .none, candidate.plugin.effects == .none else {
      throw refusal("\(name) acts on the outside, and a replay does not")
    }
    guard old.plugin.inputs.map(\.type) == candidate.plugin.inputs.map(\.type), old.plugin.outputs.map(\.type) == candidate.plugin.outputs.map(\.type)
    else {
      throw GantryError(
        "diff.other-ports", "\(NodeDiff.name(candidate.plugin)) has not the ports of \(NodeDiff.name(old.plugin)), which \(name)'s edges use",
        at: old.place)
    }
  }

  private func refusal(_ why: String) -> GantryError {
    GantryError("diff.not-comparable", why, help: ["compare feature, model, transform, decision and risk nodes"], exit: .usage)
  }

  // MARK: replays

  /// The graph with the candidate beside its node, as the last of its nodes.
  private var graphBeside: Graph {
    var graph = graph
    var twin = candidate
    twin.name = besideName
    twin.shadows = node
    twin.inputs = graph.nodes[node].inputs
    twin.lane = graph.nodes[node].lane
    twin.onError = .skip
    twin.isolation = .none
    graph.order.append(graph.nodes.count)
    graph.nodes.append(twin)
    return graph
  }

  private var besideName: String { graph.nodes[node].name + " (candidate)" }

  private func options(_ name: String) -> RunOptions {
    var options = RunOptions()
    options.folder = "\(folder)/\(name)"
    options.script = journal
    options.seed = seed
    options.traceEvery = 0
    options.onLog = onLog
    return options
  }

  private func replayBeside() throws(GantryError) -> (events: UInt64, columns: [[String]]) {
    let beside = graphBeside
    var options = options("beside")
    options.journals = [graph.nodes[node].name, besideName]
    let run = try Run(graph: beside, options: options) { index in index < graph.nodes.count ? code(index) : candidateCode }
    let ports = graph.nodes[node].plugin.outputs.indices
    let columns = ports.map { run.columns(node: node, port: $0) }
    let others = ports.map { run.columns(node: graph.nodes.count, port: $0) }
    guard columns == others else {
      throw GantryError(
        "diff.other-columns", "the candidate for \(graph.nodes[node].name) writes other columns: \(others.joined().joined(separator: ", "))",
        at: graph.nodes[node].place, help: ["it was \(columns.joined().joined(separator: ", "))"])
    }
    let summary = try finish(run, 1)
    return (summary.nodes[node].events, columns)
  }

  private func replayInPlace() throws(GantryError) {
    var changed = graph
    let old = graph.nodes[node]
    changed.nodes[node] = candidate
    changed.nodes[node].inputs = old.inputs
    changed.nodes[node].lane = old.lane
    let run = try Run(graph: changed, options: options("in-place")) { index in index == node ? candidateCode : code(index) }
    _ = try finish(run, 2)
  }

  private func finish(_ run: Run, _ number: Int) throws(GantryError) -> RunSummary {
    try run.start()
    run.wait { progress(number, $0.eventCount) }
    return try run.finish()
  }

  // MARK: comparing

  private func compareOutputs(columns: [[String]]) throws(GantryError) -> DiffReport.Outputs {
    let plugin = graph.nodes[node].plugin
    let comparison = FieldComparison(text: EventText(graph: graph))
    var ledger = DiffLedger(ports: plugin.outputs.map { ($0.name, $0.type) }, columns: columns, comparison: comparison) { chainName($0) }
    var pairs = RowPairs()
    let twin = graph.nodes.count
    try JournalRows.read("\(folder)/beside/journal", of: [node, twin], types: { _, port in port < plugin.outputs.count ? plugin.outputs[port].type : .any }) {
      index, port, row in
      guard port < plugin.outputs.count else { return }
      pairs.add(row, port: port, isWith: index == twin) { ledger.take($0, $1, $2) }
    }
    pairs.finish { ledger.take($0, $1, $2) }
    return ledger.outputs
  }

  private func compareOrders() throws(GantryError) -> DiffReport.Orders {
    let comparison = FieldComparison(text: EventText(graph: graph))
    var orders = DiffReport.Orders()
    // Both journals are read one after the other: all orders of one are held, by chain.
    var before: [RowPairs.Key: [RowPairs.Row]] = [:]
    try JournalRows.orders("\(folder)/beside/journal") { row in
      orders.before += 1
      before[RowPairs.Key(port: 0, row.header), default: []].append(row)
    }
    var changes: [DiffReport.Order] = []
    func note(_ before: RowPairs.Row?, _ with: RowPairs.Row?) {
      guard let row = before ?? with else { return }
      changes.append(
        DiffReport.Order(
          chain: chainName(row.header), eventNs: row.header.event_ns, before: before.map { words($0, comparison) },
          with: with.map { words($0, comparison) }))
      // Only the earliest are told.
      if changes.count > 4096 { changes = Array(changes.sorted { $0.eventNs < $1.eventNs }.prefix(DiffReport.Orders.listed)) }
    }
    try JournalRows.orders("\(folder)/in-place/journal") { row in
      orders.with += 1
      let key = RowPairs.Key(port: 0, row.header)
      guard let old = before[key]?.first else {
        orders.onlyWith += 1
        return note(nil, row)
      }
      before[key]!.removeFirst()
      if before[key]!.isEmpty { before[key] = nil }
      if comparison.differences(.order, old, row, columns: []).isEmpty { return }
      orders.changed += 1
      note(old, row)
    }
    for rows in before.values {
      for row in rows {
        orders.onlyBefore += 1
        note(row, nil)
      }
    }
    orders.first = Array(changes.sorted { ($0.eventNs, $0.chain) < ($1.eventNs, $1.chain) }.prefix(DiffReport.Orders.listed))
    return orders
  }

  /// `sell 10000 EURUSD limit 1.10000`
  private func words(_ row: RowPairs.Row, _ comparison: FieldComparison) -> String {
    let fields = Dictionary(comparison.fields(.order, row, []).map { ($0.name, $0.text) }, uniquingKeysWith: { first, _ in first })
    let action = fields["action"] == "new" ? nil : fields["action"]
    let price = fields["order_type"] == "market" ? nil : fields["price"]
    let stop = fields["order_type"].map { $0.hasPrefix("stop") } == true ? fields["stop_price"].map { "stop \($0)" } : nil
    let isReducing = fields["reduce_only"] == "true" ? "reduce only" : nil
    return [action, fields["side"], fields["quantity"], fields["instrument"], fields["order_type"], price, stop, isReducing]
      .compactMap(\.self).joined(separator: " ")
  }

  /// `source:number`, as `gantry chain show` takes it; of timers their time.
  private func chainName(_ header: gantry_header) -> String {
    if header.origin > Origins.sourcesMax { return "timer:\(header.receive_ns)" }
    let sources = graph.nodes.filter { $0.plugin.kind == .source }
    let index = Int(header.origin) - 1
    return "\(sources.indices.contains(index) ? sources[index].name : "origin \(header.origin)"):\(header.chain)"
  }
}
