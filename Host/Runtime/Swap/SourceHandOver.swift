import CGantry
import GantryBase
import GantryGraph
import Synchronization

/// The swap of a source, which no lane calls: its intake stops, what it has given runs on from the ring,
/// the new instance takes the state, which says how far it has read, and goes on behind it in the same
/// ring. A revert is the same in reverse.
///
/// Guarantees: every event of the source enters the lane once, in order, with chain numbers that go on;
/// the lane never stands. A notice in the ring says where the new instance's events begin: the lane
/// writes it down there, and a replay hands over at that row.
///
/// When the new instance does not start, a fresh one of the old code goes on with the state. Only if that
/// fails too does the run end.
final class SourceHandOver: NodeHandOver {
  private let run: Run
  private let node: Int
  private let nodeNumber: Int
  private let request: SwapRequest
  private let lane: Lane
  private let number: Int64
  /// Configured and not started.
  private var next: Instance?
  private let previousGraph: Graph
  private let previousCode: PluginCode
  private let schemas: [PortSchema]
  private var hasExchanged = false
  private(set) var stateBytes = 0
  private(set) var atEvent: UInt64 = 0
  /// No lane stands still for it.
  let lastCommand = LaneCommand()

  init(run: Run, node: Int, request: SwapRequest, lane: Lane, number: Int64) throws(GantryError) {
    self.run = run
    self.node = node
    self.request = request
    self.lane = lane
    self.number = number
    nodeNumber = run.numbers[node]
    previousGraph = run.graph
    previousCode = run.instances[node].code
    schemas = run.instances[node].schemas
    let (candidate, artifacts) = try run.makeCandidate(node, request, writing: schemas)
    do throws(GantryError) {
      try SourceHandOver.check(run.instances[node], candidate)
      try run.describe(request, number: number, artifacts, candidate)
    } catch {
      candidate.destroy()
      throw error
    }
    next = candidate
  }

  /// Whether one instance can go on where another is.
  static func check(_ old: Instance, _ new: Instance) throws(GantryError) {
    for instance in [old, new] where instance.capability("gantry.state/1", as: gantry_state.self) == nil {
      throw GantryError(
        "swap.source-state", "\(instance.code.description.id) of \(old.name) cannot say how far it has read: it does not offer gantry.state/1",
        help: ["change it in the graph file and use apply, which begins the source anew"])
    }
    guard Intake.Manner(old) == Intake.Manner(new) else {
      throw GantryError(
        "swap.source-manner", "\(new.code.description.id) gives its events in another manner than \(old.code.description.id): a pull, with or without a cursor, or a feed",
        help: ["change it in the graph file and use apply"])
    }
  }

  /// Exchanges the instances and returns the one that runs now.
  func perform(reverse: Bool) throws(GantryError) -> Instance {
    if reverse { next = try makePrevious() }
    guard let new = next, let intake = run.intakes[nodeNumber] else { throw GantryError("swap.bug", "nothing to hand over", exit: .bug) }
    next = nil
    let wasPaused = intake.isPaused
    if !intake.hasEnded { intake.leave() }
    guard !intake.hasEnded else {
      new.destroy()
      throw GantryError("swap.source-ended", "\(request.node) has given its last event: nothing is left to hand over", exit: .failed)
    }
    let old = run.instances[node]
    var state: [UInt8] = []
    guard let table = old.capability("gantry.state/1", as: gantry_state.self) else { throw GantryError("swap.bug", "a source without a state", exit: .bug) }
    do throws(GantryError) {
      state = try old.save(table)
    } catch {
      new.destroy()
      try goOn(intake, wasPaused)
      throw error
    }
    stateBytes = state.count
    let stopping = old.stop()
    do throws(GantryError) {
      if let stopping { throw stopping }
      let what = reverse ? Decision.flippedBack : .flipped
      try install(new, reverse ? previousGraph : request.graph, state, table.pointee, old, intake, wasPaused, DecisionRecord(what: what.rawValue, node: UInt32(nodeNumber), value: number, detail: 0))
      hasExchanged = true
      atEvent = lane.eventCount
      return new
    } catch {
      new.destroy()
      try bringBack(old, reverse ? request.graph : previousGraph, state, table.pointee, intake, wasPaused, error)
      throw error
    }
  }

