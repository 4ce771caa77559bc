import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// Swaps of a running graph's nodes.
extension Run {
  /// Replaces one node's instance by another, as design section 7 says: prepared beside the old one,
  /// warmed, compared, flipped at an event boundary, on probation until it is committed or reverted.
  ///
  /// Returns after the flip, or with `waits` after the end; the steps before are told to `progress`, on
  /// another thread. A swap of the same node that is still under way is superseded. Any thread but a
  /// lane's. Throws, with the old instance counted and untouched, when it does not come to a flip.
  @discardableResult
  public func swap(
    _ request: SwapRequest, waits: Bool = false, progress: @escaping @Sendable (SwapStep) -> Void = { _ in }
  ) throws(GantryError) -> SwapReport {
    let driver = try beginSwap(request, progress: progress)
    return try driver.wait(untilEnd: waits)
  }

  private func beginSwap(
    _ request: SwapRequest, progress: @escaping @Sendable (SwapStep) -> Void
  ) throws(GantryError) -> SwapDriver {
    let node = try check(request)
    if let running = swapList.withLock({ $0.drivers[node] }) {
      running.ask(.supersede)
      _ = try? running.wait(untilEnd: true)
    }
    let number = numbers[node]
    // A source has no place on its lane: its events come out of a ring.
    let (lane, slot) = place(of: number) ?? (planner.lanes[laneOf[node]], -1)
    let driver = swapList.withLock { swaps -> SwapDriver? in
      guard swaps.drivers[node] == nil, !swaps.isClosed else { return nil }
      swaps.lastNumber += 1
      let driver = SwapDriver(request, node: node, nodeNumber: number, number: swaps.lastNumber, run: self, lane: lane, slot: slot, progress: progress)
      swaps.drivers[node] = driver
      swaps.all.append(driver)
      return driver
    }
    guard let driver else {
      throw GantryError("swap.busy", "another change of \(request.node) began at the same time, or the run is ending", exit: .failed)
    }
    try driver.start()
    return driver
  }

  /// Brings the old instance back, exactly, as long as it is fed: in probation, or before the flip.
  public func revert(node: String, by: String) throws(GantryError) -> SwapReport { try finishSwap(node, .revert, by) }

  /// Ends a swap's probation at once: the new instance stays.
  public func commit(node: String, by: String) throws(GantryError) -> SwapReport { try finishSwap(node, .commit, by) }

  private func finishSwap(_ node: String, _ wish: SwapMachine.Wish, _ by: String) throws(GantryError) -> SwapReport {
    guard let index = graph.node(named: node) else {
      throw GantryError("swap.unknown-node", "no node is named \(node)", exit: .usage)
    }
    guard let driver = swapList.withLock({ $0.drivers[index] }) else {
      throw GantryError(
        "swap.none", "no swap of \(node) is under way", help: ["`gantry history` lists what was changed; `gantry revert ID` makes a committed change anew"],
        exit: .usage)
    }
    driver.ask(wish, by: by)
    return try driver.wait(untilEnd: true)
  }

  /// All swaps of this run, under way and ended.
  public var swaps: [SwapReport] {
    let (ended, running) = swapList.withLock { ($0.ended, $0.all) }
    return ended + running.map(\.report)
  }

  private func check(_ request: SwapRequest) throws(GantryError) -> Int {
    guard let node = graph.node(named: request.node), let other = request.graph.node(named: request.node) else {
      throw GantryError("swap.unknown-node", "no node is named \(request.node)", exit: .usage)
    }
    guard request.graph.nodes.map(\.name) == graph.nodes.map(\.name) else {
      throw GantryError("swap.other-graph", "a swap replaces one node and leaves all others", help: ["use apply"])
    }
    let old = graph.nodes[node]
    let new = request.graph.nodes[other]
    let ports = (old: (old.plugin.inputs.map(\.type), old.plugin.outputs.map(\.type)), new: (new.plugin.inputs.map(\.type), new.plugin.outputs.map(\.type)))
    guard ports.old == ports.new, old.inputs.map(\.fromNode) == new.inputs.map(\.fromNode), old.inputs.map(\.toPort) == new.inputs.map(\.toPort) else {
      throw GantryError(
        "swap.other-ports", "\(new.plugin.id)@\(new.plugin.version) has not the ports that \(request.node)'s edges use",
        help: ["use apply, which checks the graph with the new plugin first"])
    }
    guard old.plugin.kind == new.plugin.kind else {
      throw GantryError("swap.other-kind", "\(request.node) is a \(old.plugin.kind.rawValue), and \(new.plugin.id) is a \(new.plugin.kind.rawValue)")
    }
    if let share = request.policy.canary { try checkShare(share, request, node, new) }
    if request.policy.canary != nil, old.plugin.effects != .none || old.plugin.kind == .source {
      throw GantryError(
        "swap.canary-external", "\(request.node) \(old.plugin.kind == .source ? "is a source" : "acts on the outside"): it cannot share its events with a second instance",
        help: ["swap it without a canary"])
    }
    return node
  }

