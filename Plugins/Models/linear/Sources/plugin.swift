import CGantry
import GantrySDK

/// `linear`: a linear or logistic model, read from a JSON artifact with named columns.
///
/// Guarantees: for each row of features one prediction, the same bits on every machine. With the
/// artifact's names,
///
///     score = intercept + sum of (coefficient / scale) * (column - mean)
///
/// where the sum runs in the artifact's order and coefficient / scale is rounded once, at configure.
/// `linear`: value = score, probability NaN, label -1. `logistic`: value = score, the log odds;
/// probability = 1 / (1 + e^-score); label = 1 where the score is at least 0, else 0. A row in which
/// one of the model's columns is no finite number gets value and probability NaN and label -1, or
/// none (`on_missing`). A row of finite numbers that gives no finite score fails: never is a
/// prediction that is not finite taken for the model's.
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
          "on_missing", .choice, default: "emit", choices: ["emit", "skip"],
          help: "what a row with a number that is not finite gives: a prediction of NaN, or none"),
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
  private var skipsMissing = false
  private var horizonNs: Int64 = 0
  private var model: UInt32 = 0
  private var missingRows: UInt32 = 0
  /// For the text of a failure: the file, and the columns in the artifact's order.
  private var file: Text = ""
  private var columnNames: [Text] = []

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    file = Text(configuration.text(0))
    let artifact = try Artifact(configuration.artifact(0), file: file)
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
    for column in artifact.columns { columnNames.append(column.text) }
    skipsMissing = configuration.integer(1) == 1
    horizonNs = artifact.horizonNs
    try artifact.check(against: host.model(ofParameter: 0))
    model = host.modelReference(ofParameter: 0, orName: artifact.name, version: artifact.version)
    missingRows = host.defineMetric("missing_rows", counter: true, unit: "rows", help: "rows with a number that is not finite")
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    let terms = self.terms.unsafelyUnwrapped
    let termCount = self.termCount
    var missing = 0
    defer { if missing > 0 { host.updateMetric(missingRows, Double(missing)) } }
    for row in 0..<batch.count {
      let columns = batch.columns(row)
      var score = intercept
      for index in 0..<termCount {
        score += terms[index].weight * (columns[terms[index].column] - terms[index].mean)
      }
      if !score.isFinite {
        guard hasMissing(columns) else {
          outputs.setConsumed(row)
          throw withoutScore(columns)
        }
        missing &+= 1
        if skipsMissing { continue }
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
  }

  private func hasMissing(_ columns: UnsafePointer<Double>) -> Bool {
    for index in 0..<termCount where !columns[terms.unsafelyUnwrapped[index].column].isFinite { return true }
    return false
  }

  /// Says which column takes the sum out of the range of a double.
  private func withoutScore(_ columns: UnsafePointer<Double>) -> Failure {
    let terms = self.terms.unsafelyUnwrapped
    var largest = 0
    func magnitude(_ index: Int) -> Double { (terms[index].weight * (columns[terms[index].column] - terms[index].mean)).magnitude }
    for index in 0..<termCount where magnitude(index) > magnitude(largest) { largest = index }
    let term: Text = termCount == 0 ? "" : ", most of all by the coefficient of \"\(columnNames[largest])\""
    return .overflow("\(file): the model gives no finite score for a row of finite numbers\(term); look at the row with `gantry tap`, and train or write the model again")
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
