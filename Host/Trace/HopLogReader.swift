import GantryBase
import Glibc

/// Reads one ring file of a hop log while a lane may be writing to it. What the lane overwrote
/// meanwhile is left out and counted; no bytes make it crash.
public final class HopLogReader {
  /// The path it was opened with.
  public let path: String
  public let lane: Int
  /// When the ring was made, nanoseconds since 1970; with the path it names the ring.
  public let madeNs: Int64
  public let slotCount: Int
  private let fd: Int32

  /// Throws `trace.read-failed` and `trace.damaged`.
  public init(path: String) throws(GantryError) {
    self.path = path
    fd = open(path, O_RDONLY | O_CLOEXEC)
    var status = stat()
    guard fd >= 0, fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      let reason = fd >= 0 && errno == 0 ? "it is not a file" : String(cString: strerror(errno))
      if fd >= 0 { close(fd) }
      throw GantryError("trace.read-failed", "cannot read \(path): \(reason).")
    }
    let header = UnsafeMutableRawBufferPointer.allocate(byteCount: HopFile.headerBytes, alignment: 64)
    defer { header.deallocate() }
    let got = pread(fd, header.baseAddress, header.count, 0)
    let slots = got == header.count ? Int(clamping: header.load(fromByteOffset: 16, as: UInt64.self)) : 0
    var wrong: String?
    if got != header.count || header.load(as: UInt64.self) != HopFile.signature {
      wrong = "this is no hop log"
    } else if header.load(fromByteOffset: 8, as: UInt32.self) != HopFile.version {
      wrong = "format version \(header.load(fromByteOffset: 8, as: UInt32.self)), this host reads version \(HopFile.version)"
    } else if header.load(fromByteOffset: 12, as: UInt32.self) != UInt32(HopFile.slotBytes) || slots < 1 || slots > 1 << 26
      || slots & (slots - 1) != 0 || Int(status.st_size) < HopFile.headerBytes + slots * HopFile.slotBytes
    {
      wrong = "the header contradicts itself or the file's size"
    }
    if let wrong {
      close(fd)
      throw GantryError("trace.damaged", "\(path): \(wrong).", help: ["hop logs are written anew by each run; remove this one"])
    }
    lane = Int(header.load(fromByteOffset: 24, as: UInt32.self))
    madeNs = header.load(fromByteOffset: 32, as: Int64.self)
    slotCount = slots
  }

  deinit { close(fd) }

  /// How many slots were written so far, overwritten ones included.
  public var written: UInt64 {
    var count: UInt64 = 0
    return pread(fd, &count, 8, 64) == 8 ? count : 0
  }

  /// The oldest slot that can still be read.
  public var oldest: UInt64 { Self.oldest(written, slotCount) }

  /// Slots from `number` on, at most `limit` of them. `first` is above `number` when older ones
  /// have been overwritten.
  func read(from number: UInt64, limit: Int) throws(GantryError) -> (first: UInt64, slots: [HopSlot]) {
    let before = written
    var first = max(number, Self.oldest(before, slotCount))
    guard first < before else { return (max(number, first), []) }
    let count = Int(min(before - first, UInt64(limit)))
    var slots = [HopSlot](unsafeUninitializedCapacity: count) { buffer, filled in
      var done = 0
      while done < count {
        let index = Int((first + UInt64(done)) & UInt64(slotCount - 1))
        let piece = min(count - done, slotCount - index)
        let bytes = piece * HopFile.slotBytes
        let got = pread(fd, buffer.baseAddress! + done, bytes, off_t(HopFile.headerBytes + index * HopFile.slotBytes))
        if got != bytes { break }
        done += piece
      }
      filled = done
    }
    guard slots.count == count else { throw GantryError("trace.read-failed", "\(path) became shorter while it was read.") }
    let oldest = Self.oldest(written, slotCount)
    if oldest > first {
      slots.removeFirst(Int(min(oldest - first, UInt64(slots.count))))
      first = oldest
    }
    return (first, slots)
  }

  /// The oldest slot that the lane cannot be writing over.
  private static func oldest(_ written: UInt64, _ slots: Int) -> UInt64 {
    let kept = UInt64(slots) - min(HopFile.marginSlots, UInt64(slots) / 2)
    return written > kept ? written - kept : 0
  }
}

/// One 64-byte slot as it was read.
@frozen
public struct HopSlot: BitwiseCopyable, Sendable {
  var record: HopRecord

  var kind: HopKind { record.kind }

  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withUnsafeBytes(of: record, body)
  }
}
