import CGantry
import GantryBase
import GantryGraph

/// What an apply makes beside the running graph: new instances, sources and the new layout.
extension ApplyTransaction {
  /// Makes and configures what is new, and lays the new graph out. Changes nothing that runs.
  func prepare(_ code: (Int) throws(GantryError) -> PluginCode) throws(GantryError) {
    try Run.checkBrokers(graph, run.options)
    if let node = graph.nodes.first(where: { DurableEdges.isDurable($0) }), !old.graph.nodes.contains(where: { DurableEdges.isDurable($0) }) {
      throw GantryError(
        "apply.first-broker", "\(node.name) would send orders to the world outside, and this run began without: its order ids are those of every run",
        at: node.place, help: ["stop the host and start it with the new graph"], exit: .failed)
    }
    try number()
    layout = LaneLayout(graph: graph, numbers: numbers, laneOf: laneOf, laneCount: laneNames.count)
    for index in graph.nodes.indices where !plan.nodes[index].isFresh { instances[index] = plan.nodes[index].old.map { old.instances[$0] } }
    for index in graph.order {
      let inputs = inputSchemas(index)
      if let kept = instances[index], !InputEdge.extend(kept.edges, InputEdge.list(graph, index, inputs)) {
        // Compared by what it was told: names of other nodes may change and columns may be added, no more.
        instances[index] = nil
        let node = graph.nodes[index].plugin
        if isScripted { throw GantryError("replay.no-fit", "the journal keeps node \(graph.nodes[index].name), whose input is another now") }
        plan.renew(index, hasState: node.extensions.contains(GraphDiff.stateExtension), "its input is another than it was configured with")
      }
      if instances[index] == nil { try make(index, code(index), inputs) }
    }
    var sources = LaneLayout.Sources()
    for index in graph.nodes.indices where graph.nodes[index].plugin.kind == .source {
      let number = numbers[index]
      if isFreshSource(index) {
        if !run.origins.contains(number) { run.origins.append(number) }
        guard run.origins.count < Int(Origins.sourcesMax) else { throw GantryError("apply.too-many-sources", "this run has had too many sources", exit: .failed) }
        intakes[number] = try run.openIntake(
          graph.nodes[index], number: number, instances[index]!, graph, lane: laneOf[index], ring: sharedRing(index))
      } else {
        intakes[number] = old.intakes[number]
      }
      sources.rings[number] = intakes[number]!.ring
      if intakes[number]!.isReplayable { sources.replayable.insert(number) }
    }
    run.planner.reserve(nodes: run.roster.count)
    if isScripted { sources.scripts = run.scriptRings(lanes: laneNames.count, instances.map { $0! }, apply: run.changeCount + 1) }
    layout.plan(
      instances: instances.map { $0! }, bells: run.bells, statistics: run.planner.statistics.pointers, sources: sources,
      options: run.layoutOptions)
    for number in run.planner.lanes.count..<max(laneNames.count, run.planner.lanes.count) where run.spareLanes[number] == nil {
      run.spareLanes[number] = try run.makeLaneParts(number, laneNames[number], isScripted: isScripted)
    }
    for index in graph.nodes.indices where plan.nodes[index].isFresh {
      if let slot = layout.slot(of: numbers[index], lane: laneOf[index]) { instances[index]!.context.pointee.slot = Int32(slot) }
    }
    // What acts on the outside and is new may take its time: it gets nothing before the marker.
    for index in graph.order.reversed() where !isScripted && plan.nodes[index].action == .add && graph.nodes[index].plugin.effects == .external {
      try instances[index]!.start()
    }
  }

  /// The ring that a source's new instance goes on to fill: what stands in it is not lost. A source that
  /// begins anew in a replay fills one of its own.
  private func sharedRing(_ index: Int) -> BlockRing? {
    guard let place = plan.nodes[index].old, let before = old.intakes[numbers[index]] else { return nil }
    guard plan.nodes[index].takesState || graph.clock == .live else { return nil }
    return old.instances[place].schemas == instances[index]!.schemas ? before.ring : nil
  }

  /// Numbers for all nodes and lanes; a name keeps the number it ever had in this run.
  private func number() throws(GantryError) {
    for node in graph.nodes {
      let number = run.roster.firstIndex(of: node.name) ?? run.roster.count
      if number == run.roster.count { run.roster.append(node.name) }
      guard number < Int(UInt16.max) else { throw GantryError("apply.too-many-nodes", "this run has had too many nodes", exit: .failed) }
      numbers.append(number)
    }
    run.services.take(nodes: run.roster)
    let lanes = BlockPlan.lanes(graph)
    let places = lanes.names.map { name in
      run.laneRoster.firstIndex(of: name)
        ?? {
          run.addLane(name)
          return run.laneRoster.count - 1
        }()
    }
    laneNames = run.laneRoster
    laneOf = lanes.of.map { places[$0] }
    if graph.instruments != old.graph.instruments || graph.currencies != old.graph.currencies {
      run.services.take(instrumentsOf: graph)
    }
  }

  private func inputSchemas(_ index: Int) -> [PortSchema] {
    graph.nodes[index].inputs.map { edge in
      if let from = instances[edge.fromNode], edge.fromPort < from.schemas.count { return from.schemas[edge.fromPort] }
      return PortSchema(type: graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].type, columns: [])
    }
  }

  private func make(_ index: Int, _ code: PluginCode, _ inputs: [PortSchema]) throws(GantryError) {
    let node = graph.nodes[index]
    let lane = laneOf[index]
    run.options.onPhase("creating \(node.name) (\(node.plugin.id))")
    let context = run.makeContext(node, number: numbers[index], graph, lane: lane, layout.timers(lane: lane))
    let instance = try Instance(graph: graph, node: index, code: code, context: context)
    instances[index] = instance
    run.options.onPhase("configuring \(node.name) (\(node.plugin.id))")
    try instance.configure(graph, inputs: inputs, artifacts: &artifacts)
  }
}
