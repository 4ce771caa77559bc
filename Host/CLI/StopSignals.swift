import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// SIGINT and SIGTERM as a request to stop at the next event boundary; a second one ends the
/// process at once. Made before any other thread, so that all threads inherit the blocked signals
/// and only this one takes them.
final class StopSignals: Sendable {
  private let action = Mutex<(@Sendable () -> Void)?>(nil)
  private let count = Atomic<Int>(0)

  init() {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGINT)
    sigaddset(&set, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &set, nil)
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(self).toOpaque()
    pthread_create(
      &thread, nil,
      { argument in
        let signals = Unmanaged<StopSignals>.fromOpaque(argument!).takeUnretainedValue()
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        while true {
          var number: Int32 = 0
          guard sigwait(&set, &number) == 0 else { continue }
          if signals.count.wrappingAdd(1, ordering: .relaxed).newValue > 1 { _exit(1) }
          signals.action.withLock { $0 }?()
        }
      }, argument)
    pthread_detach(thread)
  }

  /// One has come.
  var hasStopped: Bool { count.load(ordering: .relaxed) > 0 }

  /// What a signal does. One that came before runs it at once.
  func onStop(_ body: @escaping @Sendable () -> Void) {
    action.withLock { $0 = body }
    if count.load(ordering: .relaxed) > 0 { body() }
  }
}
