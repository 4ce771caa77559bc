import GantryBase
import GantryJournal
import GantryRuntime

/// How fast a lane's records go into a journal, and how fast they come back.
struct JournalBenchmark {
  static let records = 4_000_000

  static func run(_ host: BenchmarkHost, into report: inout Report) throws {
    let folder = "\(host.settings.bench)/runs/journal"
    var record = [UInt8](repeating: 0, count: 64)
    var rounds = Interleaved()
    var stored = 0.0
    rounds.add("append") {
      removeFolder(folder)
      let writer = try JournalWriter(directory: folder, head: [], options: JournalOptions(lanes: 1))
      let lane = writer.lane(0)
      let ns = timed {
        for index in 0..<records {
          record.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: UInt64(index), as: UInt64.self)
            _ = lane.append(kind: 1, sequence: UInt64(index), UnsafeRawBufferPointer(bytes))
          }
        }
      }
      try writer.close()
      stored = Double(writer.statistics.storedBytes)
      return ns / Double(records)
    }
    rounds.add("read") {
      let reader = try JournalReader(directory: folder)
      var count = 0
      let ns = try timed { while try reader.next() != nil { count += 1 } }
      guard count == records else { throw BenchmarkError("the journal gave back \(count) of \(records) records") }
      return ns / Double(records)
    }
    try rounds.run(rounds: min(host.settings.rounds, 5), title: "journal")
    removeFolder(folder)

    var table = Table(title: "Journal, records of 64 bytes", columns: ["what", "ns a record", "M records/s", "MB/s"])
    for (key, name) in [("append", "append, compressing thread beside it"), ("read", "read back, checksums verified")] {
      let ns = rounds[key].median
      table.add([name, decimal(ns), decimal(1000 / ns, 2), decimal(64_000 / ns, 0)])
    }
    report.add(table)
    report.note("A record takes \(decimal(stored / Double(records))) bytes on disk.")
  }
}