  /// Whether the share divides anything, and may.
  private func checkShare(_ share: Double, _ request: SwapRequest, _ node: Int, _ new: GraphNode) throws(GantryError) {
    if request.policy.canaryBy == .chain {
      guard graph.nodes[node].plugin.isStateless, new.plugin.isStateless else {
        throw GantryError(
          "swap.canary-stateful", "a canary by chain is for stateless plugins, and \(request.node) remembers: neither instance would see all that it has to",
          help: ["share out instruments: --canary 10%"], exit: .usage)
      }
      if let holder = graph.positionHolder(behind: node) {
        throw GantryError(
          "swap.canary-position", "a canary by chain before \(graph.nodes[holder].name), which holds a position: its chains would follow two instances at once",
          help: ["share out instruments: --canary 10%"], exit: .usage)
      }
      guard share < 1 else {
        throw GantryError("swap.canary-empty", "a canary of 100% selects all chains", help: ["take a smaller share, or swap without a canary"])
      }
      return
    }
    let chosen = Run.canaryInstruments(graph, share: share).count
    guard chosen > 0, chosen < graph.instruments.count else {
      throw GantryError(
        "swap.canary-empty", "a canary of \(Int(share * 100))% selects \(chosen == 0 ? "none" : "all") of \(graph.instruments.count) instruments",
        help: ["take a share that selects some instruments and leaves others, or swap without a canary"])
    }
  }

  /// Tells a follower which events are to count in the candidate.
  func share(_ share: Double, by what: CanaryBy, _ follower: Follower) {
    switch what {
    case .chain: follower.setShare(ofChains: share)
    case .instrument: follower.setShare(Set(Run.canaryInstruments(graph, share: share)), of: graph.instruments.count)
    }
  }

  /// The lane and the slot of a node, by its number.
  func place(of number: Int) -> (Lane, Int)? {
    for lane in planner.lanes {
      for slot in 0..<lane.nodeCount where lane.nodes[slot].index == Int32(number) { return (lane, slot) }
    }
    return nil
  }

  /// A configured instance of a node as the request has it, whose rows begin as those of the counted one.
  ///
  /// - Parameters:
  ///   - inputs: what it may rely on; nil: what a swap that begins now may
  ///   - schemas: what it must write, exactly; nil: what the counted one writes, and columns behind
  func makeCandidate(
    _ index: Int, _ request: SwapRequest, inputs: [PortSchema]? = nil, writing schemas: [PortSchema]? = nil
  ) throws(GantryError) -> (instance: Instance, artifacts: [ArtifactUse]) {
    let context = changes.withLock { _ in addContext(index) }
    let candidate = try Instance(graph: request.graph, node: index, code: request.code, context: context)
    do throws(GantryError) {
      var artifacts: [ArtifactUse] = []
      try candidate.configure(request.graph, inputs: inputs ?? candidateInputs(index), artifacts: &artifacts)
      let current = instances[index].schemas
      let fits = schemas.map { $0 == candidate.schemas } ?? zip(candidate.schemas, current).allSatisfy { $0.extends($1) }
      guard fits else {
        throw GantryError(
          "swap.other-schema", "the candidate for \(request.node) has other output columns, and not only further ones behind those that are there",
          help: ["use apply, which makes new instances of all that read it"])
      }
      if request.policy.canary != nil, candidate.schemas != current {
        throw GantryError(
          "swap.canary-columns", "the candidate for \(request.node) adds columns, and in a canary two instances write one port's rows",
          help: ["swap it without a canary; --shadow compares the columns that both have"])
      }
      return (candidate, artifacts)
    } catch {
      candidate.destroy()
      throw Run.withRemedy(error)
    }
  }

  /// A candidate that refuses its configuration may be right for another graph: then it is an apply.
  private static func withRemedy(_ error: GantryError) -> GantryError {
    guard error.diagnostics.first?.code == "runtime.configure-failed" else { return error }
    var error = error
    error.diagnostics[0].help.append(
      "a swap exchanges this node and nothing around it; for other columns or another plugin use apply: change the graph file, look with `gantry plan FILE`, then `gantry apply FILE`"
    )
    return error
  }

