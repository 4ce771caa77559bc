import CGantry
import GantryBase
import GantryJournal

/// Where two journals first differ in what left a lane or what the host decided.
public struct JournalDifference: Sendable, Codable {
  public var lane: Int
  /// Which record of those compared, from 1.
  public var record: UInt64
  public var what: String
  public var node: String?
  public var port: String?
  /// The chain's number within its origin.
  public var chain: UInt64?
  /// Offset of the first byte that differs within the first event that differs, and its field.
  public var offset: Int?
  public var expected: String
  public var got: String

  public func text(paint: Paint) -> String {
    var lines = ["  " + paint("different", .red, bold: true) + " at record \(record) of lane \(lane): \(what)"]
    if let node, let port { lines.append("  \(node).\(port)" + (chain.map { ", chain \($0)" } ?? "") + (offset.map { ", byte \($0)" } ?? "")) }
    lines.append("    journal  " + expected)
    lines.append("    now      " + got)
    return lines.joined(separator: "\n")
  }
}

/// Compares two journals record by record: orders, events that left, decisions of the host. How the
/// events came in blocks does not matter.
public struct JournalComparison {
  public private(set) var difference: JournalDifference?
  /// Records that were compared and found equal.
  public private(set) var records: UInt64 = 0
  public private(set) var tornBytes = 0

  private struct Stream {
    let reader: JournalReader
    /// Records of each lane that have been read ahead.
    var waiting: [Int: [(kind: UInt8, bytes: [UInt8])]] = [:]
  }

  public init(_ expected: String, _ got: String, names: [(node: String, ports: [String])]) throws(GantryError) {
    var left = Stream(reader: try JournalReader(directory: expected))
    var right = Stream(reader: try JournalReader(directory: got))
    var lanes: Set<Int> = []
    while true {
      guard let record = try JournalComparison.next(&left, lane: nil) else { break }
      lanes.insert(record.lane)
      guard let other = try JournalComparison.next(&right, lane: record.lane) else {
        // A journal that was torn, or a run that was killed, may end before its replay does; not after.
        difference = JournalDifference(
          lane: record.lane, record: records + 1, what: "the replay ends here", expected: JournalComparison.name(record.kind),
          got: "nothing")
        break
      }
      if record.kind != other.kind || record.bytes != other.bytes {
        difference = describe(record, other, names)
        break
      }
      records += 1
    }
    tornBytes = left.reader.tornBytes
    if difference == nil, left.reader.isClosed, let more = try JournalComparison.next(&right, lane: nil) {
      difference = JournalDifference(
        lane: more.lane, record: records + 1, what: "the journal ends here", expected: "nothing",
        got: JournalComparison.name(more.kind))
    }
  }

  private static func next(_ stream: inout Stream, lane: Int?) throws(GantryError) -> (lane: Int, kind: UInt8, bytes: [UInt8])? {
    if let lane {
      if let first = stream.waiting[lane]?.first {
        stream.waiting[lane]!.removeFirst()
        return (lane, first.kind, first.bytes)
      }
    } else if let lane = stream.waiting.keys.sorted().first(where: { !stream.waiting[$0]!.isEmpty }) {
      let first = stream.waiting[lane]!.removeFirst()
      return (lane, first.kind, first.bytes)
    }
    while let record = try stream.reader.next() {
      guard let kind = RecordKind(rawValue: record.kind), kind == .output || kind == .decision || kind == .order else { continue }
      let bytes = Array(record.payload)
      if lane == nil || record.lane == lane { return (record.lane, record.kind, bytes) }
      stream.waiting[record.lane, default: []].append((record.kind, bytes))
    }
    return nil
  }

  private static func name(_ kind: UInt8) -> String {
    switch RecordKind(rawValue: kind) {
    case .order: "an order"
    case .output: "events"
    case .decision: "a decision of the host"
    default: "a record of kind \(kind)"
    }
  }

  private func describe(
    _ left: (lane: Int, kind: UInt8, bytes: [UInt8]), _ right: (lane: Int, kind: UInt8, bytes: [UInt8]),
    _ names: [(node: String, ports: [String])]
  ) -> JournalDifference {
    var result = JournalDifference(
      lane: left.lane, record: records + 1, what: "\(JournalComparison.name(left.kind)) differ", expected: "", got: "")
    guard left.kind == right.kind else {
      result.what = "another kind of record"
      result.expected = JournalComparison.name(left.kind)
      result.got = JournalComparison.name(right.kind)
      return result
    }
    let first = zip(left.bytes, right.bytes).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(left.bytes.count, right.bytes.count)
    var base = 0
    var stride = left.bytes.count
    if left.kind == RecordKind.output.rawValue, left.bytes.count >= MemoryLayout<EventsRecord>.size {
      let record = left.bytes.withUnsafeBytes { $0.loadUnaligned(as: EventsRecord.self) }
      if Int(record.node) < names.count {
        result.node = names[Int(record.node)].node
        result.port = Int(record.port) < names[Int(record.node)].ports.count ? names[Int(record.node)].ports[Int(record.port)] : nil
      }
      base = MemoryLayout<EventsRecord>.size
      stride = max(Int(record.stride), 1)
    }
    let row = first >= base ? base + (first - base) / stride * stride : 0
    result.offset = first - row
    if left.kind != RecordKind.decision.rawValue, row + 32 <= left.bytes.count {
      result.chain = left.bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: row + 16, as: UInt64.self) }
    }
    let word = row + (first - row) / 8 * 8
    result.expected = JournalComparison.word(left.bytes, word)
    result.got = JournalComparison.word(right.bytes, word)
    return result
  }

  /// The eight bytes around the difference, as an integer and as a double.
  private static func word(_ bytes: [UInt8], _ offset: Int) -> String {
    guard offset + 8 <= bytes.count else { return "\(bytes.count) bytes" }
    let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
    return "0x\(hex(value)) (\(Int64(bitPattern: value)) as an integer, \(Double(bitPattern: value)) as a double)"
  }
}
