import CGantry
import GantrySDK

/// The arithmetic: from what the inputs said to one prediction, in the order of the inputs.
struct Combiner {
  enum Method: Int64 { case mean, weighted, vote, stacking, regime }

  let method: Method
  private let inputs: Int
  /// One row for each regime; a single one otherwise.
  private let weights: UnsafeMutablePointer<Double>
  private let bounds: UnsafeMutablePointer<Double>
  private let boundCount: Int
  private let intercept: Double
  private let usesProbability: Bool
  private let isLogistic: Bool

  init(_ configuration: borrowing Configuration, inputs: Int) throws(Failure) {
    method = Method(rawValue: configuration.integer(0)) ?? .mean
    self.inputs = inputs
    intercept = configuration.number(2)
    usesProbability = configuration.integer(3) == 1
    isLogistic = configuration.integer(4) == 1
    boundCount = method == .regime ? configuration.count(6) : 0
    let rows = boundCount + 1
    let count = configuration.count(1)
    if count == 0, method == .weighted || method == .stacking || method == .regime {
      throw Failure.invalid("this method wants weights: \(rows * inputs) numbers, one for each input in the order of `from`\(rows > 1 ? ", regime by regime" as Text : "")")
    }
    if count > 0, method == .mean { throw Failure.invalid("method: mean takes no weights; use weighted") }
    if count > 0, count != rows * inputs {
      throw Failure.invalid(
        "weights has \(count) numbers, but \(inputs) inputs\(rows > 1 ? " and \(rows) regimes" as Text : "") want \(rows * inputs), in the order of `from`\(rows > 1 ? ", regime by regime" as Text : "")"
      )
    }
    for index in 0..<boundCount {
      let bound = configuration.number(6, at: index)
      if !bound.isFinite || index > 0 && bound <= configuration.number(6, at: index - 1) { throw Failure.invalid("regime_bounds must ascend") }
    }
    for row in 0..<rows where count > 0 {
      var sum = 0.0
      for input in 0..<inputs {
        let weight = configuration.number(1, at: row * inputs + input)
        if !weight.isFinite || weight < 0 && method != .stacking { throw Failure.invalid("weights must be numbers of at least 0; only stacking takes negative ones") }
        sum += weight
      }
      if method != .stacking, !(sum > 0) || !sum.isFinite { throw Failure.invalid("the weights\(rows > 1 ? " of regime \(row)" as Text : "") add up to nothing") }
    }
    weights = .allocate(capacity: rows * inputs)
    for index in 0..<(rows * inputs) { weights[index] = count > 0 ? configuration.number(1, at: index) : 1 }
    bounds = .allocate(capacity: max(boundCount, 1))
    for index in 0..<boundCount { bounds[index] = configuration.number(6, at: index) }
  }

  func destroy() {
    weights.deallocate()
    bounds.deallocate()
  }

  /// Writes value, probability, label and horizon; false where the inputs give none. Fails where what
  /// comes of them is not finite.
  func combine(
    _ said: UnsafePointer<Rounds.Said>, _ isUsed: UnsafePointer<Bool>, regime: Double, into target: UnsafeMutablePointer<gantry_prediction>
  ) throws(Failure) -> Bool {
    var weights = self.weights
    if method == .regime {
      if regime.isNaN { return false }
      var row = 0
      while row < boundCount, regime >= bounds[row] { row &+= 1 }
      weights += row &* inputs
    }
    target.pointee.horizon_ns = commonHorizon(said, isUsed)
    switch method {
    case .vote: return vote(said, isUsed, weights, target)
    case .stacking: return try stack(said, weights, target)
    case .mean, .weighted, .regime: return try average(said, isUsed, weights, target)
    }
  }

  /// The inputs' horizon where all have the same, else 0.
  private func commonHorizon(_ said: UnsafePointer<Rounds.Said>, _ isUsed: UnsafePointer<Bool>) -> Int64 {
    var horizon: Int64 = -1
    for input in 0..<inputs where isUsed[input] {
      if horizon >= 0, said[input].horizonNs != horizon { return 0 }
      horizon = said[input].horizonNs
    }
    return max(horizon, 0)
  }

  /// Weighted means of the values, and of the probabilities where all have one.
  private func average(
    _ said: UnsafePointer<Rounds.Said>, _ isUsed: UnsafePointer<Bool>, _ weights: UnsafePointer<Double>, _ target: UnsafeMutablePointer<gantry_prediction>
  ) throws(Failure) -> Bool {
    var value = 0.0
    var probability = 0.0
    var sum = 0.0
    for input in 0..<inputs where isUsed[input] && weights[input] > 0 {
      value += weights[input] * said[input].value
      probability += weights[input] * said[input].probability
      sum += weights[input]
    }
    guard sum > 0 else { return false }
    guard (value / sum).isFinite else { throw .overflow("the weighted mean of the predictions is beyond the range of a double; look at them with `gantry tap`") }
    target.pointee.value = value / sum
    target.pointee.probability = probability / sum
    target.pointee.label = label(target.pointee.probability)
    return true
  }

  private func label(_ probability: Double) -> Int32 { probability.isNaN ? -1 : probability >= 0.5 ? 1 : 0 }

  /// Each input votes for its label, or without one for 1 when its value is above 0, else for 0.
  private func vote(
    _ said: UnsafePointer<Rounds.Said>, _ isUsed: UnsafePointer<Bool>, _ weights: UnsafePointer<Double>, _ target: UnsafeMutablePointer<gantry_prediction>
  ) -> Bool {
    var sum = 0.0
    var up = 0.0
    var down = 0.0
    var winner: Int32 = -1
    var most = 0.0
    for input in 0..<inputs where isUsed[input] {
      let candidate = choice(said[input])
      sum += weights[input]
      if candidate == 1 { up += weights[input] }
      if candidate == 0 { down += weights[input] }
      var votes = 0.0
      for other in 0..<inputs where isUsed[other] && choice(said[other]) == candidate { votes += weights[other] }
      if votes > most {
        most = votes
        winner = candidate
      } else if votes == most, candidate != winner {
        winner = -1
      }
    }
    guard sum > 0 else { return false }
    target.pointee.value = (up - down) / sum
    target.pointee.probability = up / sum
    target.pointee.label = winner
    return true
  }

  private func choice(_ said: Rounds.Said) -> Int32 { said.label >= 0 ? said.label : said.value > 0 ? 1 : 0 }

  /// A linear model over all inputs.
  private func stack(_ said: UnsafePointer<Rounds.Said>, _ weights: UnsafePointer<Double>, _ target: UnsafeMutablePointer<gantry_prediction>) throws(Failure) -> Bool {
    var score = intercept
    for input in 0..<inputs {
      let number = usesProbability ? said[input].probability : said[input].value
      // Of a model that gives none: as if it were silent.
      if !number.isFinite { return false }
      score += weights[input] * number
    }
    guard score.isFinite else { throw .overflow("the weighted sum of the predictions is beyond the range of a double; look at them with `gantry tap`") }
    target.pointee.value = score
    target.pointee.probability = isLogistic ? Math.logistic(score) : .nan
    target.pointee.label = isLogistic ? (score >= 0 ? 1 : 0) : -1
    return true
  }
}
