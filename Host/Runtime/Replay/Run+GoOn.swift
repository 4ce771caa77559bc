import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// A run that follows the journal of one that was killed, and goes on by itself where it ends.
extension Run {
  /// Waits until the journal has been followed to its end and the run goes on by itself. After `start`, on the
  /// control thread.
  ///
  /// Throws when it does not come to that; the run has ended then, and nothing of it is left.
  public func waitUntilLive(progress: (Run) -> Void = { _ in }) throws(GantryError) {
    var lastProgressNs = clinux_monotonic_ns()
    while isFollowing {
      let hasEnded = planner.lanes.contains { $0.hasEnded.load(ordering: .acquiring) && $0.ingressCount > 0 }
      if hasEnded || stopRequested.load(ordering: .acquiring) {
        // It may have gone on, and ended, since we looked.
        if !isFollowing { return }
        let isAsked = stopRequested.load(ordering: .acquiring)
        requestStop()
        wait()
        _ = try finish()
        throw GantryError("recover.ended", isAsked ? "the run was stopped while it followed the journal" : "the journal's run had come to its end", exit: .failed)
      }
      pumpLog()
      if clinux_monotonic_ns() - lastProgressNs > 200_000_000 {
        lastProgressNs = clinux_monotonic_ns()
        progress(self)
      }
      endBell.wait(since: endBell.current, timeoutNs: 2_000_000)
    }
  }

  /// The lanes stand at the journal's end: swaps that were not committed are taken back, the graph becomes
  /// the one that goes on, and all that acts on the outside begins. With `changes`.
  func goOn(_ held: Held) throws(GantryError) -> [GantryError] {
    guard let continuation = options.continuation else { throw GantryError("recover.bug", "nothing to go on with", exit: .bug) }
    if let over = held.lanes.first(where: { $0.hasEnded.load(ordering: .acquiring) && $0.ingressCount > 0 }) {
      throw GantryError("recover.ended", "lane \(over.name) of the journal's run had come to its end", exit: .failed)
    }
    try scriptedSwaps.settle(held.lanes)
    try checkSources()
    let nodes = steps(to: continuation)
    var chains: [UInt16: UInt64] = [:]
    for script in scripts { chains.merge(script.nextChains) { max($0, $1) } }
    let transaction = try ApplyTransaction(self, to: continuation.graph, goingOn: nodes, chains: chains)
    let before: LaneLayout
    let number = changeCount + 1
    do throws(GantryError) {
      try transaction.prepare { index throws(GantryError) in continuation.code[index] }
      var sha256 = ""
      if let journal {
        let head = continuation.head(transaction.artifacts)
        for object in head.objects { try keep(object, in: journal) }
        sha256 = try journal.keep(transaction.described(number: number, id: "recovery", by: continuation.by, head: head.json).bytes())
      }
      try transaction.handOver(cutNs: held.cutNs)
      for lane in held.lanes { lane.goOn() }
      gate.goOn()
      before = transaction.commit(held, number: number, sha256: sha256)
    } catch {
      _ = transaction.rollBack()
      throw error
    }
    changeCount = number
    following.store(false, ordering: .releasing)
    try beginBrokers()
    letGo(held)
    for lane in planner.lanes where lane.hasEnded.load(ordering: .acquiring) && lane.ingressCount > 0 { try startThread(of: lane) }
    return transaction.settle(before)
  }

  /// With the replay clock there is one lane, since several would not stand at one event, and a source must
  /// be one that can be read again: what it gave is not in the journal, or it cannot be brought to where
  /// the journal ends.
  private func checkSources() throws(GantryError) {
    guard graph.clock == .replay else { return }
    let lanes = planner.lanes.filter { $0.ingressCount > 0 }
    guard lanes.count < 2 else {
      throw GantryError(
        "recover.lanes", "with the replay clock \(lanes.count) lanes cannot go on together: each stands where its own records end",
        help: ["place the graph's nodes on one lane to go on after a crash, or start it anew"], exit: .failed)
    }
    for (number, intake) in intakes where !intake.isReplayable {
      throw GantryError(
        "recover.source", "source \(services.nodeName(number)) cannot go on where the journal ends", help: ["with the replay clock only sources with a cursor can"],
        exit: .failed)
    }
  }

  /// What has to be done with each node of the graph as the journal leaves it: nothing, mostly. Artifacts are
  /// compared by their bytes: the journal's may lie elsewhere.
  private func steps(to continuation: Continuation) -> [AppliedGraph.Node] {
    var old = graph
    let code = Dictionary(zip(old.nodes.map(\.name), instances.map(\.code.sha256))) { first, _ in first }
    for (index, node) in old.nodes.enumerated() {
      guard let place = continuation.graph.node(named: node.name) else { continue }
      let other = continuation.graph.nodes[place]
      for (parameter, value) in node.parameters.enumerated() where parameter < other.parameters.count {
        guard case .artifact(let mine) = value, case .artifact(let theirs) = other.parameters[parameter], mine != theirs else { continue }
        if let bytes = try? readFile(mine, limit: 1 << 30), let others = try? readFile(theirs, limit: 1 << 30), bytes == others {
          old.nodes[index].parameters[parameter] = other.parameters[parameter]
        }
      }
    }
    return GraphDiff.diff(old: old, new: continuation.graph).map { change in
      var action = change.action
      var reasons = change.reasons
      if let place = continuation.graph.node(named: change.node), let before = code[change.node], before != continuation.code[place].sha256,
        action < .swapWithState
      {
        let hasState = continuation.graph.nodes[place].plugin.extensions.contains(GraphDiff.stateExtension)
        action = hasState ? .swapWithState : .swapCold
        reasons.append("its code has other bytes")
      }
      let place = continuation.graph.node(named: change.node)
      let before = old.node(named: change.node)
      let setsLive = action < .swapWithState && before.map { old.nodes[$0].parameters } != place.map { continuation.graph.nodes[$0].parameters }
      return AppliedGraph.Node(node: change.node, action: action, reasons: reasons, setsLive: setsLive && action != .remove)
    }
  }
}
