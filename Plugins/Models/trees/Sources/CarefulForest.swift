import GantrySDK

/// The trees that `Forest` cannot hold: those with categorical splits, with more slots or nodes than a
/// link has bits for, or with an infinite threshold. Walked one after the other, each split
/// looking at missing values itself.
struct CarefulForest<Scalar: BinaryFloatingPoint & BitwiseCopyable> {
  struct Node: BitwiseCopyable {
    var threshold: Scalar
    var left: UInt32 = 0
    var right: UInt32 = 0
    var slot: UInt32 = 0
    /// The first word of the set of categories.
    var firstWord: UInt32 = 0
    var wordCount: UInt32 = 0
    var kind = Kind.leaf
    var missing = TreeModel.Missing.none
    var missingGoesLeft = false

    init(_ threshold: Scalar) { self.threshold = threshold }
  }

  enum Kind: UInt8 {
    case leaf, numeric
    /// LightGBM's "at most infinity": whatever is not missing goes left.
    case present
    /// XGBoost: a category of the set goes right, one that is none left.
    case membersRight
    /// LightGBM: a category of the set goes left, all else right.
    case membersLeft
  }

  let nodes: UnsafeMutablePointer<Node>
  let words: UnsafeMutablePointer<UInt32>

  @inline(__always)
  func walk(_ root: Int, _ row: UnsafePointer<Scalar>) -> Scalar {
    var index = root
    while true {
      let node = nodes + index
      let value = row[Int(node.pointee.slot)]
      let goesLeft: Bool
      switch node.pointee.kind {
      case .leaf: return node.pointee.threshold
      case .numeric, .present: goesLeft = compare(value, node)
      case .membersRight:
        if value != value {
          goesLeft = node.pointee.missingGoesLeft
        } else {
          goesLeft = !(value >= 0 && value < 16_777_216 && isMember(UInt32(value), node))
        }
      case .membersLeft: goesLeft = value > -1 && value < 2_147_483_648 && isMember(UInt32(value.magnitude), node)
      }
      index = Int(goesLeft ? node.pointee.left : node.pointee.right)
    }
  }

  @inline(__always)
  private func compare(_ value: Scalar, _ node: UnsafeMutablePointer<Node>) -> Bool {
    let isNaN = value != value
    switch node.pointee.missing {
    case .none: if isNaN { return 0 < node.pointee.threshold }
    case .zero: if isNaN || value.magnitude <= Scalar(RowRules.zeroRange) { return node.pointee.missingGoesLeft }
    case .nan: if isNaN { return node.pointee.missingGoesLeft }
    }
    return value < node.pointee.threshold || node.pointee.kind == .present
  }

  @inline(__always)
  private func isMember(_ category: UInt32, _ node: UnsafeMutablePointer<Node>) -> Bool {
    let word = category >> 5
    guard word < node.pointee.wordCount else { return false }
    return words[Int(node.pointee.firstWord &+ word)] >> (category & 31) & 1 == 1
  }
}
