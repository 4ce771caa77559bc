import CGantry

/// The calls that a cell has handled since its last snapshot, with the answers it got from the host, so
/// that a new cell can be brought to the same state: bounded memory, oldest given up first.
///
/// Filled by whoever calls the cell, read by the watcher once the cell is gone; never both at once.
struct CellTail {
  struct Entry {
    /// Bytes of the whole entry, a multiple of 8.
    var size: UInt32
    var call: UInt32
    /// The number of the call in the cell's life.
    var number: UInt64
    var input: UInt32
    var count: UInt32
    var stride: UInt32
    var answers: UInt32
    var arena: UInt64
    var nowNs: Int64
    var x: UInt64
    var y: UInt64
  }

  static let bytesMax = 8 << 20
  private let memory: UnsafeMutableRawPointer
  private let capacity: Int
  private var head = 0
  private var tail = 0
  /// Where the entries before `head`'s lap end; 0 while there is one lap only.
  private var lapEnd = 0
  private(set) var count = 0
  private(set) var bytes = 0
  /// Calls that no longer stand here and no snapshot covers.
  private(set) var lost: UInt64 = 0

  init(capacity: Int = CellTail.bytesMax) {
    self.capacity = capacity
    memory = .allocate(byteCount: capacity, alignment: 64)
  }

  func deallocate() { memory.deallocate() }

  /// Room for one entry and its content behind it; nil when it is larger than all of this.
  mutating func append(_ entry: Entry, contentBytes: Int) -> UnsafeMutableRawPointer? {
    let size = (MemoryLayout<Entry>.stride + contentBytes + 7) & ~7
    guard size <= capacity else {
      lost += UInt64(count) + 1
      removeAll()
      return nil
    }
    if head + size > capacity {
      // What still stands at the end of this lap goes first.
      while count > 0, tail >= head { drop() }
      lapEnd = head
      head = 0
    }
    while count > 0, tail >= head, tail < head + size { drop() }
    if count == 0 { tail = head }
    let place = memory + head
    var written = entry
    written.size = UInt32(size)
    place.storeBytes(of: written, as: Entry.self)
    head += size
    count += 1
    bytes += size
    return place + MemoryLayout<Entry>.stride
  }

  private mutating func drop() {
    lost += 1
    removeFirst()
  }

  private mutating func removeFirst() {
    let size = Int((memory + tail).load(as: Entry.self).size)
    bytes -= size
    count -= 1
    tail += size
    if tail == lapEnd, lapEnd != 0 {
      tail = 0
      lapEnd = 0
    }
  }

  private mutating func removeAll() {
    head = 0
    tail = 0
    lapEnd = 0
    count = 0
    bytes = 0
  }

  /// A snapshot covers all calls up to `number`.
  mutating func covered(upTo number: UInt64) {
    while count > 0, (memory + tail).load(as: Entry.self).number <= number { removeFirst() }
    let first = count > 0 ? (memory + tail).load(as: Entry.self).number : number + 1
    lost = first - number - 1
  }

  /// The entries from the oldest on. Nothing may be appended meanwhile.
  func forEach(_ body: (Entry, UnsafeMutableRawPointer) -> Bool) {
    var place = tail
    for _ in 0..<count {
      if place == lapEnd, lapEnd != 0 { place = 0 }
      let entry = (memory + place).load(as: Entry.self)
      if !body(entry, memory + place + MemoryLayout<Entry>.stride) { return }
      place += Int(entry.size)
    }
  }
}

/// What the host answered to the cell during one call (random numbers, ids, timers): written down while
/// the cell lives, and read back when a new one goes through the same calls.
struct CellAnswers {
  static let capacity = 4096
  private let values: UnsafeMutablePointer<UInt64>
  private(set) var count = 0
  private var next = 0
  /// More than there is room for, or fewer than were asked for.
  private(set) var isIncomplete = false
  /// The cell is being brought back: answers come from here.
  var isScripted = false

  init() { values = .allocate(capacity: CellAnswers.capacity) }
  func deallocate() { values.deallocate() }

  mutating func clear() {
    count = 0
    next = 0
  }

  mutating func record(_ value: UInt64) {
    guard count < CellAnswers.capacity else {
      isIncomplete = true
      return
    }
    values[count] = value
    count += 1
  }

  mutating func script(_ list: UnsafeRawPointer?, _ length: Int) {
    clear()
    guard let list else { return }
    count = min(length, CellAnswers.capacity)
    for index in 0..<count { values[index] = list.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self) }
  }

  mutating func scripted() -> UInt64 {
    guard next < count else {
      isIncomplete = true
      return 0
    }
    defer { next += 1 }
    return values[next]
  }

  mutating func forgive() { isIncomplete = false }
  var raw: UnsafeRawPointer { UnsafeRawPointer(values) }
  var list: [UInt64] { (0..<count).map { values[$0] } }
}
