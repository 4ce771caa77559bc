import CLinux
import GantryGraph
import GantryRuntime
import GantryTrace
import Glibc

/// What swaps cost a lane that runs at full speed: how long it stands, what other nodes notice, what is
/// left in the process, and what feeding a second instance takes.
struct SwapBenchmark {
  private let host: BenchmarkHost
  private let tape: Tape

  init(_ host: BenchmarkHost, _ tape: Tape) {
    self.host = host
    self.tape = tape
  }

  func run(into report: inout Report) throws {
    var memory = Table(
      title: "The process before and after swaps, each with a load and an unload of the code",
      columns: ["plugin", "swaps", "resident before", "after", "mappings before", "after"])
    try pauses(&memory, into: &report)
    try embeddedSwift(&memory)
    report.add(memory)
    try otherNodes(into: &report)
    try following(into: &report)
  }

  private func files(_ id: String) -> [String] {
    id == "bench-pass-swift"
      ? ["\(host.settings.bench)/libbench-pass-swift.so", "\(host.settings.bench)/libbench-pass-swift-2.so"]
      : (1...2).map { "\(host.settings.bench)/lib\(id)-\($0).so" }
  }

  /// Quotes without an end, unless `rounds` says how many times the tape is run.
  private func start(
    _ id: String, bytes: Int? = nil, rounds: Int = 1_000_000, warm: Int = 0, hasStandby: Bool = false, isPaced: Bool = false
  ) throws -> SwapRun {
    let params = bytes.map { ", params: { bytes: \($0) }" } ?? ""
    let swap = hasStandby ? ", swap: { standby: true }" : warm > 0 ? ", swap: { warm: \(warm) }" : ""
    return try SwapRun(
      host,
      Graphs.quotes(tape: tape.path, rounds: rounds, isPaced: isPaced) + """
          before: { plugin: bench-pass-c, from: ticks }
          swapped: { plugin: \(id), from: before\(params)\(swap) }
          after: { plugin: bench-pass-c, from: swapped }

        """, files: files(id), id: id)
  }

  // MARK: pauses

  private func pauses(_ memory: inout Table, into report: inout Report) throws {
    var table = Table(
      title: "The lane's pause in a swap, all its steps together (us)",
      columns: ["state", "swaps", "p50", "p99", "max", "request to flip p50", "p99", "budget", "met"])
    let cases = [
      ("1 KB, handed over", "bench-state", 1 << 10, 0, false, host.settings.swaps, 10.0),
      ("64 KB, handed over", "bench-state", 65_000, 0, false, host.settings.swaps, 50.0),
      ("100 MB, from a standby", "bench-state", 100 << 20, 0, true, max(host.settings.swaps / 200, 10), 50.0),
      ("100 MB, warmed by 1000 events", "bench-tail", 100 << 20, 1000, false, max(host.settings.swaps / 100, 10), 50.0),
    ]
    for (name, id, bytes, warm, hasStandby, count, budget) in cases {
      let swapped = try start(id, bytes: bytes, warm: warm, hasStandby: hasStandby)
      var pauses = Series()
      var waits = Series()
      let warmUp = max(count / 100, 1)
      var before = Memory()
      for index in 0..<count + warmUp {
        if index == warmUp { before = Memory() }
        if index & 63 == 0 { progress("swaps, \(name): \(index) of \(count)") }
        let began = nowNs()
        // Some time ahead of the flip is the loading of the plugin's file.
        let swap = try swapped.swap()
        guard index >= warmUp else { continue }
        pauses.values.append(Double(swap.pauseNs) / 1000)
        if let flip = swap.steps.first(where: { $0.step == .flip }), let first = swap.steps.first {
          waits.values.append(Double(flip.wallNs - first.wallNs) / 1000)
        } else {
          waits.values.append(Double(nowNs() - began) / 1000)
        }
      }
      progress("")
      memory.add(before.row("C, \(name)", count))
      _ = try swapped.finish()
      let p99 = pauses.share(0.99)
      table.add([
        name, String(count), decimal(pauses.median), decimal(p99), decimal(pauses.share(1)), decimal(waits.median, 0),
        decimal(waits.share(0.99), 0), "p99 under \(decimal(budget, 0))", report.judge("pause of a swap, \(name)", p99 < budget),
      ])
    }
    report.add(table)
    report.note("Nothing was lost or doubled: every node handled as many events as came in.")
  }

  // MARK: memory

  private func embeddedSwift(_ memory: inout Table) throws {
    let swapped = try start("bench-pass-swift")
    for _ in 0..<100 { _ = try swapped.swap() }
    let before = Memory()
    for index in 0..<host.settings.swaps {
      if index & 63 == 0 { progress("swaps, Embedded Swift: \(index) of \(host.settings.swaps)") }
      _ = try swapped.swap()
    }
    progress("")
    memory.add(before.row("Embedded Swift, without a state", host.settings.swaps))
    _ = try swapped.finish()
  }

