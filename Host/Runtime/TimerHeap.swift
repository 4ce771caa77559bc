/// The timers of one lane: a fixed-size binary heap by due time, ties in the order they were set.
/// Never allocates after init. Used by the lane's thread, and by the control thread before start.
struct TimerHeap {
  struct Entry {
    var dueNs: Int64
    var order: UInt64
    var tag: UInt64
    /// Lane-local index of the node.
    var slot: Int32
  }

  static let perNode = 64
  private let entries: UnsafeMutablePointer<Entry>
  private let capacity: Int
  private(set) var count = 0
  private var nextOrder: UInt64 = 0
  /// The earliest due time, or Int64.max.
  private(set) var nextDueNs = Int64.max

  init(nodes: Int) {
    capacity = max(nodes, 1) * TimerHeap.perNode
    entries = .allocate(capacity: capacity)
  }

  func deallocate() { entries.deallocate() }

  /// False when the node has all its timers in use.
  mutating func set(slot: Int32, tag: UInt64, dueNs: Int64) -> Bool {
    _ = cancel(slot: slot, tag: tag)
    var used = 0
    for index in 0..<count where entries[index].slot == slot { used += 1 }
    guard used < TimerHeap.perNode, count < capacity else { return false }
    (entries + count).initialize(to: Entry(dueNs: dueNs, order: nextOrder, tag: tag, slot: slot))
    nextOrder &+= 1
    count += 1
    siftUp(count - 1)
    nextDueNs = entries[0].dueNs
    return true
  }

  mutating func cancel(slot: Int32, tag: UInt64) -> Bool {
    for index in 0..<count where entries[index].slot == slot && entries[index].tag == tag {
      remove(index)
      return true
    }
    return false
  }

  /// Takes the earliest timer if it is due at `nowNs` or before.
  mutating func popDue(_ nowNs: Int64) -> Entry? {
    guard nextDueNs <= nowNs, count > 0 else { return nil }
    let first = entries[0]
    remove(0)
    return first
  }

  /// All timers in the order in which they would fire.
  var inOrder: [Entry] {
    (0..<count).map { entries[$0] }.sorted { $0.dueNs != $1.dueNs ? $0.dueNs < $1.dueNs : $0.order < $1.order }
  }

  mutating func removeAll() {
    count = 0
    nextDueNs = Int64.max
  }

  mutating func removeAll(slot: Int32) {
    var index = 0
    while index < count { if entries[index].slot == slot { remove(index) } else { index += 1 } }
  }

  /// Sets the timers of one slot in another heap as well, in the order in which they would fire.
  func copy(slot: Int32, to other: UnsafeMutablePointer<TimerHeap>, slot otherSlot: Int32) {
    // Few at most: the earliest that was not yet copied, again and again.
    var lastDueNs = Int64.min
    var lastOrder = UInt64.max
    while true {
      var best = -1
      for index in 0..<count where entries[index].slot == slot {
        let isAfter = entries[index].dueNs > lastDueNs || entries[index].dueNs == lastDueNs && lastOrder != .max && entries[index].order > lastOrder
        if isAfter, best < 0 || precedes(index, best) { best = index }
      }
      guard best >= 0 else { return }
      lastDueNs = entries[best].dueNs
      lastOrder = entries[best].order
      _ = other.pointee.set(slot: otherSlot, tag: entries[best].tag, dueNs: entries[best].dueNs)
    }
  }

  private mutating func remove(_ index: Int) {
    count -= 1
    if index < count {
      entries[index] = entries[count]
      siftDown(index)
      siftUp(index)
    }
    nextDueNs = count > 0 ? entries[0].dueNs : Int64.max
  }

  private func precedes(_ a: Int, _ b: Int) -> Bool {
    entries[a].dueNs != entries[b].dueNs ? entries[a].dueNs < entries[b].dueNs : entries[a].order < entries[b].order
  }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard precedes(child, parent) else { return }
      swapEntries(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      let left = 2 * parent + 1
      if left < count, precedes(left, least) { least = left }
      if left + 1 < count, precedes(left + 1, least) { least = left + 1 }
      guard least != parent else { return }
      swapEntries(parent, least)
      parent = least
    }
  }

  private func swapEntries(_ a: Int, _ b: Int) {
    let kept = entries[a]
    entries[a] = entries[b]
    entries[b] = kept
  }
}
