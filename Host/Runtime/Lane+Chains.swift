import CGantry
import GantryBase
import GantryGraph
import GantryTrace

/// The nodes that get one event a call: each chain is carried to its end before the next begins.
///
/// A chain that no single node answers costs the deliveries from block nodes and no more. One that
/// goes on walks from node to node by the bits of `pending`: nodes without rows are not looked at.
extension Lane {
  /// The part of a block that runs chain by chain.
  func runChains(_ port: UnsafeMutablePointer<PortBuffer>, _ count: Int) {
    var row = UnsafeRawPointer(port.pointee.rows)
    let stride = port.pointee.stride
    var chain = 0
    while chain < count {
      let run = runIdle(port, from: chain, count)
      if run == 0 {
        runChain(row.assumingMemoryBound(to: gantry_header.self), chain)
      }
      if isFailed { return }
      chain &+= max(run, 1)
      row += stride &* max(run, 1)
    }
  }

  /// One chain of a block, carried to its end.
  @inline(__always)
  func runChain(
    _ header: UnsafePointer<gantry_header>, _ chain: Int
  ) {
    let receiveNs = header.pointee.receive_ns
    // On a live clock they fire between blocks, where the journal can say so.
    if timers.pointee.nextDueNs <= receiveNs, clock == .replay {
      if chain > 0 { lastChainNs = now.pointee }
      fireTimers(upTo: receiveNs)
      if isFailed { return }
    }
    now.publish(receiveNs)
    now.publish(Int64(bitPattern: header.pointee.chain), at: 1)
    ordinal = UInt32(truncatingIfNeeded: chain)
    chainHeader = header
    if trace.samples(header.pointee.chain) {
      runChainTraced(header)
    } else {
      passOn(from: 0, header)
    }
  }

  /// Gives the running chain's rows to the quick inputs from `first` on, and carries it to its end where
  /// it causes something, or has.
  @inline(__always)
  func passOn(from first: Int, _ header: UnsafePointer<gantry_header>) {
    if isOpen || trace.isOn { return finishChain(fromQuick: first, header, sampled: false) }
    for index in first..<max(first, quickInputCount) where hasRow(quickInputs[index].input) {
      if quickInputs[index].input.pointee.isGate { return finishChain(fromQuick: index, header, sampled: false) }
      deliverQuick(quickInputs[index].node, quickInputs[index].input)
      if isOpen || trace.isOn { return finishChain(fromQuick: index, header, sampled: false) }
    }
  }

  /// Whether an edge from a block has a row of the running chain.
  @inline(__always)
  func hasRow(_ input: UnsafeMutablePointer<LaneInput>) -> Bool {
    let cursor = input.pointee.cursor
    let source = input.pointee.source
    return cursor < source.pointee.published && source.pointee.ordinals[cursor] == ordinal
  }

  /// Delivers all rows of one edge that belong to the running chain, one at a time.
  @inline(__always)
  private func deliverQuick(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>) {
    repeat { deliverOne(node, input) } while hasRow(input) && !isFailed
  }

  /// Carries the running chain to its end: the forward pass over what the quick inputs from
  /// `fromQuick` on have and what was caused so far, then feedback, first-in first-out, each followed
  /// by another forward pass.
  func finishChain(fromQuick first: Int, _ header: UnsafePointer<gantry_header>, sampled: Bool) {
    for index in first..<max(first, quickInputCount) where hasRow(quickInputs[index].input) {
      pending |= quickInputs[index].node.pointee.bit
    }
    forward()
    var rounds = 0
    while feedbackHead < feedbackTail, !isFailed {
      let entry = feedback[feedbackHead]
      feedbackHead += 1
      rounds += 1
      if rounds > feedbackMax {
        feedbackOverflow(entry)
        break
      }
      round &+= 1
      deliverFeedback(entry)
      forward()
    }
    feedbackHead = 0
    feedbackTail = 0
    lastRound = round
    round = 0
    isOpen = false
    if isFull { forgetRows() }
    if !sampled { trace.endLate() }
  }

  /// One pass over the single nodes that have rows to take, in topological order. What a node writes
  /// wakes nodes after it only.
  private func forward() {
    let isShared = wiring.span > 1
    while pending != 0 {
      let number = pending.trailingZeroBitCount
      pending &= pending &- 1
      if isShared {
        for rank in wiring.ranks(number) { deliverAll(wiring.singles[rank]) }
      } else {
        deliverAll(wiring.singles[number])
      }
      if isFailed { return }
    }
  }

  /// Gives a node all that waits for it, in the order of its `from`.
  @inline(__always)
  private func deliverAll(_ node: UnsafeMutablePointer<LaneNode>) {
    if let input = node.pointee.soleInput, !trace.isOn {
      let source = input.pointee.source
      while input.pointee.cursor < source.pointee.published, !isFailed { deliverOne(node, input) }
    } else {
      deliverEach(node)
    }
  }

  @inline(never)
  private func deliverEach(_ node: UnsafeMutablePointer<LaneNode>) {
    for index in 0..<node.pointee.inputCount where !node.pointee.inputs[index].isFeedback {
      deliverWatched(node, node.pointee.inputs + index)
    }
  }

  /// Any edge, and any chain: one that is timed, too.
  private func deliverWatched(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>) {
    let source = input.pointee.source
    while input.pointee.cursor < source.pointee.published, !isFailed {
      if input.pointee.isBlockEdge, source.pointee.ordinals[input.pointee.cursor] != ordinal { return }
      if input.pointee.isGate {
        if !passesGate(node, input) { continue }
        keepChain()
      }
      if trace.isOn { deliverTraced(node, input) } else { deliverOne(node, input) }
    }
  }

  private func deliverFeedback(_ entry: FeedbackEntry) {
    guard let readers = entry.port.pointee.readers else { return }
    let first = Int(entry.port.pointee.forwardCount)
    for index in first..<first + Int(entry.port.pointee.feedbackCount) where !isFailed {
      let input = readers[index].input
      input.pointee.cursor = Int(entry.row)
      if trace.isOn { deliverTraced(readers[index].node, input) } else { deliverOne(readers[index].node, input) }
    }
  }

  /// Rows of a single node stand in a port: whoever reads them has something to do.
  @inline(__always)
  func arrived(_ node: UnsafeMutablePointer<LaneNode>, _ port: UnsafeMutablePointer<PortBuffer>, _ first: Int, _ count: Int) {
    isOpen = true
    if first &+ count > keptRows { isFull = true }
    dirty |= node.pointee.bit
    pending |= port.pointee.wakes
    if !port.pointee.uses.isEmpty { use(node, port, first, count) }
  }

  /// Between two chains: forgets all rows of single nodes. Not after each chain: nobody looks at rows
  /// that were taken, and going round the nodes would cost as much as calling them.
  func forgetRows() {
    isFull = false
    while dirty != 0 {
      let number = dirty.trailingZeroBitCount
      dirty &= dirty &- 1
      for rank in wiring.ranks(number) { forgetRows(wiring.singles[rank]) }
    }
  }

  private func forgetRows(_ node: UnsafeMutablePointer<LaneNode>) {
    for index in 0..<node.pointee.portCount {
      let port = node.pointee.ports + index
      guard port.pointee.published > 0 || port.pointee.output.pointee.arena_count > 0 else { continue }
      let readers = port.pointee.forwardCount &+ port.pointee.feedbackCount
      for reader in 0..<Int(readers) { port.pointee.readers.unsafelyUnwrapped[reader].input.pointee.cursor = 0 }
      resetPort(port)
      if !isGuarded(port) { wroteBehind(port) }
    }
  }
}
