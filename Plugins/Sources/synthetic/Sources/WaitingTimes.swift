/// Exponentially distributed waiting times of mean 1, by linear interpolation between 257 quantiles,
/// so that a draw costs a multiplication and no logarithm. The longest is about 6.5 times the mean.
struct WaitingTimes {
  private let quantiles: UnsafeMutablePointer<Double>
  private static var steps: Int { 256 }

  init() {
    quantiles = .allocate(capacity: WaitingTimes.steps + 1)
    var sum = 0.0
    for index in 0...WaitingTimes.steps {
      // The last quantile would be infinite; it is that of the middle of the last step.
      let share = index == WaitingTimes.steps ? Double(index) - 0.5 : Double(index)
      (quantiles + index).initialize(to: -WaitingTimes.logarithm(1 - share / Double(WaitingTimes.steps)))
    }
    for index in 0..<WaitingTimes.steps { sum += (quantiles[index] + quantiles[index + 1]) / 2 }
    let mean = sum / Double(WaitingTimes.steps)
    for index in 0...WaitingTimes.steps { quantiles[index] /= mean }
  }

  func deallocate() { quantiles.deallocate() }

  /// A waiting time from 32 random bits.
  @inline(__always)
  func draw(_ bits: UInt32) -> Double {
    let index = Int(bits >> 24)
    let fraction = Double(bits & 0xff_ffff) * 0x1p-24
    return quantiles[index] + fraction * (quantiles[index + 1] - quantiles[index])
  }

  /// The natural logarithm of a number in 0 ..< 1, of additions, multiplications and divisions only, and so the
  /// same on every machine: halvings, then 2 artanh((x - 1) / (x + 1)).
  private static func logarithm(_ value: Double) -> Double {
    var x = value
    var halvings = 0.0
    while x < 0.75 {
      x *= 2
      halvings += 1
    }
    let z = (x - 1) / (x + 1)
    var power = z
    var sum = 0.0
    var odd = 1.0
    while odd < 40 {
      sum += power / odd
      power *= z * z
      odd += 2
    }
    return 2 * sum - halvings * 0.693_147_180_559_945_3
  }
}
