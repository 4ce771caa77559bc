import GantrySDK

extension Evaluator {
  /// Lays out a checked model.
  ///
  /// - Parameter columnOf: where each of the model's features stands in a row
  init(_ model: TreeModel, columnOf: [Int]) {
    var places = [Int32](repeating: -1, count: RowRules.Form.count * model.featureCount)
    func place(_ form: RowRules.Form, _ feature: Int32) -> Int { form.rawValue * model.featureCount + Int(feature) }

    // Which trees are walked how, and the slots that this wants.
    var isCareful: [Bool] = []
    var carefulNodes = 0
    var plainNodes = 0
    var walk = LevelWalk()
    for tree in model.trees {
      let isPlain = walk.visit(model, tree)
      isCareful.append(!isPlain)
      if isPlain { plainNodes += walk.order.count } else { carefulNodes += tree.count }
      for node in model.nodes[tree.first..<tree.first + tree.count] where !node.isLeaf {
        places[place(isPlain ? RowRules.form(node) : .raw, node.feature)] = 0
      }
    }
    var slots = 0
    for place in places where place >= 0 { slots += 1 }
    if slots >= Forest<Scalar>.linkMax {
      // Too many for a link: every tree is walked with care, on raw slots.
      for index in places.indices { places[index] = -1 }
      plainNodes = 0
      carefulNodes = 0
      for (index, tree) in model.trees.enumerated() {
        isCareful[index] = true
        carefulNodes += tree.count
        for node in model.nodes[tree.first..<tree.first + tree.count] where !node.isLeaf { places[place(.raw, node.feature)] = 0 }
      }
    }
    rules = RowRules(&places, library: model.library, featureCount: model.featureCount, columnOf: columnOf)

    let nodes = UnsafeMutablePointer<Forest<Scalar>.Node>.allocate(capacity: plainNodes + 1)
    let carefulStart = UnsafeMutablePointer<CarefulForest<Scalar>.Node>.allocate(capacity: max(carefulNodes, 1))
    trees = .allocate(capacity: max(model.trees.count, 1))
    treeCount = model.trees.count
    // A tree of one leaf, for the places of a group that are left over.
    nodes[0] = .leaf(0)
    var next = 1
    var nextCareful = 0
    for (index, tree) in model.trees.enumerated() {
      trees[index] = TreePlace(root: 0, depth: 0, output: UInt32(tree.output), isCareful: isCareful[index])
      let weight = Scalar(tree.weight)
      if isCareful[index] {
        trees[index].root = UInt32(nextCareful)
        for node in model.nodes[tree.first..<tree.first + tree.count] {
          var made = CarefulForest<Scalar>.Node(node.isLeaf ? Scalar(node.threshold) * weight : Scalar(node.threshold))
          if !node.isLeaf {
            made.left = UInt32(trees[index].root) + UInt32(node.left)
            made.right = UInt32(trees[index].root) + UInt32(node.right)
            made.slot = UInt32(places[place(.raw, node.feature)])
            made.missing = node.missing
            made.missingGoesLeft = node.missingGoesLeft
            made.kind = model.library == .lightgbm && node.threshold == .infinity ? .present : .numeric
            if node.set >= 0 {
              made.kind = model.library == .xgboost ? .membersRight : .membersLeft
              made.firstWord = UInt32(model.sets[Int(node.set)].first)
              made.wordCount = UInt32(model.sets[Int(node.set)].count)
            }
          }
          carefulStart[nextCareful] = made
          nextCareful += 1
        }
      } else {
        _ = walk.visit(model, tree)
        trees[index].root = UInt32(next)
        trees[index].depth = UInt32(walk.depth)
        for (place, number) in walk.order.enumerated() {
          let node = model.nodes[tree.first + Int(number)]
          if node.isLeaf {
            nodes[next + place] = .leaf(Scalar(node.threshold) * weight)
          } else {
            let slot = places[RowRules.form(node).rawValue * model.featureCount + Int(node.feature)]
            nodes[next + place] = .split(Scalar(node.threshold), slot: Int(slot), leftDistance: Int(walk.lefts[place]) - place)
          }
        }
        next += walk.order.count
      }
    }
    careful = CarefulForest(nodes: carefulStart, words: .allocate(capacity: max(model.setWords.count, 1)))
    for (index, word) in model.setWords.enumerated() { careful.words[index] = word }
    hasCareful = nextCareful > 0
    let groups = Evaluator.groups(trees, treeCount)
    forest = Forest(nodes: nodes, groups: groups.start, groupCount: groups.count)

    outputCount = model.outputCount
    base = .allocate(capacity: outputCount)
    for output in 0..<outputCount { base[output] = Scalar(model.base[output]) }
    divisor = model.isAveraged ? Scalar(max(1, model.iterationEnds.count)) : 1
    rows = .allocate(capacity: Evaluator.tileRows * rules.slotCount)
    rows.update(repeating: 0, count: Evaluator.tileRows * rules.slotCount)
    answers = .allocate(capacity: max(treeCount + 1, 8))
    sums = .allocate(capacity: Evaluator.tileRows * outputCount)
  }

  /// Trees of about the same depth together, eight at a time: none waits long for another.
  private static func groups(
    _ trees: UnsafeMutablePointer<TreePlace>, _ treeCount: Int
  ) -> (start: UnsafeMutablePointer<Forest<Scalar>.Group>, count: Int) {
    var byDepth: [[UInt32]] = []
    for index in 0..<treeCount where !trees[index].isCareful {
      let depth = Int(trees[index].depth)
      while byDepth.count <= depth { byDepth.append([]) }
      byDepth[depth].append(UInt32(index))
    }
    let groups = UnsafeMutablePointer<Forest<Scalar>.Group>.allocate(capacity: treeCount / 8 + 1)
    var count = 0
    var filled = 0
    for depth in 0..<byDepth.count {
      for index in byDepth[depth] {
        if filled == 0 { groups[count] = .init(roots: .zero, answers: .init(repeating: UInt32(treeCount)), depth: 0) }
        groups[count].roots[filled] = trees[Int(index)].root
        groups[count].answers[filled] = index
        groups[count].depth = UInt32(depth)
        filled += 1
        if filled == 8 {
          filled = 0
          count += 1
        }
      }
    }
    return (groups, filled > 0 ? count + 1 : count)
  }
}

/// The order of a tree's nodes in memory: level by level, children beside each other.
struct LevelWalk {
  /// Nodes by their place.
  private(set) var order: [Int32] = []
  /// The place of the left child of the node at a place.
  private(set) var lefts: [Int32] = []
  private(set) var depth = 0

  /// Walks a tree; false where it does not fit into a `Forest`.
  mutating func visit(_ model: TreeModel, _ tree: TreeModel.Tree) -> Bool {
    order.removeAll(keepingCapacity: true)
    lefts.removeAll(keepingCapacity: true)
    depth = 0
    order.append(0)
    var place = 0
    var levelEnd = 1
    while place < order.count {
      if place == levelEnd {
        depth += 1
        levelEnd = order.count
      }
      let node = model.nodes[tree.first + Int(order[place])]
      lefts.append(Int32(order.count))
      if !node.isLeaf {
        // Infinite thresholds would not tell a missing value from an infinite one.
        let hasOwnWay = node.set >= 0 || node.threshold.isInfinite
        if hasOwnWay || order.count - place > 0xFFFF { return false }
        order.append(node.left)
        order.append(node.right)
      }
      place += 1
    }
    return true
  }
}
