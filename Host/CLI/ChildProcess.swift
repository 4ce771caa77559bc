import GantryBase

#if canImport(Glibc)
  import Glibc
#endif

/// A throwaway child of this executable: its standard output is read to the end, within a deadline.
struct ChildProcess {
  enum End: Equatable {
    case exited(Int32)
    case killed(signal: Int32)
    case timedOut
  }

  var end: End
  var output: [UInt8]

  /// Runs `path` with `arguments`; standard error is the parent's.
  static func run(_ path: String = "/proc/self/exe", _ arguments: [String], deadlineNs: Int64) throws(GantryError) -> ChildProcess {
    var pipes: [Int32] = [0, 0]
    guard pipe2(&pipes, O_CLOEXEC) == 0 else { throw failure("cannot make a pipe") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var child = pid_t()
    let words = (["gantry"] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    let error = posix_spawn(&child, path, &actions, nil, words, environ)
    close(pipes[1])
    guard error == 0 else {
      close(pipes[0])
      throw failure("cannot start a child: \(String(cString: strerror(error)))")
    }
    let (output, timedOut) = collect(pipes[0], deadlineNs: deadlineNs)
    close(pipes[0])
    if timedOut { kill(child, SIGKILL) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    if timedOut { return ChildProcess(end: .timedOut, output: output) }
    let signal = status & 0x7F
    return ChildProcess(end: signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal), output: output)
  }

  private static func collect(_ descriptor: Int32, deadlineNs: Int64) -> ([UInt8], Bool) {
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let end = monotonicNs() + deadlineNs
    while true {
      let left = end - monotonicNs()
      if left <= 0 || output.count > 64 << 20 { return (output, true) }
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = Glibc.poll(&poll, 1, Int32(min(left / 1_000_000 + 1, 1000)))
      if ready < 0, errno != EINTR { return (output, true) }
      guard ready > 0 else { continue }
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return (output, false) }
      output += buffer[..<count]
    }
  }

  private static func monotonicNs() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
  }

  private static func failure(_ text: String) -> GantryError { GantryError("cli.no-child", text, exit: .failed) }

  static func signalName(_ signal: Int32) -> String {
    switch signal {
    case SIGILL: "SIGILL, a trap"
    case SIGTRAP: "SIGTRAP, a trap"
    case SIGSEGV: "SIGSEGV, a wrong memory access"
    case SIGBUS: "SIGBUS, a wrong memory access"
    case SIGABRT: "SIGABRT, an abort"
    case SIGFPE: "SIGFPE, a division by zero"
    case SIGKILL: "SIGKILL"
    default: "signal \(signal)"
    }
  }
}
