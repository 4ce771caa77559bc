import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// A muted twin of a node from the run's start (`swap: { standby: true }`): where a state comes from
/// that is too large to be saved between two events. It is saved from the twin, off the lane; the
/// candidate is then fed beside it, and at the flip the lane pays for an exchange of pointers alone.
///
/// After a commit a twin of the new instance has taken its place; after a revert it is the old one.
/// An apply that leaves its node alone keeps it, wherever the node runs then.
final class Standby: @unchecked Sendable {  // the thread of a change; the follower guards what the lane sees
  let follower: Follower
  private unowned let run: Run
  private let number: Int
  /// The node's place in the graph that runs.
  private var node: Int { run.shape.withLock { $0.index(of: number) } ?? 0 }
  private var twin: MutedInstance
  /// During a swap: the twin of the candidate.
  private var next: MutedInstance?

  init(run: Run, node: Int, like lane: Lane, slot: Int) throws(GantryError) {
    self.run = run
    number = run.numbers[node]
    let graph = run.graph
    let counted = run.instances[node]
    let request = SwapRequest(id: "standby", node: graph.nodes[node].name, graph: graph, code: counted.code, policy: SwapPolicy(), by: "the host")
    let instance = try run.makeCandidate(node, request).instance
    do throws(GantryError) {
      try instance.start()
    } catch {
      instance.destroy()
      throw error
    }
    twin = MutedInstance(instance: instance, beside: counted, like: lane.nodes + slot, tag: run.nextTag(), clock: run.clock)
    follower = Follower(twin, like: lane.nodes + slot, name: request.node, clock: lane.clock)
    // The lane has not started: nobody else looks at its nodes.
    follower.begin(lane, lane.nodes + slot, usesTail: false)
  }

  func start() throws(GantryError) { try follower.start() }

  /// Gives the candidate, and a twin of it, the twin's state, and feeds both from there on. Returns the
  /// state's size.
  func feed(_ candidate: Instance, _ request: SwapRequest, _ place: UnsafeMutablePointer<LaneNode>) throws(GantryError) -> Int {
    let second = try run.makeCandidate(node, request).instance
    do throws(GantryError) {
      try second.start()
      follower.holdTurn()
      defer { follower.giveTurn() }
      if let fault = follower.faultText {
        throw GantryError(
          "swap.standby-lost", "the standby of \(request.node) \(fault)",
          help: ["swap it with --cold, or start the run again"], exit: .failed)
      }
      guard let old = twin.instance.capability("gantry.state/1", as: gantry_state.self),
        let new = candidate.capability("gantry.state/1", as: gantry_state.self)
      else { throw GantryError("swap.bug", "a standby without a state", exit: .bug) }
      let state = try twin.instance.save(old)
      for instance in [candidate, second] { try Standby.load(state, old.pointee, new, instance, request.converters) }
      let muted = MutedInstance(instance: candidate, beside: run.instances[node], like: place, tag: twin.tag, clock: run.clock)
      let after = MutedInstance(instance: second, beside: run.instances[node], like: place, tag: twin.tag, clock: run.clock)
      muted.clone(from: twin)
      after.clone(from: twin)
      next = after
      follower.feed(muted, [twin, after])
      return state.count
    } catch {
      second.destroy()
      throw error
    }
  }

  private static func load(
    _ state: [UInt8], _ old: gantry_state, _ table: UnsafePointer<gantry_state>, _ instance: Instance, _ converters: [PluginCode]
  ) throws(GantryError) {
    var failure: GantryError?
    state.withUnsafeBufferPointer { bytes in
      do throws(GantryError) { try instance.load(table, from: old, bytes, converters: converters) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// The swap is over: what does not count and is no twin of what does is gone. Returns its code.
  func settle(counted: Instance) -> [PluginCode] {
    guard let after = next else { return [] }
    follower.holdTurn()
    let candidate = follower.muted
    let hasChanged = candidate.hasExchanged
    let gone = hasChanged ? twin : after
    twin = hasChanged ? after : twin
    next = nil
    follower.feed(twin, [])
    follower.giveTurn()
    var codes: [PluginCode] = []
    for instance in [candidate.instance, gone.instance] where instance !== counted {
      _ = instance.stop()
      instance.destroy()
      codes.append(instance.code)
    }
    return codes
  }

  /// An apply has laid the node out anew: what the twin is given comes from there. While the lanes stand.
  func move(to lane: Lane, _ place: UnsafeMutablePointer<LaneNode>) {
    // What waits refers to the memory of before.
    follower.handleAll()
    for muted in [follower.muted] + follower.others { muted.fit(place) }
    follower.move(to: lane, place)
  }

  /// Nothing is fed any more; the lane has ended or has let the follower go.
  func end() {
    follower.stop()
    for muted in [follower.muted, twin] + follower.others where muted.instance.isThere {
      _ = muted.instance.stop()
      muted.instance.destroy()
    }
  }
}

extension Run {
  /// Twins for the nodes that ask for one. Before the lanes start.
  func startStandbys() throws(GantryError) {
    guard options.script == nil else { return }
    let graph = graph
    for index in graph.nodes.indices where graph.nodes[index].swap.standby {
      guard instances[index].capability("gantry.state/1", as: gantry_state.self) != nil, graph.nodes[index].plugin.effects == .none else {
        throw GantryError(
          "swap.standby", "\(graph.nodes[index].name) asks for a standby, and \(graph.nodes[index].plugin.id) cannot hand a state over",
          at: graph.nodes[index].place, help: ["remove `standby`; `warm: N` keeps the last events for a candidate"])
      }
      guard let (lane, slot) = place(of: numbers[index]) else { continue }
      let standby = try Standby(run: self, node: index, like: lane, slot: slot)
      swapList.withLock { [number = numbers[index]] in $0.standbys[number] = standby }
      try standby.start()
    }
  }

  func standby(of number: Int) -> Standby? { swapList.withLock { $0.standbys[number] } }

  /// A node's twin, or every twin, is fed no more: the run ends, other edges will feed the node, or it
  /// begins anew from nothing.
  ///
  /// - Parameter haveLanes: false when the lanes were never started
  func endStandbys(of only: Int? = nil, haveLanes: Bool = true) {
    let standbys = swapList.withLock { swaps -> [Int: Standby] in
      let ending = swaps.standbys.filter { only == nil || $0.key == only }
      for number in ending.keys { swaps.standbys[number] = nil }
      return ending
    }
    for (number, standby) in standbys {
      if haveLanes, let (lane, slot) = place(of: number) {
        _ = lane.ask(UnfollowCommand(slot: slot, follower: standby.follower, change: nil))
      }
      standby.end()
      if let index = shape.withLock({ $0.index(of: number) }), !stopRequested.load(ordering: .acquiring) {
        say(node: index, "its standby has ended; the next start makes a new one")
      }
    }
  }
}
