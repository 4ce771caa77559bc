import CGantry
import CLinux
import GantryBase
import GantryGraph

/// How a lane runs what comes over edges from other lanes.
///
/// A chain that reaches the lane over several edges runs there as one chain: its rows are taken from all
/// streams together, once no stream can bring more of it, and each node gets them in the order of its
/// `from`; rows that came of feedback in a chain follow in a pass of their own, as they do on one lane.
/// Chains come in the order of their ingress (`ChainKey`), not of their arrival: with the replay
/// clock always, since a stream's producer says what is not to come any more (`EdgeQueue.watermark`);
/// with the live clock as far as they have arrived, and none is held up longer than its own parts are
/// on their way (`EdgeQueue.finished`).
extension Lane {
  private var joins: UnsafeMutablePointer<JoinStream> { join.streams }
  private var joinCount: Int { join.count }
  private var followsScript: Bool { join.followsScript }

  /// Runs the chains whose rows have all arrived, at most a block of them. False when there is none.
  ///
  /// - Parameters:
  ///   - untilNs: chains that came in later are left for another time
  ///   - takesSources: false leaves the lane's own sources alone
  func runJoined(untilNs: Int64, takesSources: Bool) -> Bool {
    let chains = followsScript ? selectRecorded() : selectJoined(untilNs, takesSources)
    guard chains > 0 else { return false }
    let first = joinHeader(0)
    now.publish(first.pointee.receive_ns)
    if clock == .live, !isScripted, timers.pointee.nextDueNs <= now.pointee {
      fireTimers(upTo: now.pointee)
      if isFailed { return true }
      now.publish(first.pointee.receive_ns)
    }
    recordJoined()
    blockEndNs = max(joinHeader(chains - 1).pointee.receive_ns, first.pointee.receive_ns)
    if isJoinLast { recorder.beginLast() } else { recorder.advance(to: nextKey(first), clock) }
    blockRounds = UnsafePointer(join.rounds)
    var rowCount = 0
    for index in 0..<joinCount where joins[index].end > joins[index].next {
      let count = joins[index].end - joins[index].next
      rowCount += count
      joins[index].publish()
      let entry = joins[index].entry
      if !entry.pointee.buffer.pointee.uses.isEmpty { publishIngress(entry.pointee.buffer, count) }
      entry.pointee.statistics.pointee.events &+= UInt64(count)
      entry.pointee.statistics.pointee.outputs &+= UInt64(count)
    }
    eventCount &+= UInt64(rowCount)

    trace.beginBlock(first, chains, node: joins[Int(join.chains[0].stream)].entry.pointee.buffer.pointee.node)
    for place in 0..<blockSlotCount { runBlockNode(nodes + Int(blockSlots[place])) }
    if singleSlotCount > 0 {
      for chain in 0..<min(chains, Int(haltOrdinal)) where !isFailed { runJoinedChain(chain) }
      round = 0
    }
    blockRounds = nil
    if let haltFailure { end(haltFailure) }
    trace.endBlock(chains)
    blockCount &+= 1
    lastChainNs = joinHeader(chains - 1).pointee.receive_ns
    now.publish(lastChainNs)
    now.publish(0, at: 2)
    recorder.drainQueues()
    if followerCount > 0 { nudgeFollowers() }
    resetBlock()
    if !isJoinLast { lastKey = ChainKey(joinHeader(chains - 1), sources: Origins.sourcesMax) }
    for index in 0..<joinCount where joins[index].end > joins[index].next {
      if !joins[index].isStaged { finished(joins[index].header(joins[index].end - 1)) }
      joins[index].ran()
      if !joins[index].isStaged { releaseIfRun(index) }
    }
    return true
  }

  /// A chain's rounds increase on this lane too, whatever feedback it has of its own.
  private func runJoinedChain(_ chain: Int) {
    let header = joinHeader(chain)
    let isSame =
      chain > 0 && joinHeader(chain - 1).pointee.chain == header.pointee.chain
      && joinHeader(chain - 1).pointee.origin == header.pointee.origin
    round = isSame ? max(join.rounds[chain], lastRound &+ 1) : join.rounds[chain]
    lastRound = round
    runChain(header, chain)
  }

