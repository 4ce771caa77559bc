import CGantry
import GantryBase
import GantryGraph
import GantryJournal
import GantryTrace
import Synchronization

/// The memory that one graph needs to run: nodes, ports, edges, ingress, queues and timers of all its
/// lanes. Owns that memory. A changed graph gets a layout of its own, made beside the lanes while
/// they run the old one.
///
/// Nodes and lanes carry numbers, which are theirs for the whole run; places in the graph change with it.
final class LaneLayout: @unchecked Sendable {  // made by one thread; then its memory is the lanes'
  struct Sources {
    /// By node number: the ring that carries a source's blocks.
    var rings: [Int: BlockRing] = [:]
    /// Numbers of sources that can be read again.
    var replayable: Set<Int> = []
    /// When a journal is followed: for each lane, the ring that carries all of its ingress.
    var scripts: [Int: BlockRing] = [:]
  }

  struct Options {
    var journalsAll: Bool
    /// Nodes of which every output is journaled.
    var journals: Set<String> = []
    var captures: [(node: String, port: String)]
    /// Of a run that acts on the outside: its durable edges, and by number what a lane appends to.
    var durable: (edges: DurableEdges, journal: (Int) -> JournalLane)?
    /// Of a run that follows a journal and goes on behind it.
    var followed: FollowedEdges?
  }

  let graph: Graph
  /// By place in the graph.
  let numbers: [Int]
  let laneOf: [Int]
  let laneCount: Int
  private(set) var plans: [LanePlan] = []
  private(set) var queues: [(from: String, to: String, queue: EdgeQueue)] = []
  private let timers: [UnsafeMutablePointer<TimerHeap>]
  private var tails: [UnsafeMutablePointer<InputTail>] = []
  private var owned: [UnsafeMutableRawPointer] = []
  var schemas: [UnsafeMutablePointer<gantry_schema>] = []
  /// Of ports that have had wider rows since; any thread.
  private let adopted = Mutex<[SchemaPointer]>([])
  /// By place in the graph and by port: what each node's rows were laid out as. Edges to other lanes
  /// carry these columns, whatever a swap adds.
  private(set) var written: [[PortSchema]] = []
  var ports: [UnsafeMutablePointer<PortBuffer>] = []
  /// By place in the graph: a node's ports, as its own lane sees them.
  var portsOf: [Int: UnsafeMutablePointer<PortBuffer>] = [:]
  private var inputsOf: [Int: UnsafeMutablePointer<LaneInput>] = [:]

  /// - Parameters:
  ///   - numbers: of the nodes, by place in the graph
  ///   - laneOf: the number of each node's lane
  init(graph: Graph, numbers: [Int], laneOf: [Int], laneCount: Int) {
    self.graph = graph
    self.numbers = numbers
    self.laneOf = laneOf
    self.laneCount = laneCount
    timers = (0..<laneCount).map { lane in
      let heap = UnsafeMutablePointer<TimerHeap>.allocate(capacity: 1)
      heap.initialize(to: TimerHeap(nodes: laneOf.count { $0 == lane }))
      return heap
    }
  }

  /// Of a lane, for the contexts of the nodes that are to run on it.
  func timers(lane: Int) -> UnsafeMutablePointer<TimerHeap> { timers[lane] }

