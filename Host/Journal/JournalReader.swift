import CLZ4
import GantryBase
import Glibc

/// One record, borrowed: `payload` is valid until the reader's next call.
public struct JournalRecord {
  public var kind: UInt8
  public var lane: Int
  public var sequence: UInt64
  public var payload: UnsafeRawBufferPointer
}

/// A byte in a journal's file.
public struct JournalPlace: Sendable, Equatable, CustomStringConvertible {
  public var file: String
  public var offset: Int
  public var description: String { "\(file) at byte \(offset)" }
}

/// Reads a journal from its first record to its last, one lane's records in the order they were
/// appended.
///
/// A journal that was not closed ends with its last whole frame; what follows is counted in
/// `tornBytes`. Any other damage is thrown as `journal.damaged` with file and offset. No bytes make
/// it crash or take more memory than `JournalFormat` allows. For one thread at a time.
public final class JournalReader {
  public let directory: String
  /// What the writer was given.
  public let head: [UInt8]
  public let formatVersion: UInt32
  /// When the journal was begun, nanoseconds since 1970.
  public let madeNs: Int64
  /// Known once `next` has returned nil: bytes of an unfinished frame, and where they begin.
  public private(set) var tornBytes = 0
  public private(set) var tornPlace: JournalPlace?
  /// Known once `next` has returned nil: the writer ended it in good order.
  public private(set) var isClosed = false
  public private(set) var records: UInt64 = 0

  private let segmentCount: Int
  /// Bytes of a segment after the last that was begun and holds nothing.
  private let emptyTailBytes: Int
  private var cursor: SegmentCursor
  private var segment = 1
  private var frames = FrameReader()
  private var isAtEnd = false
  /// Reading one segment from memory: what comes before and after it is not known.
  private let isAlone: Bool

  /// Opens a journal's folder. Throws `journal.not-found`, `journal.read-failed`, `journal.damaged`.
  public init(directory: String) throws(GantryError) {
    let segments = try JournalSegments(directory: directory)
    self.directory = directory
    segmentCount = segments.count
    isAlone = false
    emptyTailBytes = segments.emptyTailBytes
    cursor = try SegmentCursor(
      JournalSource(path: segments.path(1)), expected: 1, isLast: segments.count == 1)
    head = try cursor.head
    formatVersion = cursor.header.version
    madeNs = cursor.header.madeNs
    guard cursor.header.firstFrame == 0 else {
      throw cursor.damaged(32, "the first segment begins with frame \(cursor.header.firstFrame)")
    }
  }

  private init(memory: UnsafeRawBufferPointer, verifies: Bool) throws(GantryError) {
    directory = "."
    emptyTailBytes = 0
    cursor = try SegmentCursor(JournalSource(name: "memory", memory: memory), expected: nil, isLast: true, verifies: verifies)
    head = try cursor.head
    formatVersion = cursor.header.version
    madeNs = cursor.header.madeNs
    segment = cursor.header.segment
    segmentCount = cursor.header.segment
    isAlone = true
  }

  /// The next record, or nil at the journal's end.
  public func next() throws(GantryError) -> JournalRecord? {
    while true {
      if let record = try frames.next(cursor) {
        records += 1
        return record
      }
      if isAtEnd { return nil }
      try advance()
    }
  }

  private func advance() throws(GantryError) {
    switch try cursor.next() {
    case .frame(let header, let start):
      if try !frames.open(header, at: start, cursor) { end(torn: cursor.tornBytes + emptyTailBytes, at: cursor.tornOffset) }
    case .torn(let offset, let bytes):
      end(torn: bytes + emptyTailBytes, at: offset)
    case .end(let mark, let total, let offset):
      guard total == records || isAlone && segment > 1 else {
        throw cursor.damaged(offset + 16, "the end mark counts \(total) records, and there are \(records)")
      }
      if mark == .closed {
        guard segment >= segmentCount else {
          throw cursor.damaged(cursor.source.count, "the journal is closed here, and segment \(segment + 1) follows")
        }
        isClosed = true
        isAtEnd = true
      } else if isAlone {
        isAtEnd = true
      } else {
        try openNext()
      }
    }
  }

  private func end(torn bytes: Int, at offset: Int) {
    isAtEnd = true
    tornBytes = bytes
    tornPlace = JournalPlace(file: cursor.source.name, offset: offset)
  }

  private func openNext() throws(GantryError) {
    let path = JournalSegments.path(directory, segment + 1)
    guard segment < segmentCount else {
      throw SegmentCursor.damaged(path, 0, "the file is missing; the segment before says that it goes on")
    }
    segment += 1
    let next = try SegmentCursor(JournalSource(path: path), expected: segment, isLast: segment == segmentCount)
    guard next.header.journal == cursor.header.journal else {
      throw next.damaged(24, "the segment belongs to another journal")
    }
    guard next.header.firstFrame == cursor.frames else {
      throw next.damaged(32, "the segment begins with frame \(next.header.firstFrame), and frame \(cursor.frames) should follow")
    }
    cursor = next
  }

  /// The bytes of an object that the head names, checked against its SHA-256.
  public func object(sha256: String) throws(GantryError) -> [UInt8] {
    try JournalObjects(directory: directory).read(sha256: sha256)
  }

  /// Reads one segment from memory to its end and returns how many records it holds. For fuzzing:
  /// with `trustingChecksums` wrong checksums do not keep the bytes from what is behind them.
  public static func check(bytes: UnsafeRawBufferPointer, trustingChecksums: Bool = false) throws(GantryError) -> Int {
    let reader = try JournalReader(memory: bytes, verifies: !trustingChecksums)
    while try reader.next() != nil {}
    return Int(reader.records)
  }
}
