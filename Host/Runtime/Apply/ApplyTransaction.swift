import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// One change of a running graph, from the first new instance to the last old one: used by one thread,
/// which holds `Run.changes`.
///
/// Until `commit` everything can be taken back and the old graph runs on as if nothing had been
/// asked; `commit` cannot fail.
final class ApplyTransaction {
  let run: Run
  let old: RunShape
  let graph: Graph
  var plan: ApplyPlan
  var numbers: [Int] = []
  var laneOf: [Int] = []
  var laneNames: [String] = []
  /// By place in the new graph; all set once `prepare` is done.
  var instances: [Instance?]
  var intakes: [Int: Intake] = [:]
  var layout: LaneLayout!
  var artifacts: [ArtifactUse] = []
  private(set) var stateBytes: [Int: Int] = [:]
  /// Places in the new graph of kept instances that have their new live parameters.
  private var reconfigured: [Int] = []

  init(_ run: Run, to graph: Graph, changes: [NodeChange]) throws(GantryError) {
    self.run = run
    self.graph = graph
    mode = .asked
    old = run.shape.withLock { $0 }
    plan = try ApplyPlan(old: old.graph, new: graph, changes: changes)
    instances = graph.nodes.map { _ in nil }
  }

  /// An apply that a followed journal tells of.
  ///
  /// - Parameter sources: where sources begin that are new
  init(_ run: Run, to graph: Graph, following applied: AppliedGraph, sources: [SourceBegin]) throws(GantryError) {
    self.run = run
    self.graph = graph
    mode = .followed(Dictionary(sources.map { (Int($0.node), $0) }) { first, _ in first })
    old = run.shape.withLock { $0 }
    plan = try ApplyPlan(old: old.graph, new: graph, following: applied.nodes, of: applied.id)
    instances = graph.nodes.map { _ in nil }
  }

  /// The end of a followed journal, from where the run goes on by itself.
  ///
  /// - Parameters:
  ///   - nodes: what is done with each
  ///   - chains: by origin, the number of a source's next event
  init(_ run: Run, to graph: Graph, goingOn nodes: [AppliedGraph.Node], chains: [UInt16: UInt64]) throws(GantryError) {
    self.run = run
    self.graph = graph
    mode = .goingOn(chains)
    old = run.shape.withLock { $0 }
    plan = try ApplyPlan(old: old.graph, new: graph, following: nodes, of: "at the journal's end")
    instances = graph.nodes.map { _ in nil }
  }

  private enum Mode {
    case asked
    /// A journal says it: where sources begin, by node number. Nothing acts on the outside, and rows come
    /// from scripts.
    case followed([Int: SourceBegin])
    /// All that acts on the outside, and all sources, begin here.
    case goingOn([UInt16: UInt64])
  }
  private let mode: Mode
  var isScripted: Bool { if case .followed = mode { true } else { false } }
  private var goesOn: Bool { if case .goingOn = mode { true } else { false } }

  /// Whether the source of a node is new to the run, or another than before.
  func isFreshSource(_ index: Int) -> Bool { graph.nodes[index].plugin.kind == .source && plan.nodes[index].isFresh }

  /// Events of one time must not be split: a source begins or ends at the marker.
  var needsCut: Bool { graph.nodes.indices.contains { isFreshSource($0) } }

  // MARK: while the lanes stand

  /// Hands over what new instances begin with, and starts them. Throws with everything as it was.
  func handOver(cutNs: Int64) throws(GantryError) {
    for index in graph.nodes.indices where isFreshSource(index) {
      guard let intake = old.intakes[numbers[index]], plan.nodes[index].old != nil else { continue }
      if goesOn { continue }
      if case .followed(let begins) = mode {
        guard let begin = begins[numbers[index]], begin.goesOn != 0, let reader = intake.reader, intake.isReplayable else { continue }
        intakes[numbers[index]]?.reader?.take(try reader.pullAhead(to: begin.chain))
        continue
      }
      halted.append((intake, intake.isPaused))
      intake.leave()
    }
    for index in graph.nodes.indices where plan.nodes[index].isFresh {
      guard let place = plan.nodes[index].old else { continue }
      inherit(instances[index]!, from: old.instances[place])
    }
    for index in graph.order where plan.nodes[index].isFresh && graph.nodes[index].plugin.effects == .none {
      try takeState(index)
    }
    for index in graph.order.reversed() where plan.nodes[index].isFresh && graph.nodes[index].plugin.effects == .none {
      try asLane(index) { () throws(GantryError) in try instances[index]!.start() }
    }
    for index in graph.nodes.indices where plan.nodes[index].setsLive {
      try asLane(index) { () throws(GantryError) in try instances[index]!.applyLive(graph, node: index) }
      reconfigured.append(index)
    }
    if !isScripted { try handOverExternals() }
    for index in graph.order.reversed() where goesOn && !plan.nodes[index].isFresh && graph.nodes[index].plugin.effects == .external {
      try asLane(index) { () throws(GantryError) in try instances[index]!.start() }
    }
  }

