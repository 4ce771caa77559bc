import CGantry

/// Writes the fields of a message into bytes: fixed-width numbers in the machine's own order, texts with
/// their length before them.
struct CellWriter {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value) { bytes += $0 } }
  mutating func add(_ value: Double) { add(value.bitPattern) }
  mutating func add(_ value: Bool) { add(UInt8(value ? 1 : 0)) }

  mutating func add(_ text: String) { add(Array(text.utf8)) }
  mutating func add(_ list: [String]) {
    add(UInt32(list.count))
    for text in list { add(text) }
  }
  mutating func add(_ raw: [UInt8]) {
    add(UInt64(raw.count))
    bytes += raw
  }
  mutating func add(_ raw: UnsafeRawPointer?, _ length: UInt64) {
    guard let raw, length > 0 else { return add(UInt64(0)) }
    add(length)
    bytes += UnsafeRawBufferPointer(start: raw, count: Int(length))
  }
  mutating func add(_ text: gantry_string) { add(text.data, text.length) }
}

/// Reads them again. What is missing reads as zero and sets `isDamaged`.
struct CellReader {
  private let bytes: [UInt8]
  private var place = 0
  private(set) var isDamaged = false

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func number<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value {
    let size = MemoryLayout<Value>.size
    guard bytes.count - place >= size else {
      isDamaged = true
      return 0
    }
    defer { place += size }
    return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: Value.self) }
  }

  mutating func double() -> Double { Double(bitPattern: number()) }
  mutating func bool() -> Bool { number(UInt8.self) != 0 }

  mutating func raw() -> [UInt8] {
    let length = number(UInt64.self)
    guard length <= UInt64(bytes.count - place) else {
      isDamaged = true
      return []
    }
    defer { place += Int(length) }
    return Array(bytes[place..<(place + Int(length))])
  }

  mutating func text() -> String { String(decoding: raw(), as: UTF8.self) }

  mutating func texts() -> [String] {
    let count = number(UInt32.self)
    guard count <= 1 << 20 else {
      isDamaged = true
      return []
    }
    return (0..<count).map { _ in isDamaged ? "" : text() }
  }
}
