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
  /// One that acts on the outside is created and configured only. Returns once it has had `events` rows,
  /// or after `timeoutNs` when so many do not come. Throws what went wrong, as the swap itself would.
  /// Any thread but a lane's; not while a swap of the node is under way, except as its rehearsal.
  public func rehearse(
    _ request: SwapRequest, in code: PluginCode, events: UInt64 = 512, timeoutNs: Int64 = 300_000_000
  ) throws(GantryError) {
    guard let index = graph.node(named: request.node), let (lane, slot) = place(of: numbers[index]) else {
      throw GantryError("swap.unknown-node", "no node named \(request.node) runs on a lane", exit: .usage)
    }
    var rehearsed = request
    rehearsed.code = code
    let (candidate, _) = try makeCandidate(index, rehearsed)
    defer {
      _ = candidate.stop()
      candidate.destroy()
    }
    guard code.description.effects == .none, graph.nodes[index].plugin.effects == .none else { return }
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
        try candidate.load(new, from: old.pointee, begin.saved, converters: request.converters)
      }
      try follower.start()
    } catch {
      muted.fails("did not take the state")
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
  private let buffer: UnsafeMutablePointer<UInt8>
  private let capacity = FollowCommand.stateBytesMax
  private var used = 0
  /// Of the state; anything but OK: it is rehearsed without.
  private(set) var status: gantry_status = GANTRY_UNSUPPORTED
  private(set) var isFollowed = false

  init(slot: Int, follower: Follower, state: UnsafePointer<gantry_state>?) {
    self.slot = slot
    self.follower = follower
    self.state = state
    buffer = .allocate(capacity: capacity)
    buffer.initialize(repeating: 0, count: capacity)
    super.init()
  }

  deinit { buffer.deallocate() }

  var saved: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: buffer, count: used) }

  override func perform(_ lane: Lane) -> Bool {
    let node = lane.nodes + slot
    guard node.pointee.follower == nil else { return true }
    if let state, state.pointee.bound(node.pointee.instance) <= UInt64(capacity) { status = save(state, node.pointee.instance) }
    follower.muted.clone(from: node)
    follower.laneTag = lane.tag
    if let tail = node.pointee.tail { tail.pointee.feed(follower) }
    node.pointee.follower = .passUnretained(follower)
    node.pointee.watch.insert(.followed)
    lane.followerCount += 1
    isFollowed = true
    return true
  }

  private func save(_ state: UnsafePointer<gantry_state>, _ instance: OpaquePointer?) -> gantry_status {
    var writer = gantry_state_writer()
    writer.size = UInt32(MemoryLayout<gantry_state_writer>.size)
    writer.context = Unmanaged.passUnretained(self).toOpaque()
    writer.write = { writer, bytes, length in
      guard let context = writer?.pointee.context else { return GANTRY_MISUSE }
      return Unmanaged<RehearsalBegin>.fromOpaque(context)._withUnsafeGuaranteedRef { command in
        guard let bytes, length <= UInt64(command.capacity - command.used) else { return length == 0 ? GANTRY_OK : GANTRY_FULL }
        UnsafeMutableRawPointer(command.buffer + command.used).copyMemory(from: bytes, byteCount: Int(length))
        command.used += Int(length)
        return GANTRY_OK
      }
    }
    return state.pointee.save(instance, &writer)
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
    node.pointee.follower = nil
    if node.pointee.tail == nil { node.pointee.watch.remove(.followed) }
    lane.followerCount -= 1
    return true
  }
}