  /// Ids never repeat, the random position goes on, and so do the node's metrics.
  private func inherit(_ new: Instance, from old: Instance) {
    new.context.pointee.nextID = old.context.pointee.nextID
    new.context.pointee.random = old.context.pointee.random
    new.context.pointee.counters |= old.context.pointee.counters
    for index in 0..<metricsPerNode { new.context.pointee.metrics[index] = old.context.pointee.metrics[index] }
  }

  private func takeState(_ index: Int) throws(GantryError) {
    guard plan.nodes[index].takesState, let place = plan.nodes[index].old else { return }
    let saved = try asLane(index) { () throws(GantryError) in try old.instances[place].saveState() }
    guard let saved else { return }
    stateBytes[index] = saved.bytes.count
    try asLane(index) { () throws(GantryError) in try instances[index]!.loadState(saved.version, saved.bytes) }
  }

  /// The node's lane stands still: this thread speaks for it.
  private func asLane<Value>(_ index: Int, _ body: () throws(GantryError) -> Value) throws(GantryError) -> Value {
    let own = clinux_thread_tag()
    clinux_set_thread_tag(UInt64(laneOf[index] + 1))
    defer { clinux_set_thread_tag(own) }
    return try body()
  }

  /// Those that act on the outside are never two at once: the old one stops, its state is passed, the
  /// new one starts. The last step that can fail; what has been stopped is brought back.
  private func handOverExternals() throws(GantryError) {
    for index in graph.order where plan.nodes[index].isFresh && graph.nodes[index].plugin.effects == .external {
      guard let place = plan.nodes[index].old else { continue }
      let before = old.instances[place]
      let saved = plan.nodes[index].takesState ? try before.saveState() : nil
      stateBytes[index] = saved?.bytes.count
      stopped.append((place, saved))
      if let error = before.stop() { run.say(error, node: numbers[index]) }
      if let saved { try instances[index]!.loadState(saved.version, saved.bytes) }
      try instances[index]!.start()
    }
  }
  /// Intakes of the old graph whose threads have been ended.
  private var halted: [(intake: Intake, wasPaused: Bool)] = []
  /// External instances of the old graph that were stopped for a hand-over, with what they had saved.
  private var stopped: [(place: Int, state: (version: UInt32, bytes: [UInt8])?)] = []

  // MARK: taking it back

  /// Everything as it was: the lanes have not gone on yet, or never stood. Returns what could not be
  /// brought back.
  func rollBack() -> GantryError? {
    var failure: GantryError?
    for index in reconfigured {
      guard let place = plan.nodes[index].old else { continue }
      do throws(GantryError) {
        try asLane(index) { () throws(GantryError) in try instances[index]!.applyLive(old.graph, node: place) }
      } catch { failure = failure ?? error }
    }
    for index in graph.nodes.indices where plan.nodes[index].isFresh {
      if let error = instances[index]?.stop() { run.say(error, node: numbers[index]) }
      instances[index]?.destroy()
    }
    for (place, state) in stopped.reversed() {
      do throws(GantryError) { try bringBack(place, state) } catch { failure = failure ?? error }
    }
    discardIntakes()
    for (intake, wasPaused) in halted {
      do throws(GantryError) { try intake.resume() } catch { failure = failure ?? error }
      if wasPaused { _ = intake.pause(true) }
    }
    layout?.deallocate()
    layout = nil
    return failure
  }

  private func discardIntakes() {
    for (number, intake) in intakes where intake !== old.intakes[number] {
      if intake.ring !== old.intakes[number]?.ring { intake.stop() }
      intake.deallocate()
    }
  }

