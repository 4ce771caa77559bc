import GantrySDK

/// One tree of an XGBoost file: arrays with an entry for each node. Used again for the next tree.
struct XGBoostTree {
  private(set) var leafVectorSize = 1
  private var number = 0
  private var nodeCount = -1
  private var left: [Int32] = []
  private var right: [Int32] = []
  private var conditions: [Double] = []
  private var features: [Int32] = []
  private var defaultLeft: [Int32] = []
  private var splitTypes: [Int32] = []
  private var categories: [Int32] = []
  private var categoryNodes: [Int32] = []
  private var categorySegments: [Int32] = []
  private var categorySizes: [Int32] = []
  private var nodeSets: [Int32] = []
  private var check = TreeCheck()

  private static var indexMax: Int { Int(Int32.max) }

  mutating func read<Document: DocumentReader>(_ document: inout Document, number: Int) throws(Failure) {
    self.number = number
    clear()
    let indices = 0...XGBoostTree.indexMax
    try document.beginObject("a tree")
    while let key = try document.nextKey() {
      if key == "left_children" {
        try document.integers("left_children", -1...XGBoostTree.indexMax, into: &left)
      } else if key == "right_children" {
        try document.integers("right_children", -1...XGBoostTree.indexMax, into: &right)
      } else if key == "split_conditions" {
        try document.numbers("split_conditions", into: &conditions)
      } else if key == "split_indices" {
        try document.integers("split_indices", indices, into: &features)
      } else if key == "default_left" {
        try document.integers("default_left", 0...1, into: &defaultLeft)
      } else if key == "split_type" {
        try document.integers("split_type", 0...1, into: &splitTypes)
      } else if key == "categories" {
        try document.integers("categories", 0...16_777_215, into: &categories)
      } else if key == "categories_nodes" {
        try document.integers("categories_nodes", indices, into: &categoryNodes)
      } else if key == "categories_segments" {
        try document.integers("categories_segments", indices, into: &categorySegments)
      } else if key == "categories_sizes" {
        try document.integers("categories_sizes", indices, into: &categorySizes)
      } else if key == "tree_param" {
        try document.beginObject("tree_param")
        while let key = try document.nextKey() {
          if key == "num_nodes" {
            nodeCount = try document.countInText("num_nodes", maximum: XGBoostTree.indexMax)
          } else if key == "size_leaf_vector" {
            leafVectorSize = try document.countInText("size_leaf_vector", maximum: 65_535)
          } else {
            try document.skip()
          }
        }
      } else {
        try document.skip()
      }
    }
  }

  private mutating func clear() {
    leafVectorSize = 1
    nodeCount = -1
    left.removeAll(keepingCapacity: true)
    right.removeAll(keepingCapacity: true)
    conditions.removeAll(keepingCapacity: true)
    features.removeAll(keepingCapacity: true)
    defaultLeft.removeAll(keepingCapacity: true)
    splitTypes.removeAll(keepingCapacity: true)
    categories.removeAll(keepingCapacity: true)
    categoryNodes.removeAll(keepingCapacity: true)
    categorySegments.removeAll(keepingCapacity: true)
    categorySizes.removeAll(keepingCapacity: true)
  }

  /// Checks the tree that was read and adds it to the model.
  mutating func append<Document: DocumentReader>(to model: inout TreeModel, _ document: Document, place: Int) throws(Failure) {
    let number = self.number
    func failure(_ text: Text) -> Failure { document.failure(place, "tree \(number): \(text)") }
    let count = conditions.count
    guard count > 0 else { throw failure("it has no nodes; the file is damaged") }
    if nodeCount >= 0, nodeCount != count { throw failure("num_nodes is \(nodeCount), but there are \(count) split_conditions") }
    func checkCount(_ numbers: [Int32], _ name: StaticString, mayBeMissing: Bool = false) throws(Failure) {
      if numbers.count != count, !mayBeMissing || !numbers.isEmpty { throw failure("\(count) nodes, but \(numbers.count) \(name)") }
    }
    try checkCount(left, "left_children")
    try checkCount(right, "right_children")
    try checkCount(features, "split_indices")
    try checkCount(defaultLeft, "default_left")
    try checkCount(splitTypes, "split_type", mayBeMissing: true)
    let firstSet = model.sets.count
    try readSets(&model, count, failure)
    let first = model.nodes.count
    for index in 0..<count {
      var node = TreeModel.Node(conditions[index])
      if left[index] < 0, right[index] < 0 {
        guard conditions[index].isFinite, Float(conditions[index]).isFinite else { throw failure("the leaf \(index) is no finite number") }
      } else {
        guard left[index] >= 0, right[index] >= 0, left[index] < count, right[index] < count else {
          throw failure("node \(index) has the children \(Int(left[index])) and \(Int(right[index])), but the nodes are 0 to \(count - 1)")
        }
        node.left = left[index]
        node.right = right[index]
        node.feature = features[index]
        node.missing = .nan
        node.missingGoesLeft = defaultLeft[index] == 1
        if !splitTypes.isEmpty, splitTypes[index] == 1 {
          guard nodeSets[index] >= 0 else { throw failure("node \(index) splits by categories, but none are listed for it") }
          node.set = Int32(firstSet) + nodeSets[index]
        } else if conditions[index].isNaN {
          throw failure("the threshold of node \(index) is NaN; the model is damaged, train or write it again")
        }
        node.threshold = Double(Float(conditions[index]))
      }
      if node.isLeaf { node.threshold = Double(Float(conditions[index])) }
      model.nodes.append(node)
    }
    if let fault = check.fault(model.nodes[first...]) { throw failure(fault) }
    model.trees.append(TreeModel.Tree(first: first, count: count, output: 0))
  }

  /// The categories of each node that has some, as a set of bits.
  private mutating func readSets(_ model: inout TreeModel, _ count: Int, _ failure: (Text) -> Failure) throws(Failure) {
    nodeSets.removeAll(keepingCapacity: true)
    for _ in 0..<count { nodeSets.append(-1) }
    guard categorySegments.count == categoryNodes.count, categorySizes.count == categoryNodes.count else {
      throw failure("\(categoryNodes.count) categories_nodes, but \(categorySegments.count) categories_segments and \(categorySizes.count) categories_sizes")
    }
    for index in 0..<categoryNodes.count {
      let node = Int(categoryNodes[index])
      let start = Int(categorySegments[index])
      let size = Int(categorySizes[index])
      guard node < count else { throw failure("categories for node \(node), but the nodes are 0 to \(count - 1)") }
      guard size > 0, start + size <= categories.count else {
        throw failure("node \(node) has the categories from \(start) to \(start + size), but there are \(categories.count)")
      }
      guard nodeSets[node] < 0 else { throw failure("categories for node \(node) come twice") }
      var highest = 0
      for place in start..<start + size { highest = max(highest, Int(categories[place])) }
      let set = TreeModel.CategorySet(first: model.setWords.count, count: highest >> 5 + 1)
      // A file of n bytes may not ask for much more than n bytes of bits.
      guard model.setWords.count + set.count <= 1 << 26 else { throw failure("the sets of categories take more than 256 MB") }
      for _ in 0..<set.count { model.setWords.append(0) }
      for place in start..<start + size { model.setWords[set.first + Int(categories[place]) >> 5] |= 1 << UInt32(categories[place] & 31) }
      nodeSets[node] = Int32(index)
      model.sets.append(set)
    }
  }
}
