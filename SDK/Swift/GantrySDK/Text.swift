import CGantry

/// Owned UTF-8 text that works in Embedded Swift without the Unicode tables.
///
/// Written as a literal with interpolations: `"column \(name) is missing in line \(line)"`.
/// Comparison is byte by byte. Not for the lane: it allocates.
public struct Text: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, Equatable, Sendable {
  public var bytes: [UInt8]

  public init(bytes: [UInt8] = []) { self.bytes = bytes }

  public init(stringLiteral value: StaticString) {
    bytes = []
    append(value)
  }

  public init(stringInterpolation value: Interpolation) { bytes = value.text.bytes }

  public init(_ view: TextView) { bytes = view.copy() }

  public struct Interpolation: StringInterpolationProtocol {
    var text = Text(bytes: [])
    public init(literalCapacity: Int, interpolationCount: Int) {
      text.bytes.reserveCapacity(literalCapacity + 16 * interpolationCount)
    }
    public mutating func appendLiteral(_ literal: StaticString) { text.append(literal) }
    public mutating func appendInterpolation(_ value: Text) { text.bytes += value.bytes }
    public mutating func appendInterpolation(_ value: StaticString) { text.append(value) }
    public mutating func appendInterpolation(_ value: TextView) { value.forEach { text.bytes.append($0) } }
    public mutating func appendInterpolation(_ value: Int) { text.append(Int64(value)) }
    public mutating func appendInterpolation(_ value: Int64) { text.append(value) }
    public mutating func appendInterpolation(_ value: UInt32) { text.append(Int64(value)) }
    public mutating func appendInterpolation(_ value: UInt64) { text.append(value) }
    /// An exact decimal: 12345 with 2 digits is 123.45.
    public mutating func appendInterpolation(_ value: Int64, digits: UInt32) {
      text.append(value, digits: digits)
    }
    /// A double, rounded to `decimals` places; for people only.
    public mutating func appendInterpolation(_ value: Double, decimals: Int = 6) {
      text.append(value, decimals: decimals)
    }
  }

  public mutating func append(_ value: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
  }

  public mutating func append(_ value: UInt64) {
    if value >= 10 { append(value / 10) }
    bytes.append(UInt8(48 + value % 10))
  }

  public mutating func append(_ value: Int64) {
    if value < 0 { bytes.append(45) }
    append(value.magnitude)
  }

  public mutating func append(_ value: Int64, digits: UInt32) {
    if value < 0 { bytes.append(45) }
    var scale: UInt64 = 1
    for _ in 0..<min(digits, 18) { scale *= 10 }
    append(value.magnitude / scale)
    guard digits > 0 else { return }
    bytes.append(46)
    appendFraction(value.magnitude % scale, scale: scale)
  }

  public mutating func append(_ value: Double, decimals: Int) {
    if value.isNaN { return append("nan") }
    if value.isInfinite { return append(value < 0 ? "-inf" : "inf") }
    var scale: UInt64 = 1
    for _ in 0..<min(max(decimals, 0), 9) { scale *= 10 }
    let magnitude = value.magnitude * Double(scale)
    if value < 0 { bytes.append(45) }
    guard magnitude < 1e18 else { return append(">1e9") }
    let rounded = UInt64(magnitude + 0.5)
    append(rounded / scale)
    if scale > 1 {
      bytes.append(46)
      appendFraction(rounded % scale, scale: scale)
    }
  }

  private mutating func appendFraction(_ value: UInt64, scale: UInt64) {
    var unit = scale / 10
    while unit > 0 {
      bytes.append(UInt8(48 + value / unit % 10))
      unit /= 10
    }
  }

  /// Lends the text in the ABI's form; valid inside `body` only.
  @inline(__always)
  public func withABI<Result>(_ body: (gantry_string) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { buffer in
      buffer.withMemoryRebound(to: CChar.self) {
        body(gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
      }
    }
  }
}

/// Text that belongs to the host: valid as long as the call that gave it.
public struct TextView {
  let start: UnsafePointer<UInt8>?
  public let count: Int

  public init(_ string: gantry_string) {
    start = string.data.map { UnsafeRawPointer($0).assumingMemoryBound(to: UInt8.self) }
    count = start == nil ? 0 : Int(string.length)
  }

  public var isEmpty: Bool { count == 0 }

  public subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < count)
    return start![index]
  }

  @inline(__always)
  public func forEach(_ body: (UInt8) -> Void) {
    for index in 0..<count { body(start![index]) }
  }

  /// Lends the bytes; valid inside `body` only.
  @inline(__always)
  public func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    body(UnsafeBufferPointer(start: start, count: count))
  }

  public func copy() -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: start, count: count))
  }

  public static func == (view: TextView, literal: StaticString) -> Bool {
    guard view.count == literal.utf8CodeUnitCount else { return false }
    for index in 0..<view.count where view.start![index] != literal.utf8Start[index] { return false }
    return true
  }

  public static func == (left: TextView, right: TextView) -> Bool {
    guard left.count == right.count else { return false }
    for index in 0..<left.count where left.start![index] != right.start![index] { return false }
    return true
  }

  @_disfavoredOverload
  public static func == (view: TextView, text: Text) -> Bool {
    guard view.count == text.bytes.count else { return false }
    for index in 0..<view.count where view.start![index] != text.bytes[index] { return false }
    return true
  }

  public func hasPrefix(_ literal: StaticString) -> Bool {
    guard count >= literal.utf8CodeUnitCount else { return false }
    for index in 0..<literal.utf8CodeUnitCount where start![index] != literal.utf8Start[index] { return false }
    return true
  }
}

extension StaticString {
  /// The literal in the ABI's form; it lives as long as the code.
  @inline(__always)
  public var abi: gantry_string {
    guard utf8CodeUnitCount > 0 else { return gantry_string(data: nil, length: 0) }
    return gantry_string(
      data: UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self),
      length: UInt64(utf8CodeUnitCount))
  }
}
