import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// Bringing all lanes of a run to a marker, and letting them go again.
extension Run {
  /// Lanes that stand at a marker. Whoever has it lets them go, exactly once.
  struct Held {
    let marker: LaneMarker
    let lanes: [Lane]
    /// With the replay clock: nothing of this time or before is still to come; else when the last chain ran.
    let cutNs: Int64
    /// Each lane ran everything up to the cut, its timers included.
    let ranToCut: Bool
  }

  /// Brings all lanes to a marker. Throws, with all lanes going on as before, when one of them ends
  /// first, the run is stopped, or the time is up.
  ///
  /// - Parameters:
  ///   - needsCut: all events of one time are to be on the same side of the marker
  ///   - isUnwanted: asked now and then; what it returns ends the attempt
  func hold(needsCut: Bool, timeoutNs: Int64, isUnwanted: () -> GantryError?) throws(GantryError) -> Held {
    // Lanes without ingress have ended at once; nothing runs there.
    let lanes = planner.lanes.filter { !($0.hasEnded.load(ordering: .acquiring) && $0.ingressCount == 0) }
    let isLive = graph.clock == .live
    let parksAtOnce = lanes.count <= 1 && (isLive || !needsCut)
    let marker = LaneMarker(lanes: planner.lanes.count, phase: parksAtOnce ? .park : isLive ? .approach : .ask)
    for lane in lanes {
      lane.marker.store(UInt(bitPattern: Unmanaged.passUnretained(marker).toOpaque()), ordering: .releasing)
      lane.bell.ring()
    }
    let deadlineNs = clinux_monotonic_ns() + timeoutNs
    func problem() -> GantryError? {
      if let lane = lanes.first(where: { $0.hasEnded.load(ordering: .acquiring) || $0.isEnding.load(ordering: .acquiring) }) {
        return GantryError("apply.ended", "lane \(lane.name) has ended: the graph cannot be changed any more", exit: .failed)
      }
      if stopRequested.load(ordering: .acquiring) { return GantryError("apply.stopping", "the run is being stopped", exit: .failed) }
      if clinux_monotonic_ns() > deadlineNs {
        let late = lanes.filter { !marker.seats[$0.index].has(.parked) }.map(\.name).joined(separator: ", ")
        return GantryError(
          "apply.timeout", "the lanes did not come to the marker in time; missing: \(late)",
          help: ["a source that is paused or silent holds a lane up; resume it, or apply again later"], exit: .failed)
      }
      return isUnwanted()
    }
    func wait(until isReached: () -> Bool) throws(GantryError) {
      while true {
        let words = marker.words
        if isReached() { return }
        if let problem = problem() {
          letGo(Held(marker: marker, lanes: lanes, cutNs: 0, ranToCut: false))
          throw problem
        }
        marker.waitForWord(after: words)
      }
    }
    func all(_ answer: LaneMarker.Answer) -> Bool { lanes.allSatisfy { marker.seats[$0.index].has(answer) } }

    if !parksAtOnce, !isLive {
      try wait { all(.asked) }
      let cutNs = lanes.map { marker.seats[$0.index].positionNs.load(ordering: .relaxed) }.max() ?? .min
      marker.go(.approach, cutNs: cutNs)
      ring(lanes)
    } else if !parksAtOnce {
      try wait { isQuiet(marker, lanes) }
      marker.go(.park)
      ring(lanes)
    }
    try wait { all(.parked) }
    let ranToCut = !parksAtOnce && !isLive
    return Held(marker: marker, lanes: lanes, cutNs: ranToCut ? marker.cutNs : lanes.map(\.lastChainNs).max() ?? .min, ranToCut: ranToCut)
  }

  /// Whether at one moment no lane had anything left to run and no queue held anything: then, with
  /// the sources held, it stays so. Nothing has moved between two looks at all lanes.
  private func isQuiet(_ marker: LaneMarker, _ lanes: [Lane]) -> Bool {
    func look() -> UInt64? {
      var runs: UInt64 = 0
      for lane in lanes {
        let seat = marker.seats[lane.index]
        guard seat.isQuiet.load(ordering: .sequentiallyConsistent) else { return nil }
        runs &+= seat.runs.load(ordering: .sequentiallyConsistent)
      }
      return runs
    }
    guard let first = look(), planner.queues.allSatisfy({ $0.queue.isEmpty }), let second = look() else { return false }
    return first == second
  }

  private func ring(_ lanes: [Lane]) {
    for lane in lanes { lane.bell.ring() }
  }

  /// The lanes go on. Returns when none of them looks at the marker any more.
  func letGo(_ held: Held) {
    held.marker.go(.release)
    ring(held.lanes)
    for lane in held.lanes {
      while true {
        let words = held.marker.words
        if held.marker.seats[lane.index].has(.released) { break }
        if lane.isEnding.load(ordering: .acquiring) || lane.hasEnded.load(ordering: .acquiring) {
          lane.marker.store(0, ordering: .releasing)
          break
        }
        held.marker.waitForWord(after: words)
      }
    }
  }
}
