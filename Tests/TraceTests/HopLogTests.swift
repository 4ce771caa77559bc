import GantryBase
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import GantryTrace

@Suite struct HopLogTests {
  @Test func `a hop record is one cache line without padding`() {
    #expect(MemoryLayout<HopRecord>.size == 64 && MemoryLayout<HopRecord>.stride == 64)
    #expect(MemoryLayout<HopRecord>.offset(of: \.kind) == 25)
    #expect(MemoryLayout<HopRecord>.offset(of: \.orderID) == 48)
  }

  @Test func `hops, events, notes and aliases come back in order`() throws {
    let scratch = Scratch()
    let log = try HopLog(directory: scratch.path, lane: 3)
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    var wanted: [HopItem] = []
    for number in 0..<3_000 as Range<UInt64> {
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        let stride = 32 + Int.random(in: 0...90, using: &random) * 8
        let event = (0..<stride).map { _ in UInt8.random(in: 0...255, using: &random) }
        event.withUnsafeBytes {
          log.orders.appendEvent(chain: number, type: 8, isOutput: number & 1 == 1, instrument: 7, event: $0.baseAddress!, stride: stride)
        }
        var detail = HopDetail(kind: .event, chain: number)
        detail.eventType = 8
        detail.isOutput = number & 1 == 1
        detail.instrument = 7
        detail.payload = Array(event[32...].prefix(HopDetail.payloadBytesMax))
        wanted.append(.detail(detail))
      case 1:
        var detail = HopDetail(kind: .note, chain: number)
        detail.key = String(repeating: "k", count: Int.random(in: 0...64, using: &random))
        detail.text = String(repeating: "é", count: Int.random(in: 0...128, using: &random))
        Array(detail.key.utf8).withUnsafeBytes { key in
          Array(detail.text.utf8).withUnsafeBytes { log.orders.appendNote(chain: number, key: key, text: $0) }
        }
        wanted.append(.detail(detail))
      case 2:
        var detail = HopDetail(kind: .alias, chain: number)
        detail.orderID = number << 40 | 1
        detail.text = String(repeating: "x", count: Int.random(in: 0...256, using: &random))
        Array(detail.text.utf8).withUnsafeBytes { log.orders.appendAlias(chain: number, orderID: detail.orderID, outside: $0) }
        wanted.append(.detail(detail))
      default:
        let record = HopRecord(
          chain: number, startNs: -5, durationNs: 9, node: 2, origin: 1, hop: 3, kind: .batch, status: -2, inputs: 256,
          outputs: 1, generation: 4, parentFirst: 5, orderID: 6, eventNs: 7)
        log.orders.append(record)
        wanted.append(.hop(record))
      }
    }
    let reader = try HopLogReader(path: scratch.path + "/orders-3.bin")
    #expect(reader.lane == 3)
    var read: [HopItem] = []
    try reader.forEach { read.append($1) }
    #expect(read == wanted, "seed \(seed)")
    log.close()
    read = []
    let next = try HopLogReader(path: scratch.path + "/orders-3.bin").forEach { read.append($1) }
    #expect(read == wanted && next == reader.written)
    #expect(try HopLogReader(path: scratch.path + "/hops-3.bin").written == 0)
  }

  @Test func `texts that are too long are cut and not refused`() throws {
    let scratch = Scratch()
    let log = try HopLog(directory: scratch.path)
    let long = [UInt8](repeating: 65, count: 1_000)
    long.withUnsafeBytes { log.hops.appendNote(chain: 1, key: $0, text: $0) }
    var items: [HopItem] = []
    try HopLogReader(path: scratch.path + "/hops-0.bin").forEach { items.append($1) }
    guard case .detail(let note) = items.first else {
      Issue.record("no note")
      return
    }
    #expect(note.key.count == 64 && note.text.count == 256)
  }

  @Test func `a full ring keeps the newest and a reader goes on where it was`() throws {
    let scratch = Scratch()
    let log = try HopLog(directory: scratch.path, options: HopLog.Options(hopsBytes: 64 << 10))
    let reader = try HopLogReader(path: scratch.path + "/hops-0.bin")
    #expect(reader.slotCount == 1024)
    var next: UInt64 = 0
    var seen: [UInt64] = []
    for round in 0..<10 as Range<UInt64> {
      for number in 0..<500 as Range<UInt64> { log.hops.append(HopRecord(chain: round * 500 + number)) }
      next = try reader.forEach(from: next) { _, item in
        if case .hop(let record) = item { seen.append(record.chain) }
      }
      log.prefault()
    }
    #expect(seen == Array(0..<5_000))
    for number in 5_000..<20_000 as Range<UInt64> { log.hops.append(HopRecord(chain: number)) }
    seen = []
    try reader.forEach(from: next) { _, item in
      if case .hop(let record) = item { seen.append(record.chain) }
    }
    #expect(seen == Array((20_000 - 1024 + 64)..<20_000))
  }

  @Test func `a reader beside a writing lane never sees a mixed record`() throws {
    let scratch = Scratch()
    let log = try HopLog(directory: scratch.path, options: HopLog.Options(hopsBytes: 64 << 10))
    let reader = try HopLogReader(path: scratch.path + "/hops-0.bin")
    let done = Box()
    var thread = pthread_t()
    let argument = Writer(ring: log.hops, done: done)
    pthread_create(
      &thread, nil,
      {
        let writer = Unmanaged<Writer>.fromOpaque($0!).takeRetainedValue()
        for number in 0..<400_000 as Range<UInt64> {
          writer.ring.append(HopRecord(chain: number, startNs: Int64(number), parentFirst: number, orderID: number, eventNs: Int64(number)))
        }
        writer.done.flag.store(true, ordering: .releasing)
        return nil
      }, Unmanaged.passRetained(argument).toOpaque())
    var next: UInt64 = 0
    var count = 0
    var last: UInt64?
    var isDone = false
    repeat {
      isDone = done.flag.load(ordering: .acquiring)
      next = try reader.forEach(from: next) { slot, item in
        guard case .hop(let record) = item else { return }
        count += 1
        let isWhole = record.chain == slot && record.orderID == slot && record.eventNs == Int64(slot) && record.startNs == Int64(slot)
        if !isWhole || last.map({ $0 >= slot }) == true { Issue.record("slot \(slot) holds \(record)") }
        last = slot
      }
    } while !isDone
    pthread_join(thread, nil)
    #expect(count > 0 && last == 399_999)
  }

  @Test func `a file that is no hop log is refused and random slots never crash`() throws {
    let scratch = Scratch()
    let path = scratch.path + "/hops-0.bin"
    #expect(throws: GantryError.self) { try HopLogReader(path: path) }
    writeBytes([1, 2, 3], to: path)
    #expect(throws: GantryError.self) { try HopLogReader(path: path) }
    let log = try HopLog(directory: scratch.path, options: HopLog.Options(hopsBytes: 64 << 10))
    log.close()
    let good = readBytes(path)
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    for _ in 0..<40 {
      var bytes = good
      for index in HopFile.headerBytes..<bytes.count {
        // Kinds, lengths and slot counts are mostly plausible.
        let at = index % 64
        bytes[index] =
          at == 25
          ? UInt8.random(in: 0...9, using: &random)
          : at == 24
            ? UInt8.random(in: 0...12, using: &random)
            : at == 11 ? 0 : UInt8.random(in: 0...255, using: &random)
      }
      bytes[65] = UInt8.random(in: 0...8, using: &random)
      writeBytes(bytes, to: path)
      try HopLogReader(path: path).forEach { _, _ in }
    }
    var bytes = good
    bytes[16] = 0xFF
    writeBytes(bytes, to: path)
    #expect(throws: GantryError.self) { try HopLogReader(path: path) }
  }

  @Test func `a run's names survive their file`() throws {
    let scratch = Scratch()
    #expect(throws: GantryError.self) { try TraceMeta.read(from: scratch.path) }
    var meta = TraceMeta(graph: "quickstart", startedWallNs: 5, lanes: ["main", "slow"])
    meta.nodes = [TraceMeta.Node(name: "ticks", kind: .source, plugin: "synthetic", version: "0.1.0")]
    meta.origins = [TraceMeta.Origin(index: 1, id: .max, name: "ticks")]
    meta.instruments = [Instrument(symbol: "EURUSD", base: "EUR", quote: "USD", priceDigits: 5, quantityDigits: 0)]
    try meta.write(to: scratch.path)
    #expect(try TraceMeta.read(from: scratch.path) == meta)
    #expect(try TraceMeta.read(from: scratch.path).originValue(1) == .max)
    writeBytes(Array("{}".utf8), to: scratch.path + "/trace.json")
    let error = #expect(throws: GantryError.self) { try TraceMeta.read(from: scratch.path) }
    #expect(error?.diagnostics[0].code == "trace.damaged")
  }
}

private final class Box: Sendable {
  let flag = Atomic<Bool>(false)
}

private final class Writer: Sendable {
  let ring: HopRing
  let done: Box
  init(ring: HopRing, done: Box) {
    self.ring = ring
    self.done = done
  }
}
