import CGantry
import Glibc

/// The host's side of `gantry_outputs`: buffers with canaries, poisoned between two calls, moved
/// by every `grow`.
final class OutputBuffers {
  struct Port {
    var name: String
    var type: UInt32
    var stride: Int
    var columns: [String]
    var rows: GuardedBlock
    var causes: GuardedBlock
    var arena: GuardedBlock
  }

  var ports: [Port] = []
  /// Buffers that a `grow` of the running call replaced.
  private var replaced: [(port: String, block: GuardedBlock)] = []
  private let table: UnsafeMutablePointer<gantry_output>
  private let outputs: UnsafeMutablePointer<gantry_outputs>
  private(set) var grown = 0
  var isOpen = false
  /// How many rows and arena bytes a call starts with, and the limits of `grow`.
  let rowCapacity: Int
  let arenaCapacity: Int
  static let rowsMax = 65_536
  static let arenaMax = 16 << 20

  init(ports: [(name: String, type: UInt32)], columns: [[String]], rowCapacity: Int, arenaCapacity: Int) {
    self.rowCapacity = rowCapacity
    self.arenaCapacity = arenaCapacity
    table = .allocate(capacity: max(ports.count, 1))
    outputs = .allocate(capacity: 1)
    outputs.initialize(to: gantry_outputs())
    for (index, port) in ports.enumerated() {
      let stride = stride(ofType: port.type) ?? (32 + 8 * columns[index].count)
      self.ports.append(
        Port(
          name: port.name, type: port.type, stride: stride, columns: columns[index],
          rows: GuardedBlock(count: rowCapacity * stride), causes: GuardedBlock(count: rowCapacity * 4),
          arena: GuardedBlock(count: arenaCapacity)))
    }
  }

  deinit {
    table.deallocate()
    outputs.deallocate()
  }

  /// Opens the buffers for one call with `inputs` inputs; `rows` is the capacity it needs at least.
  func open(inputs: Int, rows: Int) throws(ContractViolation) -> UnsafeMutablePointer<gantry_outputs> {
    for index in ports.indices {
      try checkIdle(ports[index])
      let capacity = max(rows, rowCapacity)
      if ports[index].causes.count < capacity * 4 {
        ports[index].rows = GuardedBlock(count: capacity * ports[index].stride)
        ports[index].causes = GuardedBlock(count: capacity * 4)
      }
      (table + index).initialize(to: gantry_output())
      table[index].size = UInt32(MemoryLayout<gantry_output>.size)
      table[index].type = ports[index].type
      table[index].stride = UInt32(ports[index].stride)
      table[index].connected = 1
      publish(index)
    }
    outputs.pointee = gantry_outputs(
      size: UInt32(MemoryLayout<gantry_outputs>.size), port_count: UInt32(ports.count), ports: table,
      consumed: UInt32(inputs), committed: 0, context: Unmanaged.passUnretained(self).toOpaque(),
      grow: { outputs, port, rows, arena in
        guard let outputs, let context = outputs.pointee.context else { return -2 }
        return Unmanaged<OutputBuffers>.fromOpaque(context).takeUnretainedValue().grow(port, rows, arena)
      }, idle: 0)
    grown = 0
    isOpen = true
    return outputs
  }

  private func publish(_ index: Int) {
    table[index].capacity = UInt32(ports[index].causes.count / 4)
    table[index].base = ports[index].rows.start.assumingMemoryBound(to: UInt8.self)
    table[index].cause = ports[index].causes.start.assumingMemoryBound(to: UInt32.self)
    table[index].arena = ports[index].arena.start.assumingMemoryBound(to: UInt8.self)
    table[index].arena_capacity = UInt64(ports[index].arena.count)
  }

