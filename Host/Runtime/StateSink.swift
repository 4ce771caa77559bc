import CGantry
import GantryBase

/// Where a saved state goes. `collect` grows with it and is for the control side; a `StateBuffer` has
/// its memory beforehand and is for lanes.
enum StateSink {
  /// The largest state that is handed over at all.
  static let bytesMax = 1 << 30

  private final class Bytes { var bytes: [UInt8] = [] }

  /// What `body` writes. GANTRY_FULL beyond `bytesMax`.
  static func collect(
    _ body: (UnsafeMutablePointer<gantry_state_writer>) -> gantry_status
  ) -> (status: gantry_status, bytes: [UInt8]) {
    let sink = Bytes()
    var writer = gantry_state_writer()
    writer.size = UInt32(MemoryLayout<gantry_state_writer>.size)
    writer.context = Unmanaged.passUnretained(sink).toOpaque()
    writer.write = { writer, bytes, length in
      guard let context = writer?.pointee.context else { return GANTRY_MISUSE }
      let sink = Unmanaged<Bytes>.fromOpaque(context).takeUnretainedValue()
      guard length <= UInt64(StateSink.bytesMax - sink.bytes.count) else { return GANTRY_FULL }
      if let bytes { sink.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: Int(length))) }
      return GANTRY_OK
    }
    let status = withExtendedLifetime(sink) { body(&writer) }
    return (status, sink.bytes)
  }
}

/// Memory for one state that is saved between two events, made before the lane is asked: saving into
/// it allocates nothing.
final class StateBuffer {
  /// The largest state that is saved on a lane.
  static let bytesMax = 64 << 10

  private let memory: UnsafeMutablePointer<UInt8>
  private(set) var used = 0

  init() {
    memory = .allocate(capacity: StateBuffer.bytesMax)
    // Touched now, not on the lane.
    memory.initialize(repeating: 0, count: StateBuffer.bytesMax)
  }

  deinit { memory.deallocate() }

  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: memory, count: used) }

  /// GANTRY_FULL when the state is too large for a lane.
  func save(_ state: UnsafePointer<gantry_state>, _ instance: OpaquePointer?) -> gantry_status {
    guard state.pointee.bound(instance) <= UInt64(StateBuffer.bytesMax) else { return GANTRY_FULL }
    var writer = gantry_state_writer()
    writer.size = UInt32(MemoryLayout<gantry_state_writer>.size)
    writer.context = Unmanaged.passUnretained(self).toOpaque()
    writer.write = { writer, bytes, length in
      guard let context = writer?.pointee.context else { return GANTRY_MISUSE }
      return Unmanaged<StateBuffer>.fromOpaque(context)._withUnsafeGuaranteedRef { buffer in
        guard let bytes, length <= UInt64(StateBuffer.bytesMax - buffer.used) else { return length == 0 ? GANTRY_OK : GANTRY_FULL }
        UnsafeMutableRawPointer(buffer.memory + buffer.used).copyMemory(from: bytes, byteCount: Int(length))
        buffer.used += Int(length)
        return GANTRY_OK
      }
    }
    return state.pointee.save(instance, &writer)
  }
}
