import CGantry
import GantryBase
import GantryGraph
import GantryTrace

/// Hops that are timed one by one: of chains that were sampled, and of the others from where they order or err.
extension Lane {
  /// A chain whose every hop is timed.
  func runChainTraced(_ header: UnsafePointer<gantry_header>) {
    trace.beginChain(header, node: -1)
    finishChain(fromQuick: 0, header, sampled: true)
    trace.endChain()
  }

  func deliverTraced(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>) {
    let row = input.pointee.source.pointee.rows + input.pointee.cursor &* input.pointee.source.pointee.stride
    let before = node.pointee.statistics.pointee.outputs
    let errors = node.pointee.statistics.pointee.errors
    node.pointee.context.pointee.chain = UnsafeRawPointer(row).assumingMemoryBound(to: gantry_header.self).pointee.chain
    node.pointee.context.pointee.isTraced = true
    deliverOne(node, input)
    node.pointee.context.pointee.isTraced = false
    let written = node.pointee.statistics.pointee.outputs &- before
    trace.hop(
      node: node, header: UnsafeRawPointer(row).assumingMemoryBound(to: gantry_header.self),
      outputs: UInt32(truncatingIfNeeded: written), failed: node.pointee.statistics.pointee.errors != errors)
    if written > 0 { traceOutputs(node, Int(written)) }
  }

  /// The running chain orders: it is timed from here on, whether it was sampled or not.
  func keepChain() {
    if !trace.isOn, trace.beginLate() { traceEarlier() }
  }

  /// An event of this header failed in a node.
  func keepFailure(_ node: UnsafeMutablePointer<LaneNode>, _ header: UnsafePointer<gantry_header>) {
    // A delivery that is being timed says so itself.
    if trace.isOn { return }
    if node.pointee.isSingle { keepChain() }
    trace.erred(header, node: node.pointee.index, generation: node.pointee.generation)
  }

  /// What came before in a chain that nobody had sampled is written down now, from the rows that still
  /// stand in the ports. Those hops have no time of their own.
  private func traceEarlier() {
    // A chain that a timer began has rows in single nodes only.
    if ordinal != .max {
      for index in 0..<ingressCount { traceEarlierIngress(ingresses + index) }
      for place in 0..<blockSlotCount { traceEarlierNode(nodes + Int(blockSlots[place])) }
    }
    for rank in 0..<wiring.singleCount { traceEarlierNode(wiring.singles[rank]) }
  }

  private func traceEarlierIngress(_ ingress: UnsafeMutablePointer<Ingress>) {
    for port in 0..<ingress.pointee.portCount {
      let buffer = ingress.pointee.ports[port].buffer
      for row in firstRow(buffer)..<buffer.pointee.published {
        guard buffer.pointee.ordinals[row] == ordinal else { break }
        trace.earlier(chainHeader, node: buffer.pointee.node, generation: 0, kind: .source)
        trace.event(
          buffer.pointee.rows + row &* buffer.pointee.stride, stride: buffer.pointee.stride,
          type: buffer.pointee.schema.pointee.type, isOutput: true)
      }
    }
  }

  private func traceEarlierNode(_ node: UnsafeMutablePointer<LaneNode>) {
    for index in 0..<node.pointee.portCount {
      let port = node.pointee.ports + index
      for row in firstRow(port)..<port.pointee.published {
        guard port.pointee.ordinals[row] == ordinal else { break }
        let event = UnsafeRawPointer(port.pointee.rows + row &* port.pointee.stride)
        trace.earlier(
          event.assumingMemoryBound(to: gantry_header.self), node: node.pointee.index,
          generation: node.pointee.generation, kind: .batch)
        trace.event(event, stride: port.pointee.stride, type: port.pointee.schema.pointee.type, isOutput: true)
        releaseNote(node.pointee.context, trace, chain: chainHeader.pointee.chain)
      }
    }
  }

  /// The first row of a port whose chain is not before the running one. Ordinals never decrease.
  private func firstRow(_ port: UnsafeMutablePointer<PortBuffer>) -> Int {
    var low = 0
    var high = port.pointee.published
    while low < high {
      let middle = (low + high) / 2
      if port.pointee.ordinals[middle] < ordinal { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The events that the hop just recorded has written.
  private func traceOutputs(_ node: UnsafeMutablePointer<LaneNode>, _ written: Int) {
    for index in 0..<node.pointee.portCount {
      let port = node.pointee.ports + index
      for row in max(0, port.pointee.published - written)..<port.pointee.published where port.pointee.ordinals[row] == ordinal {
        trace.event(
          port.pointee.rows + row &* port.pointee.stride, stride: port.pointee.stride,
          type: port.pointee.schema.pointee.type, isOutput: true)
      }
    }
  }
}