  private func grow(_ port: UInt32, _ rows: UInt32, _ arena: UInt64) -> gantry_status {
    guard isOpen, Int(port) < ports.count else { return -2 }
    grown += 1
    let index = Int(port)
    let capacity = ports[index].causes.count / 4
    let needed = Int(table[index].count) + Int(rows)
    let neededArena = table[index].arena_count + arena
    guard needed <= Self.rowsMax, neededArena <= UInt64(Self.arenaMax) else { return -3 }
    if rows > 0 {
      let bigger = min(max(needed, capacity * 2), Self.rowsMax)
      let newRows = GuardedBlock(count: bigger * ports[index].stride)
      let newCauses = GuardedBlock(count: bigger * 4)
      move(&ports[index].rows, to: newRows, ports[index].name)
      move(&ports[index].causes, to: newCauses, ports[index].name)
    }
    if arena > 0 {
      let bigger = min(max(Int(neededArena), ports[index].arena.count * 2), Self.arenaMax)
      move(&ports[index].arena, to: GuardedBlock(count: bigger), ports[index].name)
    }
    publish(index)
    return 0
  }

  private func move(_ block: inout GuardedBlock, to bigger: GuardedBlock, _ port: String) {
    memcpy(bigger.start, block.start, min(block.count, bigger.count))
    let old = block
    block = bigger
    old.setPoison()
    replaced.append((port, old))
  }

  /// Checks what the call wrote, copies it out and poisons the buffers again.
  func close(inputs: Int) throws(ContractViolation) -> (outputs: [HarnessOutput], consumed: Int) {
    isOpen = false
    var rows: [HarnessOutput] = []
    let consumed = Int(outputs.pointee.consumed)
    if consumed > inputs { throw ContractViolation("consumed is \(consumed), but the batch has \(inputs) events") }
    for (index, port) in ports.enumerated() {
      let output = table[index]
      for block in [port.rows, port.causes, port.arena] where !block.hasCanaries {
        throw ContractViolation("port \(port.name): bytes outside the reservation were written")
      }
      let capacity = port.causes.count / 4
      if Int(output.count) > capacity {
        throw ContractViolation("port \(port.name): \(output.count) rows committed, but there is room for \(capacity)")
      }
      if output.arena_count > UInt64(port.arena.count) {
        throw ContractViolation("port \(port.name): \(output.arena_count) arena bytes used of \(port.arena.count)")
      }
      let arena = Array(UnsafeRawBufferPointer(start: port.arena.start, count: Int(output.arena_count)))
      var last = 0
      for row in 0..<Int(output.count) {
        let cause = Int(port.causes.start.load(fromByteOffset: row * 4, as: UInt32.self))
        if cause < last { throw ContractViolation("port \(port.name): cause \(cause) of row \(row) comes after cause \(last)") }
        if cause >= max(inputs, 1) {
          throw ContractViolation("port \(port.name): cause \(cause) of row \(row), but the batch has \(inputs) events")
        }
        last = cause
        let bytes = Array(UnsafeRawBufferPointer(start: port.rows.start + row * port.stride, count: port.stride))
        rows.append(
          HarnessOutput(
            port: port.name, portIndex: index, type: port.type, cause: cause, bytes: bytes,
            columnNames: port.columns, arena: arena))
      }
    }
    if Int(outputs.pointee.committed) != rows.count {
      throw ContractViolation("committed says \(outputs.pointee.committed), but the ports have \(rows.count) rows")
    }
    for (port, block) in replaced where !block.isPoisoned || !block.hasCanaries {
      throw ContractViolation("port \(port): memory that grow had replaced was written")
    }
    replaced = []
    for port in ports {
      for block in [port.rows, port.causes, port.arena] { block.setPoison() }
    }
    // Delivered by cause, then by port, then as written.
    let order = rows.indices.sorted { (rows[$0].cause, rows[$0].portIndex, $0) < (rows[$1].cause, rows[$1].portIndex, $1) }
    return (order.map { rows[$0] }, consumed)
  }

  private func checkIdle(_ port: Port) throws(ContractViolation) {
    for block in [port.rows, port.causes, port.arena] where !block.isPoisoned || !block.hasCanaries {
      throw ContractViolation("port \(port.name): output memory was written after the call had returned")
    }
  }

  /// Nothing may write between two calls.
  func checkIdle() throws(ContractViolation) {
    for port in ports { try checkIdle(port) }
  }
}
