import CGantry
import CLinux
import Synchronization

/// Log lines of plugins, from any thread, without locks or allocation: a bounded queue of fixed
/// slots (Vyukov's bounded queue, many producers and one consumer). What does not fit is counted.
final class LogRing: Sendable {
  struct Line: Sendable {
    var node: Int
    var severity: UInt32
    var wallNs: Int64
    var chain: UInt64
    var text: String
  }

  private struct Slot {
    var turn: UInt64
    var node: Int32
    var severity: UInt32
    var wallNs: Int64
    var chain: UInt64
    var length: Int
  }

  static let textCapacity = 4096
  private static let slotBytes = MemoryLayout<Slot>.stride + textCapacity
  private let slots: UInt64
  private let memory: Memory
  private let head = Atomic<UInt64>(0)
  private let tail = Atomic<UInt64>(0)
  private let lost = Atomic<UInt64>(0)

  /// A slot's memory belongs to whoever its `turn` names; `turn` is read and written atomically.
  private struct Memory: @unchecked Sendable { let base: UnsafeMutableRawPointer }

  init(slots: Int = 256) {
    self.slots = UInt64(slots)
    memory = Memory(base: .allocate(byteCount: slots * LogRing.slotBytes, alignment: 64))
    for index in 0..<slots {
      memory.base.storeBytes(of: UInt64(index), toByteOffset: index * LogRing.slotBytes, as: UInt64.self)
    }
  }

  deinit { memory.base.deallocate() }

  /// How many lines did not fit so far.
  var lostLines: UInt64 { lost.load(ordering: .relaxed) }

  private func slot(_ position: UInt64) -> UnsafeMutablePointer<Slot> {
    (memory.base + Int(position % slots) * LogRing.slotBytes).assumingMemoryBound(to: Slot.self)
  }

  private func turn(_ slot: UnsafeMutablePointer<Slot>) -> UnsafeMutablePointer<Atomic<UInt64>> {
    UnsafeMutableRawPointer(slot).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// A line of the host's own.
  func say(_ severity: LogLine.Severity, node: Int, _ text: String) {
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        write(
          node: Int32(node), severity: severity.rawValue, chain: 0,
          gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
      }
    }
  }

  func write(node: Int32, severity: UInt32, chain: UInt64, _ text: gantry_string) {
    var position = head.load(ordering: .relaxed)
    while true {
      let slot = slot(position)
      let state = turn(slot).pointee.load(ordering: .acquiring)
      if state == position {
        let claim = head.weakCompareExchange(expected: position, desired: position + 1, ordering: .relaxed)
        if claim.exchanged {
          slot.pointee.node = node
          slot.pointee.severity = severity
          slot.pointee.wallNs = clinux_wall_ns()
          slot.pointee.chain = chain
          let length = text.data == nil ? 0 : Int(min(text.length, UInt64(LogRing.textCapacity)))
          slot.pointee.length = length
          if length > 0 { (UnsafeMutableRawPointer(slot) + MemoryLayout<Slot>.stride).copyMemory(from: text.data!, byteCount: length) }
          turn(slot).pointee.store(position + 1, ordering: .releasing)
          return
        }
        position = claim.original
      } else if state < position {
        lost.wrappingAdd(1, ordering: .relaxed)
        return
      } else {
        position = head.load(ordering: .relaxed)
      }
    }
  }

  /// Takes the oldest line. One consumer at a time.
  func next() -> Line? {
    let position = tail.load(ordering: .relaxed)
    let slot = slot(position)
    guard turn(slot).pointee.load(ordering: .acquiring) == position + 1 else { return nil }
    let bytes = UnsafeRawBufferPointer(
      start: UnsafeMutableRawPointer(slot) + MemoryLayout<Slot>.stride, count: slot.pointee.length)
    let line = Line(
      node: Int(slot.pointee.node), severity: slot.pointee.severity, wallNs: slot.pointee.wallNs,
      chain: slot.pointee.chain, text: String(decoding: bytes, as: UTF8.self))
    turn(slot).pointee.store(position + slots, ordering: .releasing)
    tail.store(position + 1, ordering: .relaxed)
    return line
  }
}
