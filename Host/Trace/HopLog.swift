import CLinux
import GantryBase
import Glibc
import Synchronization

/// The layout of a ring file; see `HopRing`.
enum HopFile {
  static let headerBytes = 4096
  static let version: UInt32 = 1
  static let slotBytes = 64
  /// "GANTRYH1" read as a little-endian number.
  static let signature: UInt64 = 0x3148_5952_544E_4147
  /// A reader drops this many of the oldest slots: the lane may be writing over them.
  static let marginSlots: UInt64 = 64
}

/// One lane's hop logs in a run folder: `hops-<lane>.bin` for the share of chains that is traced,
/// and the smaller `orders-<lane>.bin` for every chain that ordered or erred, so that a busy market
/// does not push its orders out of the log.
///
/// Sizes are fixed when it is made; the newest records replace the oldest. The first part of each
/// file is touched at once, the rest by `prefault`, which a control thread calls now and then so
/// that the lane meets no page faults and an idle host stays small.
public final class HopLog: @unchecked Sendable {
  // Guarded by: the rings' own rules; `prefault` and `close` are called by one control thread.
  public struct Options: Sendable {
    /// File sizes, rounded down to a power of two of slots; from 64 KB to 4 GB.
    public var hopsBytes: Int
    public var ordersBytes: Int
    /// How much of each file is touched ahead of the lane.
    public var prefaultBytes: Int

    public init(hopsBytes: Int = 16 << 20, ordersBytes: Int = 16 << 20, prefaultBytes: Int = 1 << 20) {
      self.hopsBytes = hopsBytes
      self.ordersBytes = ordersBytes
      self.prefaultBytes = prefaultBytes
    }
  }

  /// Hops of the traced share of chains.
  public let hops: HopRing
  /// All hops, events and notes of chains that ordered or erred.
  public let orders: HopRing

  private var files: [MappedRing]

  /// Makes both files, replacing older ones. Throws `trace.write-failed`.
  public init(directory: String, lane: Int = 0, options: Options = Options()) throws(GantryError) {
    let hopsFile = try MappedRing(
      path: "\(directory)/hops-\(lane).bin", lane: lane, bytes: options.hopsBytes, prefault: options.prefaultBytes)
    let ordersFile = try MappedRing(
      path: "\(directory)/orders-\(lane).bin", lane: lane, bytes: options.ordersBytes, prefault: options.prefaultBytes)
    files = [hopsFile, ordersFile]
    hops = hopsFile.ring
    orders = ordersFile.ring
  }

  /// Touches the pages that the lane comes to next. Cheap when there is nothing to do.
  public func prefault() {
    for index in files.indices { files[index].prefault() }
  }

  /// Ends the mappings; the files stay. The lane has stopped.
  public func close() {
    for index in files.indices { files[index].unmap() }
    files = []
  }

  deinit { close() }
}

/// One ring file, mapped for writing.
private struct MappedRing {
  let ring: HopRing
  private let address: UnsafeMutableRawPointer
  private let byteCount: Int
  private let ahead: Int
  /// Bytes from the file's start that have been touched.
  private var touched = 0

  init(path: String, lane: Int, bytes: Int, prefault: Int) throws(GantryError) {
    var slots = 1 << 10
    while slots * 2 * HopFile.slotBytes <= min(max(bytes, 64 << 10), 4 << 30) { slots *= 2 }
    byteCount = HopFile.headerBytes + slots * HopFile.slotBytes
    ahead = max(prefault, 64 << 10)
    // A new file, so that a reader of the old one keeps what it has mapped.
    unlink(path)
    let fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard fd >= 0 else { throw Self.failure("create", path) }
    defer { Glibc.close(fd) }
    // Room is taken now: a full disk is an error here and not a SIGBUS on the lane.
    let full = posix_fallocate(fd, 0, off_t(byteCount))
    guard full == 0 else {
      errno = full
      unlink(path)
      throw Self.failure("make room for", path)
    }
    guard let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), mapped != MAP_FAILED else {
      throw Self.failure("map", path)
    }
    address = mapped
    ring = HopRing(header: mapped, slotCount: slots)
    mapped.storeBytes(of: HopFile.version, toByteOffset: 8, as: UInt32.self)
    mapped.storeBytes(of: UInt32(HopFile.slotBytes), toByteOffset: 12, as: UInt32.self)
    mapped.storeBytes(of: UInt64(slots), toByteOffset: 16, as: UInt64.self)
    mapped.storeBytes(of: UInt32(lane), toByteOffset: 24, as: UInt32.self)
    mapped.storeBytes(of: UInt32(getpid()), toByteOffset: 28, as: UInt32.self)
    mapped.storeBytes(of: clinux_wall_ns(), toByteOffset: 32, as: Int64.self)
    mapped.storeBytes(of: HopFile.signature, toByteOffset: 0, as: UInt64.self)
    self.prefault()
  }

  /// Touches up to `ahead` bytes from where the lane writes.
  mutating func prefault() {
    let count = ring.count
    let position = count > ring.mask ? byteCount : HopFile.headerBytes + Int(count) * HopFile.slotBytes
    let target = min(position + ahead, byteCount)
    guard target > touched, touched == 0 || target - touched >= ahead / 2 || target == byteCount else { return }
    let start = touched & ~4095
    if madvise(address + start, target - start, 23) != 0 {  // MADV_POPULATE_WRITE, Linux 5.14
      for offset in stride(from: start, to: target, by: 4096) {
        // An atomic that adds nothing: the lane may be writing here.
        (address + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.bitwiseOr(0, ordering: .relaxed)
      }
    }
    touched = target
  }

  func unmap() { munmap(address, byteCount) }

  private static func failure(_ what: String, _ path: String) -> GantryError {
    GantryError(
      "trace.write-failed", "cannot \(what) \(path): \(String(cString: strerror(errno))).",
      help: errno == ENOSPC || errno == EDQUOT ? ["free space on the disk, or make the hop log smaller"] : [], exit: .failed)
  }
}
