import GantrySDK

/// What becomes of the sum of the trees' answers, and how predictions say it. The functions are the
/// SDK's, with the same bits on every machine; the libraries' differ from them by a few units of
/// their own precision.
enum Objective: Equatable {
  /// Regression, ranking, and models of an unknown objective: the sum itself.
  case identity
  /// e to the sum: Poisson, gamma, Tweedie and survival models.
  case exponential
  /// A probability of class 1: 1 / (1 + e^-(scale * sum)).
  case logistic(scale: Double)
  /// LightGBM's cross_entropy_lambda: ln(1 + e^sum).
  case logOnePlusExponential
  /// LightGBM's `reg_sqrt`: sum * |sum|.
  case signedSquare
  /// XGBoost's binary:hinge: class 1 where the sum is above 0.
  case hinge
  /// Several classes, each with its sum: e^sum over the sum of all of these.
  case softmax
  /// Several classes, each for itself: LightGBM's multiclassova.
  case logistics(scale: Double)

  var isClassifier: Bool {
    switch self {
    case .identity, .exponential, .logOnePlusExponential, .signedSquare: false
    case .logistic, .hinge, .softmax, .logistics: true
    }
  }

  var hasSeveralClasses: Bool {
    switch self {
    case .softmax, .logistics: true
    default: false
    }
  }

  /// One output's value, for objectives without several classes.
  @inline(__always)
  func value(_ sum: Double) -> Double {
    switch self {
    case .identity, .softmax: sum
    case .exponential: Math.exp(sum)
    case .logistic(let scale), .logistics(let scale): Math.logistic(scale * sum)
    case .logOnePlusExponential: sum > 0 ? sum + Math.log1p(Math.exp(-sum)) : Math.log1p(Math.exp(sum))
    case .signedSquare: sum * sum.magnitude
    case .hinge: sum > 0 ? 1 : 0
    }
  }

  /// Turns the sums of all classes into their probabilities, in place.
  @inline(__always)
  func probabilities(_ sums: UnsafeMutablePointer<Double>, count: Int) {
    guard case .softmax = self else {
      for index in 0..<count { sums[index] = value(sums[index]) }
      return
    }
    var highest = sums[0]
    for index in 1..<max(count, 1) where sums[index] > highest { highest = sums[index] }
    var total = 0.0
    for index in 0..<count {
      sums[index] = Math.exp(sums[index] - highest)
      total += sums[index]
    }
    for index in 0..<count { sums[index] /= total }
  }
}
