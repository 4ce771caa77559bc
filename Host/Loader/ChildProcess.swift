import CLinux
import Glibc

/// A throwaway process: spawned, listened to, and gone when `run` returns. It has a process group of
/// its own, no standard input, and none of this process's environment but what code needs to be
/// found.
public struct ChildProcess {
  public enum Ending: Equatable {
    case exited(Int32)
    case signalled(Int32)
    /// Nothing was heard for the whole deadline; it was killed.
    case silent
    /// It could not be started; an errno.
    case notStarted(Int32)
  }

  public var executable: String
  public var arguments: [String]
  /// How long the child may be silent.
  public var deadlineNs: Int64

  public init(executable: String, arguments: [String], deadlineNs: Int64) {
    self.executable = executable
    self.arguments = arguments
    self.deadlineNs = deadlineNs
  }

  static let outputMax = 64 << 20
  static let errorsMax = 16_384

  /// Runs the child to its end. `heard` gets each complete line of its standard output.
  public func run(heard: ([UInt8]) -> Void) -> (ending: Ending, errors: [UInt8]) {
    guard let output = Self.pipe(), let errors = Self.pipe() else { return (.notStarted(errno), []) }
    defer {
      close(output.read)
      close(errors.read)
    }
    let (pid, status) = spawn(output.write, errors.write)
    close(output.write)
    close(errors.write)
    guard status == 0 else { return (.notStarted(status), []) }
    let watch = clinux_watch_process(pid)
    defer { if watch >= 0 { close(watch) } }
    return listen(pid, watch, output.read, errors.read, heard)
  }

  private static func pipe() -> (read: Int32, write: Int32)? {
    var ends: [Int32] = [-1, -1]
    return clinux_make_pipe(&ends, 1) == 0 ? (ends[0], ends[1]) : nil
  }

  private func spawn(_ output: Int32, _ errors: Int32) -> (pid: pid_t, status: Int32) {
    let names = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "XDG_RUNTIME_DIR", "LANG", "TZ"]
    let kept = names.compactMap { (name: String) in getenv(name).map { name + "=" + String(cString: $0) } }
    var argv = (["gantry"] + arguments).map { strdup($0) } + [nil]
    var environment = kept.map { strdup($0) } + [nil]
    defer { for text in argv + environment { free(text) } }
    var pid: pid_t = 0
    let status = clinux_spawn(executable, &argv, &environment, [output, errors], [1, 2], 2, &pid)
    return (pid, status)
  }

  private func listen(
    _ pid: pid_t, _ watch: Int32, _ output: Int32, _ errors: Int32, _ heard: ([UInt8]) -> Void
  ) -> (ending: Ending, errors: [UInt8]) {
    var line: [UInt8] = []
    var complaint: [UInt8] = []
    var total = 0
    var isKilled = false
    var lastHeardNs = clinux_monotonic_ns()
    while true {
      let leftNs = lastHeardNs + deadlineNs - clinux_monotonic_ns()
      if leftNs <= 0 || total > Self.outputMax, !isKilled {
        isKilled = true
        kill(-pid, SIGKILL)
        kill(pid, SIGKILL)
      }
      // Without a watch descriptor the child's end is looked for every few milliseconds.
      let waitMs = isKilled ? 5 : min(watch >= 0 ? leftNs / 1_000_000 + 1 : 5, 60_000)
      var polled = [output, errors, watch].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      poll(&polled, 3, Int32(waitMs))
      let ended = waited(pid)
      for byte in drain(output) {
        total += 1
        if byte != 10 {
          line.append(byte)
        } else {
          lastHeardNs = clinux_monotonic_ns()
          heard(line)
          line = []
        }
      }
      complaint = Array((complaint + drain(errors)).suffix(Self.errorsMax))
      if let ended {
        kill(-pid, SIGKILL)
        return (isKilled ? .silent : ended, complaint)
      }
    }
  }

  private func waited(_ pid: pid_t) -> Ending? {
    var status: Int32 = 0
    guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
    let signal = status & 0x7F
    return signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
  }

  private func drain(_ descriptor: Int32) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < Self.outputMax {
      let count = read(descriptor, &chunk, chunk.count)
      guard count > 0 else { return bytes }
      bytes += chunk[0..<count]
    }
    return bytes
  }

  /// A signal's name and what it usually means.
  public static func describe(signal: Int32) -> String {
    let names: [Int32: String] = [
      SIGILL: "SIGILL (a trap, or an illegal instruction)", SIGTRAP: "SIGTRAP (a trap)", SIGABRT: "SIGABRT (it aborted)",
      SIGBUS: "SIGBUS (bad memory access)", SIGFPE: "SIGFPE (arithmetic error)", SIGSEGV: "SIGSEGV (bad memory access)",
      SIGXCPU: "SIGXCPU (it used up its CPU time)", SIGXFSZ: "SIGXFSZ (it wrote too large a file)", SIGKILL: "SIGKILL (it was killed, perhaps for its memory)",
      SIGSYS: "SIGSYS (a forbidden system call)",
    ]
    return names[signal] ?? "signal \(signal)"
  }
}

/// Confines this process, which is a throwaway child, for good.
func confineChild(_ cpuSeconds: UInt64) {
  clinux_confine(PluginInspector.childMemoryBytes, cpuSeconds, PluginInspector.childFileBytes)
}
