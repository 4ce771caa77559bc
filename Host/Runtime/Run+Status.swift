import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryTrace
import Synchronization

extension Run {
  /// How the run is doing. Any thread, from `start` until `finish`.
  public func status() -> RunStatus {
    let (graph, numbers, laneOf, laneNames, instances, intakes) = shape.withLock {
      ($0.graph, $0.numbers, $0.laneOf, $0.laneNames, $0.instances, $0.intakes)
    }
    let lanes = planner.lanes
    let statistics = planner.statistics
    var chain = LatencySnapshot()
    for lane in lanes { chain.merge(lane.trace.perChain.pointee.snapshot) }
    var nodes: [RunStatus.Node] = []
    var events: UInt64 = 0
    for (index, node) in graph.nodes.enumerated() {
      let number = numbers[index]
      var latency = LatencySnapshot()
      for lane in lanes where number < lane.trace.count { latency.merge(lane.trace.perNode[number].snapshot) }
      let counts = statistics[number]
      let instance = instances[index]
      var metrics: [String: Double] = [:]
      for (place, metric) in services.metricDefinitions(node: number).enumerated() {
        metrics[metric.name] = instance.context.pointee.metrics[place]
      }
      let isSource = node.plugin.kind == .source
      if isSource { events += counts.events }
      nodes.append(
        RunStatus.Node(
          name: node.name, kind: node.plugin.kind.rawValue, plugin: "\(instance.code.description.id)@\(instance.code.description.version)",
          model: instance.modelTitle, generation: instance.code.generation, sha256: instance.code.sha256, lane: laneNames[laneOf[index]],
          isolation: node.isolation.rawValue, outputs: node.plugin.outputs.map(\.name), events: counts.events,
          emitted: counts.outputs, errors: counts.errors, dropped: counts.dropped, p50Ns: latency.percentile(0.5),
          p99Ns: latency.percentile(0.99), breaker: RunStatus.Breaker(counts.breaker),
          isPaused: isSource ? intakes[number]?.isPaused ?? false : nil, metrics: metrics))
    }
    return RunStatus(
      graph: graph.name, clock: graph.clock.rawValue, events: events,
      secondsRunning: Double(clinux_monotonic_ns() - startedNs) / 1e9, chainP50Ns: chain.percentile(0.5),
      chainP99Ns: chain.percentile(0.99),
      gate: RunStatus.Gate(
        isHalted: gate.isHalted, illRiskNodes: gate.illRiskNodes.map { services.nodeName(Int($0)) },
        unsettledBrokers: durable.unsettled.map { services.nodeName($0) },
        isUnsynced: durable.hasFailed.load(ordering: .acquiring) && !durable.isEmpty, orders: gate.orders,
        refused: gate.refused, fills: gate.fills),
      lanes: lanes.map { RunStatus.Lane(name: $0.name, events: $0.eventCount, hasEnded: $0.hasEnded.load(ordering: .acquiring)) },
      nodes: nodes,
      queues: planner.queues.map {
        RunStatus.Queue(
          from: $0.from, to: $0.to, depth: $0.queue.depth, blocks: $0.queue.ring.depth, size: $0.queue.policy.size,
          whenFull: $0.queue.policy.whenFull.rawValue, dropped: $0.queue.dropped)
      }, swaps: swaps, lostLogLines: log.lostLines)
  }

  // MARK: intake

  /// Stops a source's intake, or lets it go on. What was taken in before is run. Any thread, from
  /// `start` until `finish`.
  ///
  /// - Returns: whether that changed anything
  @discardableResult
  public func pause(_ on: Bool, node name: String) throws(GantryError) -> Bool {
    let (graph, numbers, intakes) = shape.withLock { ($0.graph, $0.numbers, $0.intakes) }
    guard let index = graph.node(named: name) else {
      throw GantryError(
        "control.unknown-node", "the graph \(graph.name) has no node \(name)",
        help: nearest(to: name, among: graph.nodes.map(\.name)).map { ["did you mean \($0)?"] } ?? [], exit: .usage)
    }
    guard graph.nodes[index].plugin.kind == .source else {
      throw GantryError(
        "control.not-a-source", "\(name) is a \(graph.nodes[index].plugin.kind.rawValue); only a source can be paused",
        help: ["the sources are \(graph.nodes.filter { $0.plugin.kind == .source }.map(\.name).joined(separator: ", "))"], exit: .usage)
    }
    if let intake = intakes[numbers[index]], !isFollowing { return intake.pause(on) }
    throw GantryError("control.not-a-source", "\(name) takes nothing in: a journal is followed", exit: .usage)
  }

  /// Ends every source's intake. What was taken in is run to its end, then the run ends as if its
  /// sources had. Any thread, from `start` until `finish`.
  public func drain() {
    for intake in intakes.values { intake.drain() }
  }

  public var isHalted: Bool { gate.isHalted }
}

extension RunStatus.Breaker {
  init(_ breaker: GantryRuntime.Breaker) {
    let state =
      switch breaker.state {
      case .closed: "closed"
      case .open: "open"
      case .halfOpen: "half-open"
      }
    self.init(
      state: state, trips: breaker.trips, failuresInARow: breaker.consecutiveFailures,
      retryAtNs: breaker.state == .open ? breaker.retryAtNs : nil)
  }
}