  /// An external instance that was stopped for nothing: one like it, with its state, takes its place.
  private func bringBack(_ place: Int, _ state: (version: UInt32, bytes: [UInt8])?) throws(GantryError) {
    let before = old.instances[place]
    let number = old.numbers[place]
    let lane = old.laneOf[place]
    let context = run.makeContext(old.graph.nodes[place], number: number, old.graph, lane: lane, before.context.pointee.timers)
    context.pointee.slot = before.context.pointee.slot
    context.pointee.trace = before.context.pointee.trace
    let again = try Instance(graph: old.graph, node: place, code: before.code, context: context)
    inherit(again, from: before)
    do throws(GantryError) {
      var artifacts: [ArtifactUse] = []
      try again.configure(old.graph, inputs: before.schemas(of: old.graph, place), artifacts: &artifacts)
      if let state { try again.loadState(state.version, state.bytes) }
      try again.start()
    } catch {
      again.destroy()
      throw error
    }
    run.planner.layout.replace(number, by: again)
    run.replaceInstance(place, by: again)
    before.destroy()
  }

  // MARK: making it so

  /// Exchanges the plans of all lanes. They stand still; nothing here can fail.
  ///
  /// - Parameters:
  ///   - number: of the apply in its run
  ///   - sha256: of its description among the journal's objects
  func commit(_ held: Run.Held, number: UInt32, sha256: String) -> LaneLayout {
    addLanes(held.cutNs)
    let lanes = run.planner.lanes
    let before = run.planner.layout
    carryNodes(from: before)
    carryStandbys(from: before)
    let sources =
      switch mode {
      case .asked: carryIngress(from: before, cutNs: held.cutNs)
      case .followed(let begins): beginAgain(begins)
      case .goingOn(let chains): goOn(chains, cutNs: held.cutNs)
      }
    carryTimers(from: before)
    for index in graph.nodes.indices where !isScripted && plan.nodes[index].isFresh && DurableEdges.isDurable(graph.nodes[index]) {
      run.beginBroker(graph.nodes[index], number: numbers[index], instances[index]!, lane: lanes[laneOf[index]], isNew: plan.nodes[index].old == nil)
    }
    let record = ApplyRecord(
      number: number, lanes: lanes.count, cutNs: held.cutNs, ranToCut: held.ranToCut, sources: sources.count, sha256: sha256)
    for lane in lanes {
      lane.trace.reserve(nodes: run.roster.count)
      lane.take(layout.plans[lane.index])
      lane.recorder.change(record, sources)
    }
    layout.settle(lanes, instances: instances.map { $0! }, now: run.laneTimes)
    let fresh = graph.nodes.indices.filter { plan.nodes[$0].isFresh }.map { Int32(numbers[$0]) }
    run.gate.take(riskNodes: Run.riskNodes(graph, numbers), fresh: Set(fresh))
    for place in plan.removed { run.lastIDs[old.numbers[place]] = old.instances[place].context.pointee.nextID }
    let shape = RunShape(
      graph: graph, numbers: numbers, laneOf: laneOf, laneNames: laneNames, instances: instances.map { $0! }, intakes: intakes)
    run.shape.withLock { $0 = shape }
    return run.planner.take(layout)
  }

  /// Lanes that the new graph adds; their threads begin later.
  private func addLanes(_ cutNs: Int64) {
    for number in run.planner.lanes.count..<max(laneNames.count, run.planner.lanes.count) {
      let lane = Lane(run.spareLanes.removeValue(forKey: number)!, layout.plans[number])
      lane.lastChainNs = cutNs
      if graph.clock == .replay { lane.now.pointee = max(cutNs, 0) }
      lane.hasEnded.store(true, ordering: .releasing)
      run.planner.add(lane)
    }
  }

  /// Kept nodes are on the new plan what they were on the old one: breaker, watchers, counts.
  private func carryNodes(from before: LaneLayout) {
    for index in graph.nodes.indices where plan.nodes[index].isFresh {
      layout.node(numbers[index])?.pointee.statistics.pointee.breaker = Breaker()
    }
    for index in graph.nodes.indices where !plan.nodes[index].isFresh {
      guard let new = layout.node(numbers[index]), let old = before.node(numbers[index]) else { continue }
      new.pointee.breaker = old.pointee.breaker
      if old.pointee.watch.contains(.troubled) { new.pointee.watch.insert(.troubled) }
      if let tail = old.pointee.tail, new.pointee.tail != nil, self.old.graph.nodes[plan.nodes[index].old!].swap.warm == graph.nodes[index].swap.warm {
        layout.exchangeTail(new, before, tail)
        new.pointee.tail = tail
      }
    }
  }