  private struct Memory {
    var bytes = Double(clinux_resident_bytes())
    var mappings = Machine.mappings

    /// A row of the table: this and what is now.
    func row(_ name: String, _ swaps: Int) -> [String] {
      let now = Memory()
      return [
        name, String(swaps), "\(decimal(bytes / 1e6)) MB", "\(decimal(now.bytes / 1e6)) MB", String(mappings), String(now.mappings),
      ]
    }
  }

  // MARK: other nodes

  private static let windows = 120
  private static let windowUs: UInt32 = 100_000

  /// Windows with and without swaps in turn; the p99 of another node's time an event in each.
  private func otherNodes(into report: inout Report) throws {
    let swapped = try start("bench-state", bytes: 1024, isPaced: true)
    var quiet = Series()
    var busy = Series()
    var swaps = 0
    for window in 0..<2 * SwapBenchmark.windows {
      progress("other nodes: window \(window) of \(2 * SwapBenchmark.windows)")
      let before = swapped.run.latency(node: "after") ?? LatencySnapshot()
      let end = nowNs() + Int64(SwapBenchmark.windowUs) * 1000
      if window & 1 == 0 {
        usleep(SwapBenchmark.windowUs)
      } else {
        while nowNs() < end {
          _ = try swapped.swap()
          swaps += 1
        }
      }
      let p99 = Double((swapped.run.latency(node: "after") ?? before).since(before).percentile(0.99))
      if window & 1 == 0 { quiet.values.append(p99) } else { busy.values.append(p99) }
    }
    progress("")
    _ = try swapped.finish()
    let change = Bootstrap.change(quiet.values, busy.values)
    let isResolved = change.low > 0 || change.high < 0 || change.high < 0.05
    let verdict = change.high < 0.05 ? "yes" : isResolved ? "no" : "not resolvable"
    if verdict == "no" { _ = report.judge("other nodes during swaps", false) }
    var table = Table(
      title: "Another node of the lane during swaps (about a million events a second; its p99 in windows of \(SwapBenchmark.windowUs / 1000) ms)",
      columns: ["windows", "swaps", "without", "with", "change", "95 % interval", "budget", "met"])
    table.add([
      "\(SwapBenchmark.windows) each", String(swaps), "\(decimal(quiet.mean, 2)) ns", "\(decimal(busy.mean, 2)) ns", percent(change.middle),
      "\(percent(change.low)) to \(percent(change.high))", "upper bound under 5 %", verdict,
    ])
    report.add(table)
  }

  // MARK: following

  /// The same run with a second instance that is fed all the time, and without.
  private func following(into report: inout Report) throws {
    var rounds = Interleaved()
    let repeats = 10
    func measure(_ change: ((inout SwapPolicy) -> Void)?) throws -> Double {
      let swapped = try start("bench-state", bytes: 1024, rounds: repeats)
      // One that is in its shadow until the end comes to nothing.
      if let change { _ = try? swapped.swap(change, waits: false) }
      let summary = try swapped.end()
      return summary.laneCPUSeconds * 1e9 / Double(summary.events)
    }
    rounds.add("alone") { try measure(nil) }
    rounds.add("shadow") { try measure { $0.shadow = 1 << 40 } }
    rounds.add("probation") { try measure { $0.probation = 1 << 40 } }
    try rounds.run(rounds: min(host.settings.rounds, 5), title: "following")
    var table = Table(title: "Feeding a second instance (the lane's own CPU, ns an event, three nodes)", columns: ["what", "median", "more"])
    let alone = rounds["alone"].median
    table.add(["nobody is swapped", decimal(alone, 2), ""])
    table.add(["shadow: the new instance is fed, muted, and compared", decimal(rounds["shadow"].median, 2), decimal(rounds["shadow"].median - alone, 2)])
    table.add(["probation: the old instance is fed, muted", decimal(rounds["probation"].median, 2), decimal(rounds["probation"].median - alone, 2)])
    report.add(table)
  }

  private func percent(_ share: Double) -> String { "\(decimal(share * 100, 1)) %" }
}

/// Resampling with replacement, seeded.
enum Bootstrap {
  /// The change from the mean of `before` to that of `after` as a share of it, with the middle 95 % of
  /// 2,000 resamples.
  static func change(_ before: [Double], _ after: [Double]) -> (middle: Double, low: Double, high: Double) {
    var state: UInt64 = 42
    func next(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    func resampled(_ values: [Double]) -> Double {
      var sum = 0.0
      for _ in values.indices { sum += values[next(values.count)] }
      return sum / Double(values.count)
    }
    var changes: [Double] = []
    for _ in 0..<2000 {
      let base = resampled(before)
      changes.append((resampled(after) - base) / base)
    }
    changes.sort()
    return ((mean(after) - mean(before)) / mean(before), changes[50], changes[1949])
  }
}
