import CGantry
import Foundation
import PluginHarness
import Testing

/// What each part of a model's description means, on models of a few nodes.
@Suite struct TreesTests {
  @Test func `a row goes left below the threshold, and missing values where the model sends them`() throws {
    let right = try trees(MadeXGBoost().json)
    #expect(try right.predict(0.4, 0.5, 0.6, .nan, .infinity, -.infinity).map(\.value) == [-1, 1, 1, 1, 1, -1])
    let left = try trees(MadeXGBoost(trees: [.stump(defaultLeft: true)]).json)
    #expect(try left.predict(0.4, 0.5, .nan, .infinity).map(\.value) == [-1, 1, -1, 1])
  }

  @Test func `thresholds and rows of XGBoost are compared as floats`() throws {
    let p = try trees(MadeXGBoost(trees: [.stump(0, "1E-1")]).json)
    let single = Double(Float(0.1))
    // 0.1 as a double is below 0.1 as a float, but not as a float.
    #expect(try p.predict(0.1, single, single.nextDown, Double(Float(0.1).nextDown)).map(\.value) == [1, 1, 1, -1])
  }

  @Test func `LightGBM goes left at the threshold, in doubles`() throws {
    let p = try trees(MadeLightGBM(stumps: [("0.1", 0, "-1", "1")]).text)
    #expect(try p.predict(0.1, 0.1.nextUp, 0.1.nextDown, .infinity, -.infinity).map(\.value) == [-1, 1, -1, 1, -1])
  }

  @Test func `LightGBM's missing types`() throws {
    func values(_ decision: Int, _ threshold: String = "-0.5") throws -> [Double] {
      try trees(MadeLightGBM(stumps: [(threshold, decision, "-1", "1")]).text).predict(.nan, 0, 1e-36, -1, 1).map(\.value)
    }
    #expect(try values(0) == [1, 1, 1, -1, 1])  // none: NaN is 0
    #expect(try values(2, "0.5") == [-1, -1, -1, -1, 1])
    #expect(try values(4) == [1, 1, 1, -1, 1])  // zero, right
    #expect(try values(6) == [-1, -1, -1, -1, 1])  // zero, left
    #expect(try values(8) == [1, 1, 1, -1, 1])  // nan, right
    #expect(try values(10) == [-1, 1, 1, -1, 1])  // nan, left
    #expect(try values(8, "inf") == [1, -1, -1, -1, -1])
  }

  @Test func `categories of XGBoost: those of the set go right, what is none goes left`() throws {
    let p = try trees(MadeXGBoost(trees: [.categories([1, 40])]).json)
    #expect(try p.predict(1, 40, 0, 2, 1000, -1, 1.9, .nan, 1e30).map(\.value) == [1, 1, -1, -1, -1, -1, 1, 1, -1])
    let left = try trees(MadeXGBoost(trees: [.categories([1, 40], defaultLeft: true)]).json)
    #expect(try left.predict(.nan).map(\.value) == [-1])
  }

  @Test func `categories of LightGBM: those of the set go left, all else right`() throws {
    let p = try trees(MadeLightGBM(stumps: [("0", 1, "-1", "1")], sets: ("0 2", "2 256")).text)
    #expect(try p.predict(1, 40, 0, 2, 1000, -1, 1.9, .nan, 1e30).map(\.value) == [-1, -1, 1, 1, 1, 1, -1, 1, 1])
  }

  @Test func `a logistic model gives log odds, probability and class`() throws {
    let p = try trees(MadeXGBoost(trees: [.stump(0, "0.5", "-2E0", "1E0")], objective: "binary:logistic", baseScore: "[5E-1]").json)
    let predictions = try p.predict(0, 1)
    #expect(predictions.map(\.value) == [-2, 1] && predictions.map(\.label) == [0, 1])
    #expect(abs(predictions[0].probability - 1 / (1 + exp(2))) < 1e-15)
    #expect(p.models.count == 1 && p.models[0].hasPrefix("(test)@"))
  }

  @Test func `a base score is a prediction, a base margin takes its place`() throws {
    let model = MadeXGBoost(trees: [.stump(0, "0.5", "0", "1")], objective: "binary:logistic", baseScore: "2.5E-1").json
    #expect(abs(try trees(model).predict(0)[0].probability - 0.25) < 1e-7)
    #expect(try trees(model, ["base_margin": "-3"]).predict(0, 1).map(\.value) == [-3, -2])
    #expect(try trees(MadeLightGBM().text, ["base_margin": "10"]).predict(0, 1).map(\.value) == [9, 11])
  }

