import CGantry
import GantryBase
import GantryGraph

/// What a lane tells the lanes behind it, so that they wait for what is on its way and for nothing else.
extension Lane {
  /// With the replay clock, when nothing can be run: how far the order of all chains has come here. With
  /// the live clock, after each block: which chains of each origin this lane has finished.
  func passOn() {
    guard recorder.hasQueues, !join.followsScript else { return }
    if clock == .replay { promiseNext() } else { reachFinished() }
  }

  /// A source of this lane has been run up to this event.
  @inline(__always)
  func finished(_ header: UnsafePointer<gantry_header>) {
    join.ownChains[join.origins.place(header.pointee.origin)] = header.pointee.chain
  }

  /// Nothing is to come from this lane before the next chain that can reach it.
  private func promiseNext() {
    var key = ChainKey.last
    let joins = join.streams
    if join.count == 0 { key = lastKey.next }
    for index in 0..<join.count {
      let ingress = joins[index].ingress
      if joins[index].next < joins[index].count {
        key = min(key, joins[index].key(joins[index].next, sources: Origins.sourcesMax))
      } else if !ingress.pointee.hasEnded {
        guard let queue = ingress.pointee.queue else {
          key = min(key, lastKey.next)
          continue
        }
        let low = queue._withUnsafeGuaranteedRef { $0.watermark }
        if ingress.pointee.ring._withUnsafeGuaranteedRef({ $0.front() != nil }) { return }
        key = min(key, low)
      }
    }
    if timers.pointee.nextDueNs <= key.ns {
      key = min(key, ChainKey(ns: max(timers.pointee.nextDueNs, lastChainNs), place: 0))
    }
    recorder.promise(key)
  }

  private func reachFinished() {
    let joins = join.streams
    let timers = join.origins.place(recorder.timerOrigin)
    for place in 1..<join.origins.count {
      var chain = place == timers ? recorder.timerChains : join.ownChains[place]
      for index in 0..<join.count {
        guard joins[index].waits, let queue = joins[index].ingress.pointee.queue else { continue }
        // Read before the ring is looked at.
        let sent = queue._withUnsafeGuaranteedRef { $0.finished(place: place) }
        guard sent != .max else { continue }
        if joins[index].next == joins[index].count,
          joins[index].ingress.pointee.ring._withUnsafeGuaranteedRef({ $0.front() == nil })
        {
          joins[index].finished[place] = max(joins[index].finished[place], sent)
        }
        chain = min(chain, joins[index].finished[place])
      }
      join.reached[place] = chain
    }
    recorder.reach(join.reached)
  }
}
