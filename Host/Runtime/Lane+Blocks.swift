import CGantry
import GantryBase
import GantryGraph

/// Nodes that get blocks: delivery by cause over all of a node's edges.
extension Lane {
  /// Gives the node all rows of its edges, chain by chain and within a chain in the order of `from`,
  /// in runs as long as that order allows.
  func runBlockNode(_ node: UnsafeMutablePointer<LaneNode>) {
    trace.beginNode()
    var events = 0
    let inputs = node.pointee.inputs
    while true {
      // The edge whose next row has the smallest ordinal; the first of `from` wins ties.
      var best = -1
      var bestOrdinal = UInt32.max
      var others = 0
      for index in 0..<node.pointee.inputCount {
        let cursor = inputs[index].cursor
        guard cursor < inputs[index].source.pointee.published else { continue }
        let ordinal = inputs[index].source.pointee.ordinals[cursor]
        if best < 0 || ordinal < bestOrdinal {
          best = index
          bestOrdinal = ordinal
        }
        others += 1
      }
      guard best >= 0, bestOrdinal < haltOrdinal else { break }
      let input = inputs + best
      let source = input.pointee.source
      var end = source.pointee.published
      if others > 1 {
        end = input.pointee.cursor + 1
        let limit = limitOrdinal(node, except: best)
        while end < source.pointee.published, source.pointee.ordinals[end] <= limit { end += 1 }
      }
      while haltOrdinal != .max, source.pointee.ordinals[end - 1] >= haltOrdinal { end -= 1 }
      let start = input.pointee.cursor
      input.pointee.cursor = end
      events += end - start
      deliverRun(node, input, start, end - start)
      if isFailed { return }
    }
    trace.endNode(node, events: events)
  }

  /// The largest ordinal that edge `best` may run to before another edge has its turn.
  private func limitOrdinal(_ node: UnsafeMutablePointer<LaneNode>, except best: Int) -> UInt32 {
    var limit = UInt32.max
    let inputs = node.pointee.inputs
    for index in 0..<node.pointee.inputCount where index != best {
      let cursor = inputs[index].cursor
      guard cursor < inputs[index].source.pointee.published else { continue }
      let next = inputs[index].source.pointee.ordinals[cursor]
      // A later edge yields within the same chain; an earlier one goes first.
      limit = min(limit, index > best ? next : next &- 1)
    }
    return limit
  }

  /// Gives the node a run of rows; one at a time where two instances share them out.
  private func deliverRun(
    _ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ first: Int, _ count: Int
  ) {
    guard node.pointee.watch.contains(.canary), let follower = node.pointee.follower else {
      return callRun(node, input, first, count)
    }
    let source = input.pointee.source
    for index in first..<(first + count) {
      let row = UnsafePointer(source.pointee.rows + index &* source.pointee.stride)
      follower._withUnsafeGuaranteedRef { follower in
        let toCandidate = follower.selects(row)
        if toCandidate { follower.lend(self, node) }
        callRun(node, input, index, 1)
        if toCandidate { follower.takeBack(self, node) }
      }
      if isFailed || haltOrdinal != .max { return }
    }
  }

  /// For the crash record: which node is called, and from which chain on.
  @inline(__always)
  private func calls(_ node: UnsafeMutablePointer<LaneNode>, _ row: UnsafePointer<UInt8>) {
    now.publish(Int64(Int(bitPattern: node)), at: 2)
    now.publish(Int64(bitPattern: UnsafeRawPointer(row).assumingMemoryBound(to: gantry_header.self).pointee.chain), at: 3)
  }

  /// Calls the counted instance with a run of rows, again after each failure, under its breaker.
  private func callRun(
    _ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ first: Int, _ count: Int
  ) {
    let source = input.pointee.source
    let stride = source.pointee.stride
    var start = first
    let end = first + count
    while start < end {
      let row = source.pointee.rows + start &* stride
      var length = end - start
      if node.pointee.watch.contains(.troubled), node.pointee.breaker.state != .closed {
        guard admitsOne(node, row, ordinal: source.pointee.ordinals[start]) else {
          if node.pointee.watch.contains(.followed) { followRun(node, input, row, count: 1) }
          start += 1
          continue
        }
        length = 1
      }
      let batch = input.pointee.batch
      batch.pointee.count = UInt32(truncatingIfNeeded: length)
      batch.pointee.base = UnsafePointer(row)
      if input.pointee.hasArena { lendArena(batch, source) }
      let outputs = node.pointee.outputs
      outputs.pointee.consumed = UInt32(truncatingIfNeeded: length)
      node.pointee.statistics.pointee.calls &+= 1
      calls(node, row)
      let status = node.pointee.onBatch.unsafelyUnwrapped(node.pointee.instance, batch, outputs)
      var consumed = Int(outputs.pointee.consumed)
      if consumed > length { return consumedTooMany(node, consumed, of: length) }
      let hasFailed = status != GANTRY_OK && status != GANTRY_AGAIN
      if consumed == 0, !hasFailed { return madeNoProgress(node, status) }
      if hasFailed, consumed == length { consumed = length - 1 }
      node.pointee.statistics.pointee.events &+= UInt64(consumed)
      if node.pointee.watch.contains(.followed) {
        followRun(node, input, row, count: consumed + (hasFailed ? 1 : 0))
        let mark = PublishedMark(node)
        publish(node, row, stride, ordinals: source.pointee.ordinals + start, count: length, consumed: consumed)
        node.pointee.follower?._withUnsafeGuaranteedRef { mark.pushNew(node, $0, now) }
      } else {
        publish(node, row, stride, ordinals: source.pointee.ordinals + start, count: length, consumed: consumed)
      }
      if isFailed { return }
      if consumed > 0, node.pointee.watch.contains(.troubled) { succeeded(node) }
      start += consumed
      if hasFailed {
        node.pointee.statistics.pointee.events &+= 1
        failed(node, source.pointee.rows + start &* stride, status, ordinal: source.pointee.ordinals[start])
        if isFailed || node.pointee.onErrorHalts { return }
        start += 1
      }
    }
  }
}
