import CLinux
import GantryBase
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The whole terminal, for a picture that changes: its own screen, keys as they are pressed. However
/// the process ends but by SIGKILL, the terminal is as it was.
final class LiveScreen {
  enum Key { case quit, up, down, sort, hold, other }
  enum Event { case key(Key), readable, resized, time, ended }

  static var isPossible: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && getenv("TERM").map { String(cString: $0) != "dumb" } ?? false }
  static var nowNs: Int64 { clinux_monotonic_ns() }

  private var before = termios()
  private var isRestored = false
  private(set) var width = 80
  private(set) var height = 24

  /// Keys that were typed and not yet asked for, oldest first.
  private var typed: [Key] = []

  /// What signals leave for the loop.
  private static let hasEnded = Atomic<Bool>(false)
  private static let hasResized = Atomic<Bool>(false)

  init() {
    tcgetattr(STDIN_FILENO, &before)
    var raw = before
    raw.c_lflag &= ~UInt32(ICANON | ECHO)
    withUnsafeMutableBytes(of: &raw.c_cc) { bytes in
      bytes[Int(VMIN)] = 0
      bytes[Int(VTIME)] = 0
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &raw)
    for number in [SIGINT, SIGTERM, SIGHUP] { signal(number) { _ in LiveScreen.hasEnded.store(true, ordering: .relaxed) } }
    signal(SIGWINCH) { _ in LiveScreen.hasResized.store(true, ordering: .relaxed) }
    write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J")
    measure()
  }

  /// Gives the terminal back. Again does nothing.
  func restore() {
    guard !isRestored else { return }
    isRestored = true
    write("\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l")
    tcsetattr(STDIN_FILENO, TCSANOW, &before)
  }

  private func measure() {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return }
    width = Int(size.ws_col)
    height = Int(size.ws_row)
  }

  /// Waits for a key, an answer, another size or a time.
  func wait(for descriptor: Int32, untilNs: Int64) -> Event {
    while true {
      if Self.hasEnded.load(ordering: .relaxed) { return .ended }
      if Self.hasResized.exchange(false, ordering: .relaxed) {
        measure()
        write("\u{1B}[2J")
        return .resized
      }
      if !typed.isEmpty { return .key(typed.removeFirst()) }
      var polls = [pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0), pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
      let leftMs = (untilNs - Self.nowNs) / 1_000_000
      // Never long: a signal between the look and the wait is seen soon.
      let ready = poll(&polls, 2, Int32(max(0, min(leftMs, 250))))
      if ready < 0 { continue }
      if polls[0].revents & Int16(POLLHUP | POLLERR | POLLNVAL) != 0 { return .ended }
      if polls[0].revents != 0 {
        guard readKeys() else { return .ended }
        continue
      }
      if polls[1].revents != 0 { return .readable }
      if Self.nowNs >= untilNs { return .time }
    }
  }

  /// Takes what was typed. False at the end of the input.
  private func readKeys() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(STDIN_FILENO, &bytes, bytes.count)
    guard count > 0 else { return false }
    var rest = bytes[..<count]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4: typed.append(.quit)
      case UInt8(ascii: "s"): typed.append(.sort)
      case UInt8(ascii: " "): typed.append(.hold)
      case UInt8(ascii: "k"): typed.append(.up)
      case UInt8(ascii: "j"): typed.append(.down)
      case 0x1B where rest.first == UInt8(ascii: "[") || rest.first == UInt8(ascii: "O"):
        rest.removeFirst()
        let letter = rest.popFirst()
        typed.append(letter == UInt8(ascii: "A") ? .up : letter == UInt8(ascii: "B") ? .down : .other)
      default: typed.append(.other)
      }
    }
    return true
  }

  /// Replaces the picture in one write, so that nothing flickers.
  func draw(_ lines: [String]) {
    write("\u{1B}[?2026h\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J\u{1B}[?2026l")
  }

  private func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
