import CGantry
import GantryBase
import GantryGraph
import GantryJournal
import GantryTrace

/// Lays out the memory of all lanes of a run: nodes, ports, edges, ingress, queues.
/// Owns that memory; freed by `deallocate` after all lanes have ended.
final class LanePlanner {
  struct Sources {
    /// By graph index: the ring that carries a source's blocks.
    var rings: [Int: BlockRing] = [:]
    /// Origins table index by graph index.
    var origins: [Int: UInt16] = [:]
    var replayable: Set<Int> = []
    /// When a journal is followed: for each lane, the ring that carries all of its ingress.
    var scripts: [Int: BlockRing] = [:]
  }

  private(set) var lanes: [Lane] = []
  private(set) var queues: [(from: String, to: String, queue: EdgeQueue)] = []
  private(set) var statistics: UnsafeMutablePointer<NodeStatistics>
  private(set) var nodeCount: Int
  private var owned: [UnsafeMutableRawPointer] = []
  private var schemas: [UnsafeMutablePointer<gantry_schema>] = []
  private var ports: [UnsafeMutablePointer<PortBuffer>] = []
  /// By graph index: a node's ports, as its own lane sees them.
  private var portsOf: [Int: UnsafeMutablePointer<PortBuffer>] = [:]
  private let graph: Graph

  init(graph: Graph) {
    self.graph = graph
    nodeCount = graph.nodes.count
    statistics = .allocate(capacity: max(graph.nodes.count, 1))
    statistics.initialize(repeating: NodeStatistics(), count: max(graph.nodes.count, 1))
  }

