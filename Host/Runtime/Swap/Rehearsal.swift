import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

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
    let begin = FollowCommand(slot: slot, follower: follower, state: new == nil ? nil : old, usesTail: true, change: nil)
    guard lane.ask(begin) == .done, begin.isFollowed else { return }
    let end = UnfollowCommand(slot: slot, follower: follower, change: nil)
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
    follower.wait(untilNs: untilNs) { follower.pushedCount >= events || !follower.isWhole || lane.hasEnded.load(ordering: .acquiring) }
    _ = lane.ask(end)
    // What a live lane had no room for never comes: the rehearsal was shorter, and is as good.
    follower.wait { follower.backlogRows == 0 || !follower.isWhole }
    if let fault = muted.faultText {
      throw GantryError("swap.rehearsal-failed", "in its rehearsal the candidate for \(request.node) \(fault)")
    }
  }
}
