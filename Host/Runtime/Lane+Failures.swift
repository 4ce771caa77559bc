import CGantry
import GantryBase
import GantryGraph

/// What happens when a node fails or breaks the contract. None of it is on the path of an event
/// that is handled well.
extension Lane {
  /// Whether the node's breaker lets this event through; otherwise it is dropped and counted, or
  /// the fallback's outputs stand in.
  func admitsOne(_ node: UnsafeMutablePointer<LaneNode>, _ row: UnsafePointer<UInt8>, ordinal: UInt32) -> Bool {
    let header = UnsafeRawPointer(row).assumingMemoryBound(to: gantry_header.self)
    if node.pointee.breaker.admits(header.pointee.receive_ns) { return true }
    node.pointee.statistics.pointee.dropped &+= 1
    substitute(node, ordinal: ordinal)
    return false
  }

  /// A call with one event ended otherwise than with GANTRY_OK and that event consumed.
  func endedBadly(_ node: UnsafeMutablePointer<LaneNode>, _ row: UnsafePointer<UInt8>, _ status: gantry_status) {
    let consumed = Int(node.pointee.outputs.pointee.consumed)
    if consumed > 1 { return consumedTooMany(node, consumed, of: 1) }
    if status == GANTRY_OK || status == GANTRY_AGAIN {
      if consumed == 0 { return madeNoProgress(node, status) }
      if node.pointee.isSingle { publishOne(node, row) } else { publish(node, row, 0, ordinals: nil, count: 1, consumed: 1) }
      return succeeded(node)
    }
    discard(node)
    failed(node, row, status, ordinal: ordinal)
  }

  /// Forgets what the last call committed.
  func discard(_ node: UnsafeMutablePointer<LaneNode>) {
    node.pointee.outputs.pointee.committed = 0
    for index in 0..<node.pointee.portCount { node.pointee.ports[index].output.pointee.count = 0 }
  }

  func consumedTooMany(_ node: UnsafeMutablePointer<LaneNode>, _ consumed: Int, of count: Int) {
    broke(node, "handled \(consumed) of \(count) events", code: "runtime.consumed-too-many")
  }

  func madeNoProgress(_ node: UnsafeMutablePointer<LaneNode>, _ status: gantry_status) {
    broke(node, "returned \(statusName(status)) without handling a single event", code: "runtime.no-progress")
  }

  /// An event was handled: a row of failures ends, and a half-open breaker closes.
  func succeeded(_ node: UnsafeMutablePointer<LaneNode>) {
    node.pointee.watch.remove(.troubled)
    if node.pointee.breaker.succeeded() {
      gate.riskIsClosed(node: node.pointee.index, false)
      recorder.decision(.breakerClosed, node: node.pointee.index, value: 0)
    }
    node.pointee.statistics.pointee.breaker = node.pointee.breaker
  }

  /// One event failed: the breaker counts it, and the node's policy decides.
  func failed(
    _ node: UnsafeMutablePointer<LaneNode>, _ row: UnsafePointer<UInt8>, _ status: gantry_status, ordinal: UInt32
  ) {
    let header = UnsafeRawPointer(row).assumingMemoryBound(to: gantry_header.self)
    node.pointee.statistics.pointee.errors &+= 1
    let reason = reasonText(node.pointee.context, status)
    let first = !node.pointee.watch.contains(.troubled)
    node.pointee.watch.insert(.troubled)
    if node.pointee.breaker.failed(header.pointee.receive_ns) {
      gate.riskIsClosed(node: node.pointee.index, true)
      recorder.decision(.breakerOpened, node: node.pointee.index, value: node.pointee.breaker.retryAtNs)
      recorder.say(
        .error, node: node.pointee.index,
        "quarantined after \(node.pointee.breaker.consecutiveFailures) failures in a row: \(reason)")
    } else if first {
      recorder.say(.warning, node: node.pointee.index, "failed on an event of chain \(header.pointee.chain): \(reason)")
    }
    node.pointee.statistics.pointee.breaker = node.pointee.breaker
    keepFailure(node, header)
    substitute(node, ordinal: ordinal)
    if node.pointee.onErrorHalts {
      let error = GantryError(
        "runtime.node-failed", "node \(recorder.name(node.pointee.index)) failed and its on_error is halt: \(reason)",
        help: ["mend the cause, or give the node on_error: skip"], exit: .failed)
      if node.pointee.isSingle {
        end(error)
      } else if ordinal < haltOrdinal {
        haltOrdinal = ordinal
        haltFailure = error
      }
    }
  }

  /// The plugin broke the contract: its memory and counters cannot be trusted, so the run ends.
  func broke(_ node: UnsafeMutablePointer<LaneNode>, _ what: String, code: String) {
    discard(node)
    end(
      GantryError(
        code, "PLUGIN: node \(recorder.name(node.pointee.index)) \(what)",
        help: ["the plugin breaks the contract of on_batch (gantry/plugin.h); run `gantry plugin check` on it"],
        exit: .failed))
  }