  @inline(__always)
  private func joinHeader(_ chain: Int) -> UnsafePointer<gantry_header> {
    joins[Int(join.chains[chain].stream)].header(Int(join.chains[chain].row))
  }

  /// The source's block has been run: its reader gets it back.
  private func releaseIfRun(_ index: Int) {
    let ingress = joins[index].ingress
    ingress.pointee.offset = joins[index].next
    guard joins[index].next == joins[index].count, let block = ingress.pointee.block else { return }
    ingress.pointee.block = nil
    endIfLast(ingress, block)
    ingress.pointee.ring._withUnsafeGuaranteedRef { $0.release() }
    joins[index].clear()
  }

  private func recordJoined() {
    var parts = 0
    for index in 0..<joinCount where joins[index].end > joins[index].next {
      parts += joins[index].isStaged ? LaneRecorder.parts(joins[index].end - joins[index].next) : 1
    }
    if parts > 1 { recorder.join(parts: parts, isLast: isJoinLast) }
    for index in 0..<joinCount where joins[index].end > joins[index].next {
      let count = joins[index].end - joins[index].next
      if joins[index].isStaged {
        recorder.staged(
          joins[index].entry, rows: joins[index].rows + joins[index].next * joins[index].stride, count: count,
          rounds: joins[index].rounds + joins[index].next, arena: joins[index].arena, arenaCount: joins[index].arenaCount)
      } else if let block = joins[index].ingress.pointee.block {
        recorder.block(joins[index].entry, block: block, offset: joins[index].next, count: count)
      }
    }
  }

  // MARK: selecting

  /// Selects chains in their order, as long as all rows of each are known to be here. The keys of one
  /// selection increase: what comes late, with the live clock, is a block of its own.
  private func selectJoined(_ untilNs: Int64, _ takesSources: Bool) -> Int {
    for index in 0..<joinCount { joins[index].compact() }
    var chains = 0
    var last = ChainKey.first
    while chains < blockRows, !isFailed, let head = earliest(takesSources), head.key.ns <= untilNs {
      let isLast = head.key.ns == ChainKey.beginLast.ns
      if chains > 0, head.key <= last || isLast != isJoinLast { break }
      isJoinLast = isLast
      switch gather(head, isFirst: chains == 0) {
      case .whole: take(head, as: chains)
      case .earlierCame: continue
      case .incomplete: return chains
      }
      last = head.key
      chains += 1
    }
    return chains
  }

  /// A chain that stands next in one of the streams.
  private struct JoinHead {
    var key: ChainKey
    var origin: UInt16
    var chain: UInt64
    var stream: Int
  }

  private func earliest(_ takesSources: Bool) -> JoinHead? {
    var best: JoinHead?
    for index in 0..<joinCount where takesSources || joins[index].isStaged {
      if joins[index].end == joins[index].count, more(index, nil, isFirst: true) != .rows { continue }
      let row = joins[index].end
      let key = joins[index].key(row, sources: Origins.sourcesMax)
      if let best, best.key <= key { continue }
      let header = joins[index].header(row)
      best = JoinHead(key: key, origin: header.pointee.origin, chain: header.pointee.chain, stream: index)
    }
    return best
  }

  private enum Gathered { case whole, earlierCame, incomplete }

  /// Looks for the rows of one chain in all streams.
  private func gather(_ head: JoinHead, isFirst: Bool) -> Gathered {
    for index in 0..<joinCount {
      joins[index].trial = joins[index].end
      stream: while true {
        while joins[index].trial < joins[index].count, joins[index].key(joins[index].trial, sources: Origins.sourcesMax) == head.key {
          joins[index].trial += 1
        }
        if joins[index].trial < joins[index].count { break }
        switch more(index, head, isFirst: isFirst) {
        case .rows:
          if joins[index].trial == joins[index].end, joins[index].key(joins[index].end, sources: Origins.sourcesMax) < head.key {
            return .earlierCame
          }
        case .passed: break stream
        case .late: return .incomplete
        }
      }
    }
    return .whole
  }

