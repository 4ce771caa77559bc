import CGantry

/// Who reads what among a lane's single nodes: the tables that carry a chain forward without looking
/// at nodes that have nothing to do.
///
/// Every single node has one of 64 bits, by rank; where a lane has more of them, neighbours share one.
///
/// Made from the lane's nodes and ports before they run, or beside them for a changed graph: it only
/// reads them until `attach`. Unmanaged memory, freed by `deallocate` after the last use.
struct LaneWiring {
  /// The single nodes by rank.
  let singles: UnsafeMutablePointer<UnsafeMutablePointer<LaneNode>>
  let singleCount: Int
  /// How many neighbours share a bit.
  let span: Int
  private let readers: UnsafeMutablePointer<PortReader>
  private let shares: [(port: UnsafeMutablePointer<PortBuffer>, first: Int, forward: Int, feedback: Int)]

  init(
    nodes: UnsafeMutablePointer<LaneNode>, singleSlots: UnsafeMutablePointer<Int32>, singleSlotCount: Int
  ) {
    singleCount = singleSlotCount
    span = max(1, (singleSlotCount + 63) / 64)
    singles = .allocate(capacity: max(singleSlotCount, 1))
    var forward: [UnsafeMutablePointer<PortBuffer>: [PortReader]] = [:]
    var feedback: [UnsafeMutablePointer<PortBuffer>: [PortReader]] = [:]
    for rank in 0..<singleSlotCount {
      let node = nodes + Int(singleSlots[rank])
      (singles + rank).initialize(to: node)
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
    readers = .allocate(capacity: max(forward.values.reduce(0) { $0 + $1.count } + feedback.values.reduce(0) { $0 + $1.count }, 1))
    var shares: [(port: UnsafeMutablePointer<PortBuffer>, first: Int, forward: Int, feedback: Int)] = []
    var next = 0
    for port in Set(forward.keys).union(feedback.keys) {
      let ahead = forward[port] ?? []
      let back = feedback[port] ?? []
      shares.append((port, next, ahead.count, back.count))
      (readers + next).initialize(from: ahead + back, count: ahead.count + back.count)
      next += ahead.count + back.count
    }
    self.shares = shares
  }

  /// Tells nodes and ports about each other. From then on the lane runs by these tables.
  func attach() {
    for rank in 0..<singleCount {
      let node = singles[rank]
      node.pointee.bit = bit(rank)
      for index in 0..<node.pointee.inputCount {
        let input = node.pointee.inputs + index
        input.pointee.isPlain =
          !(input.pointee.isFeedback || input.pointee.isGate || input.pointee.isBlockEdge || input.pointee.hasArena)
      }
      let ahead = (0..<node.pointee.inputCount).filter { !node.pointee.inputs[$0].isFeedback }
      node.pointee.soleInput = ahead.count == 1 && node.pointee.inputs[ahead[0]].isPlain ? node.pointee.inputs + ahead[0] : nil
    }
    for share in shares {
      share.port.pointee.readers = readers + share.first
      share.port.pointee.forwardCount = Int32(share.forward)
      share.port.pointee.feedbackCount = Int32(share.feedback)
      share.port.pointee.wakes = (share.first..<share.first + share.forward).reduce(0) { $0 | bit(Int(readers[$1].rank)) }
    }
  }

  private func bit(_ rank: Int) -> UInt64 { 1 << UInt64(rank / span) }

  /// The ranks that share bit number `number`.
  @inline(__always)
  func ranks(_ number: Int) -> Range<Int> {
    Range(uncheckedBounds: (number &* span, min(number &* span &+ span, singleCount)))
  }

  func deallocate() {
    singles.deallocate()
    readers.deallocate()
  }
}

/// One single node's edge from a port of the same lane.
struct PortReader {
  var input: UnsafeMutablePointer<LaneInput>
  var node: UnsafeMutablePointer<LaneNode>
  var rank: Int32
}
