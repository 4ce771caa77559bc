import CGantry
import GantryBase
import GantryGraph
import GantryTrace

/// The description of a run that gives the numbers in its hop log their names.
extension Run {
  func makeMeta(hasEnded: Bool) -> TraceMeta {
    var meta = TraceMeta(
      graph: graph.name, file: graph.file, run: folder ?? "", clock: graph.clock.rawValue,
      startedWallNs: clock.startWallNs, startedMonotonicNs: clock.startMonotonicNs, traceEvery: options.traceEvery,
      lanes: laneNames)
    for (index, node) in graph.nodes.enumerated() {
      var latency = LatencySnapshot()
      if hasEnded {
        for lane in planner.lanes { latency.merge(lane.trace.perNode[index].snapshot) }
      }
      meta.nodes.append(
        TraceMeta.Node(
          name: node.name, kind: node.plugin.kind, plugin: node.plugin.id, version: node.plugin.version,
          lane: laneOf[index], inputs: node.inputs.map { graph.nodes[$0.fromNode].name + ($0.isFeedback ? "~" : "") },
          columns: instances[index].schemas.first { $0.type == .features }?.columns,
          latency: hasEnded ? TraceMeta.Latency(latency) : nil))
    }
    for (index, origin) in originNames { meta.origins.append(.init(index: Int(index), id: originID(index), name: origin)) }
    meta.instruments = graph.instruments
    meta.currencies = graph.currencies
    meta.accountCurrency = gate.hasAccount ? Int(gate.lastAccount.currency) : 0
    meta.models = services.modelNames.map { "\($0.name)@\($0.version)" }
    return meta
  }

  /// Sources have the first numbers, in file order; each lane's timers come after them.
  private var originNames: [(UInt16, String)] {
    let sources = graph.nodes.indices.filter { graph.nodes[$0].plugin.kind == .source }
    return sources.enumerated().map { (UInt16($0.offset + 1), graph.nodes[$0.element].name) }
      + laneNames.enumerated().map { (UInt16(sources.count + $0.offset + 1), "timers of \($0.element)") }
  }

  /// The 64-bit id of one origin of this run, 60 bits of which a chain id prints.
  func originID(_ index: UInt16) -> UInt64 {
    var state = RandomState(seed: id ^ UInt64(index) &* 0xD6E8_FEB8_6659_FD93)
    return state.next() & 0x0FFF_FFFF_FFFF_FFFF
  }
}
