import CGantry
import Foundation
import PluginHarness

/// One tree of a made-up model, as either library writes it: nodes with the index of their children.
struct MadeTree {
  struct Node {
    var threshold: String
    var left = -1
    var right = -1
    var feature = 0
    var defaultLeft = false
    /// Nil: numeric.
    var categories: [Int]?

    static func leaf(_ value: String) -> Node { Node(threshold: value) }
    static func split(_ feature: Int, _ threshold: String, _ left: Int, _ right: Int, defaultLeft: Bool = false) -> Node {
      Node(threshold: threshold, left: left, right: right, feature: feature, defaultLeft: defaultLeft)
    }
    static func among(_ feature: Int, _ categories: [Int], _ left: Int, _ right: Int, defaultLeft: Bool = false) -> Node {
      Node(threshold: "0", left: left, right: right, feature: feature, defaultLeft: defaultLeft, categories: categories)
    }
  }
  var nodes: [Node]

  /// One split, two leaves.
  static func stump(_ feature: Int = 0, _ threshold: String = "0.5", _ low: String = "-1", _ high: String = "1", defaultLeft: Bool = false) -> MadeTree {
    MadeTree(nodes: [.split(feature, threshold, 1, 2, defaultLeft: defaultLeft), .leaf(low), .leaf(high)])
  }

  static func categories(_ set: [Int], _ low: String = "-1", _ high: String = "1", defaultLeft: Bool = false) -> MadeTree {
    MadeTree(nodes: [.among(0, set, 1, 2, defaultLeft: defaultLeft), .leaf(low), .leaf(high)])
  }
}

/// An XGBoost model as JSON; each part may be replaced by a wrong one.
struct MadeXGBoost {
  var trees = [MadeTree.stump()]
  var columns = ["a"]
  var objective = "reg:squarederror"
  var baseScore = "0E0"
  var classes = 0
  var targets = 1
  var treeInfo: [Int]?
  var weights: [String]?
  var booster = "gbtree"
  var attributes = "{}"
  var version = "[3,0,0]"
  var features: Int?

  var json: String {
    let model =
      #"{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"\#(trees.count)"},"tree_info":\#(treeInfo ?? trees.map { _ in 0 }),"trees":[\#(trees.enumerated().map(tree).joined(separator: ","))]}"#
    let boosting =
      booster == "dart"
      ? #"{"gbtree":{"model":\#(model),"name":"gbtree"},"name":"dart","weight_drop":[\#((weights ?? []).joined(separator: ","))]}"#
      : #"{"model":\#(model),"name":"\#(booster)"}"#
    return
      #"{"learner":{"attributes":\#(attributes),"feature_names":\#(columns),"feature_types":[],"gradient_booster":\#(boosting),"learner_model_param":{"base_score":"\#(baseScore)","num_class":"\#(classes)","num_feature":"\#(features ?? max(columns.count, 1))","num_target":"\#(targets)"},"objective":{"name":"\#(objective)"}},"version":\#(version)}"#
  }

  private func tree(_ index: Int, _ tree: MadeTree) -> String {
    var categories: [Int] = []
    var nodes: [Int] = []
    var segments: [Int] = []
    var sizes: [Int] = []
    for (place, node) in tree.nodes.enumerated() {
      guard let set = node.categories else { continue }
      nodes.append(place)
      segments.append(categories.count)
      sizes.append(set.count)
      categories += set
    }
    let list = { (texts: [String]) in "[\(texts.joined(separator: ","))]" }
    return
      #"{"base_weights":\#(list(tree.nodes.map { _ in "0E0" })),"categories":\#(categories),"categories_nodes":\#(nodes),"categories_segments":\#(segments),"categories_sizes":\#(sizes),"default_left":\#(tree.nodes.map { $0.defaultLeft ? 1 : 0 }),"id":\#(index),"left_children":\#(tree.nodes.map(\.left)),"right_children":\#(tree.nodes.map(\.right)),"split_conditions":\#(list(tree.nodes.map(\.threshold))),"split_indices":\#(tree.nodes.map(\.feature)),"split_type":\#(tree.nodes.map { $0.categories == nil ? 0 : 1 }),"tree_param":{"num_deleted":"0","num_nodes":"\#(tree.nodes.count)","size_leaf_vector":"1"}}"#
  }
}

