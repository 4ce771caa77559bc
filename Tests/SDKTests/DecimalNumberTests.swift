import Testing

@testable import GantrySDKFull

@Suite struct DecimalNumberTests {
  @Test func `digits times a power of ten are the nearest double`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(state: seed)
    var cases: [(UInt64, Int)] = [
      (0, 5), (1, 0), (1, 23), (9_007_199_254_740_993, 0), (9_007_199_254_740_992, -1), (5, -324), (2_470_328_229_206_232_720, -342),
      (2_470_328_229_206_232_721, -342), (17_976_931_348_623_157, 292), (17_976_931_348_623_158, 292), (17_976_931_348_623_159, 292), (UInt64.max, 0),
      (UInt64.max, 27), (UInt64.max, -27), (10_000_000_180_025_095, -51),
    ]
    for _ in 0..<20_000 { cases.append((random.next() >> (random.next() % 64), Int(random.next() % 60) - 30)) }
    for _ in 0..<2_000 { cases.append((random.next(), Int(random.next() % 660) - 340)) }
    // Halfway between two doubles, and beside it.
    for _ in 0..<5_000 {
      let half = (random.next() >> 11 | 1 << 52) << 1 | 1
      cases += [(half, 0), (half - 1, 0), (half + 1, 0), (half * 5, -1), (half * 25, -2), (half * 25 + 1, -2)]
    }
    for (digits, exponent) in cases {
      let own = DecimalNumber.nearest(digits, exponent: exponent)
      if own != Double("\(digits)e\(exponent)")! { Issue.record("\(digits)e\(exponent) gave \(own); seed \(seed)") }
    }
  }
}

private struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
