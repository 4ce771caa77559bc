import GantryBase
import Testing

@testable import GantryJournal

@Suite struct JournalWriterTests {
  @Test func `a folder that holds a journal is refused`() throws {
    let scratch = Scratch()
    try JournalWriter(directory: scratch.path, head: []).close()
    let error = #expect(throws: GantryError.self) { try JournalWriter(directory: scratch.path, head: []) }
    #expect(error?.diagnostics.first?.code == "journal.exists")
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
}