  /// Standbys of nodes that are left alone stand beside them on the new plan; others end.
  private func carryStandbys(from before: LaneLayout) {
    let lanes = run.planner.lanes
    for (number, standby) in run.swapList.withLock({ $0.standbys }) {
      if let place = old.index(of: number) { lanes[old.laneOf[place]].followerCount -= 1 }
      if let index = numbers.firstIndex(of: number), !plan.nodes[index].isFresh, !plan.nodes[index].setsLive, graph.nodes[index].swap.standby,
        let node = layout.node(number)
      {
        standby.move(to: lanes[laneOf[index]], node)
      } else {
        run.swapList.withLock { $0.standbys[number] = nil }
        endedStandbys.append((number, standby))
      }
    }
  }
  private var endedStandbys: [(number: Int, standby: Standby)] = []

  /// Kept sources go on in the middle of their blocks, on another lane perhaps. One with a new instance
  /// that shares the ring does too; one that begins anew leaves out what has been.
  private func carryIngress(from before: LaneLayout, cutNs: Int64) -> [SourceBegin] {
    var begins: [SourceBegin] = []
    for index in graph.nodes.indices where graph.nodes[index].plugin.kind == .source {
      let number = numbers[index]
      guard let intake = intakes[number] else { continue }
      func begin(chain: UInt64, afterNs: Int64 = .min, goesOn: Bool = false) {
        intake.begin(chain: chain, afterNs: afterNs)
        begins.append(SourceBegin(node: UInt32(number), goesOn: goesOn ? 1 : 0, chain: chain, afterNs: afterNs))
      }
      let afterNs = graph.clock == .replay ? cutNs : .min
      guard let last = old.intakes[number], plan.nodes[index].old != nil, let from = before.ingress(of: last.ring) else {
        begin(chain: run.lastChains[number] ?? 1, afterNs: afterNs)
        continue
      }
      guard intake.ring === last.ring, let new = layout.ingress(of: intake.ring) else {
        begin(chain: nextChain(last, from), afterNs: afterNs)
        continue
      }
      new.pointee.block = from.pointee.block
      new.pointee.offset = from.pointee.offset
      intake.ring.move(to: run.bells[laneOf[index]])
      if intake === last {
        new.pointee.hasEnded = from.pointee.hasEnded
        new.pointee.status = from.pointee.status
      } else {
        begin(chain: last.nextChain, goesOn: true)
        intake.takeOver(from: last)
        intake.ring.reopen()
      }
    }
    for place in plan.removed {
      let number = old.numbers[place]
      if let intake = old.intakes[number], let from = before.ingress(of: intake.ring) { run.lastChains[number] = nextChain(intake, from) }
    }
    return begins
  }

  /// In a replay: new sources begin where they did, and those that are kept are where their scripts left them.
  private func beginAgain(_ recorded: [Int: SourceBegin]) -> [SourceBegin] {
    let begins = recorded.values.sorted { $0.node < $1.node }
    for begin in begins { intakes[Int(begin.node)]?.begin(chain: begin.chain, afterNs: begin.afterNs) }
    return begins
  }

  /// At a journal's end: sources count on from what it holds. A file goes on where its script has left it.
  private func goOn(_ chains: [UInt16: UInt64], cutNs: Int64) -> [SourceBegin] {
    var begins: [SourceBegin] = []
    for index in graph.nodes.indices where graph.nodes[index].plugin.kind == .source {
      guard let intake = intakes[numbers[index]] else { continue }
      intake.ring.move(to: run.bells[laneOf[index]])
      if intake === old.intakes[numbers[index]], intake.isReplayable { continue }
      let afterNs = graph.clock == .replay ? cutNs : .min
      let chain = chains[intake.origin] ?? 1
      intake.begin(chain: chain, afterNs: afterNs)
      begins.append(SourceBegin(node: UInt32(numbers[index]), goesOn: 0, chain: chain, afterNs: afterNs))
    }
    return begins
  }

