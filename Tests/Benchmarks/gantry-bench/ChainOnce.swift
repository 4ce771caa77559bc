import Foundation
import GantryBase
import GantryRuntime

/// One run of the chain as the table of peers has it: preloaded quotes, default tracing, journal on. It
/// prints the line of JSON that every script in `Tests/Benchmarks/peers` prints of its engine.
enum ChainOnce {
  /// Enough for each path of the code to be taken, and for the plugins' pages to be there.
  private static let warmUpEvents = 20_000

  static func run(_ host: BenchmarkHost) throws {
    var few = host.settings
    few.events = min(few.events, warmUpEvents)
    _ = try host.run(Graphs.preloadedChain(few), journal: true)
    let summary = try host.run(Graphs.preloadedChain(host.settings), journal: true)
    guard summary.refused == 0, let profit = summary.netProfit else {
      throw BenchmarkError("the chain had \(summary.refused) orders refused, and \(summary.netProfit ?? "no") net profit")
    }
    let line = Line(
      name: "gantry", version: gantryVersion, events: summary.events,
      // The first order opens the position, each later one turns it.
      flips: summary.orders > 0 ? summary.orders - 1 : 0, orders: summary.orders, netProfit: profit, wallSeconds: summary.seconds,
      cpuSeconds: summary.laneCPUSeconds + summary.helperCPUSeconds, laneCPUSeconds: summary.laneCPUSeconds,
      helperCPUSeconds: summary.helperCPUSeconds, threads: host.threads,
      notes: "six plugins in one lane, default tracing, journal on; quotes decoded before")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(line), as: UTF8.self))
  }

  private struct Line: Encodable {
    var name: String
    var version: String
    var events: UInt64
    var flips: UInt64
    var orders: UInt64
    var netProfit: String
    var wallSeconds: Double
    var cpuSeconds: Double
    var laneCPUSeconds: Double
    var helperCPUSeconds: Double
    var threads: Int
    var notes: String

    enum CodingKeys: String, CodingKey {
      case name, version, events, flips, orders, threads, notes
      case netProfit = "net_profit"
      case wallSeconds = "wall_seconds"
      case cpuSeconds = "cpu_seconds"
      case laneCPUSeconds = "lane_cpu_seconds"
      case helperCPUSeconds = "helper_cpu_seconds"
    }
  }
}
