import CGantry
import GantrySDK

/// How a prediction event says what the model's sums mean.
///
/// | model | value | probability | label |
/// |---|---|---|---|
/// | regression, ranking | the prediction | NaN | -1 |
/// | two classes | the sum, which is the log odds | that of class 1 | 1 where it is at least 0.5 |
/// | several classes | the label | that of the label | the most probable class |
/// | the same with `up_class` | p(up_class) - p(down_class) | p(up_class) | the most probable class |
struct PredictionForm {
  var objective: Objective
  var outputCount: Int
  /// Of several classes, those that a rise and a fall are; -1 where the graph does not say.
  var upClass = -1
  var downClass = -1
  /// Of a regression with several targets, the one that is predicted.
  var target = 0

  /// Writes value, probability and label; false where the model gives no finite number. The sums are
  /// overwritten.
  @inline(__always)
  func write(_ sums: UnsafeMutablePointer<Double>, to prediction: UnsafeMutablePointer<gantry_prediction>) -> Bool {
    switch objective {
    case .softmax, .logistics:
      objective.probabilities(sums, count: outputCount)
      var label = 0
      for index in 1..<max(outputCount, 1) where sums[index] > sums[label] { label = index }
      if upClass >= 0 {
        prediction.pointee.value = sums[upClass] - (downClass >= 0 ? sums[downClass] : 0)
        prediction.pointee.probability = sums[upClass]
      } else {
        prediction.pointee.value = Double(label)
        prediction.pointee.probability = sums[label]
      }
      prediction.pointee.label = Int32(truncatingIfNeeded: label)
    case .logistic(let scale):
      prediction.pointee.value = sums[0]
      prediction.pointee.probability = Math.logistic(scale * sums[0])
      prediction.pointee.label = sums[0] >= 0 ? 1 : 0
    case .hinge:
      prediction.pointee.value = sums[0] > 0 ? 1 : 0
      prediction.pointee.probability = .nan
      prediction.pointee.label = sums[0] > 0 ? 1 : 0
      return sums[0].isFinite
    default:
      prediction.pointee.value = objective.value(sums[target])
      prediction.pointee.probability = .nan
      prediction.pointee.label = -1
      return prediction.pointee.value.isFinite
    }
    return prediction.pointee.value.isFinite && prediction.pointee.probability.isFinite
  }
}
