import CGantry
import CLinux
import GantryBase
import Synchronization

/// One that looks on at one port of a lane.
struct TapLink {
  /// The number of the port's node, and the port.
  var node: Int32
  var port: Int32
  var ring: Unmanaged<TapRing>
}

/// Begins or ends a tap, between two blocks.
final class TapCommand: LaneCommand, @unchecked Sendable {
  private let link: TapLink
  private let isBegin: Bool
  /// False when the lane has as many taps as it takes.
  private(set) var isTaken = true

  init(_ link: TapLink, begins: Bool) {
    self.link = link
    isBegin = begins
  }

  override func perform(_ lane: Lane) -> Bool {
    if isBegin { isTaken = lane.begin(link) } else { lane.end(link.ring) }
    return true
  }
}

/// Taps: copies of a port's events for those who look on. A port that nobody taps costs nothing
/// more than its `uses`, which are looked at anyway.
extension Lane {
  static let tapsMax = 32

  func begin(_ link: TapLink) -> Bool {
    guard tapCount < Lane.tapsMax else { return false }
    (taps + tapCount).initialize(to: link)
    tapCount += 1
    markTaps()
    return true
  }

  func end(_ ring: Unmanaged<TapRing>) {
    var place = 0
    while place < tapCount {
      if taps[place].ring.toOpaque() == ring.toOpaque() {
        taps[place] = taps[tapCount - 1]
        tapCount -= 1
      } else {
        place += 1
      }
    }
    markTaps()
  }

  /// Sets the mark of every port of this lane that somebody taps, and clears it where nobody does.
  func markTaps() {
    for slot in 0..<nodeCount {
      for port in 0..<nodes[slot].portCount { mark(nodes[slot].ports + port) }
    }
    for index in 0..<ingressCount where ingresses[index].queue == nil {
      for port in 0..<ingresses[index].portCount { mark(ingresses[index].ports[port].buffer) }
    }
  }

  private func mark(_ port: UnsafeMutablePointer<PortBuffer>) {
    var isTapped = false
    for index in 0..<tapCount where taps[index].node == port.pointee.node && taps[index].port == port.pointee.port { isTapped = true }
    if isTapped { port.pointee.uses.insert(.tapped) } else { port.pointee.uses.remove(.tapped) }
  }

  /// Copies rows to all who tap the port.
  func offer(_ port: UnsafeMutablePointer<PortBuffer>, _ rows: UnsafeRawPointer, _ count: Int) {
    for index in 0..<tapCount where taps[index].node == port.pointee.node && taps[index].port == port.pointee.port {
      taps[index].ring._withUnsafeGuaranteedRef { ring in
        ring.offer(
          rows, count: count, stride: port.pointee.stride, arena: port.pointee.arena,
          arenaCount: Int(port.pointee.output.pointee.arena_count))
      }
    }
  }
}

/// Events on their way from a lane to one who looks on: one lane writes, one thread reads. What finds
/// no room is dropped and counted; the lane never waits and makes no system call.
final class TapRing: @unchecked Sendable {  // rows between the two counters are the reader's, others the lane's
  /// Bytes of text that go with an event.
  static let textMax = 512

  private let stride: Int
  private let slotBytes: Int
  private let capacity: Int
  private let type: EventType
  private let every: UInt64
  private let memory: UnsafeMutableRawPointer
  private let written = Atomic<Int>(0)
  private let taken = Atomic<Int>(0)
  private let droppedCount = Atomic<UInt64>(0)
  private let seenCount = Atomic<UInt64>(0)

  /// - Parameter every: one event in so many
  init(stride: Int, type: EventType, every: Int, capacity: Int = 8192) {
    self.stride = stride
    self.type = type
    self.every = UInt64(max(every, 1))
    self.capacity = capacity
    slotBytes = stride + 8 + (PortSchema.hasArena(type) ? TapRing.textMax : 0)
    memory = .allocate(byteCount: slotBytes * capacity, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: slotBytes * capacity)
  }

  deinit { memory.deallocate() }

  var dropped: UInt64 { droppedCount.load(ordering: .relaxed) }
  var seen: UInt64 { seenCount.load(ordering: .relaxed) }

  /// The lane's side.
  func offer(_ rows: UnsafeRawPointer, count: Int, stride: Int, arena: UnsafePointer<UInt8>?, arenaCount: Int) {
    var number = seenCount.load(ordering: .relaxed)
    var position = written.load(ordering: .relaxed)
    let limit = taken.load(ordering: .acquiring) + capacity
    for index in 0..<count {
      number &+= 1
      if every > 1, number % every != 0 { continue }
      guard position < limit else {
        droppedCount.store(droppedCount.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        continue
      }
      let row = rows + index &* stride
      let slot = memory + position % capacity &* slotBytes
      // A swap may have changed the row's width; who looks on follows in a moment.
      copyRow(slot, self.stride, from: row, stride)
      var length = 0
      if slotBytes > self.stride + 8, let text = ArenaText(row, type), let arena, text.offset <= UInt64(arenaCount) {
        length = min(text.length, TapRing.textMax, arenaCount - Int(text.offset))
        (slot + self.stride + 8).copyMemory(from: arena + Int(text.offset), byteCount: length)
        slot.storeBytes(of: 0, toByteOffset: text.field, as: UInt64.self)
      }
      slot.storeBytes(of: length, toByteOffset: self.stride, as: Int.self)
      position += 1
    }
    seenCount.store(number, ordering: .relaxed)
    written.store(position, ordering: .releasing)
  }

  /// The reader's side: the next event and its text.
  func next() -> (bytes: [UInt8], arena: [UInt8])? {
    let position = taken.load(ordering: .relaxed)
    guard written.load(ordering: .acquiring) > position else { return nil }
    let slot = UnsafeRawPointer(memory + position % capacity * slotBytes)
    let length = slot.load(fromByteOffset: stride, as: Int.self)
    let bytes = Array(UnsafeRawBufferPointer(start: slot, count: stride))
    let arena = Array(UnsafeRawBufferPointer(start: slot + stride + 8, count: length))
    taken.store(position + 1, ordering: .releasing)
    return (bytes, arena)
  }
}
