import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// A lane on its way to the marker of a change, and parked at it.
extension Lane {
  /// One step: answers, runs a block that comes before the marker, waits, or parks.
  func approachMarker(since seen: UInt32) {
    guard let address = UnsafeRawPointer(bitPattern: marker.load(ordering: .acquiring)) else { return }
    Unmanaged<LaneMarker>.fromOpaque(address)._withUnsafeGuaranteedRef { marker in
      let seat = marker.seats[index]
      switch marker.now {
      case .ask:
        if !seat.has(.asked) {
          seat.positionNs.store(lastChainNs, ordering: .relaxed)
          marker.answer(index, .asked)
        }
        marker.wait(during: .ask)
      case .approach:
        if clock == .replay { goTo(marker, since: seen) } else { goQuiet(marker, seat, since: seen) }
      case .park:
        park(marker)
      case .release:
        leave(marker)
      }
    }
  }

  /// Stands still until the change is made or given up. Nothing else ends it: the lane's plan may be
  /// half exchanged.
  private func park(_ marker: LaneMarker) {
    marker.seats[index].parkedNs.store(clinux_monotonic_ns(), ordering: .relaxed)
    marker.answer(index, .parked)
    while marker.now != .release { marker.wait(during: marker.now == .park ? .park : .approach) }
    leave(marker)
  }

  private func leave(_ marker: LaneMarker) {
    self.marker.store(0, ordering: .releasing)
    marker.answer(index, .released)
  }

  /// Waiting for room in another lane's queue, before a block: the lane says where it will be after that
  /// block, so that nobody waits for it in turn.
  func answerWhileWaiting() {
    guard let address = UnsafeRawPointer(bitPattern: marker.load(ordering: .acquiring)) else { return }
    Unmanaged<LaneMarker>.fromOpaque(address)._withUnsafeGuaranteedRef { marker in
      guard marker.now == .ask, !marker.seats[index].has(.asked) else { return }
      marker.seats[index].positionNs.store(max(lastChainNs, blockEndNs), ordering: .relaxed)
      marker.answer(index, .asked)
    }
  }

  /// The replay clock: all chains up to the cut, then the timers that are due by then.
  private func goTo(_ marker: LaneMarker, since seen: UInt32) {
    let cutNs = marker.cutNs
    if runNext(untilNs: cutNs) || isFailed { return }
    guard hasRun(untilNs: cutNs) else {
      recorder.drainQueues()
      return bell.wait(since: seen, timeoutNs: 1_000_000)
    }
    if timers.pointee.nextDueNs <= cutNs { fireTimers(upTo: cutNs) }
    if isFailed { return }
    // Lanes behind this one run what its timers have sent, and then know that nothing more comes.
    if recorder.drainQueues() { return bell.wait(since: seen, timeoutNs: 200_000) }
    recorder.promise(ChainKey(ns: cutNs == .max ? cutNs : cutNs + 1, place: 0))
    park(marker)
  }

  /// The live clock: nothing more from sources, no timers; what other lanes have sent is run.
  private func goQuiet(_ marker: LaneMarker, _ seat: LaneMarker.Seat, since seen: UInt32) {
    seat.isQuiet.store(false, ordering: .sequentiallyConsistent)
    // Moving rows from a backlog into its ring counts as well: for a moment they are in neither.
    seat.runs.wrappingAdd(1, ordering: .sequentiallyConsistent)
    if runNext(takesSources: false) || isFailed { return }
    if hasStagedRows || recorder.drainQueues() {
      recorder.drainQueues()
      return bell.wait(since: seen, timeoutNs: 200_000)
    }
    seat.isQuiet.store(true, ordering: .sequentiallyConsistent)
    marker.tell()
    bell.wait(since: seen, timeoutNs: 2_000_000)
  }
}
