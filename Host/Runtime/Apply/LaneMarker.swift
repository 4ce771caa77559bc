import CLinux
import Synchronization

/// The marker of a change: the place in the stream of events before which everything runs on the old
/// plans and after which everything runs on the new ones. Lanes come to it one by one and park there;
/// with the last of them the whole run stands between two events, with nothing on its way in any queue.
///
/// With the replay clock the marker is a moment of event time that no lane has passed: all events and
/// timers up to it are run first, so that the same change at the same moment gives the same outputs.
/// With the live clock it is where each source happens to be: nothing more is taken from sources, and
/// what is on its way between lanes is run until there is no more.
final class LaneMarker: @unchecked Sendable {  // the atomics are for all; `seats` is constant
  enum Phase: UInt32 {
    /// Lanes stop at their next event boundary and say where they are.
    case ask = 1
    /// They run what comes before the marker.
    case approach
    /// They park where they are.
    case park
    /// They go on.
    case release
  }

  enum Answer: UInt32 { case none = 0, asked, parked, released }

  /// One lane's part.
  final class Seat: Sendable {
    let answer = Atomic<UInt32>(Answer.none.rawValue)
    /// When its last chain ran.
    let positionNs = Atomic<Int64>(.min)
    /// When it parked, on the monotonic clock.
    let parkedNs = Atomic<Int64>(.max)
    /// Steps taken on the way to the marker, and whether nothing was left to run then.
    let runs = Atomic<UInt64>(0)
    let isQuiet = Atomic<Bool>(false)

    func has(_ answer: Answer) -> Bool { self.answer.load(ordering: .acquiring) >= answer.rawValue }
  }

  /// By lane number.
  let seats: [Seat]
  private let phase: Atomic<UInt32>
  private let cut = Atomic<Int64>(.max)
  /// Counts whatever lanes have to say.
  private let told = Atomic<UInt32>(0)

  init(lanes: Int, phase: Phase) {
    seats = (0..<lanes).map { _ in Seat() }
    self.phase = Atomic(phase.rawValue)
  }

  // MARK: the lanes' side

  var now: Phase { Phase(rawValue: phase.load(ordering: .acquiring)) ?? .release }
  /// With the replay clock: all of this time and before runs first.
  var cutNs: Int64 { cut.load(ordering: .acquiring) }

  func answer(_ lane: Int, _ answer: Answer) {
    seats[lane].answer.store(answer.rawValue, ordering: .releasing)
    tell()
  }

  func tell() {
    told.wrappingAdd(1, ordering: .sequentiallyConsistent)
    wake(told)
  }

  /// Waits a moment for the next phase.
  func wait(during phase: Phase) {
    var spins = 0
    while now == phase {
      spins += 1
      if spins < 2000 { clinux_pause() } else { return GantryRuntime.wait(self.phase, while: phase.rawValue, timeoutNs: 10_000_000) }
    }
  }

  // MARK: the side of whoever makes the change

  func go(_ next: Phase, cutNs: Int64 = .max) {
    cut.store(cutNs, ordering: .releasing)
    phase.store(next.rawValue, ordering: .sequentiallyConsistent)
    wake(phase)
  }

  /// What lanes have said so far, for `waitForWord`.
  var words: UInt32 { told.load(ordering: .sequentiallyConsistent) }

  func waitForWord(after words: UInt32) {
    GantryRuntime.wait(told, while: words, timeoutNs: 1_000_000)
  }
}
