import GantrySDK

/// The own evaluator: a model's trees laid out for walking, and the memory that it takes, all of it
/// allocated once.
///
/// Sums are made in the order of the trees and in the library's precision: floats for XGBoost, from the
/// base score on; doubles for LightGBM. One row and a block of rows give the same bits.
struct Evaluator<Scalar: BinaryFloatingPoint & BitwiseCopyable> {
  /// Rows that are walked together; a tree stays in the cache for all of them.
  static var tileRows: Int { 64 }

  /// One tree, in the order of the sums.
  struct TreePlace: BitwiseCopyable {
    var root: UInt32
    var depth: UInt32
    var output: UInt32
    var isCareful: Bool
  }

  let rules: RowRules
  let forest: Forest<Scalar>
  let careful: CarefulForest<Scalar>
  let trees: UnsafeMutablePointer<TreePlace>
  let treeCount: Int
  let hasCareful: Bool
  let outputCount: Int
  let base: UnsafeMutablePointer<Scalar>
  /// A random forest's mean: what sums are divided by.
  let divisor: Scalar
  let rows: UnsafeMutablePointer<Scalar>
  /// One answer of each tree, and one that nobody reads; or eight of one tree.
  let answers: UnsafeMutablePointer<Scalar>
  let sums: UnsafeMutablePointer<Scalar>

  func deallocate() {
    rules.deallocate()
    forest.nodes.deallocate()
    forest.groups.deallocate()
    careful.nodes.deallocate()
    careful.words.deallocate()
    trees.deallocate()
    base.deallocate()
    rows.deallocate()
    answers.deallocate()
    sums.deallocate()
  }

  /// The sums of one row.
  @inline(__always)
  func predict(_ columns: UnsafePointer<Double>, _ result: UnsafeMutablePointer<Double>) {
    rules.fill(rows, from: columns)
    forest.walk(rows, answers)
    if hasCareful {
      for index in 0..<treeCount where trees[index].isCareful { answers[index] = careful.walk(Int(trees[index].root), rows) }
    }
    if outputCount == 1 {
      var sum = base[0]
      for index in 0..<treeCount { sum += answers[index] }
      result[0] = Double(sum / divisor)
      return
    }
    for output in 0..<outputCount { sums[output] = base[output] }
    for index in 0..<treeCount { sums[Int(trees[index].output)] += answers[index] }
    for output in 0..<outputCount { result[output] = Double(sums[output] / divisor) }
  }

  /// The sums of at most `tileRows` rows, `stride` bytes apart: all outputs of the first row, then of the next.
  func predict(_ columns: UnsafePointer<Double>, stride: Int, count: Int, _ result: UnsafeMutablePointer<Double>) {
    let slots = rules.slotCount
    for row in 0..<count {
      let values = (UnsafeRawPointer(columns) + row &* stride).assumingMemoryBound(to: Double.self)
      rules.fill(rows + row &* slots, from: values)
      for output in 0..<outputCount { sums[row &* outputCount &+ output] = base[output] }
    }
    for index in 0..<treeCount {
      let tree = trees[index]
      let target = sums + Int(tree.output)
      if tree.isCareful {
        for row in 0..<count { target[row &* outputCount] += careful.walk(Int(tree.root), rows + row &* slots) }
        continue
      }
      var row = 0
      while row < count {
        // Rows behind the last are walked too, and their answers left where they are.
        forest.walk(root: tree.root, depth: tree.depth, rows + row &* slots, stride: slots, answers)
        for offset in 0..<min(8, count &- row) { target[(row &+ offset) &* outputCount] += answers[offset] }
        row &+= 8
      }
    }
    for index in 0..<count &* outputCount { result[index] = Double(sums[index] / divisor) }
  }
}
