import CGantry
import Foundation
import PluginHarness
import Testing

@Suite struct LinearTests {
  @Test func `a linear model gives the sum in the artifact's order`() throws {
    let p = try linear(artifact(columns: ["b", "a"], coefficients: "[2, -0.5]", intercept: "1"), columns: ["a", "x", "b"])
    let predictions = try p.send(features: [FeatureRow([4, 9, 3]), FeatureRow([0, 9, 0])]).map(\.prediction)
    #expect(predictions.map(\.value) == [5, 1])
    #expect(predictions.allSatisfy { $0.probability.isNaN && $0.label == -1 && $0.model == 1 && $0.horizon_ns == 0 })
    #expect(p.models == ["test@1.0.0"])
  }

  @Test func `means and scales standardise a column before its coefficient`() throws {
    let text = artifact(columns: ["a", "b"], coefficients: "[3, 5]", more: #", "means": [10, 0], "scales": [4, 0.5], "horizon": "1.5s""#)
    let p = try linear(text, columns: ["a", "b"])
    let prediction = try p.send(features: [FeatureRow([18, 2])])[0].prediction
    #expect(prediction.value == 26)
    #expect(prediction.horizon_ns == 1_500_000_000)
  }

  @Test func `a logistic model gives log odds, probability and class`() throws {
    let p = try linear(artifact(kind: "logistic", columns: ["a"], coefficients: "[1]"), columns: ["a"])
    let predictions = try p.send(features: [-800, -1, -0.0, 1, 800].map { FeatureRow([$0]) }).map(\.prediction)
    let scores: [Double] = [-800, -1, 0, 1, 800]
    #expect(predictions.map(\.value) == scores)
    #expect(predictions.map(\.label) == [0, 0, 1, 1, 1])
    let expected: [Double] = [0, 0x1.136561454ba86p-2, 0.5, 0x1.764d4f5d5a2bdp-1, 1]
    #expect(zip(predictions.map(\.probability), expected).allSatisfy { abs($0 - $1) < 1e-16 })
  }

  @Test func `a row with a number that is not finite is a prediction of NaN, or none, and is counted`() throws {
    let text = artifact(kind: "logistic", columns: ["a", "b"], coefficients: "[1, 0]")
    let rows = [[1, 2], [.nan, 1], [1, .nan], [.infinity, 0], [2, 2]].map { FeatureRow($0) }
    let emitting = try linear(text, columns: ["a", "b"])
    let emitted = try emitting.send(features: rows)
    #expect(emitted.map(\.cause) == [0, 1, 2, 3, 4])
    for index in 1...3 {
      let prediction = emitted[index].prediction
      #expect(prediction.value.isNaN && prediction.probability.isNaN && prediction.label == -1)
    }
    #expect(emitting.metrics["missing_rows"] == 3)
    let skipping = try linear(text, columns: ["a", "b"], onMissing: "skip")
    #expect(try skipping.send(features: rows).map(\.cause) == [0, 4])
    #expect(skipping.metrics["missing_rows"] == 3)
  }

  @Test func `a row of finite numbers without a finite score fails, and the column is named`() throws {
    let p = try linear(artifact(kind: "logistic", columns: ["a", "b"], coefficients: "[1, 1e308]"), columns: ["b", "a"])
    #expect(try p.send(features: [FeatureRow([1, 1])])[0].prediction.label == 1)
    for row: [Double] in [[10, 1], [-10, 1]] {
      let failure = #expect(throws: PluginFailure.self) { try p.send(features: [FeatureRow([1, 1]), FeatureRow(row), FeatureRow([1, 1])]) }
      let text = failure?.text ?? ""
      #expect(text.contains("no finite score for a row of finite numbers, most of all by the coefficient of \"b\""), "\(text)")
    }
    // Also where the parts cancel each other out: an infinite one less another is no number.
    let q = try linear(artifact(columns: ["a", "b"], coefficients: "[1e308, -1e308]"), columns: ["a", "b"])
    #expect(throws: PluginFailure.self) { try q.send(features: [FeatureRow([10, 10])]) }
    // A missing number is not the model's fault.
    #expect(try q.send(features: [FeatureRow([10, .nan])])[0].prediction.value.isNaN)
  }

  @Test func `one batch and single events give the same bits`() throws {
    let text = artifact(kind: "logistic", columns: ["a", "b", "c"], coefficients: "[0.1, -0.7, 1.3]", more: #", "means": [0.3, 0.2, 0.1]"#)
    var random = SystemRandomNumberGenerator()
    let rows = (0..<300).map { _ in FeatureRow((0..<3).map { _ in Double.random(in: -3...3, using: &random) }, at: 1) }
    let whole = try linear(text, columns: ["a", "b", "c"]).send(features: rows)
    let single = try linear(text, columns: ["a", "b", "c"])
    let singles = try rows.flatMap { try single.send(features: [$0]) }
    #expect(whole.map { $0.bytes[32...] } == singles.map { $0.bytes[32...] })
  }

  @Test func `a model of the models folder is named as the graph names it, and must be what model yaml says`() throws {
    let text = artifact(columns: ["a", "b"], coefficients: "[1, 2]")
    func make(_ model: HarnessModel) throws -> PluginHarness {
      try PluginHarness(
        "linear", parameters: ["artifact": .artifact(Array(text.utf8))], inputs: [.init(port: "features", columns: ["a", "b"])], models: ["artifact": model])
    }
    let p = try make(HarnessModel("momentum", version: "3", format: "gantry.linear/1", columns: ["a", "b"]))
    #expect(try p.send(features: [FeatureRow([1, 2])])[0].prediction.model == 1)
    #expect(p.models == ["momentum@3"])
    #expect(try make(HarnessModel("momentum", version: "4", format: "gantry.linear/1")).models == ["momentum@4"])
    for (model, said) in [
      (HarnessModel("m", version: "1", format: "xgboost.json"), "this plugin reads gantry.linear/1"),
      (HarnessModel("m", version: "1", format: "gantry.linear/1", columns: ["b", "a"]), "says the columns b, a, and the artifact has a, b"),
      (HarnessModel("m", version: "1", format: "gantry.linear/1", columns: ["a"]), "says the columns a, and the artifact has a, b"),
    ] {
      do {
        _ = try make(model)
        Issue.record("\(said): it was taken")
      } catch { #expect("\(error)".contains(said), "\(error)") }
    }
  }

  @Test func `the models of the repository are valid`() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../../manifests/models").standardizedFileURL
    for (file, columns) in [("ema_cross", ["ema_10", "ema_20"]), ("momentum", ["ema_10", "ema_20", "rsi_14", "spread"])] {
      let p = try PluginHarness(
        "linear", parameters: ["artifact": "\(folder.path)/\(file).json"], inputs: [.init(port: "features", columns: columns)])
      #expect(try p.send(features: [FeatureRow(columns.map { _ in 1 })]).count == 1)
    }
  }
}

func artifact(
  format: String = "gantry.linear/1", kind: String = "linear", columns: [String] = ["a"], coefficients: String = "[1]",
  intercept: String = "0", more: String = ""
) -> String {
  """
  {
    "format": "\(format)",
    "name": "test", "version": "1.0.0",
    "kind": "\(kind)",
    "intercept": \(intercept),
    "columns": [\(columns.map { "\"\($0)\"" }.joined(separator: ", "))],
    "coefficients": \(coefficients)\(more)
  }
  """
}

func linear(_ text: String, columns: [String], onMissing: String = "emit") throws -> PluginHarness {
  try linear(Array(text.utf8), columns: columns, onMissing: onMissing)
}

func linear(_ bytes: [UInt8], columns: [String], onMissing: String = "emit") throws -> PluginHarness {
  try PluginHarness(
    "linear", parameters: ["artifact": .artifact(bytes), "on_missing": .scalar(onMissing)], inputs: [.init(port: "features", columns: columns)])
}
