import CGantry
import GantrySDK

/// The score of each arm, and the test of each against the first.
///
/// For an outcome y (1 the price rose, 0 it fell) and a probability p: the Brier score is the mean of (p - y)^2 (Brier 1950), the
/// log loss the mean of -ln of what was given to what came, p within 1e-15 of 0 and 1; the reliability bins are ten
/// of the same width. A return is the direction times the price's change, before costs. Outcomes without a change of price count
/// for nothing.
struct Arms {
  enum Measure: Int64 { case brier, logLoss, hits, price }

  static var binCount: Int { 10 }
  /// outcomes, then for each arm these, and the bins.
  static var figureCount: Int { 8 }

  private struct Bin {
    var count = 0.0
    var probabilities = 0.0
    var rises = 0.0
  }

  private struct Arm {
    /// Outcomes with a probability.
    var scored: UInt64 = 0
    var brier = 0.0
    var logLoss = 0.0
    /// Outcomes with a direction.
    var directed: UInt64 = 0
    var hits: UInt64 = 0
    /// Of the instruments that it has.
    var owned: UInt64 = 0
    var ownedReturn = 0.0
    /// Profit less commission of its instruments' fills, in the account currency's smallest unit.
    var realised: Int64 = 0
  }

  let count: Int
  private let arms: UnsafeMutablePointer<Arm>
  private let bins: UnsafeMutablePointer<Bin>
  private let tests: UnsafeMutablePointer<SequentialTest>
  private let outcomes: UnsafeMutablePointer<UInt64>
  private let losses: UnsafeMutablePointer<Double>
  private let effect: Double
  private let minOutcomes: UInt64

  init(count: Int, effect: Double, minOutcomes: UInt64) {
    self.count = count
    self.effect = effect
    self.minOutcomes = minOutcomes
    arms = .allocate(capacity: count)
    arms.initialize(repeating: Arm(), count: count)
    bins = .allocate(capacity: count * Arms.binCount)
    bins.initialize(repeating: Bin(), count: count * Arms.binCount)
    tests = .allocate(capacity: count)
    tests.initialize(repeating: SequentialTest(), count: count)
    outcomes = .allocate(capacity: 1)
    outcomes.initialize(to: 0)
    losses = .allocate(capacity: count)
    losses.initialize(repeating: .nan, count: count)
  }

  func destroy() {
    arms.deallocate()
    bins.deallocate()
    tests.deallocate()
    outcomes.deallocate()
    losses.deallocate()
  }

  var outcomeCount: UInt64 { outcomes.pointee }

  /// Counts one outcome; false where the price has not changed.
  func score(_ said: UnsafePointer<Outcomes.Said>, change: Double, owner: Int, compare: Measure) -> Bool {
    guard change != 0, change.isFinite else { return false }
    outcomes.pointee &+= 1
    let rose = change > 0
    for index in 0..<count {
      let arm = arms + index
      let direction = said[index].direction
      let isHit = direction > 0 && rose || direction < 0 && !rose
      if direction != 0 {
        arm.pointee.directed &+= 1
        if isHit { arm.pointee.hits &+= 1 }
        if index == owner {
          arm.pointee.owned &+= 1
          arm.pointee.ownedReturn += direction * change
        }
      }
      let (brier, logLoss) = calibrate(index, said[index].probability, rose)
      switch compare {
      case .brier: losses[index] = brier
      case .logLoss: losses[index] = logLoss
      case .hits: losses[index] = direction == 0 ? .nan : isHit ? 0 : 1
      case .price: losses[index] = direction == 0 ? .nan : -direction * change
      }
    }
    for index in 1..<count where !losses[0].isNaN && !losses[index].isNaN {
      tests[index].add(losses[0] - losses[index], effect: effect, minOutcomes: minOutcomes)
    }
    return true
  }

