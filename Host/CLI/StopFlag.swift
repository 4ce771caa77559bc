import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A supervisor has been asked to stop; its child is asked as well.
final class StopFlag: Sendable {
  private let asked = Atomic<Bool>(false)
  private let pid = Atomic<Int32>(0)

  var isAsked: Bool { asked.load(ordering: .acquiring) }

  /// The child that is asked with us; 0 = none.
  var child: pid_t {
    get { pid.load(ordering: .acquiring) }
    set { pid.store(newValue, ordering: .releasing) }
  }

  func ask() {
    asked.store(true, ordering: .releasing)
    let pid = child
    if pid > 0 { kill(pid, SIGTERM) }
  }
}
