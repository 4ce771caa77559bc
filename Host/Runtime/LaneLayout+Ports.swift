import CGantry
import GantryBase
import GantryGraph

/// The ports of a layout's nodes: the memory of their rows, and what plugins see of it.
extension LaneLayout {
  /// The memory of a node's ports, and who is to see their rows.
  func makePorts(
    _ index: Int, _ instance: Instance, _ isSingle: Bool, _ options: Options
  ) {
    let node = graph.nodes[index]
    let isSource = node.plugin.kind == .source
    let list = allocate(node.plugin.outputs.count, of: PortBuffer.self)
    let outputs = allocate(node.plugin.outputs.count, of: gantry_output.self)
    for (port, description) in node.plugin.outputs.enumerated() {
      let schema = instance.schemas[port].permanent()
      schemas.append(schema)
      let stride = instance.schemas[port].stride
      let capacity = isSource ? 0 : isSingle ? 32 + keptRows : blockRows
      let readers = graph.nodes.enumerated().flatMap { consumer in
        consumer.element.inputs.filter { $0.fromNode == (node.shadows ?? index) && $0.fromPort == port }
      }
      var uses: PortUses = []
      // Feedback to another lane goes over a queue, like any edge.
      let comesBack = graph.nodes.indices.contains { consumer in
        laneOf[consumer] == laneOf[index] && graph.nodes[consumer].inputs.contains { $0.isFeedback && $0.fromNode == index && $0.fromPort == port }
      }
      if node.shadows == nil, comesBack { uses.insert(.feedback) }
      if options.journalsAll || options.journals.contains(node.name) || node.plugin.kind == .broker, !isSource { uses.insert(.journaled) }
      if options.captures.contains(where: { $0.node == node.name && $0.port == description.name }) { uses.insert(.captured) }
      if node.plugin.kind == .broker, description.type == .account { uses.insert(.account) }
      if node.plugin.kind == .broker, description.type == .execution { uses.insert(.execution) }
      if isSingle, description.type == .order { uses.insert(.order) }
      if isSingle, PortSchema.hasArena(description.type) { uses.insert(.arena) }
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
          arena: arena, arenaCapacity: arenaCapacity, output: outputs + port, schema: schema, base: schema.pointee.fingerprint, uses: uses,
          node: Int32(numbers[index]), port: Int32(port), isBorrowed: isSource))
      resetPort(list + port)
      ports.append(list + port)
    }
    portsOf[index] = list
  }

  /// What a node's calls write into.
  func makeOutputs(
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

  /// What a node's calls are given of one edge.
  func makeBatch(_ source: UnsafeMutablePointer<PortBuffer>, port: Int, edge: UInt32) -> UnsafeMutablePointer<gantry_batch> {
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
}
