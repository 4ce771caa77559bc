import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// A swap in which only one instance runs at a time.
protocol NodeHandOver: AnyObject {
  var stateBytes: Int { get }
  var atEvent: UInt64 { get }
  /// For which the lane stood last.
  var lastCommand: LaneCommand { get }
  /// Exchanges the instances and returns the one that runs now.
  func perform(reverse: Bool) throws(GantryError) -> Instance
  /// The swap is over.
  func letGo()
}

/// The swap of a node that acts on the outside (`effects: external`): only one instance may run at
/// a time. The lane holds at an event boundary, and its queues hold with it; the old instance stops,
/// the new one takes its state and starts, the lane goes on. A revert is the same in reverse.
///
/// When the new instance does not start, a fresh instance of the old code takes the state back and
/// starts; the lane goes on with it. Only if that fails too does the node stay without an instance,
/// and the run fails.
final class HandOver: NodeHandOver {
  private let run: Run
  private let node: Int
  private let request: SwapRequest
  private let lane: Lane
  private let slot: Int
  private let number: Int64
  /// Configured and not started.
  private(set) var next: Instance?
  /// What the first instance writes, and memory for the rows of one that writes more.
  private let schemas: [PortSchema]
  var wider: WiderPorts?
  private let previousGraph: Graph
  private let previousCode: PluginCode
  private var hasExchanged = false
  private(set) var stateBytes = 0
  private(set) var atEvent: UInt64 = 0
  private(set) var lastCommand: LaneCommand

  init(run: Run, node: Int, request: SwapRequest, lane: Lane, slot: Int, number: Int64) throws(GantryError) {
    self.run = run
    self.node = node
    self.request = request
    self.lane = lane
    self.slot = slot
    self.number = number
    previousGraph = run.graph
    previousCode = run.instances[node].code
    schemas = run.instances[node].schemas
    lastCommand = LaneCommand()
    let (candidate, artifacts) = try run.makeCandidate(node, request)
    next = candidate
    try run.describe(request, number: number, artifacts, candidate)
  }

  /// Exchanges the instances and returns the one that runs now.
  func perform(reverse: Bool) throws(GantryError) -> Instance {
    if reverse {
      var back = request
      back.graph = previousGraph
      back.code = previousCode
      next = try run.makeCandidate(node, back, writing: schemas).instance
    }
    guard let new = next else { throw GantryError("swap.bug", "nothing to hand over", exit: .bug) }
    next = nil
    let old = run.instances[node]
    let hold = HoldCommand()
    let pause = HoldCommand.Pause()
    lastCommand = hold
    hold.pause = pause
    let asker = LaneThread()
    let answer = Mutex<Lane.Asked?>(nil)
    try asker.start(name: "hold:\(request.node)") { [lane] in
      let result = lane.ask(hold)
      answer.withLock { $0 = result }
      pause.arrive()
    }
    pause.waitForArrival()
    guard pause.isHeld else {
      asker.join()
      new.destroy()
      throw GantryError("swap.ended", "the run ended before \(request.node) could be handed over", exit: .failed)
    }
    defer {
      pause.release()
      asker.join()
    }
    atEvent = lane.eventCount
    return try exchange(old, new, reverse: reverse)
  }

  /// The lane holds.
  private func exchange(_ old: Instance, _ new: Instance, reverse: Bool) throws(GantryError) -> Instance {
    var state: [UInt8] = []
    var version: gantry_state?
    if !request.isCold, let table = old.capability("gantry.state/1", as: gantry_state.self) {
      state = try old.save(table)
      version = table.pointee
      stateBytes = state.count
    }
    let stopping = old.stop()
    do throws(GantryError) {
      if let stopping { throw stopping }
      try install(new, state, version)
      wider?.exchange(lane, lane.nodes + slot)
      old.destroy()
      hasExchanged = true
      lane.recorder.decision(reverse ? .flippedBack : .flipped, node: lane.nodes[slot].index, value: number)
      return new
    } catch {
      new.destroy()
      // The old instance has stopped and cannot start again: a fresh one of its code takes its place.
      var back = request
      back.graph = reverse ? request.graph : previousGraph
      back.code = old.code
      let again = try run.makeCandidate(node, back, writing: old.schemas).instance
      do throws(GantryError) {
        try install(again, state, version)
      } catch let second {
        lane.end(second)
        throw GantryError(error.diagnostics + second.diagnostics, .failed)
      }
      old.destroy()
      run.replaceInstance(node, by: again)
      throw error
    }
  }

  private func install(_ new: Instance, _ state: [UInt8], _ version: gantry_state?) throws(GantryError) {
    if let version, let table = new.capability("gantry.state/1", as: gantry_state.self) {
      var failure: GantryError?
      state.withUnsafeBufferPointer { bytes in
        do throws(GantryError) { try new.load(table, from: version, bytes, converters: request.converters) } catch { failure = error }
      }
      if let failure { throw failure }
    }
    let place = lane.nodes + slot
    let old = place.pointee.context
    let context = new.context
    context.pointee.nextID = old.pointee.nextID
    context.pointee.random = old.pointee.random
    context.pointee.slot = old.pointee.slot
    context.pointee.trace = old.pointee.trace
    for index in 0..<metricsPerNode { context.pointee.metrics[index] = old.pointee.metrics[index] }
    try new.start()
    place.pointee.instance = new.raw
    place.pointee.onBatch = new.code.raw.pointee.on_batch
    place.pointee.plugin = new.code.raw
    place.pointee.outputs.pointee.idle = 0
    place.pointee.context = context
    place.pointee.generation = new.code.generation
    place.pointee.breaker = Breaker()
    place.pointee.statistics.pointee.breaker = Breaker()
    place.pointee.watch.remove(.troubled)
    if let durable = place.pointee.durable {
      // What was under way in the moment of the change is asked, before any order passes.
      durable._withUnsafeGuaranteedRef { _ = $0.begin(with: new) }
      lane.countUnsettled()
    }
  }

  /// The swap is over. The code that does not run is told to be free only now: a revert needed it.
  func letGo() {
    next?.destroy()
    next = nil
    let runs = run.instances[node].code.raw
    run.didLetGo(hasExchanged && runs != previousCode.raw ? previousCode : request.code)
  }
}

/// The lane holds until it is released.
final class HoldCommand: LaneCommand, @unchecked Sendable {
  /// Where the lane and the change's thread meet.
  final class Pause: Sendable {
    private let word = Atomic<UInt32>(0)
    private let held = Atomic<Bool>(false)
    private let arrived = Atomic<UInt32>(0)

    var isHeld: Bool { held.load(ordering: .acquiring) }

    fileprivate func hold() {
      held.store(true, ordering: .releasing)
      arrive()
      while word.load(ordering: .acquiring) == 0 { GantryRuntime.wait(word, while: 0, timeoutNs: 10_000_000) }
    }

    func arrive() {
      arrived.store(1, ordering: .releasing)
      wake(arrived)
    }

    func waitForArrival() {
      while arrived.load(ordering: .acquiring) == 0 { GantryRuntime.wait(arrived, while: 0, timeoutNs: 10_000_000) }
    }

    func release() {
      word.store(1, ordering: .releasing)
      wake(word)
    }
  }

  var pause: Pause?

  override func perform(_ lane: Lane) -> Bool {
    pause?.hold()
    return true
  }
}
