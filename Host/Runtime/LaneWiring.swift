import CGantry

/// Who reads what among a lane's single nodes: the tables that carry a chain forward without looking
/// at nodes that have nothing to do.
///
/// Made from the lane's nodes and ports before they run, or beside them for a changed graph: it only
/// reads them until `attach`. Unmanaged memory, freed by `deallocate` after the last use.
struct LaneWiring {
  /// The single nodes by rank.
  let singles: UnsafeMutablePointer<UnsafeMutablePointer<LaneNode>>
  let singleCount: Int
  /// One bit a rank: nodes that have rows to take in the running pass.
  let pending: UnsafeMutablePointer<UInt64>
  let pendingWords: Int
  /// Room for the ports of single nodes that hold rows of the running chain.
  let dirty: UnsafeMutablePointer<UnsafeMutablePointer<PortBuffer>>
  /// Ports of single nodes whose arena may hold bytes without a row.
  let arenas: UnsafeMutablePointer<UnsafeMutablePointer<PortBuffer>>
  let arenaCount: Int
  private let readers: UnsafeMutablePointer<PortReader>
  private let spans: [(port: UnsafeMutablePointer<PortBuffer>, first: Int, forward: Int, feedback: Int)]

  init(
    nodes: UnsafeMutablePointer<LaneNode>, singleSlots: UnsafeMutablePointer<Int32>, singleSlotCount: Int
  ) {
    singleCount = singleSlotCount
    singles = .allocate(capacity: max(singleSlotCount, 1))
    var ports: [UnsafeMutablePointer<PortBuffer>] = []
    var forward: [UnsafeMutablePointer<PortBuffer>: [PortReader]] = [:]
    var feedback: [UnsafeMutablePointer<PortBuffer>: [PortReader]] = [:]
    for rank in 0..<singleSlotCount {
      let node = nodes + Int(singleSlots[rank])
      (singles + rank).initialize(to: node)
      for index in 0..<node.pointee.portCount { ports.append(node.pointee.ports + index) }
      for index in 0..<node.pointee.inputCount {
        let input = node.pointee.inputs + index
        let reader = PortReader(input: input, node: node, rank: Int32(rank))
        if input.pointee.isFeedback {
          feedback[input.pointee.source, default: []].append(reader)
        } else if !input.pointee.isBlockEdge {
          forward[input.pointee.source, default: []].append(reader)
        }
      }
    }
    pendingWords = (singleSlotCount + 63) / 64
    pending = .allocate(capacity: max(pendingWords, 1))
    pending.initialize(repeating: 0, count: max(pendingWords, 1))
    dirty = .allocate(capacity: max(ports.count, 1))
    let withArena = ports.filter { $0.pointee.arenaCapacity > 0 }
    arenas = .allocate(capacity: max(withArena.count, 1))
    arenas.initialize(from: withArena, count: withArena.count)
    arenaCount = withArena.count

    let all = Set(forward.keys).union(feedback.keys)
    readers = .allocate(capacity: max(forward.values.reduce(0) { $0 + $1.count } + feedback.values.reduce(0) { $0 + $1.count }, 1))
    var spans: [(port: UnsafeMutablePointer<PortBuffer>, first: Int, forward: Int, feedback: Int)] = []
    var next = 0
    for port in all {
      let ahead = forward[port] ?? []
      let back = feedback[port] ?? []
      spans.append((port, next, ahead.count, back.count))
      (readers + next).initialize(from: ahead + back, count: ahead.count + back.count)
      next += ahead.count + back.count
    }
    self.spans = spans
  }

  /// Tells the ports who reads them. From then on the lane runs by these tables.
  func attach() {
    for span in spans {
      span.port.pointee.readers = readers + span.first
      span.port.pointee.forwardCount = Int32(span.forward)
      span.port.pointee.feedbackCount = Int32(span.feedback)
    }
    for rank in 0..<singleCount {
      for index in 0..<singles[rank].pointee.inputCount {
        let input = singles[rank].pointee.inputs + index
        input.pointee.isPlain =
          !(input.pointee.isFeedback || input.pointee.isGate || input.pointee.isBlockEdge || input.pointee.hasArena)
      }
    }
  }

  func deallocate() {
    singles.deallocate()
    pending.deallocate()
    dirty.deallocate()
    arenas.deallocate()
    readers.deallocate()
  }
}

/// One single node's edge from a port of the same lane.
struct PortReader {
  var input: UnsafeMutablePointer<LaneInput>
  var node: UnsafeMutablePointer<LaneNode>
  var rank: Int32
}
