import GantryBase
import GantryJournal
import GantryTrace
import Glibc

/// What each costs, as the median of several runs, in one table.
func bench() throws {
  var template = Array("/tmp/gantry-bench-XXXXXX".utf8CString)
  let folder = String(cString: mkdtemp(&template)!)
  defer { _ = system("rm -rf \(folder)") }
  try benchAppend(folder, burst: true)
  try benchAppend(folder, burst: false)
  try benchReplay(folder)
  benchHistogram()
  try benchHops(folder)
}

func nowNs() -> Int64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

func median(_ runs: Int, _ body: () throws -> Double) rethrows -> Double {
  var values: [Double] = []
  for _ in 0..<runs { values.append(try body()) }
  return values.sorted()[runs / 2]
}

func report(_ what: String, _ value: Double, _ unit: String) {
  let text = String(Int(value * 100))
  let padded = String(repeating: "0", count: max(0, 3 - text.count)) + text
  print(what + String(repeating: " ", count: max(1, 52 - what.utf8.count)) + padded.dropLast(2) + "." + padded.suffix(2) + " " + unit)
}

/// A tick-like record that changes a little from one to the next.
struct TickLike: BitwiseCopyable {
  var eventNs: Int64 = 1_700_000_000_000_000_000
  var receiveNs: Int64 = 1_700_000_000_000_000_000
  var chain: UInt64 = 0
  var instrument: UInt64 = 1
  var bid = 1.1
  var ask = 1.1001
  var bidSize = 1.0
  var askSize = 1.0

  mutating func step() {
    chain &+= 1
    eventNs &+= 250_000_000 &+ Int64(chain & 0xFF)
    receiveNs = eventNs
    bid += (chain & 1) == 0 ? 0.00001 : -0.00001
    ask = bid + 0.0001
  }
}

/// `burst`: as many as the ring holds, then a pause for the thread, so the append alone is timed.
/// Otherwise as fast as the thread compresses.
func benchAppend(_ folder: String, burst: Bool) throws {
  var stalls: UInt64 = 0
  var ratio = 0.0
  var cpu = 0.0
  let count = burst ? 100_000 : 4_000_000
  var run = 0
  let nanoseconds = try median(7) {
    run += 1
    let writer = try JournalWriter(
      directory: "\(folder)/\(burst ? "burst" : "steady")\(run)", head: [], options: JournalOptions(ringBytes: 16 << 20))
    let lane = writer.lane(0)
    var tick = TickLike()
    let start = nowNs()
    for number in 0..<count {
      tick.step()
      lane.append(kind: 1, sequence: UInt64(number), value: tick)
    }
    let end = nowNs()
    try writer.close()
    let closed = nowNs()
    let statistics = writer.statistics
    stalls += statistics.stalls
    ratio = Double(statistics.rawBytes) / Double(statistics.storedBytes)
    cpu = Double(statistics.threadCpuNs) / Double(count)
    return Double((burst ? end : closed) - start) / Double(count)
  }
  if burst {
    report("append, 64 bytes, room in the ring", nanoseconds, "ns")
  } else {
    report("append, 64 bytes, as fast as it is written", nanoseconds, "ns")
    report("  records written", 80_000 / nanoseconds, "MB/s")
    report("  the journal thread's CPU time a record", cpu, "ns")
    report("  compressed to one part in", ratio, "")
    report("  waits for room, all runs", Double(stalls), "")
  }
}

func benchReplay(_ folder: String) throws {
  var total: UInt64 = 0
  let rate = try median(5) {
    let start = nowNs()
    let reader = try JournalReader(directory: "\(folder)/steady1")
    while let record = try reader.next() { total &+= record.sequence }
    return Double(reader.records) * 1_000 / Double(nowNs() - start)
  }
  report("records read", rate, "M/s")
  if total == 1 { print("") }
}

func benchHistogram() {
  let histogram = LatencyHistogram()
  var value: UInt64 = 88_172_645_463_325_252
  let nanoseconds = median(7) {
    let start = nowNs()
    for _ in 0..<10_000_000 {
      value ^= value << 13
      value ^= value >> 7
      value ^= value << 17
      histogram.record(value & 1023)
    }
    return Double(nowNs() - start) / 10_000_000
  }
  report("histogram record (with the random value)", nanoseconds, "ns")
}

func benchHops(_ folder: String) throws {
  let log = try HopLog(directory: folder, options: HopLog.Options(prefaultBytes: 32 << 20))
  var record = HopRecord(chain: 1)
  let nanoseconds = median(7) {
    let start = nowNs()
    for number in 0..<200_000 as Range<UInt64> {
      record.chain = number
      log.hops.append(record)
    }
    return Double(nowNs() - start) / 200_000
  }
  report("hop record", nanoseconds, "ns")
  let event = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
  event.initializeMemory(as: UInt8.self, repeating: 7, count: 128)
  let withEvent = median(7) {
    let start = nowNs()
    for number in 0..<100_000 as Range<UInt64> {
      log.orders.appendEvent(chain: number, type: 8, isOutput: true, instrument: 1, event: event, stride: 96)
    }
    return Double(nowNs() - start) / 100_000
  }
  report("an order's event behind a hop", withEvent, "ns")
  log.close()
}
