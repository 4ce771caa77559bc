import GantryBase

/// What arrives on one connection of the control socket, cut into lines: a value without I/O or
/// clock, so that it can be tested and fuzzed.
///
/// Whatever a client sends or does not send costs at most `ControlRequest.bytesMax` bytes and the
/// time limits below. Times are monotonic nanoseconds.
public struct ControlStream: Sendable {
  public struct Limits: Sendable {
    /// Silence before a connection's first request.
    public var firstNs: Int64 = 10_000_000_000
    /// Silence between two requests, and a line that does not end.
    public var idleNs: Int64 = 120_000_000_000
    /// A client that reads nothing of what it asked for.
    public var writeNs: Int64 = 10_000_000_000
    /// Bytes that wait for a client before it is cut off.
    public var outputBytesMax = 8 << 20
    public var connectionsMax = 64
    public init() {}
  }

  public enum Next: Sendable, Equatable {
    /// A whole line, without its end.
    case line([UInt8])
    /// No whole line is there.
    case wait
    /// The line is longer than allowed; nothing further on this connection is read as a request.
    case tooLong
    /// The client has sent all that it will.
    case ended
  }

  private var buffer: [UInt8] = []
  /// Where the search for a line's end goes on.
  private var searched = 0
  private var isDiscarding = false
  private var hasEnded = false
  private var lastNs: Int64
  private var hasAsked = false
  private let limits: Limits

  public init(limits: Limits = Limits(), nowNs: Int64) {
    self.limits = limits
    lastNs = nowNs
  }

  /// Whether more bytes may be read now.
  public var wantsBytes: Bool { !hasEnded && (isDiscarding || buffer.count <= ControlRequest.bytesMax) }

  public mutating func received(_ bytes: some Collection<UInt8>, nowNs: Int64) {
    if !isDiscarding { buffer += bytes }
    // Half a line is no sign of life: only a line's end, or its first byte, is.
    if hasAsked, buffer.count == bytes.count { lastNs = nowNs }
  }

  public mutating func endReceived() { hasEnded = true }

  /// Takes the next whole line.
  public mutating func next(nowNs: Int64) -> Next {
    if isDiscarding { return hasEnded ? .ended : .wait }
    if let end = buffer[searched...].firstIndex(of: 0x0A) {
      guard end <= ControlRequest.bytesMax else { return discard(nowNs) }
      var line = Array(buffer[..<end])
      if line.last == 0x0D { line.removeLast() }
      buffer.removeFirst(end + 1)
      searched = 0
      lastNs = nowNs
      hasAsked = true
      return .line(line)
    }
    searched = buffer.count
    if buffer.count > ControlRequest.bytesMax { return discard(nowNs) }
    return hasEnded ? .ended : .wait
  }

  private mutating func discard(_ nowNs: Int64) -> Next {
    isDiscarding = true
    lastNs = nowNs
    buffer = []
    searched = 0
    return .tooLong
  }

  /// When the connection is given up, unless something happens before. `isBusy`: a request of it
  /// is being worked on; then only a client that does not read is given up.
  public func deadlineNs(isBusy: Bool, writingSinceNs: Int64?) -> Int64 {
    if let writingSinceNs { return writingSinceNs + limits.writeNs }
    if isBusy { return .max }
    if isDiscarding { return lastNs + limits.firstNs }
    return lastNs + (hasAsked ? limits.idleNs : limits.firstNs)
  }
}
