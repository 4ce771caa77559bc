import CLinux
import GantryBase
import Glibc
import Synchronization

/// One child process: spawned from this very executable with nothing of ours but the shared memory, a
/// bell, the standard output, and a pipe for what it complains of. It is reaped once, by whoever notices first.
///
/// The kernel kills it when the thread that spawned it ends, so that thread must live as long.
final class CellProcess: Sendable {
  enum Ending: Equatable, Sendable {
    case exited(Int32)
    case signalled(Int32)
  }

  static let verb = "__cell"
  /// The descriptors that the child finds.
  static let memoryDescriptor: Int32 = 3
  static let bellDescriptor: Int32 = 4

  let pid: pid_t
  /// Readable when the process has ended.
  let watch: Int32
  /// What it writes to its standard error, to be read by the watcher.
  let output: Int32
  private let reaped = Mutex<Ending?>(nil)

  init(executable: String, name: String, memory: Int32, bell: Int32) throws(GantryError) {
    var ends: [Int32] = [-1, -1]
    guard clinux_make_pipe(&ends, 1) == 0 else { throw CellMemory.refused("a pipe") }
    let kept = ["LD_LIBRARY_PATH", "LANG", "TZ"].compactMap { (name: String) in getenv(name).map { name + "=" + String(cString: $0) } } + ["SWIFT_BACKTRACE=enable=no"]
    let words: [String] = ["gantry-cell:\(name)", CellProcess.verb, String(getpid())]
    var argv = words.map { strdup($0) } + [nil]
    var environment = kept.map { strdup($0) } + [nil]
    defer { for text in argv + environment { free(text) } }
    var pid: pid_t = 0
    // What a plugin prints for people goes where it would go in process; what it complains of is heard.
    let status = clinux_spawn(
      executable, &argv, &environment, [memory, bell, ends[1]], [CellProcess.memoryDescriptor, CellProcess.bellDescriptor, 2], 3, &pid)
    close(ends[1])
    guard status == 0 else {
      close(ends[0])
      throw GantryError("cell.not-started", "a cell for \(name) cannot be started: \(String(cString: strerror(status)))", exit: .failed)
    }
    self.pid = pid
    output = ends[0]
    watch = clinux_watch_process(pid)
  }

  deinit {
    kill()
    _ = waitForEnd()
    if watch >= 0 { close(watch) }
    close(output)
  }

  /// How it ended, when it has.
  func ending() -> Ending? {
    reaped.withLock { reaped in
      if let reaped { return reaped }
      var status: Int32 = 0
      let result = waitpid(pid, &status, WNOHANG)
      guard result == pid || result < 0 && errno == ECHILD else { return nil }
      let signal = status & 0x7F
      reaped = signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
      return reaped
    }
  }

  /// Ends it at once. Safe at any time: a process that was reaped is never signalled.
  func kill() {
    reaped.withLock { reaped in
      guard reaped == nil else { return }
      Glibc.kill(pid, SIGKILL)
    }
  }

  /// Waits for the end of a process that has been killed or told to exit.
  func waitForEnd() -> Ending {
    while true {
      if let ending = ending() { return ending }
      var polled = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
      poll(&polled, watch >= 0 ? 1 : 0, watch >= 0 ? 1_000 : 2)
    }
  }

  /// What it has complained of since, at most 64 KB.
  func printed() -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 65_536 {
      let count = read(output, &chunk, chunk.count)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    return bytes
  }
}

func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