  /// Counts a probability; NaN for both losses where there is none.
  private func calibrate(_ index: Int, _ probability: Double, _ rose: Bool) -> (brier: Double, logLoss: Double) {
    guard probability >= 0, probability <= 1 else { return (.nan, .nan) }
    let outcome = rose ? 1.0 : 0.0
    let brier = (probability - outcome) * (probability - outcome)
    let given = rose ? probability : 1 - probability
    let logLoss = -Math.log(min(max(given, 1e-15), 1 - 1e-15))
    arms[index].scored &+= 1
    arms[index].brier += brier
    arms[index].logLoss += logLoss
    let bin = bins + (index &* Arms.binCount &+ min(Int(probability * Double(Arms.binCount)), Arms.binCount - 1))
    bin.pointee.count += 1
    bin.pointee.probabilities += probability
    bin.pointee.rises += outcome
    return (brier, logLoss)
  }

  /// Counts a fill's profit; one that would leave the range stays where it is.
  func realised(_ arm: Int, _ execution: UnsafePointer<gantry_execution>) {
    let (gain, first) = execution.pointee.profit.subtractingReportingOverflow(execution.pointee.commission)
    let (sum, second) = arms[arm].realised.addingReportingOverflow(gain)
    if !first, !second { arms[arm].realised = sum }
  }

  func pValue(_ arm: Int) -> Double { tests[arm].pValue }
  func difference(_ arm: Int) -> Double { tests[arm].mean }
  func pairCount(_ arm: Int) -> UInt64 { tests[arm].count }
  func crosses(_ arm: Int, alpha: Double) -> Bool { !tests[arm].hasCrossed && tests[arm].pValue < alpha }
  func markCrossed(_ arm: Int) { tests[arm].crossed = 1 }

  // MARK: figures

  static func columns(_ names: [Text]) -> [Text] {
    var columns: [Text] = ["outcomes"]
    for name in names {
      for figure in ["scored", "brier", "log_loss", "hit_rate", "mean_return", "realised", "difference", "p_value"] as [Text] { columns.append("\(name)_\(figure)") }
      for bin in 0..<binCount {
        for figure in ["count", "predicted", "observed"] as [Text] { columns.append("\(name)_bin_\(bin)_\(figure)") }
      }
    }
    return columns
  }

  /// A figure in the order of `columns`, without the bins.
  func figure(_ index: Int, _ figure: Int) -> Double {
    let arm = arms[index]
    switch figure {
    case 0: return Double(arm.scored)
    case 1: return mean(arm.brier, arm.scored)
    case 2: return mean(arm.logLoss, arm.scored)
    case 3: return mean(Double(arm.hits), arm.directed)
    case 4: return mean(arm.ownedReturn, arm.owned)
    case 5: return Double(arm.realised)
    case 6: return index == 0 ? .nan : tests[index].count == 0 ? .nan : tests[index].mean
    default: return index == 0 ? .nan : tests[index].pValue
    }
  }

  private func mean(_ sum: Double, _ count: UInt64) -> Double { count == 0 ? .nan : sum / Double(count) }

  func write(to row: UnsafeMutablePointer<Double>) {
    row[0] = Double(outcomes.pointee)
    var place = 1
    for index in 0..<count {
      for figure in 0..<Arms.figureCount {
        row[place] = self.figure(index, figure)
        place &+= 1
      }
      for number in 0..<Arms.binCount {
        let bin = bins[index &* Arms.binCount &+ number]
        row[place] = bin.count
        row[place &+ 1] = bin.count == 0 ? .nan : bin.probabilities / bin.count
        row[place &+ 2] = bin.count == 0 ? .nan : bin.rises / bin.count
        place &+= 3
      }
    }
  }

  // MARK: state

  var stateBound: Int { 16 + count * (64 + Arms.binCount * 24 + 40) }

  func save(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(UInt64(count))
    try writer.write(outcomes.pointee)
    for index in 0..<count {
      try writer.write(arms[index])
      try writer.write(tests[index])
      for bin in 0..<Arms.binCount { try writer.write(bins[index * Arms.binCount + bin]) }
    }
  }

  func load(_ reader: inout StateReader) throws(Failure) {
    guard try reader.read(as: UInt64.self) == UInt64(count) else { throw Failure.unsupported("the saved state is of other arms") }
    outcomes.pointee = try reader.read(as: UInt64.self)
    for index in 0..<count {
      arms[index] = try reader.read(as: Arm.self)
      tests[index] = try reader.read(as: SequentialTest.self)
      for bin in 0..<Arms.binCount { bins[index * Arms.binCount + bin] = try reader.read(as: Bin.self) }
    }
  }
}
