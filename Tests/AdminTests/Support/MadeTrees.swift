/// An XGBoost model as its library writes it to JSON: whole trees of random splits, log odds of "up". The same
/// seed makes the same file.
struct MadeTrees {
  /// The columns that it asks for, and between which bounds its splits lie. The first is in no split.
  static let columns = ["price", "rsi_14", "zscore_20", "return_5"]
  private static let bounds: [ClosedRange<Double>] = [0...1, 30...70, -2...2, -0.0001...0.0001]

  var seed: UInt64
  var trees = 40
  var depth = 4
  /// Of a price above this no sum of floats is finite; nil: of none.
  var infiniteAbove: Double?

  private struct Node {
    var threshold: Double
    var feature = 0
    var left = -1
    var right = -1
  }

  var xgboost: String {
    var random = Random(state: seed)
    var made = (0..<trees).map { _ in tree(&random) }
    if let infiniteAbove {
      let beyond = [Node(threshold: infiniteAbove, left: 1, right: 2), Node(threshold: 0), Node(threshold: 3e38)]
      made += [beyond, beyond]
    }
    let names = Self.columns.map { "\"\($0)\"" }.joined(separator: ",")
    let texts = made.enumerated().map { text($0.offset, $0.element) }.joined(separator: ",")
    let model =
      #"{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"\#(made.count)"},"tree_info":\#(made.map { _ in 0 }),"trees":[\#(texts)]}"#
    return
      #"{"learner":{"attributes":{},"feature_names":[\#(names)],"feature_types":[],"gradient_booster":{"model":\#(model),"name":"gbtree"},"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"\#(Self.columns.count)","num_target":"1"},"objective":{"name":"binary:logistic"}},"version":[3,0,0]}"#
  }

  private func tree(_ random: inout Random) -> [Node] {
    let inner = 1 << depth - 1
    var leaf = 0.0
    return (0..<(2 * inner + 1)).map { index in
      if index >= inner {
        // Each beside its opposite: the sums lie around 0, so that both sides are traded.
        leaf = index % 2 == 1 ? Double.random(in: -0.05...0.05, using: &random) : -leaf
        return Node(threshold: leaf)
      }
      let feature = Int.random(in: 1..<Self.columns.count, using: &random)
      return Node(threshold: Double.random(in: Self.bounds[feature], using: &random), feature: feature, left: 2 * index + 1, right: 2 * index + 2)
    }
  }

  private func text(_ id: Int, _ nodes: [Node]) -> String {
    let zeros = nodes.map { _ in 0 }
    return
      #"{"base_weights":\#(zeros),"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],"default_left":\#(zeros),"id":\#(id),"left_children":\#(nodes.map(\.left)),"right_children":\#(nodes.map(\.right)),"split_conditions":\#(nodes.map(\.threshold)),"split_indices":\#(nodes.map(\.feature)),"split_type":\#(zeros),"tree_param":{"num_deleted":"0","num_nodes":"\#(nodes.count)","size_leaf_vector":"1"}}"#
  }

  /// splitmix64
  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }
}
