import CGantry
import Foundation
import PluginHarness
import Testing

/// What a wrong artifact is answered with: always a diagnostic, before anything runs.
@Suite struct BadInputTests {
  /// The failure's text, without the file's name.
  private func refusal(_ bytes: [UInt8], columns: [String] = ["a"], _ more: [String: ParameterText] = [:]) -> String {
    do {
      _ = try trees(bytes, columns: columns, more)
      return "accepted"
    } catch let failure as PluginFailure {
      guard failure.call == "configure", failure.status == -1 else { return "\(failure)" }
      return failure.text.hasPrefix("(test):") ? String(failure.text.dropFirst("(test):".count)) : failure.text
    } catch {
      return "\(error)"
    }
  }

  private func refusal(_ text: String, columns: [String] = ["a"], _ more: [String: ParameterText] = [:]) -> String {
    refusal(Array(text.utf8), columns: columns, more)
  }

  private func refusal(_ change: (inout MadeXGBoost) -> Void) -> String {
    var model = MadeXGBoost()
    change(&model)
    return refusal(model.json, columns: model.columns)
  }

  private func refusal(replacing text: String, with other: String) -> String {
    let model = MadeLightGBM(stumps: [("0.5", 2, "-1", "1"), ("0.25", 2, "-1", "1")]).text
    #expect(model.contains(text))
    return refusal(model.replacingOccurrences(of: text, with: other))
  }

