import Synchronization

/// A ring of 64-byte slots in a mapped file: one lane appends, readers of any process look on.
///
///     header   0  "GANTRYH1"
///              8  u32 version, u32 bytes of a slot (64)
///             16  u64 slots, a power of two
///             24  u32 lane, u32 process
///             32  i64 when it was made, ns since 1970
///             64  u64 slots written so far; slot n is at 4096 + n % slots * 64
///
/// Appending is plain stores and one release store: no lock, no system call. The file outlives a
/// crash of the process. A handle without an owner's duties: it is valid as long as its `HopLog`.
@frozen
public struct HopRing: @unchecked Sendable {
  // Guarded by: one appending thread; readers check `written` before and after they copy.
  @usableFromInline let header: UnsafeMutableRawPointer
  @usableFromInline let slots: UnsafeMutableRawPointer
  @usableFromInline let mask: UInt64

  init(header: UnsafeMutableRawPointer, slotCount: Int) {
    self.header = header
    slots = header + HopFile.headerBytes
    mask = UInt64(slotCount - 1)
  }

  @inlinable @inline(__always)
  var written: UnsafeMutablePointer<Atomic<UInt64>> {
    (header + 64).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// How many slots were written, overwritten ones included.
  @inlinable
  public var count: UInt64 { written.pointee.load(ordering: .acquiring) }

  /// The number of the slot that is written next.
  @inlinable @inline(__always)
  var next: UInt64 { written.pointee.load(ordering: .relaxed) }

  @inlinable @inline(__always)
  func slot(at number: UInt64) -> UnsafeMutableRawPointer {
    slots + Int(truncatingIfNeeded: (number & mask) &<< 6)
  }

  /// Appends one hop.
  @inlinable @inline(__always)
  public func append(_ record: HopRecord) {
    let number = next
    slot(at: number).storeBytes(of: record, as: HopRecord.self)
    written.pointee.store(number &+ 1, ordering: .releasing)
  }

  @inlinable @inline(__always)
  func publish(slots count: Int) {
    written.pointee.store(next &+ UInt64(truncatingIfNeeded: count), ordering: .releasing)
  }
}
