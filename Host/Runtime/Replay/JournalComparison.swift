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
/// events came in blocks does not matter. What nodes say that act on the outside came from there, and a
/// replay does not ask again: it is left out.
public struct JournalComparison {
  public private(set) var difference: JournalDifference?
  /// Records that were compared and found equal.
  public private(set) var records: UInt64 = 0
  public private(set) var tornBytes = 0

  private struct Stream {
    let reader: JournalReader
    /// Lanes are followed up to this apply.
    let applies: UInt32
    /// Lanes that have come to a later one.
    var cut: Set<Int> = []
    /// Records of each lane that have been read ahead.
    var waiting: [Int: [(kind: UInt8, bytes: [UInt8])]] = [:]
    /// Numbers of nodes that act on the outside.
    let outside: Set<UInt32>

    /// Whether a replay has to say the same.
    func counts(_ kind: RecordKind, _ payload: UnsafeRawBufferPointer) -> Bool {
      switch kind {
      case .order: true
      case .output: payload.count < MemoryLayout<EventsRecord>.size || !outside.contains(payload.loadUnaligned(as: EventsRecord.self).node)
      case .decision: payload.count < 4 || payload.loadUnaligned(as: UInt32.self) != Decision.reconciled.rawValue
      default: false
      }
    }
  }

  /// - Parameters:
  ///   - applies: what comes after this many applies is left out; a journal that was cut in the
  ///     middle of one is not followed beyond it
  ///   - outside: numbers of nodes that act on the outside
  public init(
    _ expected: String, _ got: String, names: [(node: String, ports: [String])], applies: UInt32 = .max, outside: [Int] = []
  ) throws(GantryError) {
    let numbers = Set(outside.map { UInt32($0) })
    var left = Stream(reader: try JournalReader(directory: expected), applies: applies, outside: numbers)
    var right = Stream(reader: try JournalReader(directory: got), applies: applies, outside: numbers)
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
        guard record.kind == other.kind, let rest = Rest(record.kind, record.bytes, other.bytes) else {
          difference = describe(record, other, names)
          break
        }
        if !rest.expected.isEmpty { left.waiting[record.lane, default: []].insert((record.kind, rest.expected), at: 0) }
        if !rest.got.isEmpty { right.waiting[record.lane, default: []].insert((record.kind, rest.got), at: 0) }
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
      guard let kind = RecordKind(rawValue: record.kind), !stream.cut.contains(record.lane) else { continue }
      if kind == .change, let apply = JournalScan.apply(record.payload), apply.record.number > stream.applies { stream.cut.insert(record.lane) }
      guard stream.counts(kind, record.payload) else { continue }
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
    var base = 0
    var end = min(left.bytes.count, right.bytes.count)
    var stride = max(end, 1)
    if left.kind == RecordKind.output.rawValue, let mine = Rest.header(left.bytes), let other = Rest.header(right.bytes) {
      (result.node, result.port) = JournalComparison.names(mine, names)
      base = MemoryLayout<EventsRecord>.size
      stride = max(Int(mine.stride), 1)
      if (mine.node, mine.port, mine.stride) != (other.node, other.port, other.stride) {
        let theirs = JournalComparison.names(other, names)
        result.what = "events of another port"
        result.chain = JournalComparison.chain(left.bytes, base)
        result.expected = "an event of \(result.node ?? "?").\(result.port ?? "?")"
        result.got = "an event of \(theirs.node ?? "?").\(theirs.port ?? "?")"
        return result
      }
      end = min(base + Int(min(mine.count, other.count)) * stride, end)
    }
    let first = (base..<max(base, end)).first { left.bytes[$0] != right.bytes[$0] } ?? end
    let row = base + (first - base) / stride * stride
    result.offset = first - row
    if left.kind != RecordKind.decision.rawValue { result.chain = JournalComparison.chain(left.bytes, row) }
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

  private static func chain(_ bytes: [UInt8], _ row: Int) -> UInt64? {
    guard row + MemoryLayout<gantry_header>.size <= bytes.count else { return nil }
    return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: row, as: gantry_header.self).chain }
  }

  private static func names(_ record: EventsRecord, _ names: [(node: String, ports: [String])]) -> (node: String?, port: String?) {
    guard Int(record.node) < names.count else { return (nil, nil) }
    let ports = names[Int(record.node)].ports
    return (names[Int(record.node)].node, Int(record.port) < ports.count ? ports[Int(record.port)] : nil)
  }

  /// Two records of events of one port, of which one goes on where the other ends: what is left of each
  /// once the rows that both have are found equal. How a port's events are grouped does not matter.
  private struct Rest {
    var expected: [UInt8] = []
    var got: [UInt8] = []

    init?(_ kind: UInt8, _ expected: [UInt8], _ got: [UInt8]) {
      guard kind == RecordKind.output.rawValue, let mine = Rest.header(expected), let other = Rest.header(got),
        (mine.node, mine.port, mine.stride) == (other.node, other.port, other.stride), mine.count != other.count
      else { return nil }
      let size = MemoryLayout<EventsRecord>.size
      let common = Int(min(mine.count, other.count))
      let end = size + common * Int(mine.stride)
      guard end <= min(expected.count, got.count), expected[size..<end] == got[size..<end] else { return nil }
      if mine.count > other.count { self.expected = Rest.after(common, mine, expected) } else { self.got = Rest.after(common, other, got) }
    }

    static func header(_ bytes: [UInt8]) -> EventsRecord? {
      guard bytes.count >= MemoryLayout<EventsRecord>.size else { return nil }
      return bytes.withUnsafeBytes { $0.loadUnaligned(as: EventsRecord.self) }
    }

    private static func after(_ rows: Int, _ record: EventsRecord, _ bytes: [UInt8]) -> [UInt8] {
      var record = record
      record.count -= UInt32(rows)
      let head = withUnsafeBytes(of: record) { Array($0) }
      return head + bytes[(MemoryLayout<EventsRecord>.size + rows * Int(record.stride))...]
    }
  }
}
