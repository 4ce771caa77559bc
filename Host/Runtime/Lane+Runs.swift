import CGantry
import GantryBase
import GantryGraph
import GantryTrace

/// Runs of chains through nodes that stand in a feedback loop.
///
/// Such a node gets one event a call, because what one event causes may come back to it before the
/// next. But most events cause nothing. Where one node takes runs up to its first output
/// (`GANTRY_PLUGIN_STOPS`), and every other one says that these events cause nothing in it now
/// (`gantry_outputs.idle`), each is called once with the events of many chains. The chain that caused
/// something ends the run and is carried to its end as any other. Nothing was written in between, so
/// the result is the same, event by event. See Host/decisions/0010.
extension Lane {
  /// Carries chains of the block to their ends, from `first` on, as long as they cause nothing, and the
  /// one that does. Returns how many; 0 when the next chain must go on its own.
  func runIdle(_ port: UnsafeMutablePointer<PortBuffer>, from first: Int, _ count: Int) -> Int {
    guard let lead = leadOfRun() else { return 0 }
    let stride = port.pointee.stride
    let base = UnsafeRawPointer(port.pointee.rows)
    let end = endOfRun(base, stride, from: first, count)
    guard end &- first > 1 else { return 0 }
    chainHeader = (base + first &* stride).assumingMemoryBound(to: gantry_header.self)
    ordinal = UInt32(truncatingIfNeeded: first)
    now.publish(chainHeader.pointee.receive_ns)
    now.publish(Int64(bitPattern: chainHeader.pointee.chain), at: 1)

    let answer = lead < quickInputCount ? runLead(quickInputs[lead].node, quickInputs[lead].input, before: end) : .nothing
    if isFailed { return end &- first }
    let stop: Int
    switch answer {
    case .nothing: stop = end
    case .rows(let row, _), .failure(let row, _): stop = Int(quickInputs[lead].input.pointee.source.pointee.ordinals[row])
    }
    // Who comes before the lead in a chain has that chain's events before it.
    for index in 0..<quickInputCount where index != lead {
      runSilent(quickInputs[index].node, quickInputs[index].input, before: index < lead ? min(stop &+ 1, end) : stop, base, stride)
      if isFailed { return end &- first }
    }
    let last = min(stop, end &- 1)
    chainHeader = (base + last &* stride).assumingMemoryBound(to: gantry_header.self)
    ordinal = UInt32(truncatingIfNeeded: last)
    now.publish(chainHeader.pointee.receive_ns)
    now.publish(Int64(bitPattern: chainHeader.pointee.chain), at: 1)
    if stop < end { finishRun(quickInputs[lead].node, quickInputs[lead].input, lead, answer) }
    return last &- first &+ 1
  }

  /// What the node that takes runs has come to.
  private enum LeadAnswer {
    case nothing
    /// It wrote rows, for this row of its input.
    case rows(Int, cause: UInt32)
    case failure(Int, gantry_status)
  }

  /// The place of the one quick input whose node is to stop at its first output; their number where all
  /// are idle. Nil where chains must go one by one.
  @inline(__always)
  private func leadOfRun() -> Int? {
    guard hasDistinctQuickNodes else { return nil }
    var lead = quickInputCount
    for index in 0..<quickInputCount {
      let node = quickInputs[index].node
      guard node.pointee.watch.isEmpty, !quickInputs[index].input.pointee.isGate else { return nil }
      if node.pointee.outputs.pointee.idle &>> UInt64(quickInputs[index].input.pointee.port) & 1 == 1 { continue }
      guard lead == quickInputCount, let flags = node.pointee.plugin?.pointee.flags, flags & GANTRY_PLUGIN_STOPS != 0 else { return nil }
      lead = index
    }
    return lead
  }

  /// The first chain that is timed hop by hop, or before which a timer is due.
  @inline(__always)
  private func endOfRun(_ base: UnsafeRawPointer, _ stride: Int, from first: Int, _ count: Int) -> Int {
    let dueNs = clock == .replay ? timers.pointee.nextDueNs : .max
    var end = first
    var row = base + first &* stride
    while end < count {
      let header = row.assumingMemoryBound(to: gantry_header.self)
      if trace.samples(header.pointee.chain) || dueNs <= header.pointee.receive_ns { break }
      end &+= 1
      row += stride
    }
    return end
  }

  /// Rows of an edge, from its cursor on, whose chains come before `end`.
  @inline(__always)
  private func rows(_ input: UnsafeMutablePointer<LaneInput>, before end: Int) -> Int {
    let source = input.pointee.source
    let cursor = input.pointee.cursor
    let published = source.pointee.published
    guard cursor < published else { return 0 }
    let ordinals = source.pointee.ordinals
    // Mostly a chain has one row.
    var stop = min(published, cursor &+ max(end &- Int(ordinals[cursor]), 0))
    while stop > cursor, ordinals[stop &- 1] >= end { stop &-= 1 }
    while stop < published, ordinals[stop] < end { stop &+= 1 }
    return stop &- cursor
  }