  func allocate<Value>(_ count: Int, of type: Value.Type) -> UnsafeMutablePointer<Value> {
    let pointer = UnsafeMutablePointer<Value>.allocate(capacity: max(count, 1))
    owned.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  /// A node whose plugin cannot hand its state over keeps its last rows, when its policy says how
  /// many a candidate needs.
  private func giveTail(_ node: UnsafeMutablePointer<LaneNode>, _ instance: Instance, _ policy: SwapPolicy) {
    guard policy.warm > 0, instance.code.description.effects == .none,
      instance.capability("gantry.state/1", as: gantry_state.self) == nil
    else { return }
    let inputs = UnsafeBufferPointer(start: node.pointee.inputs, count: node.pointee.inputCount)
    let widest = inputs.map { $0.source.pointee.stride + ($0.hasArena ? EdgeQueue.arenaPerEvent : 0) }.max() ?? 64
    let tail = UnsafeMutablePointer<InputTail>.allocate(capacity: 1)
    tail.initialize(to: InputTail(rows: policy.warm, rowBytes: widest))
    tails.append(tail)
    node.pointee.tail = tail
    node.pointee.watch.insert(.followed)
  }

  private func table<Value>(_ values: [Value]) -> (pointer: UnsafeMutablePointer<Value>, count: Int) {
    let pointer = allocate(values.count, of: Value.self)
    pointer.initialize(from: values, count: values.count)
    return (pointer, values.count)
  }

  /// Lays everything out. Reads the instances' schemas and tables and changes nothing outside.
  ///
  /// - Parameters:
  ///   - instances: by place in the graph, configured
  ///   - bells: by lane number
  ///   - statistics: by node number
  func plan(
    instances: [Instance], bells: [Bell], statistics: [UnsafeMutablePointer<NodeStatistics>], sources: Sources, options: Options
  ) {
    let single = BlockPlan.singles(graph)
    let reach = BlockPlan.reachable(graph, laneOf, lanes: laneCount)
    written = instances.map(\.schemas)
    let forward = BlockPlan.reachable(graph, laneOf, lanes: laneCount, overFeedback: false)
    durable = sources.scripts.isEmpty ? options.durable : nil
    sourceOrigins = graph.nodes.indices.map { graph.nodes[$0].plugin.kind == .source ? instances[$0].context.pointee.origin : 0 }
    for index in graph.nodes.indices { makePorts(index, instances[index], single[index], options) }
    for lane in 0..<laneCount {
      let members = graph.order.filter { laneOf[$0] == lane && graph.nodes[$0].plugin.kind != .source }
      let sourceNodes = graph.nodes.indices.filter { laneOf[$0] == lane && graph.nodes[$0].plugin.kind == .source }
      let nodes = allocate(members.count, of: LaneNode.self)
      var ingresses: [Lane.Ingress] = sourceNodes.map { ingress(source: $0, instances[$0], statistics[numbers[$0]], sources) }
      for (slot, index) in members.enumerated() {
        let inputs = makeInputs(index, lane: lane, single: single, bell: bells[lane], ingresses: &ingresses)
        (nodes + slot).initialize(
          to: LaneNode(
            onBatch: isMuted(index, sources) ? Lane.mutedBatch : instances[index].code.raw.pointee.on_batch,
            instance: instances[index].raw,
            outputs: makeOutputs(index, instances[index], node: nodes + slot), inputs: inputs,
            inputCount: graph.nodes[index].inputs.count, ports: portsOf[index]!,
            portCount: graph.nodes[index].plugin.outputs.count, context: instances[index].context,
            plugin: isMuted(index, sources) ? nil : instances[index].code.raw, breaker: Breaker(),
            statistics: statistics[numbers[index]], index: Int32(numbers[index]), generation: instances[index].code.generation,
            isSingle: single[index], onErrorHalts: graph.nodes[index].onError == .halt,
            fallback: fallback(of: index, members, single), shadows: graph.nodes[index].shadows.map { Int32(numbers[$0]) } ?? -1))
      }
      for (slot, index) in members.enumerated() where DurableEdges.isDurable(graph.nodes[index]) {
        nodes[slot].durable = durable.map { .passUnretained($0.edges.broker(numbers[index])) }
      }
      for (slot, index) in members.enumerated() { giveTail(nodes + slot, instances[index], graph.nodes[index].swap) }
      let blockSlots = table(members.indices.filter { !single[members[$0]] }.map { Int32($0) })
      let singles = members.indices.filter { single[members[$0]] }
      let singleSlots = table(singles.map { Int32($0) })
      let quick = table(quickInputs(nodes, singles))
      let script = sources.scripts[lane]
      let isJoining = ingresses.contains { $0.queue != nil }
      if let script, !ingresses.isEmpty { ingresses = [scripted(script, ingresses)] }
      let ingressTable = table(ingresses)
      plans.append(
        LanePlan(
          nodes: nodes, nodeCount: members.count, blockSlots: blockSlots.pointer, blockSlotCount: blockSlots.count,
          singleSlots: singleSlots.pointer, singleSlotCount: singleSlots.count, quickInputs: quick.pointer, quickInputCount: quick.count,
          ingresses: ingressTable.pointer, ingressCount: ingressTable.count, timers: timers[lane],
          feedback: allocate(graph.feedbackMax + 1, of: Lane.FeedbackEntry.self), feedbackMax: graph.feedbackMax,
          links: allocate(0, of: LaneRecorder.QueueLink.self), linkCount: 0,
          followedPorts: allocate(0, of: LaneRecorder.FollowedPort.self), isInCycle: forward[lane][lane],
          wiring: LaneWiring(nodes: nodes, singleSlots: singleSlots.pointer, singleSlotCount: singleSlots.count),
          join: JoinPlan(
            isJoining ? streams(ingressTable.pointer, ingressTable.count, isScripted: script != nil, feeds: reach[lane]) : [],
            followsScript: script != nil, origins: origins, ownOrigins: sourceNodes.map { sourceOrigins[$0] })))
      plans[lane].wiring.attach()
    }
    if sources.scripts.isEmpty {
      linkQueues(reach)
    } else if let followed = options.followed {
      linkFollowed(followed)
    }
  }

  /// Frees a schema with the layout: instances that are fed by its lanes may have seen it.
  func adopt(_ schema: UnsafeMutablePointer<gantry_schema>) { adopted.withLock { $0.append(SchemaPointer(pointer: schema)) } }

  private struct SchemaPointer: @unchecked Sendable {  // constant, and freed once
    let pointer: UnsafeMutablePointer<gantry_schema>
  }

  // MARK: looking things up

  /// Where a node stands on its lane; nil for a source.
  func slot(of number: Int, lane: Int) -> Int? {
    (0..<plans[lane].nodeCount).first { plans[lane].nodes[$0].index == Int32(number) }
  }

  func node(_ number: Int) -> UnsafeMutablePointer<LaneNode>? {
    for plan in plans {
      for slot in 0..<plan.nodeCount where plan.nodes[slot].index == Int32(number) { return plan.nodes + slot }
    }
    return nil
  }

  /// The ingress that a ring feeds.
  func ingress(of ring: BlockRing) -> UnsafeMutablePointer<Lane.Ingress>? {
    for plan in plans {
      for index in 0..<plan.ingressCount where plan.ingresses[index].ring.toOpaque() == Unmanaged.passUnretained(ring).toOpaque() {
        return plan.ingresses + index
      }
    }
    return nil
  }

  /// A kept node goes on with the tail that it has: the layouts exchange theirs.
  func exchangeTail(_ node: UnsafeMutablePointer<LaneNode>, _ other: LaneLayout, _ tail: UnsafeMutablePointer<InputTail>) {
    guard let mine = node.pointee.tail, let place = tails.firstIndex(of: mine), let otherPlace = other.tails.firstIndex(of: tail) else { return }
    tails[place] = tail
    other.tails[otherPlace] = mine
  }

  /// Another instance of the same code is called from now on. While the lane is parked.
  func replace(_ number: Int, by instance: Instance) {
    guard let node = node(number) else { return }
    node.pointee.instance = instance.raw
    node.pointee.context = instance.context
  }

  /// Tells all contexts where their nodes stand from now on. While the lanes do not run, or are parked.
  func settle(_ lanes: [Lane], instances: [Instance], now: [UnsafeMutablePointer<Int64>]) {
    for index in graph.nodes.indices {
      let context = instances[index].context
      context.pointee.now = now[laneOf[index]]
      context.pointee.timers = timers[laneOf[index]]
      if graph.nodes[index].plugin.kind != .source { context.pointee.laneTag = lanes[laneOf[index]].tag }
    }
    for (lane, plan) in plans.enumerated() {
      for slot in 0..<plan.nodeCount {
        let context = plan.nodes[slot].context
        context.pointee.slot = Int32(slot)
        context.pointee.trace = Unmanaged.passUnretained(lanes[lane].trace)
      }
    }
  }

  /// A replay does not act on the outside again.
  private func isMuted(_ index: Int, _ sources: Sources) -> Bool {
    !sources.scripts.isEmpty && graph.nodes[index].plugin.effects == .external
  }

  /// The lane-local place of the node that stands in for `index`, which runs before it; -1 = none.
  private func fallback(of index: Int, _ members: [Int], _ single: [Bool]) -> Int32 {
    guard case .fallback(let other) = graph.nodes[index].onError else { return -1 }
    return Int32(members.firstIndex(of: other) ?? -1)
  }

  /// What is wrong with a node's fallback, if anything: it must run before the node, on its lane and
  /// in the same manner, so that its rows of a chain are there when they are needed.
  static func fallbackProblem(_ graph: Graph, _ index: Int) -> String? {
    let laneOf = BlockPlan.lanes(graph).of
    guard case .fallback(let other) = graph.nodes[index].onError else { return nil }
    let single = BlockPlan.singles(graph)
    let name = graph.nodes[other].name
    if laneOf[other] != laneOf[index] { return "\(name) runs on another lane" }
    if graph.order.firstIndex(of: other)! > graph.order.firstIndex(of: index)! {
      return "\(name) runs after \(graph.nodes[index].name); write it before, fed by the same nodes"
    }
    if single[other] != single[index] {
      return "one of them is behind feedback or timers and the other is not"
    }
    return nil
  }

  // MARK: edges

  private func makeInputs(
    _ index: Int, lane: Int, single: [Bool], bell: Bell, ingresses: inout [Lane.Ingress]
  ) -> UnsafeMutablePointer<LaneInput> {
    let node = graph.nodes[index]
    let inputs = allocate(node.inputs.count, of: LaneInput.self)
    var edgeNumbers: [Int: UInt32] = [:]
    for (position, edge) in node.inputs.enumerated() {
      let number = edgeNumbers[edge.toPort, default: 0]
      edgeNumbers[edge.toPort] = number + 1
      let isLocal = laneOf[edge.fromNode] == lane
      let source: UnsafeMutablePointer<PortBuffer>
      if isLocal {
        source = portsOf[edge.fromNode]! + edge.fromPort
      } else if let beside = node.shadows, let shared = inputsOf[beside] {
        source = shared[position].source
      } else {
        source = queueIngress(edge, to: index, bell: bell, &ingresses)
      }
      let from = graph.nodes[edge.fromNode].plugin
      (inputs + position).initialize(
        to: LaneInput(
          source: source, cursor: 0, port: UInt32(edge.toPort), edge: number, isFeedback: edge.isFeedback && isLocal,
          isGate: node.plugin.kind == .broker && from.outputs[edge.fromPort].type == .order,
          isBlockEdge: !isLocal || from.kind == .source || !single[edge.fromNode],
          hasArena: PortSchema.hasArena(from.outputs[edge.fromPort].type),
          batch: makeBatch(source, port: edge.toPort, edge: number), delivered: 0))
    }
    inputsOf[index] = inputs
    return inputs
  }

  private func ingress(
    source index: Int, _ instance: Instance, _ statistics: UnsafeMutablePointer<NodeStatistics>, _ sources: Sources
  ) -> Lane.Ingress {
    let count = graph.nodes[index].plugin.outputs.count
    let ports = allocate(count, of: Lane.IngressPort.self)
    for port in 0..<count {
      (ports + port).initialize(
        to: Lane.IngressPort(
          buffer: portsOf[index]! + port, statistics: statistics, key: UInt32(port),
          isReplayable: sources.replayable.contains(numbers[index])))
    }
    return Lane.Ingress(
      ring: .passUnretained(sources.rings[numbers[index]] ?? nobody), ports: ports, portCount: count, block: nil, offset: 0,
      hasEnded: false, status: 0, context: instance.context, queue: nil)
  }

  /// Stands where a ring must, for sources whose events a journal brings.
  private let nobody = BlockRing(rows: 1, stride: 32, arena: 0, bell: Bell())

  /// All of a lane's ingress as one, in the order that a journal gives.
  private func scripted(_ ring: BlockRing, _ ingresses: [Lane.Ingress]) -> Lane.Ingress {
    let ports = ingresses.flatMap { ingress in (0..<ingress.portCount).map { ingress.ports[$0] } }
    let table = allocate(ports.count, of: Lane.IngressPort.self)
    for (index, port) in ports.enumerated() { (table + index).initialize(to: port) }
    return Lane.Ingress(
      ring: .passUnretained(ring), ports: table, portCount: ports.count, block: nil, offset: 0, hasEnded: false,
      status: 0, context: nil, queue: nil)
  }

  /// By place in the graph: what a source's events carry in `origin`.
  private var sourceOrigins: [UInt16] = []
  private var origins: OriginTable { OriginTable(sources: Int(sourceOrigins.max() ?? 0), lanes: laneCount) }

  /// What a lane joins: one stream for each ingress, and where a journal is followed one for each port.
  private func streams(
    _ ingresses: UnsafeMutablePointer<Lane.Ingress>, _ count: Int, isScripted: Bool, feeds: [Bool]
  ) -> [JoinStream] {
    (0..<count).flatMap { index -> [JoinStream] in
      let ingress = ingresses + index
      let from = Int(ingress.pointee.fromLane)
      return (0..<(isScripted ? ingress.pointee.portCount : 1)).map { port in
        JoinStream(
          ingress: ingress, entry: ingress.pointee.ports + port, isStaged: isScripted || ingress.pointee.queue != nil,
          waits: from >= 0 && !feeds[from], origins: origins)
      }
    }
  }

  /// By place in `origins`, whether chains of it can come out of a node: those of the sources before it,
  /// and those that lanes on the way begin with timers and flushes.
  private func carried(by node: Int) -> [Bool] {
    var seen: Set<Int> = [node]
    var waiting = [node]
    while let next = waiting.popLast() {
      for edge in graph.nodes[next].inputs where seen.insert(edge.fromNode).inserted { waiting.append(edge.fromNode) }
    }
    var carries = Array(repeating: false, count: origins.count)
    for index in seen {
      let isSource = graph.nodes[index].plugin.kind == .source
      carries[origins.place(isSource ? sourceOrigins[index] : Origins.timers(lane: laneOf[index]))] = true
    }
    return carries
  }

  /// An edge from another lane: a queue, and an ingress with one port of its own.
  private func queueIngress(
    _ edge: Edge, to index: Int, bell: Bell, _ ingresses: inout [Lane.Ingress]
  ) -> UnsafeMutablePointer<PortBuffer> {
    let origin = portsOf[edge.fromNode]! + edge.fromPort
    let type = graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].type
    let durable = type == .order && DurableEdges.isDurable(graph.nodes[index]) ? durable : nil
    durable?.edges.add(bell)
    // What is on the disk is not dropped on the way.
    let policy = durable == nil ? edge.queue ?? QueuePolicy() : QueuePolicy(size: edge.queue?.size ?? QueuePolicy().size)
    let queue = EdgeQueue(
      policy: policy, stride: origin.pointee.stride, type: type, bell: bell, origins: origins, carries: carried(by: edge.fromNode),
      durable: durable.map { ($0.journal(laneOf[edge.fromNode]), $0.edges.broker(numbers[index])) })
    queues.append(
      (
        from: "\(graph.nodes[edge.fromNode].name).\(graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].name)",
        to: graph.nodes[index].name, queue: queue
      ))
    links.append((port: origin, fromNode: edge.fromNode, toLane: laneOf[index], queue: queue, broker: durable?.edges.broker(numbers[index])))
    let output = allocate(1, of: gantry_output.self)
    output.initialize(to: origin.pointee.output.pointee)
    let port = allocate(1, of: PortBuffer.self)
    port.initialize(
      to: PortBuffer(
        rows: allocate(guardBytes, of: UInt8.self), causes: allocate(1, of: UInt32.self),
        ordinals: allocate(1, of: UInt32.self), capacity: 0, stride: origin.pointee.stride, published: 0, arena: nil,
        arenaCapacity: 0, output: output, schema: origin.pointee.schema, base: origin.pointee.base, uses: [], node: origin.pointee.node,
        port: origin.pointee.port, isBorrowed: true))
    ports.append(port)
    let entry = allocate(1, of: Lane.IngressPort.self)
    entry.initialize(
      to: Lane.IngressPort(
        buffer: port, statistics: discardedStatistics(), key: UInt32(edge.fromPort) | UInt32(links.count) << 16,
        isReplayable: false))
    ingresses.append(
      Lane.Ingress(
        ring: .passUnretained(queue.ring), ports: entry, portCount: 1, block: nil, offset: 0, hasEnded: false, status: 0,
        context: nil, queue: .passUnretained(queue), fromLane: Int32(laneOf[edge.fromNode]), isReply: edge.isFeedback))
    return port
  }

