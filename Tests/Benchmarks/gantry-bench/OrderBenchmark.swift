import CLinux
import Glibc

/// How long an order takes from a lane's emit to the broker's `on_batch`: over the durable edge, with group
/// commit and fdatasync, and over an edge that is not durable to a lane of its own.
struct OrderBenchmark {
  private struct Load {
    var name: String
    var ticks: Int
    var intervalNs: Int
    var burst: Int
  }

  static func run(_ host: BenchmarkHost, into report: inout Report) throws {
    let loads = [
      Load(name: "an order every 2 ms", ticks: 4000, intervalNs: 2_000_000, burst: 1),
      Load(name: "16 orders every 5 ms", ticks: 1000, intervalNs: 5_000_000, burst: 16),
    ]
    var table = Table(
      title: "Order to send: from the emit to the broker's on_batch (us)", columns: ["what", "orders", "p50", "p99", "max"])
    for load in loads {
      for isDurable in [true, false] {
        progress("orders: \(load.name)")
        let took = try measure(host, load, isDurable: isDurable)
        table.add([
          "\(load.name), \(isDurable ? "durable edge" : "not durable, a lane of its own")", "\(took.values.count)", micro(took.share(0.5)),
          micro(took.share(0.99)), micro(took.values.max() ?? .nan),
        ])
      }
    }
    let disk = try fdatasyncs(host.settings)
    table.add(["a write of 256 bytes and fdatasync, nothing else", "\(disk.values.count)", micro(disk.share(0.5)), micro(disk.share(0.99)), micro(disk.values.max() ?? .nan)])
    progress("")
    report.add(table)
  }

  private static func micro(_ ns: Double) -> String { decimal(ns / 1000) }

  private static func measure(_ host: BenchmarkHost, _ load: Load, isDurable: Bool) throws -> Series {
    let path = "\(host.settings.bench)/runs/orders-\(getpid())"
    defer { unlink(path) }
    let text = """
      graph: bench-orders
      clock: live
      instruments:
        EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
      nodes:
        ticks: { plugin: bench-clock, params: { count: \(load.ticks), interval_ns: \(load.intervalNs) } }
        risk: { plugin: bench-risk, from: ticks, params: { burst: \(load.burst) }, on_error: halt }
        broker: { plugin: \(isDurable ? "bench-broker" : "bench-broker-here"), from: risk, lane: broker, params: { path: "\(path)" } }

      """
    _ = try host.run(text, journal: true)
    guard let file = fopen(path, "rb") else { throw BenchmarkError("the broker wrote no times to \(path)") }
    defer { fclose(file) }
    var values = [Int64](repeating: 0, count: load.ticks * load.burst)
    let count = fread(&values, 8, values.count, file)
    guard count == values.count else { throw BenchmarkError("the broker saw \(count) orders of \(values.count)") }
    // The first ones warm up.
    return Series(values: values.dropFirst(values.count / 20).map(Double.init))
  }

  /// The disk alone.
  private static func fdatasyncs(_ settings: Settings) throws -> Series {
    let path = "\(settings.bench)/runs/fdatasync-\(getpid())"
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw BenchmarkError("cannot write \(path)") }
    defer {
      close(file)
      unlink(path)
    }
    let bytes = [UInt8](repeating: 7, count: 256)
    var series = Series()
    for _ in 0..<2000 {
      series.values.append(
        timed {
          _ = write(file, bytes, bytes.count)
          fdatasync(file)
        })
    }
    return series
  }
}