/// A LightGBM model as text, of stumps.
struct MadeLightGBM {
  /// threshold, decision_type, left leaf, right leaf.
  var stumps: [(threshold: String, decision: Int, low: String, high: String)] = [("0.5", 0, "-1", "1")]
  /// cat_boundaries and cat_threshold, for every tree.
  var sets: (boundaries: String, words: String)?
  var columns = ["a"]
  var objective = "regression"
  var classes = 1
  var more = ""

  var text: String {
    var text = """
      tree
      version=v4
      num_class=\(classes)
      num_tree_per_iteration=\(classes)
      label_index=0
      max_feature_idx=\(columns.count - 1)
      objective=\(objective)
      feature_names=\(columns.joined(separator: " "))
      feature_infos=\(columns.map { _ in "[0:1]" }.joined(separator: " "))
      tree_sizes=\(stumps.map { _ in "1" }.joined(separator: " "))\(more)


      """
    for (index, stump) in stumps.enumerated() {
      text += """
        Tree=\(index)
        num_leaves=2
        num_cat=\(sets == nil ? 0 : sets!.boundaries.split(separator: " ").count - 1)
        split_feature=0
        split_gain=1
        threshold=\(stump.threshold)
        decision_type=\(stump.decision)
        left_child=-1
        right_child=-2
        leaf_value=\(stump.low) \(stump.high)
        \(sets.map { "cat_boundaries=\($0.boundaries)\ncat_threshold=\($0.words)\n" } ?? "")is_linear=0
        shrinkage=1



        """
    }
    return text + "end of trees\n\nparameters:\nend of parameters\n"
  }
}

/// The same document as UBJSON, with the kinds of arrays that XGBoost writes.
func ubjson(_ json: String) throws -> [UInt8] {
  func bigEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
  func text(_ text: String) -> [UInt8] { [UInt8(ascii: "L")] + bigEndian(Int64(text.utf8.count)) + Array(text.utf8) }
  func encode(_ value: Any) -> [UInt8] {
    switch value {
    case let object as [String: Any]:
      return [UInt8(ascii: "{")] + object.keys.sorted().flatMap { text($0) + encode(object[$0]!) } + [UInt8(ascii: "}")]
    case let string as String: return [UInt8(ascii: "S")] + text(string)
    case let list as [NSNumber] where !list.isEmpty && list.allSatisfy({ $0.doubleValue == Double($0.intValue) }):
      return Array("[$l#L".utf8) + bigEndian(Int64(list.count)) + list.flatMap { bigEndian($0.int32Value) }
    case let list as [NSNumber] where !list.isEmpty:
      return Array("[$d#L".utf8) + bigEndian(Int64(list.count)) + list.flatMap { bigEndian($0.floatValue.bitPattern) }
    case let list as [Any]: return Array("[#L".utf8) + bigEndian(Int64(list.count)) + list.flatMap(encode)
    case let number as NSNumber: return [UInt8(ascii: "i"), UInt8(bitPattern: number.int8Value)]
    default: return [UInt8(ascii: "Z")]
    }
  }
  return encode(try JSONSerialization.jsonObject(with: Data(json.utf8)))
}

func trees(_ text: String, columns: [String] = ["a"], _ more: [String: ParameterText] = [:]) throws -> PluginHarness {
  try trees(Array(text.utf8), columns: columns, more)
}

func trees(_ bytes: [UInt8], columns: [String] = ["a"], _ more: [String: ParameterText] = [:]) throws -> PluginHarness {
  try PluginHarness("trees", parameters: more.merging(["artifact": .artifact(bytes)]) { $1 }, inputs: [.init(port: "features", columns: columns)])
}

extension PluginHarness {
  /// The predictions of rows of one column.
  func predict(_ values: Double...) throws -> [gantry_prediction] { try send(features: values.map { FeatureRow([$0]) }).map(\.prediction) }
}

/// splitmix64
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
