import CPosix
import GantrySDK

/// Decoded rows in one piece of unmanaged memory that grows by doubling.
struct RowStore {
  private(set) var base: UnsafeMutablePointer<UInt64>
  /// In 64-bit words.
  private var capacity: Int
  private(set) var count = 0
  let slots: Int

  init(slots: Int, rows: Int) {
    self.slots = slots
    capacity = max(rows, 1) * slots
    base = .allocate(capacity: capacity)
  }

  func deallocate() { base.deallocate() }

  mutating func append(_ rows: UnsafePointer<UInt64>, count added: Int) throws(Failure) {
    let needed = (count + added) * slots
    if needed > capacity {
      let wanted = max(needed, capacity * 2)
      guard let memory = malloc(wanted * 8) else {
        throw Failure(-3, "preload: there is no memory for \(count + added) rows; set preload: false")
      }
      let larger = memory.assumingMemoryBound(to: UInt64.self)
      larger.update(from: base, count: count * slots)
      base.deallocate()
      base = larger
      capacity = wanted
    }
    (base + count * slots).update(from: rows, count: added * slots)
    count += added
  }
}
