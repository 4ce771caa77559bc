import GantryBase
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import GantryJournal

@Suite struct JournalWriterTests {
  @Test func `a folder that holds a journal is refused`() throws {
    let scratch = Scratch()
    try JournalWriter(directory: scratch.path, head: []).close()
    let error = #expect(throws: GantryError.self) { try JournalWriter(directory: scratch.path, head: []) }
    #expect(error?.diagnostics.first?.code == "journal.exists")
  }

  @Test func `a folder that cannot be made is an error with its reason`() {
    let error = #expect(throws: GantryError.self) { try JournalWriter(directory: "/proc/nowhere/journal", head: []) }
    #expect(error?.diagnostics.first?.code == "journal.write-failed")
    #expect(error?.diagnostics.first?.text.contains("No such file") == true)
  }

  @Test func `a record above the limit is not taken and nothing is waited for`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, head: [], options: JournalOptions(ringBytes: 64 << 10))
    let lane = writer.lane(0)
    let bytes = [UInt8](repeating: 1, count: lane.payloadBytesMax + 1)
    #expect(bytes.withUnsafeBytes { lane.append(kind: 1, sequence: 1, $0) } == false)
    #expect(bytes.withUnsafeBytes { lane.append(kind: 1, sequence: 1, UnsafeRawBufferPointer(rebasing: $0.dropLast())) })
    try writer.close()
    #expect(writer.statistics.records == 1)
  }

  @Test func `a full ring waits for the thread, counts it and loses nothing`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(
      directory: scratch.path, head: [], options: JournalOptions(ringBytes: 64 << 10, flushNs: 1_000_000))
    let lane = writer.lane(0)
    let payload = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 7919) }
    for number in 0..<20_000 as Range<UInt64> {
      #expect(payload.withUnsafeBytes { lane.append(kind: 2, sequence: number, $0) })
    }
    try writer.close()
    #expect(writer.statistics.stalls > 0)
    #expect(writer.statistics.stallNs > 0)
    let reader = try JournalReader(directory: scratch.path)
    var next: UInt64 = 0
    while let record = try reader.next() {
      #expect(record.sequence == next && record.payload.elementsEqual(payload))
      next += 1
    }
    #expect(next == 20_000)
  }

  @Test func `what is flushed can be read while the journal goes on`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, head: [], options: JournalOptions(flushNs: 10_000_000_000))
    for number in 0..<5 as Range<UInt64> {
      writer.lane(0).append(kind: 1, sequence: number, value: number)
      try writer.flush()
      let reader = try JournalReader(directory: scratch.path)
      #expect(try readAll(reader).map(\.sequence) == Array(0...number))
      #expect(!reader.isClosed && reader.tornBytes == 0)
    }
    try writer.close()
  }

  @Test func `a waiting record reaches the file without a flush`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, head: [], options: JournalOptions(flushNs: 1_000_000))
    writer.lane(0).append(kind: 1, sequence: 1, value: 1)
    let deadline = time(nil) + 20
    while writer.statistics.records == 0, time(nil) < deadline { sched_yield() }
    #expect(writer.statistics.records == 1)
    try writer.close()
  }

  @Test func `after close nothing is taken and closing again is no error`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, head: [], options: JournalOptions(ringBytes: 64 << 10))
    let lane = writer.lane(0)
    try writer.close()
    try writer.close()
    try writer.flush()
    #expect(lane.isRefusing)
    let bytes = [UInt8](repeating: 0, count: lane.payloadBytesMax)
    var taken = 0
    while taken < 10, bytes.withUnsafeBytes({ lane.append(kind: 0, sequence: 0, $0) }) { taken += 1 }
    #expect(taken < 10)
    #expect(try readAll(JournalReader(directory: scratch.path)).isEmpty)
  }

  @Test func `a disk that is full is reported, shown to the lane, and leaves whole frames`() throws {
    let scratch = Scratch()
    // A limit on the file's size is the full disk of a process of its own.
    let result = run(["/bin/sh", "-c", "ulimit -f 64; trap '' XFSZ; exec '\(tool("journal-tool"))' fill '\(scratch.path)/journal'"])
    #expect(result.status == 1)
    #expect(result.output.contains("journal.write-failed"), "\(result.output)")
    #expect(result.output.contains("File too large"))
    #expect(result.output.contains("lane refused"))
    let reader = try JournalReader(directory: scratch.path + "/journal")
    #expect(try readAll(reader).count > 10)
    #expect(!reader.isClosed && reader.tornBytes == 0)
  }

  @Test func `a writer that is killed leaves a journal whose records are all right`() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    for round in 0..<8 {
      let scratch = Scratch()
      let path = scratch.path + "/journal"
      let child = try #require(start([tool("journal-tool"), "write", path]))
      let wanted = Int.random(in: 1...40, using: &random)
      let deadline = time(nil) + 20
      while list(path).count < wanted, time(nil) < deadline { sched_yield() }
      kill(child, SIGKILL)
      var status: Int32 = 0
      waitpid(child, &status, 0)
      let reader = try JournalReader(directory: path)
      var next: UInt64 = 0
      while let record = try reader.next() {
        guard record.sequence == next, record.payload.count == Int(next % 200),
          record.payload.allSatisfy({ $0 == UInt8(truncatingIfNeeded: next) })
        else {
          Issue.record("seed \(seed) round \(round): record \(next) is \(record)")
          break
        }
        next += 1
      }
      #expect(!reader.isClosed)
      #expect(wanted == 1 || next > 0)
      let cut = try JournalRepair.cut(directory: path)
      #expect((cut?.bytes ?? 0) == reader.tornBytes)
      let again = try JournalReader(directory: path)
      while try again.next() != nil {}
      #expect(again.records == next && again.tornBytes == 0)
    }
  }

  @Test func `a journal that mostly waits takes next to no processor time`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, head: [], options: JournalOptions(flushNs: 5_000_000))
    let deadline = time(nil) + 20
    for number in 1...40 as ClosedRange<UInt64> {
      writer.lane(0).append(kind: 1, sequence: number, value: number)
      while writer.statistics.records < number, time(nil) < deadline { sched_yield() }
    }
    try writer.close()
    #expect(writer.statistics.frames == 40)
    // Forty rounds of 5 ms that each found one record.
    #expect(writer.statistics.threadCpuNs < 100_000_000)
  }
}