  @Test func `several classes: the label, or what a rise and a fall are`() throws {
    let model = MadeXGBoost(
      trees: [.stump(0, "0.5", "3", "0"), .stump(0, "0.5", "0", "1"), .stump(0, "0.5", "0", "2")], objective: "multi:softprob", classes: 3, treeInfo: [0, 1, 2]
    ).json
    let plain = try trees(model).predict(0, 1)
    #expect(plain.map(\.value) == [0, 2] && plain.map(\.label) == [0, 2])
    let total = exp(0.0) + exp(1.0) + exp(2.0)
    #expect(abs(plain[1].probability - exp(2) / total) < 1e-15)
    let named = try trees(model, ["up_class": "2", "down_class": "0"]).predict(0, 1)
    #expect(abs(named[1].value - (exp(2) - 1) / total) < 1e-15 && abs(named[1].probability - exp(2) / total) < 1e-15)
    #expect(named.map(\.label) == [0, 2])
  }

  @Test func `weights of DART, iterations, and the best iteration`() throws {
    let dart = MadeXGBoost(trees: [.stump(), .stump()], weights: ["5E-1", "2.5E-1"], booster: "dart").json
    #expect(try trees(dart).predict(1)[0].value == 0.75)
    var model = MadeXGBoost(trees: [.stump(), .stump(), .stump()])
    #expect(try trees(model.json).predict(1)[0].value == 3)
    #expect(try trees(model.json, ["iterations": "2"]).predict(1)[0].value == 2)
    model.attributes = #"{"best_iteration":"0","best_score":"0.5"}"#
    #expect(try trees(model.json).predict(1)[0].value == 1)
    #expect(try trees(model.json, ["iterations": "3"]).predict(1)[0].value == 3)
    #expect(throws: PluginFailure.self) { try trees(model.json, ["iterations": "4"]) }
  }

  @Test func `a random forest of LightGBM is averaged`() throws {
    let p = try trees(MadeLightGBM(stumps: [("0.5", 0, "1", "2"), ("0.5", 0, "3", "4")], more: "\naverage_output").text)
    #expect(try p.predict(0, 1).map(\.value) == [2, 3])
  }

  @Test func `columns are found by name, or named by the graph`() throws {
    let model = MadeXGBoost(trees: [.stump(1)], columns: ["a", "b"])
    let p = try trees(model.json, columns: ["x", "b", "a"])
    #expect(try p.send(features: [FeatureRow([9, 0, 9]), FeatureRow([0, 1, 0])]).map(\.prediction.value) == [-1, 1])
    var nameless = model
    nameless.columns = []
    nameless.features = 2
    let named = try trees(nameless.json, columns: ["x", "b"], ["columns": ["x", "b"]])
    #expect(try named.send(features: [FeatureRow([9, 0])]).map(\.prediction.value) == [-1])
  }

  @Test func `a row with a missing value gives an answer, a prediction of NaN, or none`() throws {
    let model = MadeXGBoost(columns: ["a"]).json
    let rows = [FeatureRow([.nan, 1]), FeatureRow([1, .nan])]
    func predictions(_ policy: String) throws -> [gantry_prediction] {
      try trees(model, columns: ["a", "other"], ["on_missing": .scalar(policy)]).send(features: rows).map(\.prediction)
    }
    #expect(try predictions("predict").map(\.value) == [1, 1])
    let emitted = try predictions("emit")
    #expect(emitted[0].value.isNaN && emitted[0].label == -1 && emitted[1].value == 1)
    #expect(try predictions("skip").map(\.value) == [1])
  }

  @Test func `a row for which the model gives no finite number fails`() throws {
    let infinite = MadeTree.stump(0, "0.5", "1", "3E38")
    let several = MadeXGBoost(trees: [infinite, .stump(), infinite, .stump()], objective: "multi:softprob", classes: 2, treeInfo: [0, 1, 0, 1])
    for model in [
      MadeXGBoost(trees: [infinite, infinite]).json, MadeXGBoost(trees: [infinite, infinite], objective: "binary:logistic", baseScore: "5E-1").json,
      MadeXGBoost(trees: [.stump(0, "0.5", "1", "1000")], objective: "count:poisson", baseScore: "5E-1").json, several.json,
      MadeLightGBM(stumps: [("0.5", 0, "1", "1.7e308"), ("0.5", 0, "1", "1.7e308")]).text,
    ] {
      let p = try trees(model)
      #expect(try p.predict(0).count == 1)
      let failure = #expect(throws: PluginFailure.self) { try p.predict(0, 1, 0) }
      #expect(failure?.text.contains("the model gives NaN or infinity for a row") == true, "\(failure?.text ?? "")")
      #expect(try p.predict(0).count == 1)
    }
  }

