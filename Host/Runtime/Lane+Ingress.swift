import CGantry
import CLinux
import GantryBase
import GantryGraph

/// What the lane runs next: the streams of blocks that come into it, in the order of their chains.
extension Lane {
  var allEnded: Bool {
    for index in 0..<ingressCount where !ingresses[index].hasEnded && !ingresses[index].isReply { return false }
    return true
  }

  /// A stop: no more is taken from sources. True when nothing comes from other lanes either.
  func endSources() -> Bool {
    if isInCycle { return true }
    var isEnd = true
    for index in 0..<ingressCount {
      if ingresses[index].queue == nil {
        ingresses[index].hasEnded = true
        ingresses[index].block = nil
      } else if !ingresses[index].hasEnded, !ingresses[index].isReply {
        isEnd = false
      }
    }
    if join.followsScript { return isEnd }
    for index in 0..<join.count {
      if !join.streams[index].isStaged {
        join.streams[index].clear()
      } else if join.streams[index].next < join.streams[index].count {
        isEnd = false
      }
    }
    return isEnd
  }

  func idle(since seen: UInt32) {
    now.publish(0, at: 2)
    // A consumer that has made room does not ring this lane's bell.
    var timeout: Int64 = recorder.drainQueues() ? 1_000_000 : 50_000_000
    if clock == .live, !isScripted, timers.pointee.nextDueNs != Int64.max {
      let wall = clinux_wall_ns()
      if timers.pointee.nextDueNs <= wall { return fireTimers(upTo: wall) }
      timeout = min(timeout, timers.pointee.nextDueNs - wall)
    }
    bell.wait(since: seen, timeoutNs: timeout)
  }

  /// Runs what comes next to completion. False when nothing can be run now.
  ///
  /// - Parameters:
  ///   - untilNs: chains that came in later are left for another time
  ///   - takesSources: false runs only what other lanes have sent
  func runNext(untilNs: Int64 = .max, takesSources: Bool = true) -> Bool {
    var hasRun = false
    if join.count > 0 {
      hasRun = runJoined(untilNs: untilNs, takesSources: takesSources)
    } else if takesSources, let choice = choose() {
      let count = untilNs == .max ? choice.count : eventsUpTo(untilNs, choice.ingress, choice.count)
      if count > 0 { runBlock(choice.ingress, count) }
      hasRun = count > 0
    }
    if !hasRun || clock == .live { passOn() }
    return hasRun
  }

  /// How many of a block's next events came in at `ns` or before.
  private func eventsUpTo(_ ns: Int64, _ ingress: UnsafeMutablePointer<Ingress>, _ count: Int) -> Int {
    var kept = 0
    while kept < count, key(ingress, ingress.pointee.offset + kept).ns <= ns { kept += 1 }
    return kept
  }

  /// Whether no event that came in at `ns` or before is still to be run. With the replay clock.
  func hasRun(untilNs ns: Int64) -> Bool {
    for index in 0..<join.count where join.streams[index].isStaged && join.streams[index].next < join.streams[index].count {
      if join.streams[index].key(join.streams[index].next, sources: Origins.sourcesMax).ns <= ns { return false }
    }
    for index in 0..<ingressCount {
      let ingress = ingresses + index
      if ingress.pointee.hasEnded { continue }
      if ingress.pointee.block != nil {
        if key(ingress, ingress.pointee.offset).ns <= ns { return false }
        continue
      }
      // Read before the ring is looked at.
      let low = ingress.pointee.queue?._withUnsafeGuaranteedRef { $0.watermark }
      if ingress.pointee.ring._withUnsafeGuaranteedRef({ $0.front() }) != nil { return false }
      guard let low, low.ns > ns else { return false }
    }
    return true
  }

  /// Rows of other lanes have been taken out of their rings and not been run yet.
  var hasStagedRows: Bool {
    (0..<join.count).contains { join.streams[$0].isStaged && join.streams[$0].next < join.streams[$0].count }
  }

  /// Takes blocks of the lane's sources that have arrived and picks what runs next: the ingress with the
  /// earliest chain, ties in file order, and as many of its events as come before any other ingress's
  /// first. With the replay clock nothing is picked before every open ingress has shown its next event.
  /// What comes from other lanes is picked by `runJoined`.
  func choose() -> (ingress: UnsafeMutablePointer<Ingress>, count: Int)? {
    var best = -1
    var bestKey = ChainKey.last
    var limit = ChainKey.last
    var limitIsEarlier = false
    for index in 0..<ingressCount {
      let ingress = ingresses + index
      if ingress.pointee.block == nil, !fetch(ingress) {
        if !ingress.pointee.hasEnded, clock == .replay { return nil }
        continue
      }
      let head = key(ingress, ingress.pointee.offset)
      if best < 0 || head < bestKey {
        if best >= 0 {
          limit = bestKey
          limitIsEarlier = true
        }
        best = index
        bestKey = head
      } else if head < limit {
        limit = head
        limitIsEarlier = false
      }
    }
    guard best >= 0 else { return nil }
    let ingress = ingresses + best
    let available = ingress.pointee.block!.pointee.count - ingress.pointee.offset
    guard limit != .last else { return (ingress, available) }
    // The limit's ingress stands before this one in file order exactly when limitIsEarlier: then
    // it wins ties.
    var count = 1
    while count < available {
      let next = key(ingress, ingress.pointee.offset + count)
      if next > limit || (next == limit && limitIsEarlier) { break }
      count += 1
    }
    return (ingress, count)
  }

