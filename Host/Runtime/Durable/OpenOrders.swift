import CGantry
import Glibc

/// The orders that a broker may have and whose end nobody has heard of, by client order id.
///
/// A change or a cancel is open until its order has answered it. There is room for `capacity` of them, so
/// that a lane may keep it: nothing but `inOrder` and `reserve` allocates.
final class OpenOrders {
  /// Room for new orders that a lane has before the gate refuses more.
  static let usualCapacity = 1 << 14
  private(set) var capacity = usualCapacity

  private struct Entry {
    var order: gantry_order
    /// Counts what was inserted.
    var turn: UInt64
  }

  private var entries: UnsafeMutablePointer<Entry>
  /// Open addressing by id: 0 is free, otherwise the entry's place and 1.
  private var table: UnsafeMutablePointer<UInt32>
  private var mask: Int
  private(set) var count = 0
  private var amendments = 0
  private var turns: UInt64 = 0

  init() {
    mask = OpenOrders.usualCapacity * 4 - 1
    entries = OpenOrders.room(OpenOrders.usualCapacity)
    table = OpenOrders.room(mask + 1)
  }

  /// Zeros. Pages that are never touched cost nothing.
  private static func room<Element: BitwiseCopyable>(_ count: Int) -> UnsafeMutablePointer<Element> {
    calloc(count, MemoryLayout<Element>.stride)!.bindMemory(to: Element.self, capacity: count)
  }

  /// Makes room for so many more orders than are open now. Off the lane, or while it asks a broker.
  func reserve(_ more: Int) {
    guard count + more > capacity else { return }
    while count + more > capacity { capacity *= 2 }
    let (old, oldTable) = (entries, table)
    entries = OpenOrders.room(capacity)
    entries.update(from: old, count: count)
    mask = capacity * 4 - 1
    table = OpenOrders.room(mask + 1)
    for place in 0..<count { fill(place) }
    Glibc.free(old)
    Glibc.free(oldTable)
  }

  deinit {
    Glibc.free(entries)
    Glibc.free(table)
  }

  var isFull: Bool { count == capacity }

  func contains(_ id: UInt64) -> Bool { place(of: id) != nil }

  /// An order may have gone out. A change of an order that is not open is nobody's concern. False when there
  /// is no room, or when an order with this id is open.
  @discardableResult
  func insert(_ order: gantry_order) -> Bool {
    let isNew = UInt32(order.action) == GANTRY_ORDER_NEW
    guard isNew || contains(order.target_id) else { return true }
    guard !isFull, !contains(order.order_id) else { return false }
    turns += 1
    (entries + count).initialize(to: Entry(order: order, turn: turns))
    fill(count)
    count += 1
    if !isNew { amendments += 1 }
    return true
  }

  /// What the broker says of an order, whether it is open or not. True when an order that was open has come
  /// to its end.
  @discardableResult
  func saw(_ execution: gantry_execution) -> Bool {
    guard let place = place(of: execution.order_id) else { return false }
    guard UInt32(entries[place].order.action) == GANTRY_ORDER_NEW else {
      // A change's own id: it was refused.
      remove(execution.order_id)
      return false
    }
    if OpenOrders.ends(execution) {
      remove(execution.order_id)
      removeAmendments(of: execution.order_id, onlyChanges: false)
      return true
    }
    if UInt32(execution.kind) == GANTRY_EXEC_MODIFIED { removeAmendments(of: execution.order_id, onlyChanges: true) }
    return false
  }

  /// Whether nothing of the order works any more.
  static func ends(_ execution: gantry_execution) -> Bool {
    switch UInt32(execution.kind) {
    case GANTRY_EXEC_FILL: execution.leaves == 0
    case GANTRY_EXEC_REJECTED, GANTRY_EXEC_CANCELLED, GANTRY_EXEC_EXPIRED: true
    default: false
    }
  }

  func remove(_ id: UInt64) {
    guard let slot = slot(of: id) else { return }
    let place = Int(table[slot]) - 1
    if UInt32(entries[place].order.action) != GANTRY_ORDER_NEW { amendments -= 1 }
    free(slot: slot)
    count -= 1
    guard place != count else { return }
    // The last one takes its place.
    let moved = self.slot(of: entries[count].order.order_id)!
    entries[place] = entries[count]
    table[moved] = UInt32(place + 1)
  }

  /// Oldest first. Allocates.
  var inOrder: [gantry_order] {
    UnsafeBufferPointer(start: entries, count: count).sorted { $0.turn < $1.turn }.map(\.order)
  }

  private func removeAmendments(of target: UInt64, onlyChanges: Bool) {
    var place = 0
    while place < count, amendments > 0 {
      let order = entries[place].order
      let action = UInt32(order.action)
      if action != GANTRY_ORDER_NEW, order.target_id == target, !onlyChanges || action == GANTRY_ORDER_MODIFY {
        remove(order.order_id)
      } else {
        place += 1
      }
    }
  }

  // MARK: the table

  private func home(_ id: UInt64) -> Int { Int(truncatingIfNeeded: (id &* 0x9E37_79B9_7F4A_7C15) >> 40) & mask }

  /// The table says where the entry at `place` is.
  private func fill(_ place: Int) {
    var slot = home(entries[place].order.order_id)
    while table[slot] != 0 { slot = (slot + 1) & mask }
    table[slot] = UInt32(place + 1)
  }

  private func slot(of id: UInt64) -> Int? {
    var slot = home(id)
    while table[slot] != 0 {
      if entries[Int(table[slot]) - 1].order.order_id == id { return slot }
      slot = (slot + 1) & mask
    }
    return nil
  }

  private func place(of id: UInt64) -> Int? { slot(of: id).map { Int(table[$0]) - 1 } }

  /// Frees a slot; those behind it that could not have their own move up.
  private func free(slot: Int) {
    var hole = slot
    var next = (hole + 1) & mask
    while table[next] != 0 {
      let home = home(entries[Int(table[next]) - 1].order.order_id)
      if (next &- home) & mask >= (next &- hole) & mask {
        table[hole] = table[next]
        hole = next
      }
      next = (next + 1) & mask
    }
    table[hole] = 0
  }
}