  @Test func `UBJSON says the same as JSON`() throws {
    let model = MadeXGBoost(
      trees: [.categories([3, 5]), .stump(1, "2.5E-1", "-1.5E0", "2.5E0", defaultLeft: true)], columns: ["a", "b"], objective: "count:poisson", baseScore: "5E-1")
    let rows = [[3, 0], [4, 1], [.nan, .nan], [5, 0.25]].map { FeatureRow($0) }
    let text = try trees(model.json, columns: ["a", "b"]).send(features: rows).map(\.prediction.value)
    let binary = try trees(try ubjson(model.json), columns: ["a", "b"]).send(features: rows).map(\.prediction.value)
    #expect(text == binary && text.allSatisfy { $0 > 0 })
  }

  @Test func `one batch and single events give the same bits`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    for isLightGBM in [false, true] {
      let columns = ["a"]
      let text: String
      if isLightGBM {
        text = MadeLightGBM(stumps: (0..<75).map { _ in ("\(Double.random(in: -2...2, using: &random))", Int.random(in: 0...5, using: &random) * 2, "0.1", "-0.7") }).text
      } else {
        text = MadeXGBoost(trees: (0..<75).map { _ in .stump(0, "\(Float.random(in: -2...2, using: &random))", "0.1", "-0.7", defaultLeft: Bool.random(using: &random)) }).json
      }
      let rows = (0..<211).map { _ in FeatureRow([Int.random(in: 0...9, using: &random) == 0 ? .nan : Double.random(in: -3...3, using: &random)], at: 1) }
      let whole = try trees(text, columns: columns).send(features: rows)
      let single = try trees(text, columns: columns)
      let singles = try rows.flatMap { try single.send(features: [$0]) }
      let same = whole.map { $0.bytes[32...] } == singles.map { $0.bytes[32...] }
      #expect(same, "seed \(seed)")
    }
  }

  @Test func `the models of the repository are valid`() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../../manifests/models").standardizedFileURL.path
    let columns = ["rsi_14", "zscore_20", "return_1", "return_5", "return_24"]
    for file in ["hour_xgboost.json", "hour_lightgbm.txt"] {
      let p = try PluginHarness("trees", parameters: ["artifact": "\(folder)/\(file)"], inputs: [.init(port: "features", columns: columns)])
      let prediction = try p.send(features: [FeatureRow([50, 0, 0, 0, 0])])[0].prediction
      #expect(prediction.probability > 0 && prediction.probability < 1)
      #expect(p.models[0].hasPrefix(file.split(separator: ".")[0] + "@"))
    }
  }

  @Test func `remembered sums are the bits that would be computed, and are counted`() throws {
    let models: [(text: String, more: [String: ParameterText])] = [
      (MadeXGBoost(trees: [.stump(0, "0.3", "-1.7", "0.9"), .stump(1, "0.6", "0.1", "3E-1", defaultLeft: true)], columns: ["a", "b"]).json, [:]),
      (
        MadeXGBoost(trees: (0..<3).map { .stump($0 % 2, "0.\(3 + $0)") }, columns: ["a", "b"], objective: "multi:softprob", classes: 3, treeInfo: [0, 1, 2]).json,
        ["up_class": "2", "down_class": "0"]
      ),
      (MadeLightGBM(stumps: [("0.5", 8, "-1.3", "0.7")], columns: ["a", "b"], objective: "binary sigmoid:1").text, ["on_missing": "emit"]),
    ]
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    let numbers: [Double] = [0, -0.0, 0.25, 0.5, 0.75, 1, .nan, .infinity]
    // Rows that come again in any order; a third column is not the model's.
    let rows = (0..<700).map { index in FeatureRow([numbers[Int(random.next() % 8)], numbers[Int(random.next() % 8)], Double(index)]) }
    let distinct = Set(rows.map { [$0.columns[0].bitPattern, $0.columns[1].bitPattern] }).count
    for (text, more) in models {
      let plain = try trees(text, columns: ["a", "b", "c"], more).send(features: rows)
      for entries in [1, 16, 1024] {
        let p = try trees(text, columns: ["a", "b", "c"], more.merging(["cache": .scalar("\(entries)")]) { $1 })
        #expect(try p.send(features: rows).map { $0.bytes[32...] } == plain.map { $0.bytes[32...] }, "seed \(seed), \(entries) entries")
        let hits = p.metrics["cache_hits"] ?? 0
        #expect(hits + (p.metrics["cache_misses"] ?? 0) == 700)
        if entries == 1024 { #expect(hits == Double(700 - distinct)) }
      }
    }
    #expect(try trees(MadeXGBoost().json).metrics["cache_hits"] == nil)
  }
}
