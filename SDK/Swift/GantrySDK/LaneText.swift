import CGantry

/// Text that is put together on a lane: a fixed piece of memory, allocated once and used again.
/// What does not fit is cut off.
public struct LaneText {
  private let start: UnsafeMutablePointer<UInt8>
  public let capacity: Int
  public private(set) var count = 0

  public init(capacity: Int) {
    start = UnsafeMutablePointer<UInt8>.allocate(capacity: max(capacity, 1))
    self.capacity = capacity
  }

  public func destroy() { start.deallocate() }

  public mutating func clear() { count = 0 }

  /// The bytes written so far; valid until the next change.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  @inline(__always)
  public mutating func append(byte: UInt8) {
    if count < capacity {
      start[count] = byte
      count += 1
    }
  }

  /// Appends a byte that must be there, in place of the last one when the memory is full.
  public mutating func end(byte: UInt8) {
    if count == capacity { count -= 1 }
    append(byte: byte)
  }

  public mutating func append(_ text: StaticString) {
    for index in 0..<text.utf8CodeUnitCount { append(byte: text.utf8Start[index]) }
  }

  public mutating func append(_ text: TextView) {
    for index in 0..<text.count { append(byte: text[index]) }
  }

  public mutating func append(bytes: UnsafeRawBufferPointer) {
    for byte in bytes { append(byte: byte) }
  }

  public mutating func append(_ value: UInt64) {
    var divisor: UInt64 = 1
    while value / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      append(byte: UInt8(48 + value / divisor % 10))
      divisor /= 10
    }
  }

  public mutating func append(_ value: Int64) {
    if value < 0 { append(byte: 45) }
    append(value.magnitude)
  }

  /// An exact decimal: 12345 with 2 digits is 123.45.
  public mutating func append(_ value: Int64, digits: UInt32) {
    if value < 0 { append(byte: 45) }
    var scale: UInt64 = 1
    for _ in 0..<min(digits, 18) { scale *= 10 }
    append(value.magnitude / scale)
    guard scale > 1 else { return }
    append(byte: 46)
    appendDigits(value.magnitude % scale, scale: scale)
  }

  /// A double to `decimals` places, for people.
  public mutating func append(_ value: Double, decimals: Int) {
    if value.isNaN { return append("nan") }
    if value < 0 { append(byte: 45) }
    var scale: UInt64 = 1
    for _ in 0..<min(max(decimals, 0), 15) { scale *= 10 }
    let magnitude = value.magnitude * Double(scale)
    guard magnitude < 1e18 else { return append(value.isInfinite ? "inf" : ">1e9") }
    let rounded = UInt64(magnitude + 0.5)
    append(rounded / scale)
    if scale > 1 {
      append(byte: 46)
      appendDigits(rounded % scale, scale: scale)
    }
  }

  /// `value` with all the digits that `scale` has zeros.
  public mutating func appendDigits(_ value: UInt64, scale: UInt64) {
    var unit = scale / 10
    while unit > 0 {
      append(byte: UInt8(48 + value / unit % 10))
      unit /= 10
    }
  }
}
