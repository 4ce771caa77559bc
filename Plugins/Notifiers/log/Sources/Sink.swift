import CPosix
import GantrySDK

/// A buffer in front of a file descriptor.
struct Sink {
  enum Target {
    case descriptor(Int32)
    /// A path that ends in 0.
    case file([UInt8])
  }

  static var capacity: Int { 1 << 18 }

  var target = Target.descriptor(2)
  private var file: Int32 = -1
  private var stream: UnsafeMutablePointer<FILE>?
  private let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: Sink.capacity)
  private var count = 0

  func destroy() {
    if let stream { fclose(stream) }
    buffer.deallocate()
  }

  var isDirty: Bool { count > 0 }

  mutating func open() throws(Failure) {
    switch target {
    case .descriptor(let number):
      file = number
    case .file(let path):
      let opened = path.withUnsafeBufferPointer { bytes in
        bytes.withMemoryRebound(to: CChar.self) { fopen($0.baseAddress!, "ae") }
      }
      guard let opened else {
        throw Failure.io("path: cannot open \(Text(bytes: Array(path.dropLast()))) for writing: \(Sink.reason())")
      }
      stream = opened
      file = fileno(opened)
    }
  }

  /// Adds whole lines; a full buffer is written first.
  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    if bytes.count > Sink.capacity - count { try flush() }
    // A line is never longer than the buffer.
    UnsafeMutableRawPointer(buffer + count).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
    count += bytes.count
  }

  /// Hands everything to the system. What it did not take is dropped: a retry would write half a
  /// line twice, and a full disk does not get emptier by waiting.
  mutating func flush() throws(Failure) {
    guard count > 0 else { return }
    let length = count
    count = 0
    var written = 0
    while written < length {
      let more = Sink.quietly { CPosix.write(file, buffer + written, length - written) }
      if more > 0 {
        written += more
      } else if __errno_location().pointee == EAGAIN {
        // Somebody made this terminal or pipe non-blocking: wait until it takes more.
        var ready = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
        _ = poll(&ready, 1, -1)
      } else if __errno_location().pointee != EINTR {
        throw Failure.io("cannot write the log: \(Sink.reason())")
      }
    }
  }

  /// Calls `body` so that a broken pipe is an error and not the end of the process, whatever the
  /// host does about SIGPIPE.
  private static func quietly(_ body: () -> Int) -> Int {
    var pipe = sigset_t()
    var before = sigset_t()
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &pipe, &before)
    let result = body()
    let error = __errno_location().pointee
    if result < 0 && error == EPIPE && sigismember(&before, SIGPIPE) == 0 {
      var atOnce = timespec(tv_sec: 0, tv_nsec: 0)
      sigtimedwait(&pipe, nil, &atOnce)
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    __errno_location().pointee = error
    return result
  }

  mutating func close() throws(Failure) {
    try flush()
    guard let stream else { return }
    self.stream = nil
    file = -1
    if fclose(stream) != 0 { throw Failure.io("cannot close the log: \(Sink.reason())") }
  }

  private static func reason() -> Text {
    guard let text = strerror(__errno_location().pointee) else { return "unknown error" }
    var result = Text()
    var position = 0
    while text[position] != 0 {
      result.bytes.append(UInt8(bitPattern: text[position]))
      position += 1
    }
    return result
  }
}
