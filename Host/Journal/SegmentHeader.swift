/// The first bytes of a segment, as values; see `JournalFormat`.
struct SegmentHeader {
  var version: UInt32
  var segment: Int
  var journal: UInt64
  var firstFrame: UInt64
  var madeNs: Int64
  var headBytes: Int
  var checksum: UInt32

  var byteCount: Int { JournalFormat.segmentHeaderBytes + headBytes }

  /// Reads the fixed part; the checksum is compared when the head is there too. A text says what
  /// is wrong.
  static func read(_ bytes: UnsafeRawPointer) -> (header: SegmentHeader?, wrong: String) {
    guard bytes.number(UInt32.self, at: 0) == JournalFormat.segmentMagic,
      bytes.number(UInt64.self, at: 8) == JournalFormat.signature
    else { return (nil, "this is no segment of a journal") }
    let header = SegmentHeader(
      version: bytes.number(UInt32.self, at: 16), segment: Int(bytes.number(UInt32.self, at: 20)),
      journal: bytes.number(UInt64.self, at: 24), firstFrame: bytes.number(UInt64.self, at: 32),
      madeNs: bytes.number(Int64.self, at: 40), headBytes: Int(bytes.number(UInt32.self, at: 48)),
      checksum: bytes.number(UInt32.self, at: 52))
    guard header.version == JournalFormat.version else {
      return (nil, "format version \(header.version), this host reads version \(JournalFormat.version)")
    }
    guard header.headBytes <= JournalFormat.headBytesMax else {
      return (nil, "the segment's header claims a head of \(header.headBytes) bytes")
    }
    guard bytes.number(UInt32.self, at: 4) == UInt32(header.byteCount - 8) else {
      return (nil, "the segment's header contradicts itself")
    }
    return (header, "")
  }

  /// The checksum over a whole header, head included, without the checksum's own place.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    let fixed = JournalFormat.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<52]))
    return JournalFormat.checksum(UnsafeRawBufferPointer(rebasing: bytes[JournalFormat.segmentHeaderBytes...]), from: fixed)
  }
}