  private func take(_ head: JoinHead, as chain: Int) {
    join.chains[chain] = JoinChain(stream: Int32(head.stream), row: Int32(joins[head.stream].end))
    join.rounds[chain] = head.key.round
    for index in 0..<joinCount { joins[index].take(UInt32(chain)) }
  }

  private enum More { case rows, passed, late }

  /// All rows of a stream that are here belong to chains already selected or to `head`: brings more, or
  /// says whether more of `head` may come.
  private func more(_ index: Int, _ head: JoinHead?, isFirst: Bool) -> More {
    if followsScript { return .passed }
    let ingress = joins[index].ingress
    guard joins[index].isStaged else { return moreOfSource(index, head) }
    if ingress.pointee.hasEnded { return .passed }
    if joins[index].isFull, !isFirst { return .late }
    // Read before the ring is looked at: what was published before it is then seen.
    let isPast = head.map { passed(index, $0) } ?? false
    guard let block = front(ingress) else {
      // What is held back until it is on the disk has come, and is not here.
      return isPast && ingress.pointee.ring._withUnsafeGuaranteedRef({ $0.front() == nil }) ? .passed : .late
    }
    if block.pointee.count > 0 {
      joins[index].stage(block, isLast: block.pointee.isLast && clock == .replay)
    } else {
      endIfLast(ingress, block)
    }
    let hasRows = block.pointee.count > 0
    ingress.pointee.ring._withUnsafeGuaranteedRef { $0.release() }
    return hasRows ? .rows : .passed
  }

  /// Whether the stream's producer is done with a chain.
  private func passed(_ index: Int, _ head: JoinHead) -> Bool {
    guard joins[index].waits, let queue = joins[index].ingress.pointee.queue else { return true }
    return queue._withUnsafeGuaranteedRef {
      clock == .replay ? head.key.ns != ChainKey.beginLast.ns && head.key < $0.watermark : head.chain <= $0.finished(head.origin)
    }
  }

  /// A source's rows are chains of their own. With the replay clock its next one may be before any other
  /// stream's.
  private func moreOfSource(_ index: Int, _ head: JoinHead?) -> More {
    let ingress = joins[index].ingress
    if head != nil, joins[index].trial > joins[index].end { return .passed }
    if ingress.pointee.block != nil, joins[index].count > 0 { return .late }
    if ingress.pointee.block != nil || fetch(ingress), let block = ingress.pointee.block {
      joins[index].show(block, port: ingress.pointee.ports + block.pointee.port)
      return .rows
    }
    return ingress.pointee.hasEnded || clock == .live ? .passed : .late
  }

  // MARK: following a journal

  /// Selects what a journal says the lane ran as one block.
  private func selectRecorded() -> Int {
    guard stageRecorded() else { return 0 }
    var chains = 0
    while let head = earliest(true) {
      guard chains < blockRows else {
        end(GantryError("replay.no-fit", "the journal joins more chains than a block has", exit: .badInput))
        return 0
      }
      isJoinLast = head.key.ns == ChainKey.beginLast.ns
      _ = gather(head, isFirst: true)
      take(head, as: chains)
      chains += 1
    }
    return chains
  }

  /// Takes the next block's parts from the journal's thread. False as long as one is missing.
  private func stageRecorded() -> Bool {
    for index in 0..<joinCount { joins[index].compact() }
    return ingresses.pointee.ring._withUnsafeGuaranteedRef { ring in
      while !isFailed, let block = ring.front() {
        defer { ring.release() }
        if followsNotice(block) { continue }
        guard block.pointee.count > 0 else {
          endIfLast(ingresses, block)
          return false
        }
        joins[block.pointee.port].stage(block, isLast: block.pointee.isLast && clock == .replay)
        if !block.pointee.isPart { return true }
      }
      return false
    }
  }
}