  func wroteBehind(_ port: UnsafeMutablePointer<PortBuffer>) {
    guard let slot = (0..<nodeCount).first(where: { nodes[$0].index == port.pointee.node }) else { return }
    broke(nodes + slot, "wrote behind the rows it had reserved on port \(port.pointee.port)", code: "runtime.wrote-behind")
  }

  func feedbackOverflow(_ entry: FeedbackEntry) {
    let node = entry.port.pointee.node
    end(
      GantryError(
        "runtime.feedback-limit",
        "one chain caused more than \(feedbackMax) feedback events, the last from \(recorder.name(node))",
        help: ["two nodes answer each other for ever; break the loop in one of them"], exit: .failed))
  }

  func tooManyTimers(_ node: UnsafeMutablePointer<LaneNode>, _ count: Int) {
    end(
      GantryError(
        "runtime.timer-limit",
        "\(count) timers fired for one moment, the last of \(recorder.name(node.pointee.index))",
        help: ["a timer that is set again for a time already past fires at once; set it for later"], exit: .failed))
  }

  func sourceFailed(_ context: UnsafeMutablePointer<NodeContext>, _ status: gantry_status) {
    end(
      GantryError(
        "runtime.source-failed",
        "source \(recorder.name(context.pointee.node)) failed: \(reasonText(context, status))", exit: .badInput))
  }

  func end(_ error: GantryError) {
    if failure == nil { failure = error }
    isFailed = true
  }

  /// What the plugin said with `host->fail`, or that it said nothing.
  func reasonText(_ context: UnsafeMutablePointer<NodeContext>, _ status: gantry_status) -> String {
    defer { context.pointee.failLength = 0 }
    let name = statusName(status)
    guard context.pointee.failLength > 0 else { return "\(name), and PLUGIN gave no reason" }
    let bytes = UnsafeBufferPointer(start: context.pointee.failText, count: context.pointee.failLength)
    return "\(String(decoding: bytes, as: UTF8.self)) (\(name))"
  }
}

/// The name of a status, as the header spells it.
func statusName(_ status: gantry_status) -> String {
  switch status {
  case GANTRY_OK: "GANTRY_OK"
  case GANTRY_END: "GANTRY_END"
  case GANTRY_AGAIN: "GANTRY_AGAIN"
  case GANTRY_INVALID: "GANTRY_INVALID"
  case GANTRY_MISUSE: "GANTRY_MISUSE"
  case GANTRY_FULL: "GANTRY_FULL"
  case GANTRY_IO: "GANTRY_IO"
  case GANTRY_NOT_FOUND: "GANTRY_NOT_FOUND"
  case GANTRY_UNSUPPORTED: "GANTRY_UNSUPPORTED"
  case GANTRY_DENIED: "GANTRY_DENIED"
  case GANTRY_GONE: "GANTRY_GONE"
  case GANTRY_OVERFLOW: "GANTRY_OVERFLOW"
  case GANTRY_TIMEOUT: "GANTRY_TIMEOUT"
  case GANTRY_BUG: "GANTRY_BUG"
  default: "status \(status)"
  }
}

/// `on_error: fallback`.
extension Lane {
  /// Lets the fallback's rows of one chain leave from the failed node's ports. The fallback runs
  /// before the node, on the same lane, so its rows are there.
  func substitute(_ node: UnsafeMutablePointer<LaneNode>, ordinal: UInt32) {
    guard node.pointee.fallback >= 0 else { return }
    let other = nodes + Int(node.pointee.fallback)
    for index in 0..<node.pointee.portCount {
      let target = node.pointee.ports + index
      for candidate in 0..<other.pointee.portCount {
        let source = other.pointee.ports + candidate
        guard source.pointee.base == target.pointee.base else { continue }
        for row in 0..<source.pointee.published where source.pointee.ordinals[row] == ordinal {
          appendRow(node, target, source.pointee.rows + row &* source.pointee.stride, source.pointee.stride, ordinal: ordinal)
        }
        break
      }
    }
  }

  /// Publishes a copy of a stamped row; columns that a swap has added to the port since have no value.
  private func appendRow(
    _ node: UnsafeMutablePointer<LaneNode>, _ port: UnsafeMutablePointer<PortBuffer>, _ row: UnsafePointer<UInt8>, _ stride: Int,
    ordinal: UInt32
  ) {
    let index = UInt32(port - node.pointee.ports)
    if port.pointee.published == port.pointee.capacity {
      guard Lane.grow(node.pointee.outputs, index, 1, 0) == GANTRY_OK else { return }
    }
    let first = port.pointee.published
    copyRow(UnsafeMutableRawPointer(port.pointee.rows + first &* port.pointee.stride), port.pointee.stride, from: row, stride)
    port.pointee.ordinals[first] = ordinal
    port.pointee.published = first + 1
    let output = port.pointee.output
    output.pointee.base = output.pointee.base + port.pointee.stride
    output.pointee.cause = output.pointee.cause + 1
    output.pointee.capacity &-= 1
    node.pointee.statistics.pointee.outputs &+= 1
    if node.pointee.isSingle {
      arrived(node, port, first, 1)
    } else if !port.pointee.uses.isEmpty {
      use(node, port, first, 1)
    }
  }
}