  /// The earliest block that has come from another lane, whatever sources have.
  func chooseQueued() -> (ingress: UnsafeMutablePointer<Ingress>, count: Int)? {
    var best: UnsafeMutablePointer<Ingress>?
    for index in 0..<ingressCount {
      let ingress = ingresses + index
      guard ingress.pointee.queue != nil, ingress.pointee.block != nil || fetch(ingress) else { continue }
      if best == nil || key(ingress, ingress.pointee.offset) < key(best!, best!.pointee.offset) { best = ingress }
    }
    return best.map { ($0, $0.pointee.block!.pointee.count - $0.pointee.offset) }
  }

  /// Whether a block that another lane has sent can be taken now.
  var hasQueued: Bool {
    for index in 0..<ingressCount where ingresses[index].queue != nil && !ingresses[index].hasEnded {
      if front(ingresses + index) != nil { return true }
    }
    return false
  }

  /// Looks for the ingress's next block. False when there is none now.
  func fetch(_ ingress: UnsafeMutablePointer<Ingress>) -> Bool {
    guard !ingress.pointee.hasEnded else { return false }
    return ingress.pointee.ring._withUnsafeGuaranteedRef { ring in
      while !isFailed, let block = front(ingress) {
        if block.pointee.status != GANTRY_OK, block.pointee.status != GANTRY_AGAIN {
          ingress.pointee.status = block.pointee.status
        }
        if followsNotice(block) {
          if let context = block.pointee.context, ingress.pointee.context != nil { ingress.pointee.context = context }
          block.pointee.context = nil
          ring.release()
          continue
        }
        guard block.pointee.count > 0 else {
          endIfLast(ingress, block)
          ring.release()
          return false
        }
        ingress.pointee.block = block
        ingress.pointee.offset = 0
        return true
      }
      return false
    }
  }

  /// What a journal says happened here, and is no events: a timer, a step of a swap, an apply.
  func followsNotice(_ block: UnsafeMutablePointer<BlockRing.Block>) -> Bool {
    let rows = UnsafeRawPointer(block.pointee.rows)
    switch block.pointee.notice {
    case .none: return false
    case .timer: fireRecorded(rows.load(as: TimerRecord.self))
    case .decision:
      let record = rows.load(as: DecisionRecord.self)
      if let scriptedSwaps {
        scriptedSwaps.perform(record, on: self)
      } else if let what = Decision(rawValue: record.what) {
        // A source's new instance takes over here.
        recorder.decision(what, node: Int32(bitPattern: record.node), value: record.value, detail: record.detail)
      }
    case .change: scriptedChanges?.arrived(rows.load(as: ApplyRecord.self), on: self)
    }
    return true
  }

  func endIfLast(_ ingress: UnsafeMutablePointer<Ingress>, _ block: UnsafeMutablePointer<BlockRing.Block>) {
    guard block.pointee.status != GANTRY_OK else { return }
    ingress.pointee.hasEnded = true
    if block.pointee.status < 0 {
      if let context = ingress.pointee.context { sourceFailed(context, block.pointee.status) } else { isFailed = true }
    }
  }

  @inline(__always)
  private func key(_ ingress: UnsafeMutablePointer<Ingress>, _ row: Int) -> ChainKey {
    let block = ingress.pointee.block.unsafelyUnwrapped
    let stride = ingress.pointee.ports[block.pointee.port].buffer.pointee.stride
    return ChainKey(
      UnsafeRawPointer(block.pointee.rows + row &* stride).assumingMemoryBound(to: gantry_header.self), sources: Origins.sourcesMax)
  }

  /// Nothing this lane will emit is before this: the block's first chain, or a timer's before it.
  func nextKey(_ header: UnsafePointer<gantry_header>) -> ChainKey {
    let key = ChainKey(header, sources: Origins.sourcesMax)
    guard timers.pointee.nextDueNs <= key.ns else { return key }
    return ChainKey(ns: max(timers.pointee.nextDueNs, lastChainNs), place: 0)
  }
}
