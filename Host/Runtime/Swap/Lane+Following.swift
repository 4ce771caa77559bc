import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// What a lane does for swaps: feeding followers and tails, canaries, and the commands by which a
/// swap goes on at an event boundary.
extension Lane {
  /// A delivery of one event to a node that is followed, or that keeps a tail.
  @inline(never)
  func deliverFollowed(_ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ row: UnsafePointer<UInt8>) {
    let source = input.pointee.source
    let index = input - node.pointee.inputs
    let stride = source.pointee.stride
    let arena = input.pointee.hasArena ? UnsafePointer(source.pointee.arena) : nil
    let arenaCount = input.pointee.hasArena ? Int(source.pointee.output.pointee.arena_count) : 0
    if let tail = node.pointee.tail { tail.pointee.add(input: index, rows: row, count: 1, stride: stride, arena: arena, arenaCount: arenaCount, now: now) }
    guard let follower = node.pointee.follower else { return callOne(node, input, row) }
    follower._withUnsafeGuaranteedRef { follower in
      let toCandidate = node.pointee.watch.contains(.canary) && follower.selects(row)
      if toCandidate { follower.lend(self, node) }
      follower.push(
        input: index, rows: row, count: 1, stride: stride, schema: input.pointee.batch.pointee.schema, arena: arena, arenaCount: arenaCount, now: now)
      clinux_set_thread_tag(tag)
      let mark = PublishedMark(node)
      callOne(node, input, row)
      mark.pushNew(node, follower, now)
      if toCandidate { follower.takeBack(self, node) }
    }
  }

  /// A run of rows was handled by a node that gets blocks.
  @inline(never)
  func followRun(
    _ node: UnsafeMutablePointer<LaneNode>, _ input: UnsafeMutablePointer<LaneInput>, _ row: UnsafePointer<UInt8>, count: Int
  ) {
    guard count > 0 else { return }
    let source = input.pointee.source
    let index = input - node.pointee.inputs
    let stride = source.pointee.stride
    let arena = input.pointee.hasArena ? UnsafePointer(source.pointee.arena) : nil
    let arenaCount = input.pointee.hasArena ? Int(source.pointee.output.pointee.arena_count) : 0
    if let tail = node.pointee.tail { tail.pointee.add(input: index, rows: row, count: count, stride: stride, arena: arena, arenaCount: arenaCount, now: now) }
    node.pointee.follower?._withUnsafeGuaranteedRef {
      $0.push(
        input: index, rows: row, count: count, stride: stride, schema: input.pointee.batch.pointee.schema, arena: arena, arenaCount: arenaCount, now: now)
      clinux_set_thread_tag(tag)
    }
  }

  /// Lets the followers' threads see what the block has brought.
  @inline(never)
  func nudgeFollowers() {
    for slot in 0..<nodeCount { nodes[slot].follower?._withUnsafeGuaranteedRef { $0.nudge(self) } }
  }
}

/// How many rows stood in a node's ports before a call.
struct PublishedMark {
  private var counts: (Int, Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0, 0)

  init(_ node: UnsafeMutablePointer<LaneNode>) {
    withUnsafeMutableBytes(of: &counts) { bytes in
      let counts = bytes.bindMemory(to: Int.self)
      for port in 0..<min(node.pointee.portCount, counts.count) { counts[port] = node.pointee.ports[port].published }
    }
  }

  /// Gives the rows written since to the follower, for comparison.
  func pushNew(_ node: UnsafeMutablePointer<LaneNode>, _ follower: Follower, _ now: UnsafePointer<Int64>) {
    withUnsafeBytes(of: counts) { bytes in
      let counts = bytes.bindMemory(to: Int.self)
      for port in 0..<min(node.pointee.portCount, counts.count) {
        let buffer = node.pointee.ports + port
        let new = buffer.pointee.published - counts[port]
        guard new > 0 else { continue }
        follower.pushOutputs(
          port: port, rows: buffer.pointee.rows + counts[port] * buffer.pointee.stride, count: new, stride: buffer.pointee.stride, now: now)
      }
    }
  }
}

/// A candidate takes the old instance's state, or the node's tail, and is fed from here on.
///
/// A rehearsal is no change: it is written nowhere down, gives way to who is fed already, and begins without
/// a state that was not saved.
final class FollowCommand: LaneCommand, @unchecked Sendable {
  private let slot: Int
  private let follower: Follower
  private let state: UnsafePointer<gantry_state>?
  private let usesTail: Bool
  private let change: Int64?
  /// The state as it was saved.
  let saved = StateBuffer()
  private(set) var status: gantry_status = GANTRY_OK
  private(set) var isFollowed = false

