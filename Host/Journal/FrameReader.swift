import CLZ4
import GantryBase

/// Decompresses frames and walks their records. Keeps its buffers from frame to frame.
struct FrameReader: ~Copyable {
  private var stored = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var raw = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var context: OpaquePointer?
  private var header = FrameHeader()
  private var start = 0
  private var position = 0
  private var left = 0

  init() {}

  deinit {
    stored.deallocate()
    raw.deallocate()
    LZ4F_freeDecompressionContext(context)
  }

  /// Reads and decompresses the frame behind `header`. False when it is the torn end.
  mutating func open(_ header: FrameHeader, at start: Int, _ cursor: SegmentCursor) throws(GantryError) -> Bool {
    Self.grow(&stored, Int(header.storedBytes))
    Self.grow(&raw, Int(header.rawBytes))
    let piece = UnsafeMutableRawBufferPointer(rebasing: stored[..<Int(header.storedBytes)])
    guard try cursor.readStored(header, at: start, into: piece) else { return false }
    self.header = header
    self.start = start
    position = 0
    left = 0
    if let wrong = decompress(UnsafeRawBufferPointer(piece)) {
      throw cursor.damaged(start + JournalFormat.frameHeaderBytes, wrong)
    }
    left = Int(header.records)
    return true
  }

  /// The next record of the open frame, nil behind the last.
  mutating func next(_ cursor: SegmentCursor) throws(GantryError) -> JournalRecord? {
    let size = Int(header.rawBytes)
    if left == 0 {
      guard position == size else { throw cursor.damaged(start, "\(size - position) bytes follow the frame's last record") }
      header.rawBytes = 0
      position = 0
      return nil
    }
    guard size - position >= JournalFormat.recordHeaderBytes else {
      throw cursor.damaged(start, "the frame ends before its last \(left) records")
    }
    let record = UnsafeRawPointer(raw.baseAddress!) + position
    let length = Int(record.number(UInt32.self, at: 0))
    let span = (length + 31) & ~15
    guard span <= size - position else {
      throw cursor.damaged(start, "a record claims \(length) bytes, and its frame has \(size - position) left")
    }
    let sequence = record.number(UInt64.self, at: 8)
    if left == Int(header.records), sequence != header.firstSequence {
      throw cursor.damaged(start + 16, "the frame should begin with sequence \(header.firstSequence), and begins with \(sequence)")
    }
    position += span
    left -= 1
    return JournalRecord(
      kind: record.load(fromByteOffset: 4, as: UInt8.self), lane: Int(header.lane), sequence: sequence,
      payload: UnsafeRawBufferPointer(start: record + JournalFormat.recordHeaderBytes, count: length))
  }

  /// Nil when the frame gave exactly the bytes it should; else what is wrong.
  private mutating func decompress(_ source: UnsafeRawBufferPointer) -> String? {
    if context == nil {
      let made = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
      if LZ4F_isError(made) != 0 { return "there is no memory to decompress it" }
    } else {
      LZ4F_resetDecompressionContext(context)
    }
    var read = 0
    var written = 0
    let size = Int(header.rawBytes)
    while true {
      var taken = source.count - read
      var given = size - written
      let hint = LZ4F_decompress(context, raw.baseAddress! + written, &given, source.baseAddress! + read, &taken, nil)
      if LZ4F_isError(hint) != 0 { return "LZ4 says \(String(cString: LZ4F_getErrorName(hint)))" }
      read += taken
      written += given
      if hint == 0 { break }
      if taken == 0 && given == 0 { return "the LZ4 frame holds more or less than its header says" }
    }
    guard read == source.count, written == size else {
      return "the LZ4 frame holds \(written) bytes in \(read), and \(size) in \(source.count) were stated"
    }
    return nil
  }

  private static func grow(_ buffer: inout UnsafeMutableRawBufferPointer, _ count: Int) {
    if buffer.count >= count { return }
    buffer.deallocate()
    buffer = .allocate(byteCount: max(count, 64 << 10), alignment: 16)
  }
}
