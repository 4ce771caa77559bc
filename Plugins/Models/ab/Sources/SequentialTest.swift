import GantrySDK

/// Whether the mean of a sequence of differences is 0, at any time and as often as one likes.
///
/// The mixture sequential probability ratio test with a normal mixture of effects around 0: with n differences of mean d and
/// variance s^2, and effects of standard deviation t,
///
///     ratio = sqrt(s^2 / (s^2 + n t^2)) * exp(n^2 t^2 d^2 / (2 s^2 (s^2 + n t^2)))
///
/// and the always-valid p-value is the least 1 / ratio so far (Robbins, Annals of Mathematical Statistics 41, 1970; Johari,
/// Koomen, Pekelis and Walsh, "Peeking at A/B Tests", KDD 2017, equations 3 to 5). The variance is the sample's, so the
/// guarantee is that of large samples: the test begins after `minOutcomes`. Differences must not share outcomes.
struct SequentialTest: BitwiseCopyable {
  private(set) var count: UInt64 = 0
  private(set) var mean = 0.0
  /// The sum of squares around the mean (Welford's recurrence).
  private var squares = 0.0
  private(set) var pValue = 1.0
  /// 1 once it has been said.
  var crossed: UInt64 = 0
  var hasCrossed: Bool { crossed != 0 }

  mutating func add(_ difference: Double, effect: Double, minOutcomes: UInt64) {
    count &+= 1
    let before = difference - mean
    mean += before / Double(count)
    squares += before * (difference - mean)
    guard count >= minOutcomes, count >= 2 else { return }
    let n = Double(count)
    let variance = squares / (n - 1)
    guard variance > 0 else { return }
    let spread = variance + n * effect * effect
    let logarithm = 0.5 * Math.log(variance / spread) + n * n * effect * effect * mean * mean / (2 * variance * spread)
    let reciprocal = Math.exp(-logarithm)
    if reciprocal < pValue { pValue = reciprocal }
  }
}
