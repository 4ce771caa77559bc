import CGantry

/// Copies of what chosen ports emitted, for `gantry test` and for comparing runs.
public final class OutputCapture: @unchecked Sendable {  // written by one lane, read after it has ended
  public struct Event: Sendable {
    public var node: Int
    public var port: Int
    public var bytes: [UInt8]
    public var arena: [UInt8]
  }
  public private(set) var events: [Event] = []
  /// No more than this many events are kept; the rest are counted.
  public let limit: Int
  public private(set) var left: UInt64 = 0

  public init(limit: Int = 1_000_000) { self.limit = limit }

  func take(
    port: UnsafeMutablePointer<PortBuffer>, rows: UnsafeRawPointer, count: Int, arena: UnsafePointer<UInt8>?,
    arenaCount: Int
  ) {
    let stride = port.pointee.stride
    for index in 0..<count {
      guard events.count < limit else {
        left += UInt64(count - index)
        return
      }
      events.append(
        Event(
          node: Int(port.pointee.node), port: Int(port.pointee.port),
          bytes: Array(UnsafeRawBufferPointer(start: rows + index * stride, count: stride)),
          arena: arena.map { Array(UnsafeBufferPointer(start: $0, count: arenaCount)) } ?? []))
    }
  }
}
