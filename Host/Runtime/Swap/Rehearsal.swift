import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

extension Run {
  /// Takes a candidate through what a swap would take it through, as `code` has it (usually in a cell):
  /// create, configure, start, the counted instance's state, the node's tail and then the events that the
  /// node is given meanwhile, muted. Nothing of the run changes and nothing is journaled.
  ///
  /// A source, and one that acts on the outside, is created and configured only. Returns once it has had `events` rows,
  /// or after `timeoutNs` when so many do not come. Throws what went wrong, as the swap itself would.
  /// Any thread but a lane's; not while a swap of the node is under way, except as its rehearsal.
  public func rehearse(
    _ request: SwapRequest, in code: PluginCode, events: UInt64 = 512, timeoutNs: Int64 = 300_000_000
  ) throws(GantryError) {
    guard let index = graph.node(named: request.node) else {
      throw GantryError("swap.unknown-node", "no node is named \(request.node)", exit: .usage)
    }
    var rehearsed = request
    rehearsed.code = code
    let (candidate, _) = try makeCandidate(index, rehearsed)
    defer {
      _ = candidate.stop()
      candidate.destroy()
    }
    guard code.description.effects == .none, graph.nodes[index].plugin.effects == .none, let (lane, slot) = place(of: numbers[index]) else { return }
    try candidate.start()
    let muted = MutedInstance(instance: candidate, beside: instances[index], like: lane.nodes + slot, tag: nextTag(), clock: clock)
    let follower = Follower(muted, like: lane.nodes + slot, name: request.node, clock: lane.clock)
    defer { follower.stop() }
    let old = instances[index].capability("gantry.state/1", as: gantry_state.self)
    let new = request.isCold ? nil : candidate.capability("gantry.state/1", as: gantry_state.self)
    let begin = RehearsalBegin(slot: slot, follower: follower, state: new == nil ? nil : old)
    guard lane.ask(begin) == .done, begin.isFollowed else { return }
    let end = RehearsalEnd(slot: slot, follower: follower)
    do throws(GantryError) {
      if let old, let new, begin.status == GANTRY_OK {
        try candidate.load(new, from: old.pointee, begin.saved.bytes, converters: request.converters)
      }
      try follower.start()
    } catch {
      follower.giveUp("did not take the state")
      _ = lane.ask(end)
      throw error
    }
    let untilNs = clinux_monotonic_ns() + timeoutNs
    func isGoingOn() -> Bool { muted.isWhole && !lane.hasEnded.load(ordering: .acquiring) }
    while isGoingOn(), follower.pushedCount < events, clinux_monotonic_ns() < untilNs { usleep(200) }
    _ = lane.ask(end)
    while muted.isWhole, follower.backlogRows > 0 { usleep(200) }
    if let fault = muted.faultText {
      throw GantryError("swap.rehearsal-failed", "in its rehearsal the candidate for \(request.node) \(fault)")
    }
  }
}

/// The rehearsed instance is fed from here on; it begins with the counted one's state or the node's tail.
private final class RehearsalBegin: LaneCommand, @unchecked Sendable {
  private let slot: Int
  private let follower: Follower
  private let state: UnsafePointer<gantry_state>?
  let saved = StateBuffer()
  /// Of the state; anything but OK: it is rehearsed without.
  private(set) var status: gantry_status = GANTRY_UNSUPPORTED
  private(set) var isFollowed = false

  init(slot: Int, follower: Follower, state: UnsafePointer<gantry_state>?) {
    self.slot = slot
    self.follower = follower
    self.state = state
    super.init()
  }

  override func perform(_ lane: Lane) -> Bool {
    let node = lane.nodes + slot
    guard node.pointee.follower == nil else { return true }
    if let state { status = saved.save(state, node.pointee.instance) }
    follower.begin(lane, node, usesTail: true)
    isFollowed = true
    return true
  }
}

/// The rehearsed instance is fed no more.
private final class RehearsalEnd: LaneCommand, @unchecked Sendable {
  private let slot: Int
  private let follower: Follower

  init(slot: Int, follower: Follower) {
    self.slot = slot
    self.follower = follower
    super.init()
  }

  override func perform(_ lane: Lane) -> Bool {
    let node = lane.nodes + slot
    guard node.pointee.follower != nil else { return true }
    follower.end(lane, node)
    return true
  }
}
