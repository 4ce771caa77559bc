import GantrySDK

/// One tree of a LightGBM file: its splits in one list of arrays, its leaves in another; a child below 0
/// is a leaf. Used again for the next tree.
struct LightGBMTree {
  /// Some tree has linear models in its leaves.
  private(set) var isLinear = false
  private var number = 0
  private var leafCount = 0
  private var categoricalCount = 0
  private var features: [Double] = []
  private var thresholds: [Double] = []
  private var decisions: [Double] = []
  private var left: [Double] = []
  private var right: [Double] = []
  private var leaves: [Double] = []
  private var boundaries: [Double] = []
  private var words: [Double] = []
  private var check = TreeCheck()

  /// Reads the lines up to the next tree, or the end of trees.
  mutating func read(_ lines: inout LineReader, number: Int) throws(Failure) {
    self.number = number
    leafCount = 0
    categoricalCount = 0
    features.removeAll(keepingCapacity: true)
    thresholds.removeAll(keepingCapacity: true)
    decisions.removeAll(keepingCapacity: true)
    left.removeAll(keepingCapacity: true)
    right.removeAll(keepingCapacity: true)
    leaves.removeAll(keepingCapacity: true)
    boundaries.removeAll(keepingCapacity: true)
    words.removeAll(keepingCapacity: true)
    while lines.next() {
      if lines.begins(with: "Tree=") || lines.begins(with: "end of trees") { return }
      if let value = lines.value(of: "num_leaves") {
        leafCount = try lines.count(value, "num_leaves", 1...1 << 28)
      } else if let value = lines.value(of: "num_cat") {
        categoricalCount = try lines.count(value, "num_cat", 0...1 << 28)
      } else if let value = lines.value(of: "split_feature") {
        try lines.numbers(value, "split_feature", into: &features)
      } else if let value = lines.value(of: "threshold") {
        try lines.numbers(value, "threshold", into: &thresholds)
      } else if let value = lines.value(of: "decision_type") {
        try lines.numbers(value, "decision_type", into: &decisions)
      } else if let value = lines.value(of: "left_child") {
        try lines.numbers(value, "left_child", into: &left)
      } else if let value = lines.value(of: "right_child") {
        try lines.numbers(value, "right_child", into: &right)
      } else if let value = lines.value(of: "leaf_value") {
        try lines.numbers(value, "leaf_value", into: &leaves)
      } else if let value = lines.value(of: "cat_boundaries") {
        try lines.numbers(value, "cat_boundaries", into: &boundaries)
      } else if let value = lines.value(of: "cat_threshold") {
        try lines.numbers(value, "cat_threshold", into: &words)
      } else if let value = lines.value(of: "is_linear") {
        if try lines.count(value, "is_linear", 0...1) == 1 { isLinear = true }
      }
    }
  }

  /// Checks the tree that was read and adds it to the model.
  mutating func append(to model: inout TreeModel, _ lines: LineReader, line: Int) throws(Failure) {
    let number = self.number
    func failure(_ text: Text) -> Failure { lines.failure(line, "tree \(number): \(text)") }
    guard leafCount > 0 else { throw failure("num_leaves is missing; the file is cut off or damaged, so write it again") }
    let splits = leafCount - 1
    func present(_ numbers: [Double], _ name: StaticString) throws(Failure) {
      if numbers.isEmpty { throw failure("\(name) is missing; the file is cut off or damaged, so write it again") }
    }
    try present(leaves, "leaf_value")
    guard leaves.count == leafCount else { throw failure("num_leaves is \(leafCount), but there are \(leaves.count) values in leaf_value") }
    func checkCount(_ numbers: [Double], _ name: StaticString) throws(Failure) {
      try present(numbers, name)
      if numbers.count != splits { throw failure("\(leafCount) leaves make \(splits) splits, but there are \(numbers.count) values in \(name)") }
    }
    if splits > 0 {
      try checkCount(features, "split_feature")
      try checkCount(thresholds, "threshold")
      try checkCount(decisions, "decision_type")
      try checkCount(left, "left_child")
      try checkCount(right, "right_child")
    }
    let firstSet = model.sets.count
    try readSets(&model, failure)
    let first = model.nodes.count
    for index in 0..<splits {
      var node = TreeModel.Node(thresholds[index])
      node.left = try child(left[index], of: index, failure)
      node.right = try child(right[index], of: index, failure)
      guard let feature = whole(features[index], 0...model.featureCount - 1) else {
        throw failure("split \(index) is by feature \(features[index], decimals: 0), but the model has \(model.featureCount)")
      }
      node.feature = Int32(feature)
      guard let decision = whole(decisions[index], 0...255), decision >> 2 & 3 < 3 else { throw failure("the decision_type of split \(index) is unknown") }
      node.missing = decision >> 2 & 3 == 0 ? .none : decision >> 2 & 3 == 1 ? .zero : .nan
      node.missingGoesLeft = decision & 2 != 0
      if decision & 1 == 1 {
        guard categoricalCount > 0, let set = whole(thresholds[index], 0...max(categoricalCount - 1, 0)) else {
          throw failure("split \(index) is by the set of categories \(thresholds[index], decimals: 0), but there are \(categoricalCount)")
        }
        node.set = Int32(firstSet + set)
      } else if thresholds[index].isNaN {
        throw failure("the threshold of split \(index) is NaN; the model is damaged, train or write it again")
      } else {
        // "At most t" is "below the next double".
        node.threshold = thresholds[index].nextUp
      }
      model.nodes.append(node)
    }
    for index in 0..<leafCount {
      guard leaves[index].isFinite else { throw failure("the leaf \(index) is no finite number") }
      model.nodes.append(TreeModel.Node(leaves[index]))
    }
    if let fault = check.fault(model.nodes[first...]) { throw failure(fault) }
    model.trees.append(TreeModel.Tree(first: first, count: splits + leafCount, output: 0))
  }

  private func whole(_ value: Double, _ range: ClosedRange<Int>) -> Int? {
    guard value >= Double(range.lowerBound), value <= Double(range.upperBound), value == Double(Int(value)) else { return nil }
    return Int(value)
  }

  private func child(_ value: Double, of split: Int, _ failure: (Text) -> Failure) throws(Failure) -> Int32 {
    let splits = leafCount - 1
    guard let index = whole(value, -leafCount...max(splits - 1, 0)) else {
      throw failure("split \(split) has the child \(value, decimals: 0), but the splits are 0 to \(splits - 1) and the leaves -1 to \(-leafCount)")
    }
    return Int32(index >= 0 ? index : splits + ~index)
  }

  private mutating func readSets(_ model: inout TreeModel, _ failure: (Text) -> Failure) throws(Failure) {
    guard categoricalCount > 0 else { return }
    guard boundaries.count == categoricalCount + 1 else {
      throw failure("num_cat is \(categoricalCount), but there are \(boundaries.count) values in cat_boundaries; there must be one more")
    }
    let firstWord = model.setWords.count
    for index in 0..<categoricalCount {
      guard let start = whole(boundaries[index], 0...words.count), let end = whole(boundaries[index + 1], start...words.count) else {
        throw failure("cat_boundaries does not rise from 0 to the \(words.count) values in cat_threshold")
      }
      model.sets.append(TreeModel.CategorySet(first: firstWord + start, count: end - start))
    }
    for word in words {
      guard let bits = whole(word, 0...Int(UInt32.max)) else { throw failure("a value in cat_threshold is no 32-bit number") }
      model.setWords.append(UInt32(bits))
    }
  }
}
