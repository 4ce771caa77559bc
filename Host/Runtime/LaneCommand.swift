import CLinux
import Synchronization

/// Something that another thread asks of a running lane: done by the lane's thread between two
/// blocks, where no event is under way.
///
/// Memory that a command needs is made by the one who asks; `perform` allocates nothing.
class LaneCommand: @unchecked Sendable {  // the lane's while it performs, the asker's before and after
  /// 1 once the lane has performed it.
  let done = Atomic<UInt32>(0)
  /// How long the lane stood still for it, over all attempts, and for the longest one.
  fileprivate(set) var pauseNs: UInt64 = 0
  fileprivate(set) var longestPauseNs: UInt64 = 0

  init() {}

  /// Called at an event boundary. False: not now, ask again at the next one.
  func perform(_ lane: Lane) -> Bool { true }
}

extension Lane {
  enum Asked { case done, ended, timedOut }

  private static var busy: UInt { 1 }

  /// Lets the lane perform a command and waits until it has. Any thread but a lane's; one command
  /// at a time. After `.ended` and `.timedOut` the command was not performed and will not be.
  func ask(_ command: LaneCommand, timeoutNs: Int64 = .max) -> Asked {
    commandTurn.withLock { _ in
      let word = UInt(bitPattern: Unmanaged.passUnretained(command).toOpaque())
      let began = clinux_monotonic_ns()
      self.command.store(word, ordering: .releasing)
      bell.ring()
      while command.done.load(ordering: .acquiring) == 0 {
        let ended = hasEnded.load(ordering: .acquiring)
        if ended || clinux_monotonic_ns() - began > timeoutNs {
          let withdrawn = self.command.compareExchange(expected: word, desired: 0, ordering: .acquiringAndReleasing)
          if withdrawn.exchanged { return ended ? .ended : .timedOut }
          if command.done.load(ordering: .acquiring) == 0 { clinux_pause() }
          continue
        }
        GantryRuntime.wait(command.done, while: 0, timeoutNs: 1_000_000)
      }
      return .done
    }
  }

  /// Performs what was asked for, between two blocks.
  func performCommand() {
    let word = command.load(ordering: .acquiring)
    guard word != 0, command.compareExchange(expected: word, desired: Lane.busy, ordering: .acquiringAndReleasing).exchanged,
      let pointer = UnsafeRawPointer(bitPattern: word)
    else { return }
    Unmanaged<LaneCommand>.fromOpaque(pointer)._withUnsafeGuaranteedRef { command in
      let began = clinux_ticks()
      let isDone = command.perform(self)
      let pause = trace.nanoseconds(clinux_ticks() &- began)
      command.pauseNs += pause
      command.longestPauseNs = max(command.longestPauseNs, pause)
      // The asker may free the command as soon as it is done.
      self.command.store(isDone ? 0 : word, ordering: .releasing)
      if isDone {
        command.done.store(1, ordering: .releasing)
        wake(command.done)
      }
    }
  }
}
