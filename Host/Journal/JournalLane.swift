import CLinux
import Synchronization

/// One lane's end of a journal. Appending copies the bytes into the lane's ring: no lock, no
/// allocation, no system call while there is room; a full ring waits for the journal's thread,
/// and the wait is counted.
///
/// One thread at a time uses a lane (guarded by the runtime: a lane is one thread). Valid as long
/// as its `JournalWriter` is; after `close` nothing is taken any more.
@frozen
public struct JournalLane: @unchecked Sendable {
  @usableFromInline let ring: UnsafeMutablePointer<JournalRing>

  init(ring: UnsafeMutablePointer<JournalRing>) { self.ring = ring }

  /// The most bytes one record may hold.
  public var payloadBytesMax: Int { ring.pointee.payloadMax }

  /// The journal has failed or is closed: what is appended is lost. `JournalWriter.close` says why.
  @inlinable
  public var isRefusing: Bool { ring.pointee.refuses.load(ordering: .relaxed) != 0 }

  /// The position behind the record appended last, in bytes since the journal began. For the thread that appends.
  @inlinable
  public var appended: UInt64 { ring.pointee.tail }

  /// Everything before this position is synced to the disk, and stays so. Any thread.
  @inlinable
  public var synced: UInt64 { ring.pointee.synced.load(ordering: .acquiring) }

  /// Asks for all that was appended so far to be written and synced at once, together with what other
  /// lanes ask for meanwhile. Returns before that; see `synced` and `JournalWriter.onSync`.
  public func requestSync() {
    ring.pointee.syncWanted.store(ring.pointee.tail, ordering: .releasing)
    ring.ring()
  }

  /// Appends one record. False when it was not taken: the journal has failed or is closed, or the
  /// bytes are more than `payloadBytesMax`.
  @inlinable @discardableResult
  public func append(kind: UInt8, sequence: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let payload = reserve(kind: kind, sequence: sequence, count: bytes.count) else { return false }
    if let source = bytes.baseAddress { payload.copyMemory(from: source, byteCount: bytes.count) }
    commit(count: bytes.count)
    return true
  }

  /// Appends one record made of two pieces.
  @inlinable @discardableResult
  public func append(
    kind: UInt8, sequence: UInt64, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer
  ) -> Bool {
    let count = first.count &+ second.count
    guard let payload = reserve(kind: kind, sequence: sequence, count: count) else { return false }
    if let source = first.baseAddress { payload.copyMemory(from: source, byteCount: first.count) }
    if let source = second.baseAddress { (payload + first.count).copyMemory(from: source, byteCount: second.count) }
    commit(count: count)
    return true
  }

  /// Appends one record made of three pieces.
  @inlinable @discardableResult
  public func append(
    kind: UInt8, sequence: UInt64, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
    _ third: UnsafeRawBufferPointer
  ) -> Bool {
    let count = first.count &+ second.count &+ third.count
    guard let payload = reserve(kind: kind, sequence: sequence, count: count) else { return false }
    if let source = first.baseAddress { payload.copyMemory(from: source, byteCount: first.count) }
    if let source = second.baseAddress { (payload + first.count).copyMemory(from: source, byteCount: second.count) }
    if let source = third.baseAddress {
      (payload + first.count + second.count).copyMemory(from: source, byteCount: third.count)
    }
    commit(count: count)
    return true
  }

  /// Appends a value's bytes.
  @inlinable @discardableResult
  public func append<Value: BitwiseCopyable>(kind: UInt8, sequence: UInt64, value: Value) -> Bool {
    guard let payload = reserve(kind: kind, sequence: sequence, count: MemoryLayout<Value>.size) else { return false }
    payload.storeBytes(of: value, as: Value.self)
    commit(count: MemoryLayout<Value>.size)
    return true
  }

  /// Room for a record of `count` bytes, 16-byte aligned, to be filled at once and committed with
  /// the same count; nil as `append` is false. A reservation that is not committed is forgotten.
  @inlinable @inline(__always)
  public func reserve(kind: UInt8, sequence: UInt64, count: Int) -> UnsafeMutableRawPointer? {
    guard _fastPath(count <= ring.pointee.payloadMax), let place = ring.place(span: Self.span(count)) else { return nil }
    // Zeros behind the payload; the payload is written over what is not behind it.
    let last = place + Int(truncatingIfNeeded: Self.span(count) &- 16)
    last.storeBytes(of: 0, as: UInt64.self)
    last.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    place.storeBytes(of: UInt32(truncatingIfNeeded: count), as: UInt32.self)
    place.storeBytes(of: UInt32(kind), toByteOffset: 4, as: UInt32.self)
    place.storeBytes(of: sequence, toByteOffset: 8, as: UInt64.self)
    return place + 16
  }

  /// Publishes the record reserved last.
  @inlinable @inline(__always)
  public func commit(count: Int) {
    ring.publish(span: Self.span(count))
  }

  @inlinable @inline(__always)
  static func span(_ count: Int) -> UInt64 { (UInt64(truncatingIfNeeded: count) &+ 31) & ~15 }
}