  private func makePrevious() throws(GantryError) -> Instance {
    var back = request
    back.graph = previousGraph
    back.code = previousCode
    return try run.makeCandidate(node, back, writing: schemas).instance
  }

  /// Nothing was stopped but the thread.
  private func goOn(_ intake: Intake, _ wasPaused: Bool) throws(GantryError) {
    try run.changes.withLock { _ throws(GantryError) in
      guard !run.isClosing else { return }
      do throws(GantryError) { try intake.resume() } catch {
        run.requestStop()
        throw error
      }
      if wasPaused { _ = intake.pause(true) }
    }
  }

  private func install(
    _ new: Instance, _ graph: Graph, _ state: [UInt8], _ version: gantry_state, _ old: Instance, _ intake: Intake, _ wasPaused: Bool,
    _ record: DecisionRecord
  ) throws(GantryError) {
    try SourceHandOver.load(state, version, new, from: old, request.converters)
    try new.start()
    // A run that is closing joins the threads that there are then: no other may begin.
    try run.changes.withLock { _ throws(GantryError) in
      guard !run.isClosing else { throw GantryError("swap.ended", "the run ended before \(request.node) could be handed over", exit: .failed) }
      let made = try run.openIntake(graph.nodes[node], number: nodeNumber, new, graph, lane: lane.index, ring: intake.ring)
      made.takeOver(from: intake, SourceNotice(decision: record, context: new.context))
      if wasPaused { _ = made.pause(true) }
      run.shape.withLock {
        $0.instances[node] = new
        $0.intakes[nodeNumber] = made
      }
      intake.ring.reopen()
      do throws(GantryError) { try made.start() } catch {
        run.requestStop()
        throw error
      }
    }
    run.changes.withLock { _ in run.helperNs += intake.cpuTimeNs }
    intake.deallocate()
    old.destroy()
  }

  /// The state, and what the host keeps for an instance.
  static func load(
    _ state: [UInt8], _ version: gantry_state, _ new: Instance, from old: Instance, _ converters: [PluginCode]
  ) throws(GantryError) {
    guard let table = new.capability("gantry.state/1", as: gantry_state.self) else { return }
    var failure: GantryError?
    state.withUnsafeBufferPointer { bytes in
      do throws(GantryError) { try new.load(table, from: version, bytes, converters: converters) } catch { failure = error }
    }
    if let failure { throw failure }
    new.context.pointee.nextID = old.context.pointee.nextID
    new.context.pointee.random = old.context.pointee.random
    new.context.pointee.counters |= old.context.pointee.counters
    for index in 0..<metricsPerNode { new.context.pointee.metrics[index] = old.context.pointee.metrics[index] }
  }

  /// The old instance has stopped for nothing and cannot start again: a fresh one of its code goes on.
  private func bringBack(
    _ old: Instance, _ graph: Graph, _ state: [UInt8], _ version: gantry_state, _ intake: Intake, _ wasPaused: Bool, _ reason: GantryError
  ) throws(GantryError) {
    var back = request
    back.graph = graph
    back.code = old.code
    do throws(GantryError) {
      let again = try run.makeCandidate(node, back, writing: schemas).instance
      do throws(GantryError) {
        try install(again, graph, state, version, old, intake, wasPaused, DecisionRecord(what: 0, node: UInt32(nodeNumber), value: 0, detail: 0))
      } catch {
        again.destroy()
        throw error
      }
    } catch {
      run.requestStop()
      throw GantryError(reason.diagnostics + error.diagnostics, .failed)
    }
  }

  func letGo() {
    next?.destroy()
    next = nil
    let runs = run.instances[node].code.raw
    run.didLetGo(hasExchanged && runs != previousCode.raw ? previousCode : request.code)
  }
}

extension Intake {
  /// How an instance gives its events. What the journal keeps of them depends on it.
  struct Manner: Equatable {
    var isPulled: Bool
    var hasCursor: Bool

    init(_ instance: Instance) {
      let pull = instance.capability("gantry.pull/1", as: gantry_pull.self)
      isPulled = pull?.pointee.pull != nil
      hasCursor = isPulled && pull?.pointee.cursor != nil
    }
  }
}