  /// Calls a node with a run of rows, and counts it.
  @inline(__always)
  private func callRun(
    _ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ count: Int, _ flags: UInt32
  ) -> gantry_status {
    let source = input.pointee.source
    let batch = input.pointee.batch
    batch.pointee.base = UnsafePointer(source.pointee.rows + input.pointee.cursor &* source.pointee.stride)
    batch.pointee.count = UInt32(truncatingIfNeeded: count)
    batch.pointee.flags = flags
    if input.pointee.hasArena { lendArena(batch, source) }
    node.pointee.outputs.pointee.consumed = UInt32(truncatingIfNeeded: count)
    now.publish(Int64(Int(bitPattern: node)), at: 2)
    let status = node.pointee.onBatch.unsafelyUnwrapped(node.pointee.instance, batch, node.pointee.outputs)
    batch.pointee.count = 1
    batch.pointee.flags = 0
    node.pointee.statistics.pointee.calls &+= 1
    return status
  }

  /// The rows of chains before `end`, up to the first that causes something. The cursor stands behind
  /// the rows that were handled.
  private func runLead(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, before end: Int) -> LeadAnswer {
    var left = rows(input, before: end)
    while left > 0 {
      let first = input.pointee.cursor
      node.pointee.context.pointee.heldChain = -1
      let status = callRun(node, input, left, GANTRY_BATCH_UNTIL_OUTPUT)
      let consumed = Int(node.pointee.outputs.pointee.consumed)
      guard consumed <= left else {
        consumedTooMany(node, consumed, of: left)
        return .nothing
      }
      if status != GANTRY_OK, status != GANTRY_AGAIN {
        let handled = min(consumed, left &- 1)
        count(node, input, handled &+ 1)
        return .failure(first &+ handled, status)
      }
      guard consumed > 0 else {
        madeNoProgress(node, status)
        return .nothing
      }
      count(node, input, consumed)
      if node.pointee.outputs.pointee.committed != 0 {
        guard takesCause(node, consumed &- 1) else { return .nothing }
        return .rows(first &+ consumed &- 1, cause: UInt32(truncatingIfNeeded: consumed &- 1))
      }
      left &-= consumed
    }
    return .nothing
  }

  private func count(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ events: Int) {
    input.pointee.cursor &+= events
    node.pointee.statistics.pointee.events &+= UInt64(truncatingIfNeeded: events)
  }

  /// All rows that the call wrote are of its last event, and are as if it had been called with that
  /// alone; otherwise the run ends.
  private func takesCause(_ node: UnsafeMutablePointer<LaneNode>, _ last: Int) -> Bool {
    for index in 0..<node.pointee.portCount {
      let output = node.pointee.ports[index].output
      guard output.pointee.count <= output.pointee.capacity else { continue }
      for row in 0..<Int(output.pointee.count) {
        guard Int(output.pointee.cause[row]) == last else {
          broke(
            node, "wrote for event \(output.pointee.cause[row]) of a batch and went on to event \(last), though it was asked to stop",
            code: "runtime.did-not-stop")
          return false
        }
        output.pointee.cause[row] = 0
      }
    }
    return true
  }

  /// The rows of chains before `end`, for a node that has said that they cause nothing.
  private func runSilent(
    _ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, before end: Int, _ base: UnsafeRawPointer, _ stride: Int
  ) {
    let run = rows(input, before: end)
    guard run > 0 else { return }
    let source = input.pointee.source
    let first = input.pointee.cursor
    let status = callRun(node, input, run, 0)
    let consumed = Int(node.pointee.outputs.pointee.consumed)
    guard consumed <= run else { return consumedTooMany(node, consumed, of: run) }
    guard node.pointee.outputs.pointee.committed == 0 else { return wasNotIdle(node, input) }
    if status == GANTRY_OK, consumed == run { return count(node, input, run) }
    let hasFailed = status != GANTRY_OK && status != GANTRY_AGAIN
    guard hasFailed || consumed > 0 else { return madeNoProgress(node, status) }
    count(node, input, hasFailed ? min(consumed, run &- 1) : consumed)
    // The others one by one, and none of them may cause anything.
    var isFirst = hasFailed
    while input.pointee.cursor < first &+ run, !isFailed {
      let row = source.pointee.rows + input.pointee.cursor &* source.pointee.stride
      ordinal = source.pointee.ordinals[input.pointee.cursor]
      chainHeader = (base + Int(ordinal) &* stride).assumingMemoryBound(to: gantry_header.self)
      if isFirst {
        isFirst = false
        count(node, input, 1)
        failed(node, row, status, ordinal: ordinal)
      } else {
        deliverOne(node, input)
      }
      trace.endLate()
      if isOpen { return wasNotIdle(node, input) }
    }
  }

  private func wasNotIdle(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>) {
    broke(node, "wrote rows for events of input port \(input.pointee.port), of which it had said that they cause nothing", code: "runtime.not-idle")
  }

  /// Carries the chain that ended the run to its end, from the lead on.
  private func finishRun(
    _ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ lead: Int, _ answer: LeadAnswer
  ) {
    let context = node.pointee.context
    switch answer {
    case .nothing: return
    case .rows(let row, let cause):
      // A note was made for the rows when the chain had not been told apart.
      if context.pointee.heldChain != -1, context.pointee.heldCause == cause { context.pointee.heldChain = now[1] }
      publishOne(node, UnsafePointer(input.pointee.source.pointee.rows + row &* input.pointee.source.pointee.stride))
    case .failure(let row, let status):
      discard(node)
      failed(node, UnsafePointer(input.pointee.source.pointee.rows + row &* input.pointee.source.pointee.stride), status, ordinal: ordinal)
    }
    while !isFailed, hasRow(input) { deliverOne(node, input) }
    if !isFailed { passOn(from: lead &+ 1, chainHeader) }
  }
}
