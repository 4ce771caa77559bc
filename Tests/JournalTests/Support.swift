import GantryBase
import GantryJournal
import Glibc

/// A record as a value, for comparing.
struct Copied: Equatable {
  var kind: UInt8
  var lane: Int
  var sequence: UInt64
  var payload: [UInt8]
}

func append(_ record: Copied, to lane: JournalLane, pieces: Int) -> Bool {
  record.payload.withUnsafeBytes { bytes in
    let (a, b) = (bytes.count / 3, bytes.count * 2 / 3)
    func piece(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }
    switch pieces {
    case 1: return lane.append(kind: record.kind, sequence: record.sequence, bytes)
    case 2: return lane.append(kind: record.kind, sequence: record.sequence, piece(0..<b), piece(b..<bytes.count))
    default:
      return lane.append(
        kind: record.kind, sequence: record.sequence, piece(0..<a), piece(a..<b), piece(b..<bytes.count))
    }
  }
}

func readAll(_ reader: JournalReader) throws(GantryError) -> [Copied] {
  var result: [Copied] = []
  while let record = try reader.next() {
    result.append(Copied(kind: record.kind, lane: record.lane, sequence: record.sequence, payload: Array(record.payload)))
  }
  return result
}

func unlinkFile(_ path: String) -> Bool { unlink(path) == 0 }