  /// What the edges into a node bring for as long as its graph runs, in the order of `from`: columns that a
  /// swap on probation has added may go again, and edges to other lanes carry what they were laid out for.
  func candidateInputs(_ index: Int) -> [PortSchema] {
    let layout = planner.layout
    return shape.withLock { shape in
      var schemas = Run.inputSchemas(shape.graph, index, shape.instances)
      for (place, edge) in shape.graph.nodes[index].inputs.enumerated() {
        if shape.laneOf[edge.fromNode] != shape.laneOf[index] {
          schemas[place] = layout.written[edge.fromNode][edge.fromPort]
        } else if let promised = shape.promised[shape.numbers[edge.fromNode]] {
          schemas[place] = promised[edge.fromPort]
        }
      }
      return schemas
    }
  }

  /// A thread tag that no lane, reader or other follower has.
  func nextTag() -> UInt64 {
    swapList.withLock { swaps in
      swaps.lastTag += 1
      return swaps.lastTag
    }
  }

  /// Lines of the host about a node.
  func say(node: Int, _ text: String) {
    options.onLog(LogLine(severity: .info, node: graph.nodes[node].name, wallNs: clinux_wall_ns(), text: text))
  }

  func didLetGo(_ code: PluginCode) { options.onLetGo(code) }

  /// A node is now as another checked graph has it: what an apply compares with, and what `status` shows.
  func take(node index: Int, from other: Graph) {
    shape.withLock { shape in
      shape.graph.nodes[index].plugin = other.nodes[index].plugin
      shape.graph.nodes[index].requirement = other.nodes[index].requirement
      shape.graph.nodes[index].parameters = other.nodes[index].parameters
      shape.graph.nodes[index].parameterPlaces = other.nodes[index].parameterPlaces
    }
  }

  /// The instruments of a canary: those whose hash falls into the share. The same for every run.
  static func canaryInstruments(_ graph: Graph, share: Double) -> [Int] {
    graph.instruments.indices.compactMap { index in
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      for byte in graph.instruments[index].symbol.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      hash ^= hash >> 33
      hash &*= 0xFF51_AFD7_ED55_8CCD
      hash ^= hash >> 33
      return Double(hash >> 11) / Double(1 << 53) < share ? index + 1 : nil
    }
  }

  func swapEnded(_ driver: SwapDriver, _ report: SwapReport) {
    let before = swapList.withLock { swaps -> LaneThread? in
      if swaps.drivers[driver.node] === driver { swaps.drivers[driver.node] = nil }
      // What a swap held is gone with it; its report stays.
      swaps.all.removeAll { $0 === driver }
      swaps.ended.append(report)
      if swaps.ended.count > RunSwaps.reportsMax { swaps.ended.removeFirst(RunSwaps.reportsMax / 2) }
      defer { swaps.last = driver.thread }
      return swaps.last
    }
    // A thread that nobody waited for keeps its stack until it is joined.
    before?.join()
  }

  /// Before an apply, which must not meet a swap: those before their flip are superseded, those in
  /// probation are committed, and no new one begins until `reopenSwaps`. Not while `changes` is held.
  func closeSwaps() {
    let drivers = swapList.withLock { swaps -> [SwapDriver] in
      swaps.isClosed = true
      return swaps.all
    }
    for driver in drivers {
      driver.ask(.supersede)
      _ = try? driver.wait(untilEnd: true)
    }
  }

  func reopenSwaps() { swapList.withLock { $0.isClosed = false } }

  /// After the lanes have ended: every swap ends as it stands.
  func endSwaps() {
    let drivers = swapList.withLock { swaps -> [SwapDriver] in
      swaps.isClosed = true
      return swaps.all
    }
    for driver in drivers { _ = try? driver.wait(untilEnd: true) }
    swapList.withLock { $0.last }?.join()
    endStandbys()
  }
}

/// The swaps of one run.
struct RunSwaps {
  /// By node: the swap under way.
  var drivers: [Int: SwapDriver] = [:]
  /// Those under way, in the order in which they began.
  var all: [SwapDriver] = []
  /// The thread of the one that ended last: joined by the next one, or at the run's end.
  var last: LaneThread?
  /// Reports of the last ones that ended.
  var ended: [SwapReport] = []
  static let reportsMax = 256
  var lastNumber: Int64 = 0
  var isClosed = false
  var lastTag: UInt64 = 1_000_000
  /// By node number.
  var standbys: [Int: Standby] = [:]
}
