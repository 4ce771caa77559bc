/// Which nodes of a directed graph lie on common cycles (Tarjan's algorithm, without recursion).
struct StronglyConnected {
  /// A number for each node; two nodes have the same one when each leads to the other.
  private(set) var component: [Int]
  private(set) var sizes: [Int] = []

  init(count: Int, successors: (Int) -> [Int]) {
    component = [Int](repeating: -1, count: count)
    var index = [Int](repeating: -1, count: count)
    var low = [Int](repeating: 0, count: count)
    var open: [Int] = []
    var next = 0
    for root in 0..<count where index[root] < 0 {
      // Each entry: a node, its successors, and how many of them have been followed.
      var path: [(node: Int, successors: [Int], followed: Int)] = []
      func enter(_ node: Int) {
        index[node] = next
        low[node] = next
        next += 1
        open.append(node)
        path.append((node, successors(node), 0))
      }
      enter(root)
      while let top = path.last {
        if top.followed < top.successors.count {
          let successor = top.successors[top.followed]
          path[path.count - 1].followed += 1
          if index[successor] < 0 {
            enter(successor)
          } else if component[successor] < 0 {
            low[top.node] = min(low[top.node], index[successor])
          }
          continue
        }
        path.removeLast()
        if let parent = path.last { low[parent.node] = min(low[parent.node], low[top.node]) }
        guard low[top.node] == index[top.node] else { continue }
        var size = 0
        while let member = open.popLast() {
          component[member] = sizes.count
          size += 1
          if member == top.node { break }
        }
        sizes.append(size)
      }
    }
  }

  /// Whether an edge between the two closes a cycle.
  func areOnOneCycle(_ left: Int, _ right: Int) -> Bool { component[left] == component[right] }
}
