import CGantry

/// Remembers what a pure model said of the rows it saw last, so that the same row is not computed again.
///
/// For a model whose prediction depends on the bits of its row and on nothing else (stateless, and
/// `exact` or `cpu`): a remembered prediction then has the bits that computing it again would give, so
/// the cache changes no output, is not part of a state, and need not be known to a replay. The instrument
/// does not count, as the model does not see it. What it costs stands at `RowCache`.
public struct PredictionCache {
  /// What is remembered of a row.
  public struct Answer {
    public var value: Double
    public var probability: Double
    public var label: Int32

    public init(value: Double, probability: Double, label: Int32) {
      self.value = value
      self.probability = probability
      self.label = label
    }
  }

  private var cache: RowCache

  /// Room for `entries` rows, rounded up to `RowCache.ways` times a power of two. Not for the lane: it allocates.
  public init(entries: Int, width: Int) { cache = RowCache(entries: entries, width: width, count: 3) }

  public func destroy() { cache.destroy() }

  /// Numbers in a row.
  public var width: Int { cache.width }
  /// How many rows there is room for.
  public var capacity: Int { cache.capacity }
  /// How many rows were found and were not, since the start.
  public var hits: UInt64 { cache.hits }
  public var misses: UInt64 { cache.misses }

  /// What was said of this row, or nil; then `put` is next.
  public mutating func find(_ row: UnsafePointer<Double>) -> Answer? {
    guard let known = cache.find(row) else { return nil }
    return Answer(value: known[0], probability: known[1], label: Int32(truncatingIfNeeded: Int64(known[2])))
  }

  /// Remembers the answer to the row that `find` did not know.
  public mutating func put(_ row: UnsafePointer<Double>, _ answer: Answer) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 3) { values in
      values[0] = answer.value
      values[1] = answer.probability
      values[2] = Double(answer.label)
      cache.put(row, UnsafePointer(values.baseAddress.unsafelyUnwrapped))
    }
  }
}
