import CLinux

/// The journal on disk. Little-endian.
///
/// A journal is a folder of segments, `journal-000001.lz4` and up, and of `objects/<sha256>`, the
/// bytes that its head names. Every segment is also a valid file of LZ4 frames: what is ours alone
/// stands in skippable frames, so `lz4 -dc` prints the bare records of a segment.
///
///     segment header    0  u32 magic 184D2A50h
///                       4  u32 bytes that follow
///                       8  "GANTRYJ1"
///                      16  u32 format version
///                      20  u32 segment, from 1
///                      24  u64 journal id, the same in all segments
///                      32  u64 number of the segment's first frame, from 0 through all segments
///                      40  i64 when it was made, ns since 1970
///                      48  u32 bytes of head; 0 in all but the first segment
///                      52  u32 checksum of bytes 0..<52 and the head
///                      56  head: JSON
///
///     frame header      0  u32 magic 184D2A51h (records) or 184D2A52h (end of segment)
///                       4  u32 56, the bytes that follow
///                       8  u64 frame number
///                      16  u64 sequence of the first record; at an end: records in the journal
///                      24  u32 records; at an end: 1 = goes on in the next segment, 2 = closed
///                      28  u32 bytes of the records before compression
///                      32  u32 bytes of the LZ4 frame that follows this header
///                      36  u32 checksum of that LZ4 frame
///                      40  u16 lane, u16 zero
///                      44  u32 checksum of the frame or segment header before this one
///                      48  i64 when it was written, ns since 1970
///                      56  u32 zero
///                      60  u32 checksum of bytes 0..<60, continued from the journal id
///
///     record            0  u32 bytes of payload
///                       4  u8 kind, u8[3] zero
///                       8  u64 sequence
///                      16  payload, then zeros up to a multiple of 16
///
/// Checksums are CRC-32C. A frame holds records of one lane only, so records of one lane are read
/// in the order they were appended, and frames of several lanes in the order they were written.
/// Each frame header carries the checksum of the one before: a frame that is lost, moved or taken
/// from another journal does not fit.
public enum JournalFormat {
  public static let version: UInt32 = 1
  /// A reader refuses frames that claim more, before it makes room for them.
  public static let frameBytesMax = 20 << 20
  public static let headBytesMax = 64 << 20

  static let segmentMagic: UInt32 = 0x184D_2A50
  static let frameMagic: UInt32 = 0x184D_2A51
  static let endMagic: UInt32 = 0x184D_2A52
  static let segmentHeaderBytes = 56
  static let frameHeaderBytes = 64
  @usableFromInline static let recordHeaderBytes = 16
  /// "GANTRYJ1" read as a little-endian number.
  static let signature: UInt64 = 0x314A_5952_544E_4147

  static func segmentName(_ number: Int) -> String {
    let digits = String(number)
    return "journal-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".lz4"
  }

  /// Behind the name of a segment whose header is being written.
  static let unnamedSuffix = ".new"

  /// The number in a segment's name, or nil for any other file.
  static func segmentNumber(_ name: String) -> Int? {
    guard name.hasPrefix("journal-"), name.hasSuffix(".lz4") else { return nil }
    let digits = name.dropFirst(8).dropLast(4)
    guard digits.count >= 6, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits),
      segmentName(number) == name
    else { return nil }
    return number
  }

  static func checksum(_ bytes: UnsafeRawBufferPointer, from start: UInt32 = 0) -> UInt32 {
    clinux_crc32c(start, bytes.baseAddress, bytes.count)
  }
}

/// What ends a segment.
enum SegmentEnd: UInt32 {
  case goesOn = 1
  case closed = 2
}

/// The 64 bytes before each LZ4 frame, as values.
struct FrameHeader: Equatable {
  var isEnd = false
  var number: UInt64 = 0
  var firstSequence: UInt64 = 0
  var records: UInt32 = 0
  var rawBytes: UInt32 = 0
  var storedBytes: UInt32 = 0
  var storedChecksum: UInt32 = 0
  var lane: UInt16 = 0
  var previous: UInt32 = 0
  var writtenNs: Int64 = 0
  /// Of this header, once it was read.
  var checksum: UInt32 = 0