/// What a lane may rely on to be on the disk.
@Suite struct JournalSyncTests {
  @Test func `what a lane asks to be synced is in the file before it is said to be synced`() throws {
    let scratch = Scratch()
    // Nothing is due by itself.
    let writer = try JournalWriter(directory: scratch.path, head: [], options: JournalOptions(lanes: 2, flushNs: 10_000_000_000))
    let (lane, other) = (writer.lane(0), writer.lane(1))
    other.append(kind: 9, sequence: 1, value: UInt64(0))
    for number in 1...200 as ClosedRange<UInt64> {
      lane.append(kind: 2, sequence: number, value: number)
      let wanted = lane.appended
      if number % 3 == 0 { continue }
      lane.requestSync()
      while lane.synced < wanted { sched_yield() }
      guard number % 20 == 0 else { continue }
      let reader = try JournalReader(directory: scratch.path)
      var last: UInt64 = 0
      while let record = try reader.next() { if record.kind == 2 { last = record.sequence } }
      #expect(last == number)
    }
    try writer.close()
    #expect(lane.synced == lane.appended)
    #expect(writer.statistics.records == 201)
  }

  @Test func `a journal that fails says so to who listens and never says that anything is synced`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, head: [], options: JournalOptions(segmentBytes: 4 << 10))
    let told = Mutex<[String]>([])
    writer.onSync { failure in told.withLock { $0.append(failure?.diagnostics.first?.code ?? "synced") } }
    let lane = writer.lane(0)
    lane.append(kind: 1, sequence: 1, value: UInt64(1))
    lane.requestSync()
    while lane.synced < lane.appended { sched_yield() }
    let before = lane.synced
    // The next segment's place is taken by a folder.
    mkdir(scratch.path + "/journal-000002.lz4", 0o700)
    var number: UInt64 = 1
    while !lane.isRefusing {
      number += 1
      lane.append(kind: 1, sequence: number, value: number &* 0x9E37_79B9_7F4A_7C15)
      lane.requestSync()
    }
    // Taken by the ring, and lost: nobody is told otherwise.
    lane.append(kind: 1, sequence: number + 1, value: number)
    let reached = lane.synced
    #expect(reached >= before)
    lane.requestSync()
    #expect(throws: GantryError.self) { try writer.close() }
    #expect(lane.synced == reached && lane.synced <= lane.appended)
    #expect(told.withLock { $0 }.contains("journal.write-failed"))
  }
}
