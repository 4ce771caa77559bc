import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import GantryTrace
import Synchronization

/// How a run comes to be: instances and their handles, and what lanes and sources are given before they start.
extension Run {
  /// Creates and configures an instance of each node, with the handle behind it.
  func assemble(_ code: (Int) throws(GantryError) -> PluginCode) throws(GantryError) {
    let graph = graph
    let layout = planner.layout
    for index in graph.nodes.indices {
      if let problem = LaneLayout.fallbackProblem(graph, index) {
        throw GantryError(
          "runtime.fallback", "\(graph.nodes[index].name) cannot fall back: \(problem)", at: graph.nodes[index].place)
      }
    }
    // Created in file order, so that a graph's mistakes come in the order of its file.
    for index in graph.nodes.indices {
      options.onPhase("creating \(graph.nodes[index].name) (\(graph.nodes[index].plugin.id))")
      let context = makeContext(graph.nodes[index], number: index, graph, lane: layout.laneOf[index], layout.timers(lane: layout.laneOf[index]))
      let instance = try Instance(graph: graph, node: index, code: code(index), context: context)
      shape.withLock { $0.instances.append(instance) }
    }
    let instances = instances
    for index in graph.order {
      options.onPhase("configuring \(graph.nodes[index].name) (\(graph.nodes[index].plugin.id))")
      try instances[index].configure(graph, inputs: Run.inputSchemas(graph, index, instances), artifacts: &artifacts)
    }
  }