  /// The number of the first event of a source that no lane has run.
  private func nextChain(_ intake: Intake, _ ingress: UnsafeMutablePointer<Lane.Ingress>) -> UInt64 {
    if let block = ingress.pointee.block ?? intake.ring.front(), block.pointee.count > 0 {
      let offset = ingress.pointee.block == nil ? 0 : ingress.pointee.offset
      let stride = ingress.pointee.ports[block.pointee.port].buffer.pointee.stride
      return UnsafeRawPointer(block.pointee.rows + offset * stride).assumingMemoryBound(to: gantry_header.self).pointee.chain
    }
    return intake.nextChain
  }

  /// Timers go on with their node's instance, and to a new one that has its state.
  private func carryTimers(from before: LaneLayout) {
    for plan in before.plans {
      for entry in plan.timers.pointee.inOrder {
        let number = Int(plan.nodes[Int(entry.slot)].index)
        guard let index = numbers.firstIndex(of: number), let slot = layout.slot(of: number, lane: laneOf[index]) else { continue }
        guard !self.plan.nodes[index].isFresh || self.plan.nodes[index].takesState else { continue }
        _ = layout.timers(lane: laneOf[index]).pointee.set(slot: Int32(slot), tag: entry.tag, dueNs: entry.dueNs)
      }
    }
  }

  /// After the lanes have gone on: begins new sources, ends what is not needed. Returns what went wrong
  /// without harm to the graph that runs.
  func settle(_ before: LaneLayout) -> [GantryError] {
    var problems: [GantryError] = []
    func attempt(_ work: () throws(GantryError) -> Void) {
      do throws(GantryError) { try work() } catch { problems.append(error) }
    }
    for (number, intake) in intakes where goesOn || intake !== old.intakes[number] {
      if halted.contains(where: { $0.intake === old.intakes[number] && $0.wasPaused }) { _ = intake.pause(true) }
      if !isScripted { attempt { () throws(GantryError) in try intake.start() } }
    }
    for (number, intake) in old.intakes where intake !== intakes[number] {
      if intake.ring !== intakes[number]?.ring { intake.stop() }
      run.helperNs += intake.cpuTimeNs
      intake.deallocate()
    }
    for (number, standby) in endedStandbys {
      standby.end()
      if let index = numbers.firstIndex(of: number), graph.nodes[index].swap.standby {
        run.say(node: index, "its standby has ended with the instance that it stood beside; the next start makes a new one")
      }
    }
    let kept = Set(instances.compactMap { $0.map { ObjectIdentifier($0) } })
    for place in old.graph.order {
      let instance = old.instances[place]
      guard !kept.contains(ObjectIdentifier(instance)) else { continue }
      run.options.onPhase("destroying \(instance.name) (\(instance.code.description.id))")
      if let error = instance.stop() { problems.append(error) }
      instance.destroy()
    }
    before.deallocate()
    return problems
  }

  /// What the journal keeps of it.
  func described(number: UInt32, id: String, by: String, head: [UInt8]) -> AppliedGraph {
    let nodes = plan.nodes.enumerated().map {
      AppliedGraph.Node(node: graph.nodes[$0].name, action: $1.action, reasons: $1.reasons, setsLive: $1.setsLive)
    }
    let removed = plan.removed.map { AppliedGraph.Node(node: old.graph.nodes[$0].name, action: .remove, reasons: [], setsLive: false) }
    return AppliedGraph(
      number: number, id: id, by: by, nodes: nodes + removed, nodeNames: run.roster, laneNames: laneNames, origins: run.origins,
      models: run.services.modelNames, head: String(decoding: head, as: UTF8.self))
  }

  /// What is done, in one line.
  var summary: String {
    var counts: [NodeChange.Action: Int] = [:]
    for node in plan.nodes { counts[node.action, default: 0] += 1 }
    counts[.remove] = plan.removed.isEmpty ? nil : plan.removed.count
    return counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key.rawValue)" }.joined(separator: ", ")
  }

  var report: [ApplyReport.Node] {
    plan.nodes.enumerated().map {
      ApplyReport.Node(node: graph.nodes[$0].name, action: $1.action, reasons: $1.reasons, stateBytes: stateBytes[$0] ?? 0)
    } + plan.removed.map { ApplyReport.Node(node: old.graph.nodes[$0].name, action: .remove, reasons: [], stateBytes: 0) }
  }
}
