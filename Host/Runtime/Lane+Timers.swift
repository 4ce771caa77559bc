import CGantry
import CLinux
import GantryBase
import GantryGraph

/// Timers, the last outputs, and what the control thread asks of a running lane.
extension Lane {
  /// Fires all timers due at `ns` or before, each as a chain of its own. One that was set for a time
  /// already past fires at the time of the chain before it: time does not go back.
  func fireTimers(upTo ns: Int64) {
    var atOnce = 0
    var lastDueNs = Int64.min
    let runningRound = round
    round = 0
    defer { round = runningRound }
    while let entry = timers.pointee.popDue(ns) {
      atOnce = entry.dueNs > lastDueNs ? 0 : atOnce + 1
      lastDueNs = max(lastDueNs, entry.dueNs)
      if atOnce > timersAtOnceMax { return tooManyTimers(nodes + Int(entry.slot), atOnce) }
      lastChainNs = max(lastChainNs, entry.dueNs)
      fire(entry, atNs: clock == .live ? max(clinux_wall_ns(), lastChainNs) : lastChainNs)
      if isFailed { return }
    }
  }

  /// How many timers may fire for one moment: all that the nodes can have at once, some times over.
  private var timersAtOnceMax: Int { (nodeCount + 16) * TimerHeap.perNode }

  /// Fires the timer that the journal says fired here.
  func fireRecorded(_ record: TimerRecord) {
    for slot in 0..<nodeCount where nodes[slot].index == Int32(record.node) || nodes[slot].shadows == Int32(record.node) {
      _ = timers.pointee.cancel(slot: Int32(slot), tag: record.tag)
      fire(
        TimerHeap.Entry(dueNs: record.dueNs, order: 0, tag: record.tag, slot: Int32(slot)), atNs: record.firedNs)
    }
  }

  private func fire(_ entry: TimerHeap.Entry, atNs: Int64) {
    let node = nodes + Int(entry.slot)
    beginOwnChain(node, atNs: atNs, eventNs: entry.dueNs)
    recorder.timer(node: node.pointee.index, tag: entry.tag, dueNs: entry.dueNs)
    guard node.pointee.breaker.admits(now.pointee), let call = node.pointee.plugin?.pointee.on_timer else { return }
    var timer = gantry_timer(
      size: UInt32(MemoryLayout<gantry_timer>.size), reserved: 0, tag: entry.tag, due_ns: entry.dueNs)
    node.pointee.outputs.pointee.consumed = 1
    node.pointee.statistics.pointee.calls &+= 1
    let status = call(node.pointee.instance, &timer, node.pointee.outputs)
    endOwnChain(node, status)
  }

  func beginOwnChain(_ node: UnsafeMutablePointer<LaneNode>, atNs: Int64, eventNs: Int64) {
    now.publish(atNs)
    timerHeader.pointee = gantry_header()
    timerHeader.pointee.event_ns = eventNs
    timerHeader.pointee.receive_ns = atNs
    timerHeader.pointee.origin = recorder.timerOrigin
    timerHeader.pointee.chain = recorder.nextTimerChain()
    now.publish(-2 - Int64(bitPattern: timerHeader.pointee.chain), at: 1)
    now.publish(Int64(Int(bitPattern: node)), at: 2)
    now.publish(now[1], at: 3)
    ordinal = UInt32.max
    chainHeader = UnsafePointer(timerHeader)
  }

  /// Publishes what the node wrote without an input and carries that chain to its end. A flush that
  /// goes well says nothing about the events that a node fails on.
  func endOwnChain(_ node: UnsafeMutablePointer<LaneNode>, _ status: gantry_status, isFlush: Bool = false) {
    let cause = UnsafeRawPointer(timerHeader).assumingMemoryBound(to: UInt8.self)
    if status != GANTRY_OK || node.pointee.outputs.pointee.consumed != 1 {
      endedBadly(node, cause, status)
    } else {
      publishOne(node, cause)
      if !isFlush, node.pointee.watch.contains(.troubled) { succeeded(node) }
    }
    if isOpen || trace.isOn, !isFailed { finishChain(fromQuick: 0, UnsafePointer(timerHeader), sampled: false) }
    // Such chains share an ordinal: the next one is not to find these rows.
    if dirty != 0, !isFailed { forgetRows() }
    now.publish(0, at: 2)
  }

  /// After the last event: every node may flush, in topological order, and what that causes is
  /// carried to its end.
  func finish() {
    // Lanes that feed each other do not wait for each other's last events.
    closeIngresses(onlyReplies: !isInCycle)
    if !isFailed {
      recorder.beginLast()
      for place in 0..<blockSlotCount where !isFailed { flushBlockNode(nodes + Int(blockSlots[place])) }
      for rank in 0..<singleSlotCount where !isFailed { flushSingleNode(nodes + Int(singleSlots[rank])) }
    }
    now.publish(0, at: 2)
    closeIngresses()
    recorder.laneEnded(events: eventCount)
  }

  private func closeIngresses(onlyReplies: Bool = false) {
    for index in 0..<ingressCount where !onlyReplies || ingresses[index].isReply {
      ingresses[index].ring._withUnsafeGuaranteedRef { $0.close() }
    }
  }

  private func flushSingleNode(_ node: UnsafeMutablePointer<LaneNode>) {
    guard let flush = node.pointee.plugin?.pointee.flush else { return }
    beginOwnChain(node, atNs: now.pointee, eventNs: now.pointee)
    node.pointee.outputs.pointee.consumed = 1
    let status = flush(node.pointee.instance, node.pointee.outputs)
    let isSilent = node.pointee.outputs.pointee.committed == 0
    endOwnChain(node, status, isFlush: true)
    if isSilent, status == GANTRY_OK { recorder.giveBackTimerChain() }
  }

  /// A block node's last rows make a block of one chain.
  private func flushBlockNode(_ node: UnsafeMutablePointer<LaneNode>) {
    guard let flush = node.pointee.plugin?.pointee.flush else { return }
    beginOwnChain(node, atNs: now.pointee, eventNs: now.pointee)
    ordinal = 0
    node.pointee.outputs.pointee.consumed = 1
    let status = flush(node.pointee.instance, node.pointee.outputs)
    let isSilent = node.pointee.outputs.pointee.committed == 0
    let cause = UnsafeRawPointer(timerHeader).assumingMemoryBound(to: UInt8.self)
    if status != GANTRY_OK {
      endedBadly(node, cause, status)
    } else {
      publish(node, cause, 0, ordinals: nil, count: 1, consumed: 1)
    }
    if isSilent, status == GANTRY_OK { return recorder.giveBackTimerChain() }
    for place in 0..<blockSlotCount where !isFailed { runBlockNode(nodes + Int(blockSlots[place])) }
    if let haltFailure { end(haltFailure) }
    if !isFailed { finishChain(fromQuick: 0, UnsafePointer(timerHeader), sampled: false) }
    if dirty != 0, !isFailed { forgetRows() }
    for slot in 0..<nodeCount {
      let other = nodes + slot
      for index in 0..<other.pointee.inputCount { other.pointee.inputs[index].cursor = 0 }
      if !other.pointee.isSingle {
        for index in 0..<other.pointee.portCount { resetPort(other.pointee.ports + index) }
      }
    }
  }
}

extension Lane {
  /// Stands where a node's on_batch does while the node must not act: takes everything, does nothing.
  static let mutedBatch: OnBatch = { _, _, _ in GANTRY_OK }
}