  /// What a node's edges carry, in the order of `from`. A feedback edge comes from a node that is
  /// configured later; its type is known, and feedback carries no columns.
  static func inputSchemas(_ graph: Graph, _ index: Int, _ instances: [Instance]) -> [PortSchema] {
    graph.nodes[index].inputs.map { edge in
      let from = instances[edge.fromNode]
      if edge.fromPort < from.schemas.count { return from.schemas[edge.fromPort] }
      return PortSchema(type: graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].type, columns: [])
    }
  }

  func inputSchemas(_ index: Int) -> [PortSchema] { shape.withLock { Run.inputSchemas($0.graph, index, $0.instances) } }

  /// The handle of a further instance of a node; see `NodeContexts` for how long it lives.
  func addContext(_ index: Int) -> UnsafeMutablePointer<NodeContext> {
    let (graph, number, lane) = shape.withLock { ($0.graph, $0.numbers[index], $0.laneOf[index]) }
    return makeContext(graph.nodes[index], number: number, graph, lane: lane, planner.layout.timers(lane: lane))
  }

  func replaceInstance(_ index: Int, by instance: Instance) { shape.withLock { $0.instances[index] = instance } }

  func makeContext(
    _ node: GraphNode, number: Int, _ graph: Graph, lane: Int, _ timers: UnsafeMutablePointer<TimerHeap>
  ) -> UnsafeMutablePointer<NodeContext> {
    services.contexts.make(node: Int32(number)) { memory in
      var context = NodeContext(
        now: laneNow[lane], random: RandomState(seed: Run.seed(options.seed, graph.name, node.shadows.map { graph.nodes[$0].name } ?? node.name)),
        timers: timers, failText: memory.failText, metrics: memory.metrics, node: Int32(number), slot: 0, heldNote: memory.heldNote,
        services: .passUnretained(services))
      // A reader's thread has a tag of its own; both are never 0, which is nobody's.
      context.laneTag = node.plugin.kind == .source ? UInt64(10_000 + number) : UInt64(lane + 1)
      context.clock = graph.clock == .live ? .live : .replay
      context.nextID = lastIDs[number] ?? options.orders.firstID(node: node.shadows ?? number)
      context.idRange = options.orders.canaryRange
      context.mayUseTimers = node.plugin.usesTimers
      context.mayReadSecrets = node.grants.contains(.secrets)
      return context
    }
  }

  /// A number for a further lane, and what must be there before anything is made for it.
  func addLane(_ name: String) {
    laneRoster.append(name)
    let now = UnsafeMutablePointer<Int64>.allocate(capacity: 4)
    now.initialize(repeating: 0, count: 4)
    if graph.clock == .live { now.pointee = clinux_wall_ns() }
    laneNow.append(now)
    bells.append(Bell())
  }

  private static func seed(_ seed: UInt64, _ texts: String...) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ seed
    for text in texts {
      for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      hash = (hash ^ 0xFF) &* 0x0000_0100_0000_01B3
    }
    return hash
  }

  /// Opens the journal and the sources, and lays the lanes out.
  func open() throws(GantryError) {
    let graph = graph
    if let folder = options.folder {
      try makeFolder(folder)
      if options.writesJournal {
        let head = options.journalHead(artifacts)
        let writer = try JournalWriter(
          directory: "\(folder)/journal", head: head.json, options: JournalOptions(lanes: laneNames.count))
        for object in head.objects { try keep(object, in: writer) }
        journal = writer
        if options.continuation != nil, let script = options.script { try adopt(script, into: writer.directory) }
        durable.follow(writer)
      }
    }
    for index in graph.nodes.indices where graph.nodes[index].plugin.kind == .source { origins.append(index) }
    for index in origins {
      let intake = try openIntake(graph.nodes[index], number: index, instances[index], graph, lane: laneOf[index])
      shape.withLock { $0.intakes[index] = intake }
    }
    var sources = LaneLayout.Sources()
    for (number, intake) in intakes {
      sources.rings[number] = intake.ring
      if intake.isReplayable { sources.replayable.insert(number) }
    }
    if options.script != nil { sources.scripts = scriptRings(lanes: laneNames.count, instances) }
    let layout = planner.layout
    layout.plan(
      instances: instances, bells: bells, statistics: planner.statistics.pointers, sources: sources,
      options: layoutOptions)
    for number in laneNames.indices { planner.add(Lane(try makeLaneParts(number, laneNames[number], isScripted: options.script != nil), layout.plans[number])) }
    layout.settle(planner.lanes, instances: instances, now: laneNow)
  }

  /// What a lane has for the whole run; the journal and the hop log get a part for it.
  func makeLaneParts(_ number: Int, _ name: String, isScripted: Bool) throws(GantryError) -> LaneParts {
    var log: HopLog?
    if let folder, options.traceEvery > 0 {
      let made = try HopLog(directory: folder, lane: number)
      hops.withLock { $0.append(made) }
      log = made
    }
    let capture = options.captures.isEmpty ? nil : OutputCapture()
    if let capture { captureBuffers.append(capture) }
    return LaneParts(
      name: name, number: number, bell: bells[number], now: laneNow[number], clock: graph.clock == .live ? .live : .replay,
      recorder: LaneRecorder(
        journal: journal?.lane(number), services: services, now: laneNow[number], timerOrigin: Origins.timers(lane: number),
        capture: capture),
      trace: LaneTrace(every: options.traceEvery, nodes: roster.count, hops: log, clock: clock), gate: gate,
      isScripted: isScripted && graph.clock == .live, scriptedSwaps: isScripted ? scriptedSwaps : nil,
      scriptedChanges: isScripted ? scriptedChanges : nil)
  }

  var layoutOptions: LaneLayout.Options {
    LaneLayout.Options(
      journalsAll: options.journalsAll, journals: options.journals, captures: options.captures,
      durable: journal.map { [durable] journal in (durable, { journal.lane($0) }) }, followed: followed)
  }

  var laneTimes: [UnsafeMutablePointer<Int64>] { laneNow }

  func openIntake(
    _ node: GraphNode, number: Int, _ instance: Instance, _ graph: Graph, lane: Int, ring: BlockRing? = nil
  ) throws(GantryError) -> Intake {
    try Intake(
      Intake.Setup(
        instance: instance, node: node, clock: graph.clock, origin: UInt16(origins.firstIndex(of: number)! + 1),
        blockSize: options.blockSize, bell: bells[lane], ring: ring, isScripted: options.script != nil), log: log)
  }

  func keep(_ object: (sha256: String, bytes: [UInt8]), in writer: JournalWriter) throws(GantryError) {
    var failure: GantryError?
    object.bytes.withUnsafeBytes { bytes in
      do throws(GantryError) { try writer.keep(sha256: object.sha256, bytes: bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
