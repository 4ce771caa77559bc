import CGantry
import GantrySDK

/// `linear`: a linear or logistic model, read from a JSON artifact with named columns.
///
/// Guarantees: for each row of features one prediction (with `on_nan: skip`, none for a row that
/// gives no finite score), the same bits on every machine. With the artifact's names,
///
///     score = intercept + sum of (coefficient / scale) * (column - mean)
///
/// where the sum runs in the artifact's order and coefficient / scale is rounded once, at configure.
/// `linear`: value = score, probability NaN, label -1. `logistic`: value = score, the log odds;
/// probability = 1 / (1 + e^-score); label = 1 where the score is at least 0, else 0. A row that
/// gives no finite score gets value and probability NaN and label -1.
struct Linear: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "linear", version: "1.2.0", kind: .model,
      summary: "a linear or logistic model from a JSON artifact with named columns",
      flags: .stateless,
      inputs: [Port("features", .features, help: "rows that have at least the artifact's columns")],
      outputs: [Port("predictions", .prediction, help: "one for each row: the score, and for logistic models its probability")],
      parameters: [
        Parameter("artifact", .artifact, required: true, help: "the model: a JSON file of format gantry.linear/1"),
        Parameter(
          "on_nan", .choice, default: "emit", choices: ["emit", "skip"], help: "what a row without a finite score gives: a prediction of NaN, or none"),
      ])
  }

  /// One column's part of the sum.
  private struct Term {
    var weight: Double
    var mean: Double
    var column: Int
  }

  private let host: Host
  private var terms: UnsafeMutablePointer<Term>?
  private var termCount = 0
  private var intercept = 0.0
  private var isLogistic = false
  private var skipsNaN = false
  private var horizonNs: Int64 = 0
  private var model: UInt32 = 0
  private var nanRows: UInt32 = 0

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    let artifact = try Artifact(configuration.artifact(0), file: Text(configuration.text(0)))
    guard let schema = configuration.schema(ofPort: 0) else {
      throw Failure.invalid("nothing is connected to features; give the node a `from` that offers columns")
    }
    let terms = UnsafeMutablePointer<Term>.allocate(capacity: max(artifact.columns.count, 1))
    self.terms = terms
    termCount = artifact.columns.count
    for index in 0..<termCount {
      terms[index] = Term(
        weight: artifact.weight(index), mean: artifact.means.isEmpty ? 0 : artifact.means[index],
        column: try artifact.position(of: index, in: schema))
    }
    intercept = artifact.intercept
    isLogistic = artifact.isLogistic
    skipsNaN = configuration.integer(1) == 1
    horizonNs = artifact.horizonNs
    try artifact.check(against: host.model(ofParameter: 0))
    model = host.modelReference(ofParameter: 0, orName: artifact.name, version: artifact.version)
    nanRows = host.defineMetric("nan_rows", counter: true, unit: "rows", help: "rows that gave no finite score")
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    let terms = self.terms.unsafelyUnwrapped
    let termCount = self.termCount
    var withoutScore = 0
    for row in 0..<batch.count {
      let columns = batch.columns(row)
      var score = intercept
      for index in 0..<termCount {
        score += terms[index].weight * (columns[terms[index].column] - terms[index].mean)
      }
      if !score.isFinite {
        withoutScore &+= 1
        if skipsNaN { continue }
        score = .nan
      }
      guard let prediction = outputs.reserve(0, cause: row, as: gantry_prediction.self) else {
        outputs.setConsumed(row)
        throw Failure.full
      }
      prediction.pointee.value = score
      prediction.pointee.horizon_ns = horizonNs
      prediction.pointee.model = model
      if isLogistic {
        prediction.pointee.probability = Math.logistic(score)
        prediction.pointee.label = score >= 0 ? 1 : score < 0 ? 0 : -1
      } else {
        prediction.pointee.probability = .nan
        prediction.pointee.label = -1
      }
      outputs.commit(0)
    }
    if withoutScore > 0 { host.updateMetric(nanRows, Double(withoutScore)) }
  }

  mutating func destroy() {
    terms?.deallocate()
    terms = nil
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Linear.self, request)
}
