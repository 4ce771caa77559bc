import CGantry
import GantryBase
import GantryGraph

/// The memory that a node's ports need for rows with further columns: made beside the lane for a
/// candidate whose rows begin as the counted instance's do, exchanged for theirs at the flip, and back
/// at a revert.
///
/// Guarantees: an exchange allocates nothing and takes place where no row stands in any port; whoever
/// reads a port of the lane keeps its offsets and finds the new columns behind them. Rows that readers
/// keep for a candidate of their own (`InputTail`) get the new width too, with NaN where there was no
/// value. What other lanes are sent stays as it was laid out: an `EdgeQueue` carries the first columns.
final class WiderPorts: @unchecked Sendable {  // the lane's while it exchanges; else the change's thread's
  private struct Port {
    var index: Int
    var rows: UnsafeMutablePointer<UInt8>
    var causes: UnsafeMutablePointer<UInt32>
    var ordinals: UnsafeMutablePointer<UInt32>
    var capacity: Int
    var stride: Int
    var schema: UnsafeMutablePointer<gantry_schema>
    /// Made here, and not the layout's.
    let own: UnsafeMutablePointer<gantry_schema>
  }

  private struct Tail {
    var reader: UnsafeMutablePointer<LaneNode>
    var pages: InputTail.Pages
  }

  private let layout: LaneLayout
  private var ports: [Port] = []
  private var tails: [Tail] = []
  private var hasExchanged = false

  /// Nil when the candidate's rows are as wide as those that the node writes now.
  ///
  /// - Parameters:
  ///   - schemas: what the candidate writes
  ///   - current: what the counted instance writes
  ///   - node: read here, at no boundary: of what may change only the capacity, which may then be smaller
  init?(_ schemas: [PortSchema], beside current: [PortSchema], _ node: UnsafeMutablePointer<LaneNode>, on lane: Lane, _ layout: LaneLayout) {
    self.layout = layout
    for index in schemas.indices where schemas[index] != current[index] {
      let capacity = node.pointee.ports[index].capacity
      let stride = schemas[index].stride
      let schema = schemas[index].permanent()
      ports.append(
        Port(
          index: index, rows: allocateRows(capacity: capacity, stride: stride), causes: .allocate(capacity: capacity),
          ordinals: .allocate(capacity: capacity), capacity: capacity, stride: stride, schema: schema, own: schema))
    }
    if ports.isEmpty { return nil }
    for slot in 0..<lane.nodeCount {
      let reader = lane.nodes + slot
      guard let tail = reader.pointee.tail, let wide = widestInput(of: reader, from: node) else { continue }
      tails.append(Tail(reader: reader, pages: tail.pointee.makePages(rowBytes: wide)))
    }
  }

  /// Of a row that a reader of one of these ports keeps, after the exchange; nil when it reads none.
  private func widestInput(of reader: UnsafeMutablePointer<LaneNode>, from node: UnsafeMutablePointer<LaneNode>) -> Int? {
    var widest = 0
    var reads = false
    for index in 0..<reader.pointee.inputCount {
      let input = reader.pointee.inputs + index
      let port = ports.first { node.pointee.ports + $0.index == input.pointee.source }
      if port != nil { reads = true }
      widest = max(widest, (port?.stride ?? input.pointee.source.pointee.stride) + (input.pointee.hasArena ? EdgeQueue.arenaPerEvent : 0))
    }
    return reads ? widest : nil
  }

  /// The node's ports have this memory from here on, and what they had is held here. The lane, between
  /// two blocks, or anybody while it holds.
  func exchange(_ lane: Lane, _ node: UnsafeMutablePointer<LaneNode>) {
    for index in ports.indices { exchange(&ports[index], node.pointee.ports + ports[index].index) }
    for slot in 0..<lane.nodeCount {
      let reader = lane.nodes + slot
      for index in 0..<reader.pointee.inputCount {
        let input = reader.pointee.inputs + index
        guard ports.contains(where: { node.pointee.ports + $0.index == input.pointee.source }) else { continue }
        input.pointee.batch.pointee.stride = UInt32(truncatingIfNeeded: input.pointee.source.pointee.stride)
        input.pointee.batch.pointee.schema = UnsafePointer(input.pointee.source.pointee.schema)
      }
    }
    for index in tails.indices {
      let reader = tails[index].reader
      reader.pointee.tail?.pointee.take(&tails[index].pages) { reader.pointee.inputs[$0].source.pointee.stride }
    }
    hasExchanged = true
  }

  private func exchange(_ held: inout Port, _ port: UnsafeMutablePointer<PortBuffer>) {
    swap(&held.rows, &port.pointee.rows)
    swap(&held.causes, &port.pointee.causes)
    swap(&held.ordinals, &port.pointee.ordinals)
    swap(&held.capacity, &port.pointee.capacity)
    swap(&held.stride, &port.pointee.stride)
    swap(&held.schema, &port.pointee.schema)
    port.pointee.output.pointee.stride = UInt32(truncatingIfNeeded: port.pointee.stride)
    resetPort(port)
  }

  deinit {
    for port in ports {
      port.rows.deallocate()
      port.causes.deallocate()
      port.ordinals.deallocate()
      // Muted instances of readers may know it.
      if hasExchanged { layout.adopt(port.own) } else { PortSchema.deallocate(port.own) }
    }
    for tail in tails { tail.pages.deallocate() }
  }
}
