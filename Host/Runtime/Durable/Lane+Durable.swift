import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// Brokers outside: what the lane asks them before it lets orders pass.
extension Lane {
  /// The ring's oldest block, unless it brings orders whose records are not on the disk yet.
  @inline(__always)
  func front(_ ingress: UnsafeMutablePointer<Ingress>) -> UnsafeMutablePointer<BlockRing.Block>? {
    guard let block = ingress.pointee.ring._withUnsafeGuaranteedRef({ $0.front() }) else { return nil }
    if let queue = ingress.pointee.queue, queue._withUnsafeGuaranteedRef({ $0.isHeld(block) }) { return nil }
    return block
  }

  /// Counts the brokers of this lane that are still to say how things stand.
  func countUnsettled() {
    unsettled = (0..<nodeCount).count { slot in
      nodes[slot].durable.map { !$0._withUnsafeGuaranteedRef { $0.isSettled.load(ordering: .acquiring) } } ?? false
    }
  }

  /// Asks those whose turn it is. Between two blocks.
  func settleBrokers() {
    for slot in 0..<nodeCount where !isFailed {
      guard let durable = nodes[slot].durable else { continue }
      durable._withUnsafeGuaranteedRef {
        if $0.isSettled.load(ordering: .acquiring) { return }
        if $0.toldAt == nil, $0.nextTryNs <= clinux_monotonic_ns() { reconcile(nodes + slot, $0) }
        if let told = $0.toldAt, recorder.isSynced(told) { $0.isSettled.store(true, ordering: .releasing) }
      }
    }
    countUnsettled()
  }

  private func reconcile(_ node: UnsafeMutablePointer<LaneNode>, _ broker: DurableBroker) {
    guard let call = broker.table?.pointee.reconcile else { return broker.isSettled.store(true, ordering: .releasing) }
    let nowNs = max(clinux_wall_ns(), lastChainNs)
    beginOwnChain(node, atNs: nowNs, eventNs: nowNs)
    node.pointee.outputs.pointee.consumed = 1
    node.pointee.statistics.pointee.calls &+= 1
    let orders = broker.open.inOrder
    let status = orders.withUnsafeBufferPointer { orders in
      var open = gantry_open_orders(
        size: UInt32(MemoryLayout<gantry_open_orders>.size), reserved: 0, orders: orders.baseAddress, count: UInt64(orders.count))
      return call(node.pointee.instance, &open, node.pointee.outputs)
    }
    let problem =
      status == GANTRY_OK
      ? unreported(orders, node).map { "PLUGIN: it reconciled without a word about order \($0)" }
      : "the broker has not said how things stand: \(reasonText(node.pointee.context, status))"
    if let problem {
      discard(node)
      now.publish(0, at: 2)
      recorder.giveBackTimerChain()
      if broker.pauseNs == DurableBroker.firstPauseNs || status != GANTRY_AGAIN && status != GANTRY_TIMEOUT {
        recorder.say(.warning, node: node.pointee.index, "\(problem); no order passes until it has, and it is asked again")
      }
      return broker.askLater()
    }
    adopt(node, broker)
    endOwnChain(node, status)
    recorder.decision(.reconciled, node: node.pointee.index, value: Int64(orders.count), detail: UInt32(clamping: broker.open.count))
    // Killed before that is on the disk, the next host asks again; orders of this one are not to come between.
    broker.toldAt = recorder.requestSync()
    let ends = orders.filter { UInt32($0.action) == GANTRY_ORDER_NEW && !broker.open.contains($0.order_id) }.count
    recorder.say(
      .info, node: node.pointee.index,
      "reconciled: of \(orders.count) orders without a known end \(ends) have ended and \(broker.open.count) orders work; orders may pass")
  }

  /// The first order of which the broker has written nothing.
  private func unreported(_ orders: [gantry_order], _ node: UnsafeMutablePointer<LaneNode>) -> UInt64? {
    var told: Set<UInt64> = []
    eachExecution(node) { told.insert($0.order_id) }
    return orders.first { UInt32($0.action) == GANTRY_ORDER_NEW && !told.contains($0.order_id) }?.order_id
  }

  /// Orders that work at the broker and that nobody here knew are open from now on.
  private func adopt(_ node: UnsafeMutablePointer<LaneNode>, _ broker: DurableBroker) {
    var known: Set<UInt64> = []
    eachExecution(node) { execution in
      let id = execution.order_id
      guard id != 0, known.insert(id).inserted, !broker.open.contains(id), UInt32(execution.kind) == GANTRY_EXEC_ACCEPTED else { return }
      var order = gantry_order()
      order.header.instrument = execution.header.instrument
      order.order_id = id
      order.action = UInt8(GANTRY_ORDER_NEW)
      order.side = execution.side
      order.quantity = execution.leaves &+ execution.cumulative
      order.account = execution.account
      broker.open.reserve(1)
      if broker.open.insert(order) { gate.inherit(1) }
    }
  }

  /// Rows of executions that the call has written and that are not published yet.
  private func eachExecution(_ node: UnsafeMutablePointer<LaneNode>, _ body: (gantry_execution) -> Void) {
    for index in 0..<node.pointee.portCount where node.pointee.ports[index].uses.contains(.execution) {
      let output = node.pointee.ports[index].output
      guard let base = output.pointee.base else { continue }
      for row in 0..<Int(min(output.pointee.count, output.pointee.capacity)) {
        body(UnsafeRawPointer(base + row * node.pointee.ports[index].stride).load(as: gantry_execution.self))
      }
    }
  }
}