  /// - Parameter change: the swap's number; nil: a rehearsal
  init(slot: Int, follower: Follower, state: UnsafePointer<gantry_state>?, usesTail: Bool, change: Int64?) {
    self.slot = slot
    self.follower = follower
    self.state = state
    self.usesTail = usesTail
    self.change = change
    super.init()
  }

  override func perform(_ lane: Lane) -> Bool {
    let node = lane.nodes + slot
    if change == nil, node.pointee.follower != nil { return true }
    if let state {
      status = saved.save(state, node.pointee.instance)
      guard status == GANTRY_OK || change == nil else { return true }
    }
    follower.begin(lane, node, usesTail: usesTail)
    isFollowed = true
    if let change { lane.recorder.decision(.swapBegan, node: node.pointee.index, value: change) }
    return true
  }
}

/// A swap through a node's standby begins or is over: written down, and the standby is fed on.
final class StandbyCommand: LaneCommand, @unchecked Sendable {
  enum Moment { case begins, isOver }
  private let slot: Int
  private let follower: Follower
  private let change: Int64
  private let moment: Moment

  init(slot: Int, follower: Follower, change: Int64, moment: Moment) {
    self.slot = slot
    self.follower = follower
    self.change = change
    self.moment = moment
    super.init()
  }

  override func perform(_ lane: Lane) -> Bool {
    let node = lane.nodes + slot
    if moment == .isOver {
      node.pointee.watch.remove(.canary)
      // A canary that was given up leaves the lane with the turn.
      follower.leaveInline()
    }
    lane.recorder.decision(moment == .begins ? .swapBegan : .swapEnded, node: node.pointee.index, value: change)
    return true
  }
}

/// The counted and the muted instance of a node change their roles.
final class ExchangeCommand: LaneCommand, @unchecked Sendable {
  enum Reason { case flip, revert }
  private let slot: Int
  private let follower: Follower
  private let change: Int64
  private let reason: Reason
  private let wider: WiderPorts?
  private(set) var atEvent: UInt64 = 0
  private(set) var failure: String?

  /// - Parameter wider: memory for the rows of the instance that is to count
  init(slot: Int, follower: Follower, change: Int64, reason: Reason, wider: WiderPorts?) {
    self.wider = wider
    self.slot = slot
    self.follower = follower
    self.change = change
    self.reason = reason
    super.init()
  }

  override func perform(_ lane: Lane) -> Bool {
    let node = lane.nodes + slot
    let wasInline = follower.isInline
    if wasInline {
      if !node.pointee.watch.contains(.canary) { follower.fireDueInline(lane) }
    } else if !follower.takeOver(lane) {
      return false
    }
    // Handling what was left may have shown that it must not count.
    if let fault = follower.faultText {
      failure = fault
    } else {
      follower.endComparison()
      follower.muted.exchange(lane, node)
      wider?.exchange(lane, node)
      node.pointee.watch.remove(.canary)
      lane.recorder.decision(reason == .flip ? .flipped : .flippedBack, node: node.pointee.index, value: change)
      atEvent = lane.eventCount
    }
    if wasInline { follower.leaveInline() } else { follower.giveBack() }
    return true
  }
}

/// A share of the instruments goes to the candidate from here on; the lane calls both instances.
final class CanaryCommand: LaneCommand, @unchecked Sendable {
  private let slot: Int
  private let follower: Follower
  private let change: Int64

  init(slot: Int, follower: Follower, change: Int64) {
    self.slot = slot
    self.follower = follower
    self.change = change
    super.init()
  }

  override func perform(_ lane: Lane) -> Bool {
    if follower.isInline {
      follower.fireDueInline(lane)
    } else if !follower.takeOver(lane) {
      return false
    }
    follower.beInline()
    // Two instances give out ids from here on, for orders that both stand.
    follower.muted.instance.context.pointee.nextID += follower.muted.instance.context.pointee.idRange
    lane.nodes[slot].watch.insert(.canary)
    lane.recorder.decision(.canaryBegan, node: lane.nodes[slot].index, value: change)
    return true
  }
}

/// The muted instance is fed no more.
final class UnfollowCommand: LaneCommand, @unchecked Sendable {
  private let slot: Int
  private let follower: Follower
  private let change: Int64?

  /// - Parameter change: the swap's number; nil: a rehearsal or a standby, whose end is no change
  init(slot: Int, follower: Follower, change: Int64?) {
    self.slot = slot
    self.follower = follower
    self.change = change
    super.init()
  }

  override func perform(_ lane: Lane) -> Bool {
    let node = lane.nodes + slot
    guard node.pointee.follower != nil else { return true }
    follower.end(lane, node)
    if let change { lane.recorder.decision(.swapEnded, node: node.pointee.index, value: change) }
    return true
  }
}
