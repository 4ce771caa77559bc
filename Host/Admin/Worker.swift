import CLinux
import GantryBase
import Glibc
import Synchronization

/// One POSIX thread, for the few things of a host that wait: the control socket, a long request,
/// watching files.
final class Worker: Sendable {
  private let handle: Mutex<pthread_t?>

  init(name: String, _ body: @escaping @Sendable () -> Void) throws(GantryError) {
    final class Start: Sendable {
      let name: String
      let body: @Sendable () -> Void
      init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
      }
    }
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(name, body))
    let error = pthread_create(
      &thread, nil,
      { argument in
        let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        _ = clinux_name_thread(start.name, -1)
        start.body()
        return nil
      }, start.toOpaque())
    guard error == 0 else {
      start.release()
      throw GantryError("control.no-thread", "the system refused a thread: \(String(cString: strerror(error)))", exit: .failed)
    }
    handle = Mutex(thread)
  }

  /// Waits for the thread's end. Once; not from the thread itself.
  func join() {
    let thread = handle.withLock { handle -> pthread_t? in
      defer { handle = nil }
      return handle
    }
    if let thread { pthread_join(thread, nil) }
  }
}

/// A value that threads wait for.
final class Waitable<Value: Sendable>: @unchecked Sendable {  // the value is guarded by the mutex of pthread
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var value: Value

  init(_ value: Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer {
      pthread_cond_broadcast(condition)
      pthread_mutex_unlock(mutex)
    }
    return body(&value)
  }

  /// Waits until `body` gives a result, at most so long; nil when the time is over.
  ///
  /// - Parameter everyNs: how often to look at what nobody here is told of
  func wait<Result>(forNs timeoutNs: Int64 = .max, everyNs: Int64 = .max, _ body: (inout Value) -> Result?) -> Result? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    let nowNs = clinux_monotonic_ns()
    let deadlineNs = timeoutNs > Int64.max - nowNs ? Int64.max : nowNs + timeoutNs
    while true {
      if let result = body(&value) { return result }
      if clinux_monotonic_ns() >= deadlineNs { return nil }
      let untilNs = everyNs == .max ? deadlineNs : min(deadlineNs, clinux_monotonic_ns() + everyNs)
      if untilNs == .max {
        pthread_cond_wait(condition, mutex)
      } else {
        var time = timespec(tv_sec: Int(untilNs / 1_000_000_000), tv_nsec: Int(untilNs % 1_000_000_000))
        pthread_cond_timedwait(condition, mutex, &time)
      }
    }
  }
}
