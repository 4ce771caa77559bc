import CGantry
import GantryBase
import GantryGraph

/// Orders on their way into a broker.
extension Lane {
  /// Asks the gate about the edge's next order. When it refuses, the order goes no further and a
  /// rejection leaves from the broker's executions port, as if the broker had refused it: the
  /// nodes that wait for an answer get one.
  func passesGate(_ broker: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>) -> Bool {
    let source = input.pointee.source
    let row = UnsafeRawPointer(source.pointee.rows + input.pointee.cursor &* source.pointee.stride)
    let order = row.assumingMemoryBound(to: gantry_order.self)
    guard let reason = refusal(broker, order) ?? gate.check(order, isMuted: broker.pointee.plugin == nil) else {
      recorder.order(order)
      if let durable = broker.pointee.durable, !durable._withUnsafeGuaranteedRef({ $0.open.insert(order.pointee) }) { usedTwice(order) }
      return !isFailed
    }
    input.pointee.cursor += 1
    recorder.decision(
      .orderRefused, node: broker.pointee.index, value: Int64(bitPattern: order.pointee.order_id), detail: reason)
    reject(broker, order, reason)
    return false
  }

  /// Why a durable edge lets nothing pass now.
  private func refusal(_ broker: UnsafeMutablePointer<LaneNode>, _ order: UnsafePointer<gantry_order>) -> UInt32? {
    guard let durable = broker.pointee.durable, let reason = durable._withUnsafeGuaranteedRef({ $0.refusal(order) }) else { return nil }
    gate.refuse()
    return reason
  }

  /// An id that names two orders names none: after a crash nobody could say which one the broker has.
  private func usedTwice(_ order: UnsafePointer<gantry_order>) {
    end(
      GantryError(
        "runtime.order-id-twice",
        "PLUGIN: a second order has the id \(order.pointee.order_id), and the first one is still open; it was not sent",
        help: ["take each order's id from host->next_id"], exit: .failed))
  }

  private func reject(
    _ broker: UnsafeMutablePointer<LaneNode>, _ order: UnsafePointer<gantry_order>, _ reason: UInt32
  ) {
    for index in 0..<broker.pointee.portCount where broker.pointee.ports[index].uses.contains(.execution) {
      let outputs = broker.pointee.outputs
      guard let row = gantry_reserve(outputs, UInt32(index), 0) else { return }
      let execution = row.assumingMemoryBound(to: gantry_execution.self)
      execution.initialize(to: gantry_execution())
      execution.pointee.header.instrument = order.pointee.header.instrument
      execution.pointee.order_id = order.pointee.order_id
      execution.pointee.order_chain = order.pointee.header.chain
      execution.pointee.order_origin = order.pointee.header.origin
      execution.pointee.kind = UInt8(GANTRY_EXEC_REJECTED)
      execution.pointee.side = order.pointee.side
      execution.pointee.reason = reason
      execution.pointee.account = order.pointee.account
      gantry_commit(outputs, UInt32(index))
      publishOne(broker, UnsafeRawPointer(order).assumingMemoryBound(to: UInt8.self))
      return
    }
  }
}
