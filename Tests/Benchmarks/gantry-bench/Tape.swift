import Glibc

/// Quotes in memory and in a file, in the layout of `struct quote` (chain.h).
struct Tape {
  struct Quote {
    var ns: Int64
    var bid: Double
    var ask: Double
    var reserved: UInt64 = 0
  }

  var rows: [Quote]
  var path: String
  var count: Int { rows.count }

  /// Takes what the replay plugin hands out, and writes it to a file for the benchmark's own source.
  static func make(_ host: BenchmarkHost, path: String) throws -> Tape {
    let count = host.settings.events
    let rows = try host.capture(Graphs.realQuotes(host.settings), node: "ticks", port: "ticks").map { bytes in
      bytes.withUnsafeBytes { row in
        Quote(
          ns: row.loadUnaligned(fromByteOffset: 0, as: Int64.self), bid: row.loadUnaligned(fromByteOffset: 32, as: Double.self),
          ask: row.loadUnaligned(fromByteOffset: 40, as: Double.self))
      }
    }
    guard rows.count == count else { throw BenchmarkError("the replay plugin gave \(rows.count) quotes of \(count)") }
    guard let file = fopen(path, "w") else { throw BenchmarkError("cannot write \(path)") }
    let written = rows.withUnsafeBytes { fwrite($0.baseAddress!, 1, $0.count, file) }
    guard fclose(file) == 0, written == count * MemoryLayout<Quote>.stride else { throw BenchmarkError("cannot write \(path)") }
    return Tape(rows: rows, path: path)
  }
}
