import CGantry

/// Where a state is written, in the order it will be read. Borrowed.
public struct StateWriter: ~Copyable {
  let raw: UnsafeMutablePointer<gantry_state_writer>

  init(_ raw: UnsafeMutablePointer<gantry_state_writer>) { self.raw = raw }

  /// Writes the bytes of a trivial value (numbers, and structs of numbers).
  public func write<Value: BitwiseCopyable>(_ value: Value) throws(Failure) {
    var copy = value
    let status = raw.pointee.write(raw, &copy, UInt64(MemoryLayout<Value>.size))
    if status != 0 { throw Failure(status, "the state is larger than the host takes") }
  }

  /// Writes a count and then the values.
  public func write<Value: BitwiseCopyable>(_ start: UnsafePointer<Value>, count: Int) throws(Failure) {
    try write(UInt64(count))
    guard count > 0 else { return }
    let status = raw.pointee.write(raw, start, UInt64(MemoryLayout<Value>.stride * count))
    if status != 0 { throw Failure(status, "the state is larger than the host takes") }
  }
}

/// Reads a saved state, checking every length: any bytes may come.
public struct StateReader {
  private var rest: UnsafeRawBufferPointer

  public init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

  public var remaining: Int { rest.count }

  public mutating func read<Value: BitwiseCopyable>(as type: Value.Type) throws(Failure) -> Value {
    guard rest.count >= MemoryLayout<Value>.size else { throw Failure.invalid("the saved state ends too early") }
    let value = rest.loadUnaligned(as: Value.self)
    rest = UnsafeRawBufferPointer(rebasing: rest[MemoryLayout<Value>.size...])
    return value
  }

  /// Reads a counted run into memory with room for exactly `count` values.
  public mutating func read<Value: BitwiseCopyable>(
    into target: UnsafeMutablePointer<Value>, count: Int
  ) throws(Failure) {
    guard try read(as: UInt64.self) == UInt64(count) else {
      throw Failure.unsupported("the saved state was made with other parameters")
    }
    let size = MemoryLayout<Value>.stride * count
    guard rest.count >= size else { throw Failure.invalid("the saved state ends too early") }
    if size > 0 { UnsafeMutableRawPointer(target).copyMemory(from: rest.baseAddress!, byteCount: size) }
    rest = UnsafeRawBufferPointer(rebasing: rest[size...])
  }

  /// Call last: a state with bytes left over was made by something else.
  public func finish() throws(Failure) {
    if !rest.isEmpty { throw Failure.invalid("the saved state is longer than this version reads") }
  }
}