  /// Writes the header and returns its checksum.
  @discardableResult
  func write(to bytes: UnsafeMutableRawPointer, journal: UInt64) -> UInt32 {
    bytes.storeBytes(of: (isEnd ? JournalFormat.endMagic : JournalFormat.frameMagic).littleEndian, toByteOffset: 0, as: UInt32.self)
    bytes.storeBytes(of: UInt32(JournalFormat.frameHeaderBytes - 8).littleEndian, toByteOffset: 4, as: UInt32.self)
    bytes.storeBytes(of: number.littleEndian, toByteOffset: 8, as: UInt64.self)
    bytes.storeBytes(of: firstSequence.littleEndian, toByteOffset: 16, as: UInt64.self)
    bytes.storeBytes(of: records.littleEndian, toByteOffset: 24, as: UInt32.self)
    bytes.storeBytes(of: rawBytes.littleEndian, toByteOffset: 28, as: UInt32.self)
    bytes.storeBytes(of: storedBytes.littleEndian, toByteOffset: 32, as: UInt32.self)
    bytes.storeBytes(of: storedChecksum.littleEndian, toByteOffset: 36, as: UInt32.self)
    bytes.storeBytes(of: UInt32(lane).littleEndian, toByteOffset: 40, as: UInt32.self)
    bytes.storeBytes(of: previous.littleEndian, toByteOffset: 44, as: UInt32.self)
    bytes.storeBytes(of: writtenNs.littleEndian, toByteOffset: 48, as: Int64.self)
    bytes.storeBytes(of: 0, toByteOffset: 56, as: UInt32.self)
    let checksum = Self.checksum(UnsafeRawPointer(bytes), journal: journal)
    bytes.storeBytes(of: checksum.littleEndian, toByteOffset: 60, as: UInt32.self)
    return checksum
  }

  /// Reads a header and refuses what cannot be one. A text says what is wrong.
  static func read(_ bytes: UnsafeRawPointer, journal: UInt64, verifies: Bool) -> (header: FrameHeader?, wrong: String) {
    let magic = bytes.number(UInt32.self, at: 0)
    guard magic == JournalFormat.frameMagic || magic == JournalFormat.endMagic,
      bytes.number(UInt32.self, at: 4) == UInt32(JournalFormat.frameHeaderBytes - 8)
    else { return (nil, "no frame begins here") }
    let checksum = bytes.number(UInt32.self, at: 60)
    guard !verifies || Self.checksum(bytes, journal: journal) == checksum else {
      return (nil, "the frame's header does not match its checksum")
    }
    let lane = bytes.number(UInt32.self, at: 40)
    let header = FrameHeader(
      isEnd: magic == JournalFormat.endMagic, number: bytes.number(UInt64.self, at: 8),
      firstSequence: bytes.number(UInt64.self, at: 16), records: bytes.number(UInt32.self, at: 24),
      rawBytes: bytes.number(UInt32.self, at: 28), storedBytes: bytes.number(UInt32.self, at: 32),
      storedChecksum: bytes.number(UInt32.self, at: 36), lane: UInt16(truncatingIfNeeded: lane),
      previous: bytes.number(UInt32.self, at: 44), writtenNs: bytes.number(Int64.self, at: 48), checksum: checksum)
    let raw = Int(header.rawBytes)
    guard lane <= UInt16.max,
      header.isEnd
        ? raw == 0 && header.storedBytes == 0
        : raw <= JournalFormat.frameBytesMax && header.storedBytes > 0 && Int(header.storedBytes) <= raw + raw / 255 + 1024
          && header.records > 0 && Int(header.records) * JournalFormat.recordHeaderBytes <= raw
    else { return (nil, "the frame's header contradicts itself") }
    return (header, "")
  }

  static func checksum(_ bytes: UnsafeRawPointer, journal: UInt64) -> UInt32 {
    JournalFormat.checksum(UnsafeRawBufferPointer(start: bytes, count: 60), from: UInt32(truncatingIfNeeded: journal))
  }
}

extension UnsafeRawPointer {
  /// A little-endian number at any offset.
  func number<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type, at offset: Int) -> Number {
    Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
  }
}