  private var links: [(port: UnsafeMutablePointer<PortBuffer>, fromNode: Int, toLane: Int, queue: EdgeQueue, broker: DurableBroker?)] = []
  private var durable: (edges: DurableEdges, journal: (Int) -> JournalLane)?
  /// Events that arrive over a queue were counted where they were made.
  private func discardedStatistics() -> UnsafeMutablePointer<NodeStatistics> {
    let statistics = allocate(1, of: NodeStatistics.self)
    statistics.initialize(to: NodeStatistics())
    return statistics
  }

  private func linkQueues(_ reach: [[Bool]]) {
    for lane in 0..<laneCount {
      let mine = links.filter { laneOf[$0.fromNode] == lane }
      for link in mine { link.port.pointee.uses.insert(.queued) }
      (plans[lane].links, plans[lane].linkCount) = table(
        mine.map {
          LaneRecorder.QueueLink(
            port: $0.port, queue: .passUnretained($0.queue), broker: $0.broker.map { .passUnretained($0) }, isLoop: reach[$0.toLane][lane])
        })
    }
  }

  private func linkFollowed(_ followed: FollowedEdges) {
    for lane in 0..<laneCount {
      let edges = graph.nodes.indices.filter { DurableEdges.isDurable(graph.nodes[$0]) && laneOf[$0] != lane }.flatMap { broker in
        graph.nodes[broker].inputs.filter {
          laneOf[$0.fromNode] == lane && graph.nodes[$0.fromNode].plugin.outputs[$0.fromPort].type == .order
        }.map { (port: portsOf[$0.fromNode]! + $0.fromPort, broker: numbers[broker]) }
      }
      for edge in edges { edge.port.pointee.uses.insert(.followed) }
      (plans[lane].followedPorts, plans[lane].followedCount) = table(
        edges.map { LaneRecorder.FollowedPort(port: $0.port, orders: .passUnretained(followed.orders(lane: lane, broker: $0.broker))) })
    }
  }

