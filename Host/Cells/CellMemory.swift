import CGantry
import CLinux
import GantryBase
import Glibc

/// The memory that a host shares with one cell: a page of control words and areas of fixed size. The
/// areas are wide because a page of them costs nothing until it is touched; neither side can resize
/// them. Whatever the cell writes here is checked before the host acts on it.
final class CellMemory: @unchecked Sendable {  // the two sides of a channel take turns, see clinux_cell_channel
  enum Area {
    static let page = 16 << 10
    static let deferred = 256 << 10
    static let payload = 1 << 20
    static let feed = 2 << 20
    static let others = 64 << 10
    static let rows = 16 << 20
    static let arena = 16 << 20
    static let snapshot = 32 << 20
    static let portRows = 64 << 20
    static let portCauses = 256 << 10
    static let portArena = 16 << 20
    static let port = portRows + portCauses + portArena

    static let deferredAt = page
    static let payloadAt = deferredAt + deferred
    static let feedAt = payloadAt + payload
    static let othersAt = feedAt + feed
    static let rowsAt = othersAt + others
    static let arenaAt = rowsAt + rows
    static let snapshotsAt = arenaAt + arena
    static let portsAt = snapshotsAt + 2 * snapshot
  }

  /// Most rows and arena bytes that one call may write to one port, as in process.
  static let rowsMax = 65_536

  let base: UnsafeMutableRawPointer
  let size: Int
  let page: UnsafeMutablePointer<clinux_cell_page>
  let portCount: Int
  /// The host's descriptor, to be inherited by the child; -1 in the child.
  private(set) var descriptor: Int32

  let calls: UnsafeMutablePointer<clinux_cell_channel>
  let feed: UnsafeMutablePointer<clinux_cell_channel>
  let others: UnsafeMutablePointer<clinux_cell_channel>
  let ports: UnsafeMutablePointer<clinux_cell_port>
  let snapshots: UnsafeMutablePointer<clinux_cell_snapshot>
  let newestSnapshot: UnsafeMutablePointer<UInt32>

  var deferred: UnsafeMutableRawPointer { base + Area.deferredAt }
  var payload: UnsafeMutableRawPointer { base + Area.payloadAt }
  var feedPayload: UnsafeMutableRawPointer { base + Area.feedAt }
  var othersPayload: UnsafeMutableRawPointer { base + Area.othersAt }
  var rows: UnsafeMutableRawPointer { base + Area.rowsAt }
  var arena: UnsafeMutableRawPointer { base + Area.arenaAt }
  func snapshot(_ slot: Int) -> UnsafeMutableRawPointer { base + Area.snapshotsAt + slot * Area.snapshot }
  func portRows(_ port: Int) -> UnsafeMutableRawPointer { base + Area.portsAt + port * Area.port }
  func portCauses(_ port: Int) -> UnsafeMutableRawPointer { portRows(port) + Area.portRows }
  func portArena(_ port: Int) -> UnsafeMutableRawPointer { portCauses(port) + Area.portCauses }

  private typealias Words = (
    UnsafeMutablePointer<clinux_cell_channel>, UnsafeMutablePointer<clinux_cell_channel>, UnsafeMutablePointer<clinux_cell_channel>,
    UnsafeMutablePointer<clinux_cell_port>, UnsafeMutablePointer<clinux_cell_snapshot>, UnsafeMutablePointer<UInt32>
  )

  private static func words(_ base: UnsafeMutableRawPointer) -> Words {
    func at<Value, Element>(_ path: KeyPath<clinux_cell_page, Value>, as type: Element.Type) -> UnsafeMutablePointer<Element> {
      (base + MemoryLayout<clinux_cell_page>.offset(of: path)!).assumingMemoryBound(to: type)
    }
    return (
      at(\.calls, as: clinux_cell_channel.self), at(\.feed, as: clinux_cell_channel.self), at(\.others, as: clinux_cell_channel.self),
      at(\.ports, as: clinux_cell_port.self), at(\.snapshots, as: clinux_cell_snapshot.self), at(\.newest_snapshot, as: UInt32.self)
    )
  }

  /// The host's side: makes the memory.
  init(ports: Int) throws(GantryError) {
    portCount = ports
    size = Area.portsAt + ports * Area.port
    descriptor = clinux_cell_memory(UInt64(size))
    guard descriptor >= 0 else { throw CellMemory.refused("shared memory") }
    guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
      let error = CellMemory.refused("shared memory")
      close(descriptor)
      throw error
    }
    self.base = base
    page = base.assumingMemoryBound(to: clinux_cell_page.self)
    let words = CellMemory.words(base)
    calls = words.0
    feed = words.1
    others = words.2
    self.ports = words.3
    snapshots = words.4
    newestSnapshot = words.5
    page.pointee.magic = CLINUX_CELL_MAGIC
    page.pointee.size = UInt64(size)
    page.pointee.spins = Spins.cell
  }

  /// The cell's side: maps what it has inherited. Nil when that is no such memory.
  init?(inherited: Int32) {
    var info = stat()
    guard fstat(inherited, &info) == 0, info.st_size >= Area.portsAt else { return nil }
    size = Int(info.st_size)
    portCount = (size - Area.portsAt) / Area.port
    guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, inherited, 0), base != MAP_FAILED else { return nil }
    self.base = base
    page = base.assumingMemoryBound(to: clinux_cell_page.self)
    descriptor = -1
    let words = CellMemory.words(base)
    calls = words.0
    feed = words.1
    others = words.2
    self.ports = words.3
    snapshots = words.4
    newestSnapshot = words.5
    guard page.pointee.magic == CLINUX_CELL_MAGIC, page.pointee.size == UInt64(size) else {
      munmap(base, size)
      return nil
    }
  }

  /// The child has its own descriptor now.
  func closeDescriptor() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  deinit {
    closeDescriptor()
    munmap(base, size)
  }

  static func refused(_ what: String) -> GantryError {
    GantryError("cell.no-resources", "the system refused \(what) for a cell: \(String(cString: strerror(errno)))", exit: .failed)
  }

  /// How long each side looks for an answer before it sleeps: some 20 to 60 microseconds where there is
  /// a second CPU for the other side, not at all where there is none.
  enum Spins {
    static let host: UInt32 = clinux_cpu_count() > 1 ? 2_000 : 0
    static let cell: UInt32 = clinux_cpu_count() > 1 ? 4_000 : 0
  }
}
