import GantryBase
import GantryJournal

/// What has to be known of a journal before it is followed: one pass over all of it.
struct JournalScan {
  /// One apply as the lanes wrote it down.
  struct Apply {
    var record: ApplyRecord
    var sources: [SourceBegin]
  }

  /// Orders that the gate refused, by their ids, and why.
  private(set) var refusals: [UInt64: UInt32] = [:]
  /// The applies that every lane of then has written down, in their order. Of a run that was killed the
  /// last one may be missing in some lanes: no lane is followed beyond it.
  private(set) var applies: [Apply] = []

  init(_ path: String) throws(GantryError) {
    let reader = try JournalReader(directory: path)
    var found: [UInt32: (apply: Apply, lanes: Set<Int>)] = [:]
    while let record = try reader.next() {
      switch RecordKind(rawValue: record.kind) {
      case .decision where record.payload.count == MemoryLayout<DecisionRecord>.size:
        let decision = record.payload.loadUnaligned(as: DecisionRecord.self)
        if decision.what == Decision.orderRefused.rawValue { refusals[UInt64(bitPattern: decision.value)] = decision.detail }
      case .change:
        guard let apply = JournalScan.apply(record.payload) else {
          throw GantryError("replay.no-fit", "\(path) holds an apply record that is not one", help: ["replay it with the gantry that wrote it"])
        }
        found[apply.record.number, default: (apply, [])].lanes.insert(record.lane)
      default: break
      }
    }
    var number: UInt32 = 1
    while let next = found[number], next.lanes.count >= Int(next.apply.record.lanes) {
      applies.append(next.apply)
      number += 1
    }
  }

  /// An apply's record and the sources that began with it; nil when the bytes are none.
  static func apply(_ payload: UnsafeRawBufferPointer) -> Apply? {
    let size = MemoryLayout<ApplyRecord>.size
    guard payload.count >= size else { return nil }
    let record = payload.loadUnaligned(as: ApplyRecord.self)
    guard payload.count == size + Int(record.sources) * MemoryLayout<SourceBegin>.stride else { return nil }
    return Apply(
      record: record,
      sources: (0..<Int(record.sources)).map {
        payload.loadUnaligned(fromByteOffset: size + $0 * MemoryLayout<SourceBegin>.stride, as: SourceBegin.self)
      })
  }
}
