/// Trees laid out for being walked: every split compares one number, and all trees of a model lie in
/// one piece of memory, level by level, so that the two children of a node are neighbours.
///
/// A walk has no branches. A node holds a threshold, the slot of the row that it compares and the
/// distance to its left child; going right adds one. A leaf compares slot 0, which is minus infinity
/// in every row, with its value and is its own left child: so a walk may go on after it has arrived,
/// and takes as many steps as the tree is deep. Eight walks are under way at once, of eight trees for
/// one row, of eight rows for a block: while one waits for memory the others go on.
///
/// `Scalar` is Float for XGBoost, which compares and adds floats, and Double for LightGBM.
struct Forest<Scalar: BinaryFloatingPoint & BitwiseCopyable> {
  struct Node: BitwiseCopyable {
    /// Left where the row's number is below it; in a leaf, what the tree answers.
    var threshold: Scalar
    /// The slot in the low 16 bits, the distance to the left child in the high ones.
    var link: UInt32

    static func split(_ threshold: Scalar, slot: Int, leftDistance: Int) -> Node {
      Node(threshold: threshold, link: UInt32(leftDistance) << 16 | UInt32(slot))
    }
    static func leaf(_ value: Scalar) -> Node { Node(threshold: value, link: 0) }
  }

  /// Eight trees that are walked together, and how many steps the deepest of them takes.
  struct Group: BitwiseCopyable {
    var roots: SIMD8<UInt32>
    /// Where their answers are put.
    var answers: SIMD8<UInt32>
    var depth: UInt32
  }

  static var linkMax: Int { 0xFFFF }

  let nodes: UnsafeMutablePointer<Node>
  let groups: UnsafeMutablePointer<Group>
  let groupCount: Int

  @inline(__always)
  private static func step(_ nodes: UnsafeMutablePointer<Node>, _ row: UnsafePointer<Scalar>, _ at: UInt) -> UInt {
    let node = nodes[Int(bitPattern: at)]
    let right: UInt = row[Int(node.link & 0xFFFF)] < node.threshold ? 0 : 1
    return at &+ UInt(node.link &>> 16) &+ right
  }

  /// The answers of all trees for one row.
  @inline(__always)
  func walk(_ row: UnsafePointer<Scalar>, _ answers: UnsafeMutablePointer<Scalar>) {
    let nodes = self.nodes
    for index in 0..<groupCount {
      let group = groups + index
      var a = UInt(group.pointee.roots[0])
      var b = UInt(group.pointee.roots[1])
      var c = UInt(group.pointee.roots[2])
      var d = UInt(group.pointee.roots[3])
      var e = UInt(group.pointee.roots[4])
      var f = UInt(group.pointee.roots[5])
      var g = UInt(group.pointee.roots[6])
      var h = UInt(group.pointee.roots[7])
      for _ in 0..<group.pointee.depth {
        a = Self.step(nodes, row, a)
        b = Self.step(nodes, row, b)
        c = Self.step(nodes, row, c)
        d = Self.step(nodes, row, d)
        e = Self.step(nodes, row, e)
        f = Self.step(nodes, row, f)
        g = Self.step(nodes, row, g)
        h = Self.step(nodes, row, h)
      }
      let targets = group.pointee.answers
      answers[Int(targets[0])] = nodes[Int(a)].threshold
      answers[Int(targets[1])] = nodes[Int(b)].threshold
      answers[Int(targets[2])] = nodes[Int(c)].threshold
      answers[Int(targets[3])] = nodes[Int(d)].threshold
      answers[Int(targets[4])] = nodes[Int(e)].threshold
      answers[Int(targets[5])] = nodes[Int(f)].threshold
      answers[Int(targets[6])] = nodes[Int(g)].threshold
      answers[Int(targets[7])] = nodes[Int(h)].threshold
    }
  }

  /// The answers of one tree for eight rows, `stride` numbers apart.
  @inline(__always)
  func walk(root: UInt32, depth: UInt32, _ rows: UnsafePointer<Scalar>, stride: Int, _ answers: UnsafeMutablePointer<Scalar>) {
    let nodes = self.nodes
    let root = UInt(root)
    var a = root
    var b = root
    var c = root
    var d = root
    var e = root
    var f = root
    var g = root
    var h = root
    for _ in 0..<depth {
      a = Self.step(nodes, rows, a)
      b = Self.step(nodes, rows + stride, b)
      c = Self.step(nodes, rows + 2 &* stride, c)
      d = Self.step(nodes, rows + 3 &* stride, d)
      e = Self.step(nodes, rows + 4 &* stride, e)
      f = Self.step(nodes, rows + 5 &* stride, f)
      g = Self.step(nodes, rows + 6 &* stride, g)
      h = Self.step(nodes, rows + 7 &* stride, h)
    }
    answers[0] = nodes[Int(a)].threshold
    answers[1] = nodes[Int(b)].threshold
    answers[2] = nodes[Int(c)].threshold
    answers[3] = nodes[Int(d)].threshold
    answers[4] = nodes[Int(e)].threshold
    answers[5] = nodes[Int(f)].threshold
    answers[6] = nodes[Int(g)].threshold
    answers[7] = nodes[Int(h)].threshold
  }
}
