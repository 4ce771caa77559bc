/// What stands behind a hop in a ring: events, notes and aliases, each in one slot or more.
///
///     first slot    0  u64 chain
///                   8  u8 event type, or bytes of the key
///                   9  u8 1 = the hop wrote the event, 0 = it took it
///                  10  u16 bytes in all, first slot included
///                  12  u32 instrument
///                  16  u64 order id (alias), else 8 bytes of data come first
///                  24  u8 slots in all
///                  25  u8 kind
///                  26  38 bytes of data
///     further slots 0  u64 chain
///                   8  16 bytes of data
///                  24  u8 this slot's number, from 1
///                  25  u8 kind: more
///                  26  38 bytes of data
public struct HopDetail: Sendable, Equatable {
  public var kind: HopKind
  public var chain: UInt64
  /// Of an event: its type (`EventType`) and whether the hop wrote it.
  public var eventType: UInt8 = 0
  public var isOutput = false
  public var instrument: UInt32 = 0
  /// Of an alias.
  public var orderID: UInt64 = 0
  /// Of an event: the payload behind the 32-byte header, at most `payloadBytesMax` of it.
  public var payload: [UInt8] = []
  /// Of a note.
  public var key = ""
  /// Of a note: its text; of an alias: the id from outside.
  public var text = ""

  public init(kind: HopKind, chain: UInt64) {
    self.kind = kind
    self.chain = chain
  }

  public static let keyBytesMax = 64
  public static let textBytesMax = 256
  public static let payloadBytesMax = 640
  @usableFromInline static let moreBytes = 54
}

extension HopRing {
  /// Puts an event behind the hop appended last. `event` begins with its 32-byte header and has
  /// `stride` bytes; payloads over `HopDetail.payloadBytesMax` are cut.
  public func appendEvent(
    chain: UInt64, type: UInt8, isOutput: Bool, instrument: UInt32, event: UnsafeRawPointer, stride: Int
  ) {
    let count = min(max(stride - 32, 0), HopDetail.payloadBytesMax)
    let slots = Self.slots(firstBytes: 46, count)
    let data = event + 32
    let slot = start(.event, chain: chain, slots: slots, count: count, instrument: instrument)
    slot.storeBytes(of: type, toByteOffset: 8, as: UInt8.self)
    slot.storeBytes(of: isOutput ? 1 : 0, toByteOffset: 9, as: UInt8.self)
    (slot + 16).copyMemory(from: data, byteCount: min(count, 8))
    if count > 8 { (slot + 26).copyMemory(from: data + 8, byteCount: min(count - 8, 38)) }
    continueText(chain: chain, data, from: 46, count: count)
    publish(slots: slots)
  }

  /// Notes a key and a text on the hop appended last; at most 64 and 256 bytes of them.
  public func appendNote(chain: UInt64, key: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer) {
    withText(key, text) { bytes, keyCount in
      let slots = Self.slots(firstBytes: 46, bytes.count)
      let slot = start(.note, chain: chain, slots: slots, count: bytes.count, instrument: 0)
      slot.storeBytes(of: UInt8(keyCount), toByteOffset: 8, as: UInt8.self)
      (slot + 16).copyMemory(from: bytes.baseAddress!, byteCount: min(bytes.count, 8))
      if bytes.count > 8 { (slot + 26).copyMemory(from: bytes.baseAddress! + 8, byteCount: min(bytes.count - 8, 38)) }
      continueText(chain: chain, bytes.baseAddress!, from: 46, count: bytes.count)
      publish(slots: slots)
    }
  }

  /// Binds an id from outside to an order of this chain; at most 256 bytes of it.
  public func appendAlias(chain: UInt64, orderID: UInt64, outside: UnsafeRawBufferPointer) {
    withText(UnsafeRawBufferPointer(start: nil, count: 0), outside) { bytes, _ in
      let slots = Self.slots(firstBytes: 38, bytes.count)
      let slot = start(.alias, chain: chain, slots: slots, count: bytes.count, instrument: 0)
      slot.storeBytes(of: orderID, toByteOffset: 16, as: UInt64.self)
      (slot + 26).copyMemory(from: bytes.baseAddress!, byteCount: min(bytes.count, 38))
      continueText(chain: chain, bytes.baseAddress!, from: 38, count: bytes.count)
      publish(slots: slots)
    }
  }

  static func slots(firstBytes: Int, _ count: Int) -> Int {
    1 + max(0, count - firstBytes + HopDetail.moreBytes - 1) / HopDetail.moreBytes
  }

  private func start(_ kind: HopKind, chain: UInt64, slots: Int, count: Int, instrument: UInt32) -> UnsafeMutableRawPointer {
    let slot = slot(at: next)
    slot.initializeMemory(as: UInt64.self, repeating: 0, count: 8)
    slot.storeBytes(of: chain, as: UInt64.self)
    slot.storeBytes(of: UInt16(count), toByteOffset: 10, as: UInt16.self)
    slot.storeBytes(of: instrument, toByteOffset: 12, as: UInt32.self)
    slot.storeBytes(of: UInt8(slots), toByteOffset: 24, as: UInt8.self)
    slot.storeBytes(of: kind.rawValue, toByteOffset: 25, as: UInt8.self)
    return slot
  }

  private func continueText(chain: UInt64, _ bytes: UnsafeRawPointer, from: Int, count: Int) {
    var done = from
    var number = 1
    while done < count {
      let slot = slot(at: next + UInt64(number))
      slot.initializeMemory(as: UInt64.self, repeating: 0, count: 8)
      slot.storeBytes(of: chain, as: UInt64.self)
      slot.storeBytes(of: UInt8(number), toByteOffset: 24, as: UInt8.self)
      slot.storeBytes(of: HopKind.more.rawValue, toByteOffset: 25, as: UInt8.self)
      (slot + 8).copyMemory(from: bytes + done, byteCount: min(count - done, 16))
      if count - done > 16 { (slot + 26).copyMemory(from: bytes + done + 16, byteCount: min(count - done - 16, 38)) }
      done += HopDetail.moreBytes
      number += 1
    }
  }

  /// Key and text in one piece on the stack, cut where they are too long.
  private func withText(
    _ key: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer, Int) -> Void
  ) {
    let keyCount = min(key.count, HopDetail.keyBytesMax)
    let textCount = min(text.count, HopDetail.textBytesMax)
    withUnsafeTemporaryAllocation(byteCount: HopDetail.keyBytesMax + HopDetail.textBytesMax, alignment: 8) { buffer in
      let start = buffer.baseAddress!
      if let source = key.baseAddress { start.copyMemory(from: source, byteCount: keyCount) }
      if let source = text.baseAddress { (start + keyCount).copyMemory(from: source, byteCount: textCount) }
      body(UnsafeRawBufferPointer(start: start, count: keyCount + textCount), keyCount)
    }
  }
}
