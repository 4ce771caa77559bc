import GantryBase
import TestSupport
import Testing

@testable import GantryJournal

@Suite struct JournalReaderTests {
  @Test func `random records of several lanes come back as they were appended`() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    for round in 0..<6 {
      let scratch = Scratch()
      let lanes = Int.random(in: 1...3, using: &random)
      let options = JournalOptions(
        lanes: lanes, ringBytes: 64 << Int.random(in: 10...13, using: &random), frameBytes: 4096 << Int.random(in: 0...6, using: &random),
        segmentBytes: 8192 << Int.random(in: 0...6, using: &random), flushNs: 1_000_000)
      let head = (0..<Int.random(in: 0...3_000, using: &random)).map { UInt8($0 & 0x7F) }
      let writer = try JournalWriter(directory: scratch.path, head: head, options: options)
      var appended = [[Copied]](repeating: [], count: lanes)
      for number in 0..<UInt64.random(in: 0...20_000, using: &random) {
        let lane = Int.random(in: 0..<lanes, using: &random)
        let size = Int.random(in: 0..<100, using: &random) == 0 ? Int.random(in: 0...16_000, using: &random) : Int.random(in: 0...200, using: &random)
        let record = Copied(
          kind: UInt8(truncatingIfNeeded: number), lane: lane, sequence: number,
          payload: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* Int(number & 7)) })
        #expect(append(record, to: writer.lane(lane), pieces: Int.random(in: 1...3, using: &random)))
        appended[lane].append(record)
        if Int.random(in: 0..<3_000, using: &random) == 0 { try writer.flush(sync: Bool.random(using: &random)) }
      }
      try writer.close()

      let reader = try JournalReader(directory: scratch.path)
      #expect(reader.head == head)
      let read = try readAll(reader)
      for lane in 0..<lanes {
        #expect(read.filter { $0.lane == lane } == appended[lane], "seed \(seed) round \(round) lane \(lane)")
      }
      #expect(reader.isClosed && reader.tornBytes == 0 && reader.tornPlace == nil)
      #expect(writer.statistics.records == UInt64(read.count))
      #expect(writer.statistics.segments == list(scratch.path).count)
    }
  }

  @Test func `one changed byte anywhere in a journal is found and named`() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    let scratch = Scratch()
    let files = try smallJournal(scratch.path)
    #expect(files.count == 2)
    for (name, bytes) in files {
      for offset in bytes.indices {
        let flip = UInt8.random(in: 1...255, using: &random)
        var changed = bytes
        changed[offset] ^= flip
        writeBytes(changed, to: scratch.path + "/" + name)
        do throws(GantryError) {
          let records = try readAll(JournalReader(directory: scratch.path))
          Issue.record("seed \(seed): \(name) byte \(offset) flip \(flip): read \(records.count) records")
        } catch {
          let told = error.diagnostics[0]
          if told.code != "journal.damaged" || !told.text.contains("journal-00000") || !told.text.contains(" at byte ") {
            Issue.record("seed \(seed): \(name) byte \(offset) flip \(flip): \(told)")
          }
        }
      }
      writeBytes(bytes, to: scratch.path + "/" + name)
    }
    #expect(try readAll(JournalReader(directory: scratch.path)).count == 60)
  }

  @Test func `a journal cut at any byte keeps its whole frames and says what it lost`() throws {
    let scratch = Scratch()
    let files = try smallJournal(scratch.path)
    let whole = try readAll(JournalReader(directory: scratch.path))
    let (name, bytes) = files[1]
    for length in (0..<bytes.count).reversed() {
      writeBytes(Array(bytes[..<length]), to: scratch.path + "/" + name)
      if length < JournalFormat.segmentHeaderBytes {
        #expect(throws: GantryError.self) { _ = try readAll(JournalReader(directory: scratch.path)) }
        continue
      }
      let reader = try JournalReader(directory: scratch.path)
      let read = try readAll(reader)
      #expect(read.elementsEqual(whole.prefix(read.count)))
      #expect(!reader.isClosed)
      let place = try #require(reader.tornPlace)
      #expect(place.offset + reader.tornBytes == length)

      let cut = try JournalRepair.cut(directory: scratch.path)
      #expect((cut?.bytes ?? 0) == reader.tornBytes)
      let again = try JournalReader(directory: scratch.path)
      #expect(try readAll(again) == read)
      #expect(again.tornBytes == 0)
      #expect(try JournalRepair.cut(directory: scratch.path) == nil)
    }
    // The first segment is not the last: what is missing there is damage.
    writeBytes(bytes, to: scratch.path + "/" + name)
    for length in 0..<files[0].1.count {
      writeBytes(Array(files[0].1[..<length]), to: scratch.path + "/" + files[0].0)
      let error = #expect(throws: GantryError.self) { _ = try readAll(JournalReader(directory: scratch.path)) }
      #expect(error?.diagnostics[0].code == "journal.damaged")
    }
  }

  @Test func `a tail of zeros after a power cut is torn and not damaged`() throws {
    let scratch = Scratch()
    let (name, bytes) = try smallJournal(scratch.path)[1]
    let body = Array(bytes.dropLast(JournalFormat.frameHeaderBytes))
    for zeros in [64, 100, 4096] {
      writeBytes(body + [UInt8](repeating: 0, count: zeros), to: scratch.path + "/" + name)
      let reader = try JournalReader(directory: scratch.path)
      #expect(try readAll(reader).count == 60)
      #expect(reader.tornBytes == zeros)
    }
    writeBytes(body.dropLast(40) + [UInt8](repeating: 0, count: 100), to: scratch.path + "/" + name)
    let reader = try JournalReader(directory: scratch.path)
    #expect(try readAll(reader).count < 60)
    #expect(reader.tornBytes > 100)
  }

  @Test func `a missing, foreign or repeated segment is damage`() throws {
    let scratch = Scratch()
    let other = Scratch()
    let files = try smallJournal(scratch.path)
    let foreign = try smallJournal(other.path)
    func code() -> String? {
      do throws(GantryError) {
        _ = try readAll(JournalReader(directory: scratch.path))
        return nil
      } catch { return error.diagnostics[0].code }
    }
    writeBytes(foreign[1].1, to: scratch.path + "/" + files[1].0)
    #expect(code() == "journal.damaged")
    writeBytes(files[0].1, to: scratch.path + "/" + files[1].0)
    #expect(code() == "journal.damaged")
    #expect(unlinkFile(scratch.path + "/" + files[1].0))
    #expect(code() == "journal.damaged")
    writeBytes(files[1].1, to: scratch.path + "/" + files[1].0)
    writeBytes(files[1].1, to: scratch.path + "/journal-000003.lz4")
    #expect(code() == "journal.damaged")
    #expect(unlinkFile(scratch.path + "/journal-000003.lz4"))
    #expect(code() == nil)
    #expect(unlinkFile(scratch.path + "/" + files[0].0))
    #expect(code() == "journal.damaged")
    #expect(unlinkFile(scratch.path + "/" + files[1].0))
    #expect(code() == "journal.not-found")
  }

  @Test func `random bytes behind trusted checksums never crash the reader`() throws {
    let scratch = Scratch()
    let files = try smallJournal(scratch.path)
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    for _ in 0..<20_000 {
      var bytes = files[Int.random(in: 0...1, using: &random)].1
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      bytes.removeLast(Int.random(in: 0...3, using: &random) == 0 ? Int.random(in: 0..<bytes.count, using: &random) : 0)
      _ = try? bytes.withUnsafeBytes { try JournalReader.check(bytes: $0, trustingChecksums: true) }
    }
    #expect(try files[0].1.withUnsafeBytes { try JournalReader.check(bytes: $0) } > 0)
  }

  @Test func `a frame that claims gigabytes is refused before there is room for it`() throws {
    let scratch = Scratch()
    var (_, bytes) = try smallJournal(scratch.path)[0]
    let header = JournalFormat.segmentHeaderBytes + 2
    for index in 28..<32 { bytes[header + index] = 0xFF }
    let error = #expect(throws: GantryError.self) {
      _ = try bytes.withUnsafeBytes { try JournalReader.check(bytes: $0, trustingChecksums: true) }
    }
    #expect(error?.diagnostics[0].text.contains("contradicts itself") == true)
  }

  @Test func `kept objects are read back and a changed one is damage`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, head: [])
    let name = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for _ in 0..<2 { try Array("abc".utf8).withUnsafeBytes { try writer.keep(sha256: name, bytes: $0) } }
    #expect(throws: GantryError.self) { try writer.keep(sha256: "../escape", bytes: UnsafeRawBufferPointer(start: nil, count: 0)) }
    try writer.close()
    let reader = try JournalReader(directory: scratch.path)
    #expect(try reader.object(sha256: name) == Array("abc".utf8))
    #expect(list(scratch.path + "/objects") == [name])
    writeBytes(Array("abd".utf8), to: scratch.path + "/objects/" + name)
    let error = #expect(throws: GantryError.self) { try reader.object(sha256: name) }
    #expect(error?.diagnostics[0].code == "journal.damaged")
  }

  /// Two segments, several small frames, two lanes, 60 records.
  private func smallJournal(_ path: String) throws -> [(String, [UInt8])] {
    let writer = try JournalWriter(
      directory: path, head: Array("{}".utf8), options: JournalOptions(lanes: 2, ringBytes: 64 << 10, segmentBytes: 4096))
    for number in 0..<60 as Range<UInt64> {
      var random = Seeded(number)
      let size = number < 40 ? 100 : 9
      let record = Copied(
        kind: 1, lane: Int(number & 1), sequence: number, payload: (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) })
      #expect(append(record, to: writer.lane(record.lane), pieces: 1))
      if number % 10 == 9 { try writer.flush() }
    }
    try writer.close()
    return list(path).map { ($0, readBytes(path + "/" + $0)) }
  }
}