  private func allocate<Value>(_ count: Int, of type: Value.Type) -> UnsafeMutablePointer<Value> {
    let pointer = UnsafeMutablePointer<Value>.allocate(capacity: max(count, 1))
    owned.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  struct Options {
    var traceEvery: Int
    var clock: TickClock
    var journaled: (_ node: Int, _ port: Int) -> Bool
    var captured: (_ node: Int, _ port: Int) -> Bool
    var pinFirstCPU: Int32
  }

  /// One lane's share of what the run shares out.
  struct LaneParts {
    var name: String
    var bell: Bell
    var now: UnsafeMutablePointer<Int64>
    var timers: UnsafeMutablePointer<TimerHeap>
    var tag: UInt64
    var journal: JournalLane?
    var hops: HopLog?
    var capture: OutputCapture?
    var timerOrigin: UInt16
  }

  func plan(
    instances: [Instance], laneOf: [Int], parts: [LaneParts], sources: Sources, services: HostServices,
    gate: OrderGate, options: Options
  ) {
    let single = BlockPlan.singles(graph)
    let cycles = BlockPlan.cycles(graph, laneOf, lanes: parts.count)
    for index in graph.nodes.indices { makePorts(index, instances[index], single[index], sources, options) }
    for lane in parts.indices {
      let members = graph.order.filter { laneOf[$0] == lane && graph.nodes[$0].plugin.kind != .source }
      let sourceNodes = graph.nodes.indices.filter { laneOf[$0] == lane && graph.nodes[$0].plugin.kind == .source }
      let part = parts[lane]
      let trace = LaneTrace(every: options.traceEvery, nodes: graph.nodes.count, hops: part.hops, clock: options.clock)
      let recorder = LaneRecorder(
        journal: part.journal, services: services, now: part.now, timerOrigin: part.timerOrigin,
        capture: part.capture, queueCapacity: graph.nodes.reduce(0) { $0 + $1.inputs.count })
      let nodes = allocate(members.count, of: LaneNode.self)
      var ingresses: [Lane.Ingress] = sourceNodes.map { ingress(source: $0, instances[$0], sources) }
      for (slot, index) in members.enumerated() {
        let inputs = makeInputs(
          index, lane: lane, laneOf: laneOf, single: single, bell: part.bell, ingresses: &ingresses)
        instances[index].context.pointee.slot = Int32(slot)
        instances[index].context.pointee.trace = Unmanaged.passUnretained(trace)
        (nodes + slot).initialize(
          to: LaneNode(
            onBatch: isMuted(index, sources) ? Lane.mutedBatch : instances[index].code.raw.pointee.on_batch,
            instance: instances[index].raw,
            outputs: makeOutputs(index, instances[index], node: nodes + slot), inputs: inputs,
            inputCount: graph.nodes[index].inputs.count, ports: portsOf[index]!,
            portCount: graph.nodes[index].plugin.outputs.count, context: instances[index].context,
            plugin: isMuted(index, sources) ? nil : instances[index].code.raw, breaker: Breaker(), statistics: statistics + index,
            index: Int32(index), generation: instances[index].code.generation, isSingle: single[index],
            onErrorHalts: graph.nodes[index].onError == .halt, fallback: fallback(of: index, members, single)))
      }
      let blockSlots = members.indices.filter { !single[members[$0]] }
      let singleSlots = members.indices.filter { single[members[$0]] }
      let quick = quickInputs(nodes, singleSlots)
      let blockTable = allocate(blockSlots.count, of: Int32.self)
      for (place, slot) in blockSlots.enumerated() { (blockTable + place).initialize(to: Int32(slot)) }
      let singleTable = allocate(singleSlots.count, of: Int32.self)
      for (place, slot) in singleSlots.enumerated() { (singleTable + place).initialize(to: Int32(slot)) }
      let quickTable = allocate(quick.count, of: Lane.QuickInput.self)
      for (place, input) in quick.enumerated() { (quickTable + place).initialize(to: input) }
      let script = sources.scripts[lane]
      if let script { ingresses = [scripted(script, ingresses)] }
      let ingressTable = allocate(ingresses.count, of: Lane.Ingress.self)
      for (place, ingress) in ingresses.enumerated() { (ingressTable + place).initialize(to: ingress) }
      lanes.append(
        Lane(
          LanePlan(
            name: part.name, index: lane, nodes: nodes, nodeCount: members.count, blockSlots: blockTable,
            blockSlotCount: blockSlots.count, singleSlots: singleTable, singleSlotCount: singleSlots.count,
            quickInputs: quickTable, quickInputCount: quick.count, ingresses: ingressTable,
            ingressCount: ingresses.count, now: part.now, timers: part.timers, tag: part.tag,
            clock: graph.clock == .live ? .live : .replay, bell: part.bell, recorder: recorder, trace: trace,
            gate: gate, isScripted: script != nil && graph.clock == .live, feedbackMax: graph.feedbackMax, sources: sourceCount,
            isInCycle: cycles[lane])))
    }
    if sources.scripts.isEmpty { linkQueues(laneOf: laneOf) }
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
  static func fallbackProblem(_ graph: Graph, _ index: Int, laneOf: [Int]) -> String? {
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

  // MARK: ports

  private func makePorts(
    _ index: Int, _ instance: Instance, _ isSingle: Bool, _ sources: Sources, _ options: Options
  ) {
    let node = graph.nodes[index]
    let isSource = node.plugin.kind == .source
    let list = allocate(node.plugin.outputs.count, of: PortBuffer.self)
    let outputs = allocate(node.plugin.outputs.count, of: gantry_output.self)
    for (port, description) in node.plugin.outputs.enumerated() {
      let schema = instance.schemas[port].permanent()
      schemas.append(schema)
      let stride = instance.schemas[port].stride
      let capacity = isSource ? 0 : isSingle ? 32 : blockRows
      let readers = graph.nodes.enumerated().flatMap { consumer in
        consumer.element.inputs.filter { $0.fromNode == index && $0.fromPort == port }
      }
      var uses: PortUses = []
      if readers.contains(where: \.isFeedback) { uses.insert(.feedback) }
      if options.journaled(index, port), !isSource { uses.insert(.journaled) }
      if options.captured(index, port) { uses.insert(.captured) }
      if node.plugin.kind == .broker, description.type == .account { uses.insert(.account) }
      if node.plugin.kind == .broker, description.type == .execution { uses.insert(.execution) }
      if isSingle, description.type == .order { uses.insert(.order) }
      let arenaCapacity = PortSchema.hasArena(description.type) && !isSource ? 64 << 10 : 0
      let arena: UnsafeMutablePointer<UInt8>? = arenaCapacity > 0 ? .allocate(capacity: arenaCapacity) : nil
      (outputs + port).initialize(to: gantry_output())
      (outputs + port).pointee.size = UInt32(MemoryLayout<gantry_output>.size)
      (outputs + port).pointee.type = description.type.rawValue
      (outputs + port).pointee.stride = UInt32(stride)
      (outputs + port).pointee.connected = readers.isEmpty ? 0 : 1
      (outputs + port).pointee.arena = arena
      (outputs + port).pointee.arena_capacity = UInt64(arenaCapacity)
      (list + port).initialize(
        to: PortBuffer(
          rows: isSource ? allocate(guardBytes, of: UInt8.self) : allocateRows(capacity: capacity, stride: stride),
          causes: isSource ? allocate(1, of: UInt32.self) : .allocate(capacity: capacity),
          ordinals: isSource ? allocate(1, of: UInt32.self) : .allocate(capacity: capacity), capacity: capacity, stride: stride, published: 0,
          arena: arena, arenaCapacity: arenaCapacity, output: outputs + port, schema: schema, uses: uses,
          node: Int32(index), port: Int32(port), isBorrowed: isSource))
      resetPort(list + port)
      ports.append(list + port)
    }
    portsOf[index] = list
  }

  private func makeOutputs(
    _ index: Int, _ instance: Instance, node: UnsafeMutablePointer<LaneNode>
  ) -> UnsafeMutablePointer<gantry_outputs> {
    let outputs = allocate(1, of: gantry_outputs.self)
    outputs.initialize(to: gantry_outputs())
    outputs.pointee.size = UInt32(MemoryLayout<gantry_outputs>.size)
    outputs.pointee.port_count = UInt32(graph.nodes[index].plugin.outputs.count)
    outputs.pointee.ports = portsOf[index].flatMap { $0.pointee.output as UnsafeMutablePointer<gantry_output>? }
    outputs.pointee.context = UnsafeMutableRawPointer(node)
    outputs.pointee.grow = Lane.grow
    return outputs
  }

  private func makeBatch(_ source: UnsafeMutablePointer<PortBuffer>, port: Int, edge: UInt32) -> UnsafeMutablePointer<gantry_batch> {
    let batch = allocate(1, of: gantry_batch.self)
    batch.initialize(to: gantry_batch())
    batch.pointee.size = UInt32(MemoryLayout<gantry_batch>.size)
    batch.pointee.port = UInt32(port)
    batch.pointee.edge = edge
    batch.pointee.type = source.pointee.schema.pointee.type
    batch.pointee.count = 1
    batch.pointee.stride = UInt32(source.pointee.stride)
    batch.pointee.schema = UnsafePointer(source.pointee.schema)
    return batch
  }

  // MARK: edges

  private func makeInputs(
    _ index: Int, lane: Int, laneOf: [Int], single: [Bool], bell: Bell, ingresses: inout [Lane.Ingress]
  ) -> UnsafeMutablePointer<LaneInput> {
    let node = graph.nodes[index]
    let inputs = allocate(node.inputs.count, of: LaneInput.self)
    var edgeNumbers: [Int: UInt32] = [:]
    for (position, edge) in node.inputs.enumerated() {
      let number = edgeNumbers[edge.toPort, default: 0]
      edgeNumbers[edge.toPort] = number + 1
      let isLocal = laneOf[edge.fromNode] == lane
      let source = isLocal ? portsOf[edge.fromNode]! + edge.fromPort : queueIngress(edge, to: index, bell: bell, &ingresses)
      let from = graph.nodes[edge.fromNode].plugin
      (inputs + position).initialize(
        to: LaneInput(
          source: source, cursor: 0, port: UInt32(edge.toPort), edge: number, isFeedback: edge.isFeedback && isLocal,
          isGate: node.plugin.kind == .broker && from.outputs[edge.fromPort].type == .order,
          isBlockEdge: !isLocal || from.kind == .source || !single[edge.fromNode],
          hasArena: PortSchema.hasArena(from.outputs[edge.fromPort].type),
          batch: makeBatch(source, port: edge.toPort, edge: number), delivered: 0))
    }
    return inputs
  }

  private func ingress(source index: Int, _ instance: Instance, _ sources: Sources) -> Lane.Ingress {
    let count = graph.nodes[index].plugin.outputs.count
    let ports = allocate(count, of: Lane.IngressPort.self)
    for port in 0..<count {
      (ports + port).initialize(
        to: Lane.IngressPort(
          buffer: portsOf[index]! + port, statistics: statistics + index, key: UInt32(port),
          isReplayable: sources.replayable.contains(index)))
    }
    return Lane.Ingress(
      ring: .passUnretained(sources.rings[index] ?? nobody), ports: ports, portCount: count, block: nil, offset: 0,
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

  /// An edge from another lane: a queue, and an ingress with one port of its own.
  private func queueIngress(
    _ edge: Edge, to index: Int, bell: Bell, _ ingresses: inout [Lane.Ingress]
  ) -> UnsafeMutablePointer<PortBuffer> {
    let origin = portsOf[edge.fromNode]! + edge.fromPort
    let type = graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].type
    let queue = EdgeQueue(
      policy: edge.queue ?? QueuePolicy(), stride: origin.pointee.stride, type: type, bell: bell, sources: sourceCount)
    queues.append(
      (
        from: "\(graph.nodes[edge.fromNode].name).\(graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].name)",
        to: graph.nodes[index].name, queue: queue
      ))
    links.append((port: origin, fromNode: edge.fromNode, queue: queue))
    let output = allocate(1, of: gantry_output.self)
    output.initialize(to: origin.pointee.output.pointee)
    let port = allocate(1, of: PortBuffer.self)
    port.initialize(
      to: PortBuffer(
        rows: allocate(guardBytes, of: UInt8.self), causes: allocate(1, of: UInt32.self),
        ordinals: allocate(1, of: UInt32.self), capacity: 0, stride: origin.pointee.stride, published: 0, arena: nil,
        arenaCapacity: 0, output: output, schema: origin.pointee.schema, uses: [], node: origin.pointee.node,
        port: origin.pointee.port, isBorrowed: true))
    ports.append(port)
    let entry = allocate(1, of: Lane.IngressPort.self)
    entry.initialize(
      to: Lane.IngressPort(
        buffer: port, statistics: discardedStatistics, key: UInt32(edge.fromPort) | UInt32(links.count) << 16,
        isReplayable: false))
    ingresses.append(
      Lane.Ingress(
        ring: .passUnretained(queue.ring), ports: entry, portCount: 1, block: nil, offset: 0, hasEnded: false, status: 0,
        context: nil, queue: .passUnretained(queue)))
    return port
  }

  private var sourceCount: UInt16 { UInt16(graph.nodes.count { $0.plugin.kind == .source }) }

  private var links: [(port: UnsafeMutablePointer<PortBuffer>, fromNode: Int, queue: EdgeQueue)] = []
  /// Events that arrive over a queue were counted where they were made.
  private lazy var discardedStatistics: UnsafeMutablePointer<NodeStatistics> = {
    let statistics = allocate(1, of: NodeStatistics.self)
    statistics.initialize(to: NodeStatistics())
    return statistics
  }()

  private func linkQueues(laneOf: [Int]) {
    for link in links {
      link.port.pointee.uses.insert(.queued)
      lanes[laneOf[link.fromNode]].recorder.link(link.port, to: link.queue)
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

  func deallocate() {
    for lane in lanes {
      lane.recorder.deallocate()
      lane.trace.deallocate()
      lane.deallocate()
    }
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
    for schema in schemas { PortSchema.deallocate(schema) }
    for pointer in owned { pointer.deallocate() }
    statistics.deallocate()
    lanes = []
    ports = []
    owned = []
    schemas = []
  }
}

extension PortSchema {
  static func hasArena(_ type: EventType) -> Bool {
    switch type {
    case .book, .alert, .news, .calendar, .blob: true
    default: false
    }
  }
}
