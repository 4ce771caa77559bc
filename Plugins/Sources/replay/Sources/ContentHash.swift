/// A 64-bit hash of what is read: two 64-bit halves of a product folded together for each word, as in wyhash.
/// It tells files apart by accident, not by malice.
struct ContentHash {
  private(set) var value: UInt64 = 0x9e37_79b9_7f4a_7c15

  private static var multiplier: UInt64 { 0xd6e8_feb8_6659_fd93 }

  @inline(__always)
  mutating func add(_ word: UInt64) {
    let product = (value ^ word).multipliedFullWidth(by: ContentHash.multiplier)
    value = product.high ^ product.low &+ word
  }

  /// Adds bytes, the last word filled up with zeros, and then their number.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    while bytes.count - offset >= 8 {
      add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      offset += 8
    }
    var word: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count {
      word |= UInt64(bytes[offset]) << shift
      shift += 8
      offset += 1
    }
    add(word)
    add(UInt64(bytes.count))
  }
}