  @Test func `a column the input does not have is named, with what there is`() {
    let model = MadeXGBoost(columns: ["ema_10", "ema_02"])
    #expect(
      refusal(model.json, columns: ["ema_10", "ema_20", "rsi_14"])
        == " the model needs the column \"ema_02\", which its input does not have; did you mean \"ema_20\"? the input's columns are ema_10, ema_20, rsi_14")
    #expect(refusal(model.json, columns: ["x"]) == " the model needs 2 columns that its input does not have: ema_10, ema_02; the input's columns are x")
    #expect(refusal(MadeXGBoost(columns: [], features: 3).json).contains("the model's 3 features have no names; name them in the order of training: columns: [...]"))
    #expect(refusal(MadeXGBoost(columns: [], features: 3).json, ["columns": ["a"]]).contains("3 features, but the parameter columns names 1"))
  }

  @Test func `thresholds and leaves that are no numbers`() {
    #expect(refusal { $0.trees = [.stump(0, "NaN")] }.contains("tree 0: the threshold of node 0 is NaN"))
    #expect(refusal { $0.trees = [.stump(0, "5E-1", "NaN")] }.contains("tree 0: the leaf 1 is no finite number"))
    #expect(refusal { $0.trees = [.stump(0, "5E-1", "1E39")] }.contains("tree 0: the leaf 1 is no finite number"))
    #expect(refusal { $0.trees = [.stump(0, "\"x\"")] }.contains("expected a number for split_conditions"))
    #expect(refusal(replacing: "threshold=0.25", with: "threshold=nan").hasPrefix("26: tree 1: the threshold of split 0 is NaN"))
    #expect(refusal(replacing: "leaf_value=-1 1", with: "leaf_value=-1 inf").contains("the leaf 1 is no finite number"))
    #expect(refusal(replacing: "threshold=0.25", with: "threshold=0.2.5").contains("entry 0 of threshold is no number"))
  }

  @Test func `children out of range, cycles and shared branches`() {
    #expect(refusal { $0.trees[0].nodes[0].right = 3 }.contains("tree 0: node 0 has the children 1 and 3, but the nodes are 0 to 2"))
    #expect(refusal { $0.trees[0].nodes[0].right = -1 }.contains("node 0 has the children 1 and -1"))
    #expect(refusal { $0.trees[0].nodes[0].right = 0 }.contains("tree 0: node 0 is reached twice"))
    #expect(refusal { $0.trees[0].nodes[0].right = 1 }.contains("tree 0: node 1 is reached twice"))
    #expect(
      refusal { $0.trees[0].nodes = [.split(0, "1", 1, 2), .split(0, "1", 0, 2), .leaf("1")] }.contains("node 0 is reached twice, so the nodes form a cycle"))
    #expect(refusal(replacing: "right_child=-2", with: "right_child=1").contains("tree 0: split 0 has the child 1, but the splits are 0 to 0 and the leaves -1 to -2"))
    #expect(refusal(replacing: "right_child=-2", with: "right_child=0").contains("node 0 is reached twice"))
    #expect(refusal(replacing: "right_child=-2", with: "right_child=-1").contains("node 1 is reached twice"))
  }

  @Test func `counts that do not fit`() {
    #expect(refusal { $0.trees[0].nodes[0].feature = 1 }.contains("tree 0 splits by feature 1, but the model has 1"))
    #expect(refusal { $0.treeInfo = [0, 0] }.contains("1 trees, but 2 entries in tree_info"))
    #expect(refusal { $0.treeInfo = [1] }.contains("tree 0 adds to output 1, but there are 1"))
    #expect(refusal { $0.features = 2 }.contains("2 features (num_feature), but 1 feature_names"))
    #expect(
      refusal {
        $0.booster = "dart"
        $0.weights = []
      }.contains("1 trees, but 0 weights in weight_drop"))
    #expect(refusal { $0.baseScore = "[0,1]" }.contains("one for each of the 1 outputs"))
    #expect(
      refusal {
        $0.objective = "binary:logistic"
        $0.baseScore = "1E0"
      }.contains("which the objective binary:logistic cannot begin with"))
    #expect(refusal(MadeXGBoost().json.replacingOccurrences(of: #""num_trees":"1""#, with: #""num_trees":"2""#)).contains("num_trees is 2, but there are 1 trees"))
    #expect(refusal(MadeXGBoost().json.replacingOccurrences(of: #""num_nodes":"3""#, with: #""num_nodes":"4""#)).contains("num_nodes is 4, but there are 3"))
    #expect(refusal(replacing: "max_feature_idx=0", with: "max_feature_idx=1").contains("2 features (max_feature_idx + 1), but 1 feature_names"))
    #expect(refusal(replacing: "tree_sizes=1 1", with: "tree_sizes=1 1 1").contains("tree_sizes lists 3 trees, but there are 2"))
    #expect(refusal(replacing: "num_leaves=2", with: "num_leaves=3").contains("num_leaves is 3, but there are 2 values in leaf_value"))
    #expect(refusal(replacing: "split_feature=0", with: "split_feature=1").contains("split 0 is by feature 1, but the model has 1"))
    #expect(refusal(replacing: "decision_type=2", with: "decision_type=3").contains("split 0 is by the set of categories 1, but there are 0"))
    #expect(refusal(replacing: "decision_type=2", with: "decision_type=12").contains("the decision_type of split 0 is unknown"))
    #expect(refusal(replacing: "num_tree_per_iteration=1", with: "num_tree_per_iteration=3").contains("2 trees do not make whole rounds of 3"))
  }

  @Test func `sets of categories that are damaged`() {
    var model = MadeXGBoost(trees: [.categories([1, 2])])
    func replaced(_ text: String, _ other: String) -> String { refusal(model.json.replacingOccurrences(of: text, with: other)) }
    #expect(replaced(#""categories_sizes":[2]"#, #""categories_sizes":[3]"#).contains("node 0 has the categories from 0 to 3, but there are 2"))
    #expect(replaced(#""categories_nodes":[0]"#, #""categories_nodes":[7]"#).contains("categories for node 7, but the nodes are 0 to 2"))
    #expect(replaced(#""categories_segments":[0]"#, #""categories_segments":[]"#).contains("1 categories_nodes, but 0 categories_segments"))
    #expect(replaced(#""categories":[1, 2]"#, #""categories":[1, -2]"#).contains("categories must be a whole number from 0 to 16777215"))
    model.trees = [.stump()]
    #expect(replaced(#""split_type":[0, 0, 0]"#, #""split_type":[1, 0, 0]"#).contains("node 0 splits by categories, but none are listed for it"))
    let text = MadeLightGBM(stumps: [("0", 1, "-1", "1")], sets: ("0 2", "2 256")).text
    #expect(refusal(text.replacingOccurrences(of: "cat_boundaries=0 2", with: "cat_boundaries=0 3")).contains("cat_boundaries does not rise from 0 to the 2 values"))
    #expect(refusal(text.replacingOccurrences(of: "cat_threshold=2", with: "cat_threshold=-2")).contains("a value in cat_threshold is no 32-bit number"))
  }

  @Test func `a file that is cut off, at every byte`() throws {
    for bytes in [Array(MadeXGBoost().json.utf8), try ubjson(MadeXGBoost().json), Array(MadeLightGBM().text.utf8)] {
      let end = bytes.starts(with: Array("tree".utf8)) ? bytes.count - 40 : bytes.count
      for length in 0..<end {
        let answer = refusal(Array(bytes.prefix(length)))
        // LightGBM's file is whole once "end of trees" is there.
        if answer == "accepted" { #expect(String(decoding: bytes.prefix(length), as: UTF8.self).contains("end of trees"), "\(length)") }
      }
    }
    #expect(refusal(Array(MadeXGBoost().json.utf8.dropLast(50))).contains("the file is cut off, so write it again"))
    #expect(refusal(try ubjson(MadeXGBoost().json).dropLast(50).map { $0 }).contains("it is cut off"))
    #expect(refusal(String(MadeLightGBM().text.prefix(200))).contains("cut off"))
  }

  @Test func `deep nesting, endless counts and long numbers`() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(refusal(#"{"x":"# + deep).contains("nested more than 32 deep"))
    #expect(refusal(#"{"learner":{"x":"# + String(repeating: #"{"a":"#, count: 5000)).contains("nested more than 32 deep"))
    let key: [UInt8] = [0x7B, 0x69, 1, 0x78]
    #expect(refusal(key + [UInt8](repeating: 0x5B, count: 100_000)).contains("nested more than 32 deep"))
    #expect(refusal(key + Array("[$d#L".utf8) + [0x7F] + [UInt8](repeating: 0xFF, count: 7)).contains("which is more than the file"))
    #expect(refusal(key + Array("[$Z#l".utf8) + [0, 0, 0, 9]).contains("only numbers may have a common type"))
    #expect(refusal(key + Array("[#L".utf8) + [UInt8](repeating: 0xFF, count: 8)).contains("the length of an array is no whole number"))
    #expect(refusal { $0.trees = [.stump(0, String(repeating: "1", count: 100_000))] }.contains("expected a number"))
    #expect(refusal { $0.trees = [.stump(0, "1E999999999999")] } == "accepted")  // everything is below infinity
  }

  @Test func `other formats are told what they are`() {
    #expect(refusal("") == " the file is empty; write the model again")
    #expect(refusal("binf\u{0}").contains("XGBoost's old binary format"))
    #expect(refusal([0x80, 4, 0x95]).contains("a Python pickle, which only Python can read; write the model with booster.save_model"))
    #expect(refusal("PK\u{3}\u{4}").contains("this is an archive"))
    #expect(refusal([0x08, 0x09, 0x12]).contains("the plugin onnx reads those"))
    #expect(refusal(#"[{"nodeid":0}]"#).contains("get_dump"))
    #expect(refusal(#"{"format":"gantry.linear/1"}"#).contains("this is a model of another plugin"))
    #expect(refusal(#"{"name":"tree","version":"v4","num_class":1,"tree_info":[]}"#).contains("LightGBM's dump_model"))
    #expect(refusal(#"{"oblivious_trees":[]}"#).contains("CatBoost"))
    #expect(refusal("hello").contains("neither XGBoost's JSON or UBJSON nor LightGBM's text"))
    #expect(refusal("{}").contains(#"the key "learner" is missing"#))
    #expect(refusal(replacing: "version=v4", with: "version=v1").contains("the format v1 is too old"))
  }

  @Test func `what the own evaluator does not cover is said, and who can`() throws {
    let linear =
      #"{"learner":{"gradient_booster":{"model":{"weights":[1,2]},"name":"gblinear"},"learner_model_param":{"base_score":"0","num_feature":"1"},"feature_names":["a"],"objective":{"name":"reg:squarederror"}},"version":[3,0,0]}"#
    #expect(refusal(linear, ["engine": "own"]) == " the own evaluator does not cover linear boosters (gblinear); use engine: library, or auto")
    #expect(
      refusal(linear, ["library": "/nowhere"])
        == "libxgboost.so was not found in /nowhere; install it: pip install xgboost-cpu, and name the environment or the file: library: PATH")
    #expect(refusal(MadeLightGBM().text, ["engine": "library", "library": "/nowhere"]).contains("pip install lightgbm"))
    let foreign = MadeXGBoost(objective: "mine:own").json
    #expect(refusal(foreign, ["engine": "own"]).contains("does not cover the objective \"mine:own\""))
    let other = PluginHarness.productsFolder + "/libtrees.so"
    #expect(refusal(MadeLightGBM().text, ["engine": "library", "library": .scalar(other)]).contains("has no function LGBM_BoosterPredictForMat, so it is not LightGBM"))
    #expect(refusal(MadeXGBoost().json, ["engine": "library", "library": .scalar(other)]).contains("has no function XGBoosterPredictFromDense, so it is not XGBoost"))
  }

  @Test func `classes and targets that a model does not have`() {
    #expect(refusal(MadeXGBoost().json, ["up_class": "1"]).contains("up_class and down_class are for models of several classes"))
    let three = MadeXGBoost(trees: [.stump(), .stump(), .stump()], objective: "multi:softprob", classes: 3, treeInfo: [0, 1, 2]).json
    #expect(refusal(three, ["up_class": "3"]).contains("the classes 0 to 2, but up_class or down_class is 3"))
    #expect(refusal(three, ["down_class": "0"]).contains("down_class without up_class"))
    #expect(refusal(MadeXGBoost().json, ["target": "1"]).contains("target is 1, but the model has 1 targets"))
  }

  @Test(arguments: ["json", "ubjson", "text"])
  func `no mutation of a model crashes a reader`(form: String) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    print("mutations of \(form): seed \(seed)")
    let model = MadeXGBoost(
      trees: [.categories([1, 40], "1E0", "-2.5E-1"), .stump(1, "2.5E-1", defaultLeft: true)], columns: ["a", "b"], weights: ["1", "5E-1"], booster: "dart"
    ).json
    let original: [UInt8]
    switch form {
    case "json": original = Array(model.utf8)
    case "ubjson": original = try ubjson(model)
    default: original = Array(MadeLightGBM(stumps: [("0", 1, "-1", "1"), ("0", 9, "-1", "1")], sets: ("0 2", "2 256"), columns: ["a", "b"]).text.utf8)
    }
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"", "\\u", "1e", "-", "NaN", "1e99999999", "[[[[", "9999999999999999999999", "[$d#L", "[#i", "L", "S", "N", "Z", "\n",
      "Tree=1\n", "num_leaves=1\n", "=", " ", "-1 ", "4294967296", "inf",
    ].map { Array($0.utf8) }
    for _ in 0..<2500 {
      var bytes = original
      for _ in 0...(random.next() % 4) {
        let place = Int(random.next() % UInt64(bytes.count + 1))
        switch random.next() % 6 {
        case 0 where place < bytes.count: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1 where place < bytes.count: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: pieces[Int(random.next() % UInt64(pieces.count))], at: place)
        case 3 where random.next() % 4 == 0: bytes.removeSubrange(place...)
        case 4 where place < bytes.count: bytes[place] ^= 1 << UInt8(random.next() % 8)
        default:
          let other = Int(random.next() % UInt64(bytes.count + 1))
          bytes.insert(contentsOf: bytes[min(place, other)..<max(place, other)].prefix(200), at: place)
        }
      }
      do {
        let p = try trees(bytes, columns: ["a", "b"], ["engine": "own"])
        _ = try p.send(features: [FeatureRow([1, .nan]), FeatureRow([.nan, 0])])
      } catch let failure as PluginFailure {
        #expect(failure.status == -1 && !failure.text.isEmpty, "seed \(seed): \(bytes)")
      }
    }
  }
}
