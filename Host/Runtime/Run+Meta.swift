import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryTrace
import Synchronization

/// The description of a run that gives the numbers in its hop log their names.
extension Run {
  /// Writes `trace.json`, if hops are recorded. With `changes`, or while nothing changes.
  func writeMeta(hasEnded: Bool = false) throws(GantryError) {
    guard let folder, options.traceEvery > 0 else { return }
    var meta = makeMeta(hasEnded: hasEnded)
    if hasEnded { meta.endedWallNs = clinux_wall_ns() }
    try meta.write(to: folder)
  }

  /// The same when a swap has brought a model or other code, so that a run that goes on is read with the
  /// names it has by now. Any thread but a lane's.
  func rewriteMeta() {
    changes.withLock { _ in
      do throws(GantryError) { try writeMeta() } catch { say(error, node: -1) }
    }
  }

  private func makeMeta(hasEnded: Bool) -> TraceMeta {
    let shape = shape.withLock { $0 }
    let graph = shape.graph
    var meta = TraceMeta(
      graph: graph.name, file: graph.file, run: folder ?? "", clock: graph.clock.rawValue,
      startedWallNs: clock.startWallNs, startedMonotonicNs: clock.startMonotonicNs, traceEvery: options.traceEvery,
      lanes: shape.laneNames)
    var nodes: [Int: TraceMeta.Node] = [:]
    for (index, node) in graph.nodes.enumerated() {
      var latency = LatencySnapshot()
      if hasEnded {
        for lane in planner.lanes { latency.merge(lane.trace.perNode[shape.numbers[index]].snapshot) }
      }
      nodes[shape.numbers[index]] = TraceMeta.Node(
        name: node.name, kind: node.plugin.kind, plugin: node.plugin.id, version: node.plugin.version,
        lane: shape.laneOf[index], inputs: node.inputs.map { graph.nodes[$0.fromNode].name + ($0.isFeedback ? "~" : "") },
        columns: shape.instances[index].schemas.first { $0.type == .features }?.columns,
        latency: hasEnded ? TraceMeta.Latency(latency) : nil)
    }
    describedNodes.merge(nodes) { _, new in new }
    meta.nodes = roster.indices.compactMap { describedNodes[$0] }
    for (origin, number) in origins.enumerated() {
      meta.origins.append(.init(index: origin + 1, id: originID(UInt16(origin + 1)), name: roster[number]))
    }
    for (lane, name) in shape.laneNames.enumerated() {
      let origin = Origins.timers(lane: lane)
      meta.origins.append(.init(index: Int(origin), id: originID(origin), name: "timers of \(name)"))
    }
    meta.instruments = graph.instruments
    meta.currencies = graph.currencies
    meta.accountCurrency = gate.hasAccount ? Int(gate.lastAccount.currency) : 0
    meta.models = services.modelNames.map { "\($0.name)@\($0.version)" }
    return meta
  }

  /// The 64-bit id of one origin of this run, 60 bits of which a chain id prints.
  func originID(_ index: UInt16) -> UInt64 {
    var state = RandomState(seed: id ^ UInt64(index) &* 0xD6E8_FEB8_6659_FD93)
    return state.next() & 0x0FFF_FFFF_FFFF_FFFF
  }
}
