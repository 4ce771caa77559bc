import CLZ4
import GantryBase

/// Reads the frames of one segment in order and believes nothing: every length is checked before
/// it is used, every frame must fit the one before, and what does not is `journal.damaged` with
/// the file and the offset. Only the tail of a journal's last segment may be torn.
final class SegmentCursor {
  enum Step {
    case frame(FrameHeader, at: Int)
    /// The end mark, and how many records it counts in the journal so far.
    case end(SegmentEnd, records: UInt64, at: Int)
    /// The journal ends here without a mark; so many bytes of an unfinished frame follow.
    case torn(at: Int, bytes: Int)
  }

  let source: JournalSource
  let header: SegmentHeader
  private let isLast: Bool
  private let verifies: Bool
  private var offset: Int
  private var previous: UInt32
  private(set) var frames: UInt64

  /// Reads the segment's header. `expected` is its number, or nil when any will do. Without
  /// `verifies`, checksums are taken as right: a fuzzer gets to what is behind them.
  init(_ source: JournalSource, expected: Int?, isLast: Bool, verifies: Bool = true) throws(GantryError) {
    self.source = source
    self.isLast = isLast
    self.verifies = verifies
    header = try Self.readHeader(source, expected: expected, verifies: verifies)
    offset = header.byteCount
    previous = header.checksum
    frames = header.firstFrame
  }

  private static func readHeader(
    _ source: JournalSource, expected: Int?, verifies: Bool
  ) throws(GantryError) -> SegmentHeader {
    guard source.count >= JournalFormat.segmentHeaderBytes else {
      throw damaged(source.name, source.count, "the file ends inside the segment's header")
    }
    let fixed = try source.bytes(at: 0, count: JournalFormat.segmentHeaderBytes)
    let (read, wrong) = fixed.withUnsafeBytes { SegmentHeader.read($0.baseAddress!) }
    guard let header = read else { throw damaged(source.name, 0, wrong) }
    guard header.byteCount <= source.count else {
      throw damaged(source.name, source.count, "the file ends inside the journal's head")
    }
    let whole = try source.bytes(at: 0, count: header.byteCount)
    guard !verifies || whole.withUnsafeBytes({ SegmentHeader.checksum($0) }) == header.checksum else {
      throw damaged(source.name, 0, "the segment's header does not match its checksum")
    }
    if let expected, header.segment != expected {
      throw damaged(source.name, 20, "this is segment \(header.segment) of a journal, and its name says \(expected)")
    }
    return header
  }

  var head: [UInt8] {
    get throws(GantryError) { try source.bytes(at: JournalFormat.segmentHeaderBytes, count: header.headBytes) }
  }

  /// The next frame's header; `read` then gives its records.
  func next() throws(GantryError) -> Step {
    let left = source.count - offset
    guard left >= JournalFormat.frameHeaderBytes else { return try torn("the segment ends without its mark") }
    let bytes = try source.bytes(at: offset, count: JournalFormat.frameHeaderBytes)
    let (read, wrong) = bytes.withUnsafeBytes { FrameHeader.read($0.baseAddress!, journal: header.journal, verifies: verifies) }
    guard let frame = read else {
      if try hasZeroTail(before: offset + JournalFormat.frameHeaderBytes) { return try torn(wrong) }
      throw damaged(offset, wrong)
    }
    guard frame.number == frames else {
      throw damaged(offset + 8, "this is frame \(frame.number), and frame \(frames) should be here")
    }
    guard !verifies || frame.previous == previous else {
      throw damaged(offset + 44, "the frame does not follow the one before it")
    }
    let end = offset + JournalFormat.frameHeaderBytes + Int(frame.storedBytes)
    if frame.isEnd {
      guard let mark = SegmentEnd(rawValue: frame.records) else {
        throw damaged(offset + 24, "the end mark says \(frame.records)")
      }
      guard end == source.count else { throw damaged(end, "\(source.count - end) bytes follow the end mark") }
      return .end(mark, records: frame.firstSequence, at: offset)
    }
    guard end <= source.count else { return try torn("the segment ends inside a frame") }
    let start = offset
    offset = end
    previous = frame.checksum
    frames &+= 1
    return .frame(frame, at: start)
  }

  /// Reads and checks the LZ4 frame behind a header. False when it is the torn end of the journal.
  func readStored(
    _ frame: FrameHeader, at start: Int, into stored: UnsafeMutableRawBufferPointer
  ) throws(GantryError) -> Bool {
    let body = start + JournalFormat.frameHeaderBytes
    try source.read(at: body, into: stored)
    guard !verifies || JournalFormat.checksum(UnsafeRawBufferPointer(stored)) == frame.storedChecksum else {
      offset = start
      if isLast, try hasZeroTail(before: body + stored.count) { return false }
      throw damaged(start, "the frame does not match its checksum")
    }
    return true
  }

  /// How many bytes lie behind the last whole frame.
  var tornBytes: Int { source.count - offset }
  var tornOffset: Int { offset }

  private func torn(_ why: String) throws(GantryError) -> Step {
    guard isLast else { throw damaged(offset, why + ", and another segment follows") }
    return .torn(at: offset, bytes: source.count - offset)
  }

  /// After a power cut a file may have its new length but zeros for its last bytes. True when the
  /// file ends with 64 zeros or more that begin before `position`.
  private func hasZeroTail(before position: Int) throws(GantryError) -> Bool {
    let from = min(position - 1, source.count - 64)
    guard from >= offset else { return false }
    var at = from
    while at < source.count {
      let piece = try source.bytes(at: at, count: min(source.count - at, 1 << 16))
      if piece.contains(where: { $0 != 0 }) { return false }
      at += piece.count
    }
    return true
  }

  func damaged(_ at: Int, _ why: String) -> GantryError { Self.damaged(source.name, at, why) }

  static func damaged(_ file: String, _ offset: Int, _ why: String) -> GantryError {
    GantryError(
      "journal.damaged", "\(file) at byte \(offset): \(why).",
      help: ["restore the journal from a copy; nothing from this byte on can be trusted"])
  }
}