  private func quickInputs(_ nodes: UnsafeMutablePointer<LaneNode>, _ singleSlots: [Int]) -> [Lane.QuickInput] {
    var list: [Lane.QuickInput] = []
    for (rank, slot) in singleSlots.enumerated() {
      for position in 0..<nodes[slot].inputCount {
        let input = nodes[slot].inputs + position
        guard input.pointee.isBlockEdge, !input.pointee.isFeedback else { continue }
        list.append(Lane.QuickInput(node: nodes + slot, input: input, rank: Int32(rank)))
      }
    }
    return list
  }

  /// After the last use by any lane.
  func deallocate() {
    for port in ports {
      guard !port.pointee.isBorrowed else { continue }
      port.pointee.rows.deallocate()
      while let retired = port.pointee.retired {
        port.pointee.retired = retired.pointee.next
        retired.pointee.rows.deallocate()
        retired.deallocate()
      }
      port.pointee.causes.deallocate()
      port.pointee.ordinals.deallocate()
      port.pointee.arena?.deallocate()
    }
    for plan in plans {
      plan.wiring.deallocate()
      plan.join.deallocate()
    }
    for tail in tails {
      tail.pointee.deallocate()
      tail.deallocate()
    }
    tails = []
    for schema in schemas { PortSchema.deallocate(schema) }
    for schema in adopted.withLock({ exchange(&$0, with: []) }) { PortSchema.deallocate(schema.pointer) }
    for pointer in owned { pointer.deallocate() }
    for heap in timers {
      heap.pointee.deallocate()
      heap.deallocate()
    }
    plans = []
    ports = []
    owned = []
    schemas = []
  }
}

extension PortSchema {
  package static func hasArena(_ type: EventType) -> Bool {
    switch type {
    case .book, .alert, .news, .calendar, .blob: true
    default: false
    }
  }
}
