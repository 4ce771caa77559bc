import GantrySDK

/// The sums of the rows seen last, by the bits of the columns that the model reads. A model of trees depends on
/// nothing else, so what is remembered has the bits that computing it again would give.
struct SumMemory {
  /// More numbers than this are not remembered: 512 MB.
  private static var numbersMax: Int { 1 << 26 }

  private var cache: RowCache
  private let row: UnsafeMutablePointer<Double>
  private let columns: UnsafeMutablePointer<Int>
  private let hits: UInt32
  private let misses: UInt32
  private var toldHits: UInt64 = 0
  private var toldMisses: UInt64 = 0

  /// - Parameter columns: the plugin's, which outlive this
  init(entries: Int, columns: UnsafeMutablePointer<Int>, columnCount: Int, sums: Int, host: Host) throws(Failure) {
    guard entries * (columnCount + sums) <= SumMemory.numbersMax else {
      throw Failure.invalid("cache: \(entries) rows of \(columnCount) columns and \(sums) sums are more than \(SumMemory.numbersMax) numbers; remember fewer rows")
    }
    cache = RowCache(entries: entries, width: columnCount, count: sums)
    row = .allocate(capacity: max(columnCount, 1))
    self.columns = columns
    hits = host.defineMetric("cache_hits", counter: true, unit: "rows", help: "rows whose sums were remembered")
    misses = host.defineMetric("cache_misses", counter: true, unit: "rows", help: "rows that were computed")
  }

  func destroy() {
    cache.destroy()
    row.deallocate()
  }

  /// Whether the row is known; its sums are then in `target`.
  @inline(__always)
  mutating func find(_ values: UnsafePointer<Double>, _ target: UnsafeMutablePointer<Double>) -> Bool {
    for index in 0..<cache.width { row[index] = values[columns[index]] }
    guard let known = cache.find(row) else { return false }
    for index in 0..<cache.count { target[index] = known[index] }
    return true
  }

  /// The sums of the row that was not known.
  @inline(__always)
  mutating func put(_ sums: UnsafeMutablePointer<Double>) { cache.put(row, sums) }

  /// Brings the metrics up to date.
  mutating func tell(_ host: Host) {
    if cache.hits > toldHits { host.updateMetric(hits, Double(cache.hits &- toldHits)) }
    if cache.misses > toldMisses { host.updateMetric(misses, Double(cache.misses &- toldMisses)) }
    toldHits = cache.hits
    toldMisses = cache.misses
  }
}
