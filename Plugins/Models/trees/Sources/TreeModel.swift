import GantrySDK

/// A model of boosted trees as its file describes it, whichever library wrote it. What a reader hands
/// over is checked: every index is in range, every tree is one tree, every number that is compared or
/// added is one.
struct TreeModel {
  enum Library { case xgboost, lightgbm }

  /// What a split takes for missing.
  enum Missing: UInt8 { case none, zero, nan }

  struct Node {
    /// Numeric: left where the number is below it. In a leaf, its value.
    var threshold: Double
    /// Within the tree; -1 in a leaf.
    var left: Int32 = -1
    var right: Int32 = -1
    var feature: Int32 = 0
    /// The set of categories; -1 where numbers are compared.
    var set: Int32 = -1
    var missing = Missing.none
    var missingGoesLeft = false

    var isLeaf: Bool { left < 0 }

    /// A leaf, or a numeric split whose children are still to be named.
    init(_ threshold: Double) { self.threshold = threshold }
  }

  struct Tree {
    var first: Int
    var count: Int
    /// Which of the model's outputs it adds to.
    var output: Int
    /// DART: what its answer is multiplied with.
    var weight = 1.0
  }

  /// A set of categories, as bits: category c is bit c % 32 of word c / 32.
  struct CategorySet {
    var first: Int
    var count: Int
  }

  var library: Library
  /// XGBoost: three numbers; LightGBM: the number behind `version=v`.
  var version: [Int] = []
  var featureCount = 0
  /// Empty where the file names none.
  var featureNames: [Text] = []
  var nodes: [Node] = []
  var trees: [Tree] = []
  var sets: [CategorySet] = []
  var setWords: [UInt32] = []
  var outputCount = 1
  /// XGBoost: what each output begins with, after the objective's link.
  var base: [Double] = [0]
  var objective = Objective.identity
  /// Trees of the first i rounds: ends[i].
  var iterationEnds: [Int] = []
  /// The rounds that early stopping found best.
  var bestIterations: Int?
  /// A random forest's mean instead of a sum.
  var isAveraged = false
  /// What of this model the own evaluator cannot do; nil where it can do all.
  var uncovered: Text?
  /// Whether `objective` is what the file names; else the library's predictions are asked for, not its sums.
  var isRawSumKnown = true

  init(_ library: Library) { self.library = library }

  var libraryName: StaticString { library == .xgboost ? "XGBoost" : "LightGBM" }

  var treesText: Text { trees.count == 1 ? "1 tree" : "\(trees.count) trees" }

  /// Keeps the trees of the first `iterations` rounds.
  mutating func keep(iterations: Int) {
    guard iterations < iterationEnds.count else { return }
    let end = iterations == 0 ? 0 : iterationEnds[iterations - 1]
    trees.removeLast(trees.count - end)
    iterationEnds.removeLast(iterationEnds.count - iterations)
  }

  /// Whether category `category` belongs to set `set`.
  func contains(_ category: Int, set: Int) -> Bool {
    let range = sets[set]
    guard category >= 0, category >> 5 < range.count else { return false }
    return setWords[range.first + category >> 5] >> UInt32(category & 31) & 1 == 1
  }
}

/// Checks that the nodes of one tree are one tree: from the root every node is reached at most once.
/// The fault is said in the words of whoever reads the file.
struct TreeCheck {
  private var seen: [Bool] = []
  private var open: [Int32] = []

  /// Nil, or what is wrong. The children of splits are in range already.
  mutating func fault(_ nodes: ArraySlice<TreeModel.Node>) -> Text? {
    let first = nodes.startIndex
    seen.removeAll(keepingCapacity: true)
    for _ in 0..<nodes.count { seen.append(false) }
    open.removeAll(keepingCapacity: true)
    open.append(0)
    seen[0] = true
    while let index = open.popLast() {
      let node = nodes[first + Int(index)]
      if node.isLeaf { continue }
      for child in [node.left, node.right] {
        if seen[Int(child)] { return "node \(Int(child)) is reached twice, so the nodes form a cycle or share a branch" }
        seen[Int(child)] = true
        open.append(child)
      }
    }
    return nil
  }
}
