import TestSupport
import Testing

@testable import GantryTrace

@Suite struct LatencyHistogramTests {
  @Test func `every value falls into the bucket whose range holds it`() {
    for power in 0..<42 {
      for value in [1 << power, 1 << power + 1, (1 << power) * 3 / 2, 2 << power - 1] as [UInt64] {
        let range = LatencyHistogram.range(of: LatencyHistogram.bucket(of: value))
        #expect(value >= range.first && value - range.first < range.width, "value \(value)")
      }
    }
    #expect(LatencyHistogram.bucket(of: 0) == 0)
    #expect(LatencyHistogram.bucket(of: .max) == LatencyHistogram.bucketCount - 1)
  }

  @Test func `percentiles of random latencies are within two percent of the sorted ones`() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    for round in 0..<20 {
      let histogram = LatencyHistogram()
      defer { histogram.deallocate() }
      var values: [UInt64] = []
      for _ in 0..<Int.random(in: 1...5_000, using: &random) {
        let value = UInt64.random(in: 0..<1 << UInt64.random(in: 1...40, using: &random), using: &random)
        values.append(value)
        histogram.record(value)
      }
      values.sort()
      let snapshot = histogram.snapshot
      #expect(snapshot.count == UInt64(values.count))
      #expect(snapshot.sumNs == values.reduce(0, +))
      #expect(snapshot.maxNs == values.last!)
      for share in [0, 0.01, 0.5, 0.9, 0.99, 0.999, 1] {
        let rank = max(1, Int((share * Double(values.count)).rounded(.up)))
        let truth = Double(values[rank - 1])
        let told = Double(snapshot.percentile(share))
        #expect(abs(told - truth) <= truth * 0.02 + 0.5, "seed \(seed) round \(round) share \(share): \(told) for \(truth)")
      }
    }
  }

  @Test func `a block counts once for each of its events`() {
    let histogram = LatencyHistogram()
    defer { histogram.deallocate() }
    histogram.record(10, count: 256)
    #expect(histogram.snapshot.count == 256)
    #expect(histogram.snapshot.meanNs == 10)
    #expect(histogram.snapshot.percentile(0.5) == 10)
  }

  @Test func `merging lanes counts what each has counted`() {
    let (left, right) = (LatencyHistogram(), LatencyHistogram())
    defer {
      left.deallocate()
      right.deallocate()
    }
    left.record(5)
    right.record(500_000, count: 3)
    var merged = left.snapshot
    merged.merge(right.snapshot)
    merged.merge(LatencySnapshot())
    #expect(merged.count == 4)
    #expect(merged.maxNs == 500_000)
    #expect(merged.sumNs == 1_500_005)
    #expect(merged.percentile(0.25) == 5)
  }

  @Test func `nothing recorded reads as zero`() {
    #expect(LatencySnapshot().percentile(0.99) == 0)
    #expect(LatencySnapshot().meanNs == 0)
  }
}
