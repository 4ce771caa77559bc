/// A histogram's counts at one moment, as a value: merged over lanes, asked for percentiles.
public struct LatencySnapshot: Sendable, Equatable, Codable {
  /// One count a bucket of `LatencyHistogram`; empty when nothing was counted.
  public private(set) var counts: [UInt64] = []
  public private(set) var count: UInt64 = 0
  public internal(set) var sumNs: UInt64 = 0
  public internal(set) var maxNs: UInt64 = 0

  public init() {}

  /// The mean, 0 when nothing was counted.
  public var meanNs: Double { count == 0 ? 0 : Double(sumNs) / Double(count) }

  /// The smallest value that at least `share` (0...1) of the values do not exceed, to within 1.6 %:
  /// the middle of its bucket, and never more than the largest value. 0 when nothing was counted.
  public func percentile(_ share: Double) -> UInt64 {
    guard count > 0 else { return 0 }
    let rank = max(1, min(count, UInt64((min(max(share, 0), 1) * Double(count)).rounded(.up))))
    var seen: UInt64 = 0
    for (bucket, number) in counts.enumerated() where number > 0 {
      seen += number
      if seen >= rank {
        let range = LatencyHistogram.range(of: bucket)
        return min(range.first + range.width / 2, maxNs)
      }
    }
    return maxNs
  }

  /// Adds another snapshot's counts to this one.
  public mutating func merge(_ other: LatencySnapshot) {
    for (bucket, number) in other.counts.enumerated() where number > 0 { add(number, toBucket: bucket) }
    sumNs &+= other.sumNs
    maxNs = max(maxNs, other.maxNs)
  }

  /// What was counted since an earlier snapshot of the same histogram. `maxNs` is that of all.
  public func since(_ earlier: LatencySnapshot) -> LatencySnapshot {
    var result = LatencySnapshot()
    for (bucket, number) in counts.enumerated() {
      let before = bucket < earlier.counts.count ? earlier.counts[bucket] : 0
      if number > before { result.add(number - before, toBucket: bucket) }
    }
    result.sumNs = sumNs &- earlier.sumNs
    result.maxNs = maxNs
    return result
  }

  /// Counts one value, as `LatencyHistogram.record` does.
  public mutating func record(_ ns: UInt64, count: UInt64 = 1) {
    add(count, toBucket: LatencyHistogram.bucket(of: ns))
    sumNs &+= ns &* count
    maxNs = max(maxNs, ns)
  }

  mutating func add(_ number: UInt64, toBucket bucket: Int) {
    if counts.isEmpty { counts = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount) }
    counts[bucket] += number
    count += number
  }
}
