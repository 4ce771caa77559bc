import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import GantryTrace
import Synchronization

/// How a graph is run.
public struct RunOptions: Sendable {
  /// Folder for the journal, the hop log and the run's description; nil writes nothing.
  public var folder: String?
  public var writesJournal = true
  /// Journal every port, not only what leaves.
  public var journalsAll = false
  /// Nodes of which every output is journaled.
  public var journals: Set<String> = []
  /// Hop timing for one chain in `traceEvery` (a power of two); 1 = all, 0 = none.
  public var traceEvery = 16
  /// Events a block, 1 ... 256. The outputs do not depend on it.
  public var blockSize = 256
  /// Varies the block size from block to block, for tests.
  public var seed: UInt64 = 1
  /// First CPU to bind lanes to; -1 = none.
  public var pinFirstCPU: Int32 = -1
  /// Ports (node name, port name) whose events are kept in memory.
  public var captures: [(node: String, port: String)] = []
  /// Called with each log line, on the control thread.
  public var onLog: @Sendable (LogLine) -> Void = { _ in }
  public var secrets: @Sendable (String) -> [UInt8]? = { _ in nil }
  /// Makes the journal's head (JSON) and the objects it keeps, from the artifacts that were read.
  public var journalHead: @Sendable ([ArtifactUse]) -> JournalHead = { _ in JournalHead(json: [], objects: []) }
  /// Told what the control thread is about to do with a plugin, so that a crash can be blamed.
  public var onPhase: @Sendable (String) -> Void = { _ in }
  /// A journal to follow instead of the sources.
  public var script: String?
  /// Makes the candidate of a swap that the followed journal tells of.
  public var scriptedSwap: @Sendable (ChangeRecord) throws(GantryError) -> SwapRequest = { (record) throws(GantryError) in
    throw GantryError("replay.swap", "the journal swaps \(record.node), and nobody makes its candidate")
  }
  /// Makes the graph of an apply that the followed journal tells of.
  public var scriptedApply: @Sendable (AppliedGraph) throws(GantryError) -> ScriptedApply = { (applied) throws(GantryError) in
    throw GantryError(
      "replay.graph-changed", "apply \(applied.number) changed the graph here, and this replay runs one graph only",
      help: ["of a run with an apply only what came before it can be compared so"], exit: .failed)
  }
  /// Told that a swap has let an instance of this code go: its generation may be unloaded when nobody
  /// else uses it. On the change's thread.
  public var onLetGo: @Sendable (PluginCode) -> Void = { _ in }
  /// What goes on where the followed journal ends; nil: the run ends there.
  public var continuation: Continuation?
  /// What is known of orders at brokers outside, from earlier runs.
  public var orders = OrderHistory()
  /// Told that the journal has that on the disk, before any order passes, and the epoch of the run's ids.
  /// Throwing ends the start.
  public var onOrdersKept: @Sendable (_ epoch: UInt16) throws(GantryError) -> Void = { (_) throws(GantryError) in }
  /// How long one call of a plugin may last before it is called a hang.
  public var hangNs: Int64 = 30_000_000_000
  /// Told of each hang, on the control thread, after it was logged and stands in the crash record.
  public var onHang: @Sendable (Hang) -> Void = { _ in }
  public init() {}
}

/// The graph that goes on, by itself, where a followed journal ends.
public struct Continuation: Sendable {
  public var graph: Graph
  /// By place in the graph.
  public var code: [PluginCode]
  /// Who has it go on, for the journal.
  public var by: String
  /// Makes what the journal keeps of the graph.
  public var head: @Sendable ([ArtifactUse]) -> JournalHead

  public init(graph: Graph, code: [PluginCode], by: String, head: @escaping @Sendable ([ArtifactUse]) -> JournalHead) {
    self.graph = graph
    self.code = code
    self.by = by
    self.head = head
  }
}

/// What a journal begins with.
public struct JournalHead: Sendable {
  public var json: [UInt8]
  public var objects: [(sha256: String, bytes: [UInt8])]
  public init(json: [UInt8], objects: [(sha256: String, bytes: [UInt8])]) {
    self.json = json
    self.objects = objects
  }
}

/// What a change of the graph exchanges: a value, so that others see the old or the new one, whole.
struct RunShape {
  var graph: Graph
  /// By place in the graph: the number of each node, its own for the whole run.
  var numbers: [Int]
  /// By place in the graph: the number of each node's lane.
  var laneOf: [Int]
  /// By lane number, those that have no node now included.
  var laneNames: [String]
  /// By place in the graph.
  var instances: [Instance] = []
  /// By node number.
  var intakes: [Int: Intake] = [:]
  /// By node number: what a node's rows hold whatever becomes of its swap, which may add columns.
  var promised: [Int: [PortSchema]] = [:]

  /// Where a node of this number stands in the graph.
  func index(of number: Int) -> Int? { numbers.firstIndex(of: number) }
}

/// One run of one graph: assembles it, starts it, waits for its end, sums it up. The graph may be
/// changed while it runs; see `apply`.
///
/// Used by one control thread, but for what says otherwise. Everything that can fail before the first
/// event fails in `init` or `start`, and leaves nothing running.
public final class Run: @unchecked Sendable {  // control thread, or `changes`, or a mutex; each says so
  public let id: UInt64
  public let folder: String?
  let options: RunOptions
  let services: HostServices
  let log = LogRing()
  let planner: LanePlanner
  let gate: OrderGate
  let durable: DurableEdges
  /// Of a run that follows a journal and goes on behind it.
  let followed: FollowedEdges?
  /// Held by whoever changes the graph or an instance: one at a time.
  let changes = Mutex<Void>(())
  /// Swaps under way and ended. Held for moments only.
  let swapList = Mutex(RunSwaps())
  /// For any thread; held for moments only.
  let shape: Mutex<RunShape>
  /// Every name that a node had in this run; its number is its place here. With `changes`.
  var roster: [String]
  /// Every name that a lane had in this run; its number is its place here. With `changes`.
  var laneRoster: [String] = []
  /// What was made for lanes that are not there yet, by number. With `changes`.
  var spareLanes: [Int: LaneParts] = [:]
  /// Held by an apply as a whole, also while it waits for swaps to settle.
  let applies = Mutex<Void>(())
  /// Counts applies: an older one gives way.
  let newestApply = Atomic<UInt64>(0)
  /// Sources ever, by origin: `origins[n]` is the node number of origin n + 1. With `changes`.
  var origins: [Int] = []
  /// The id that the next instance of a node begins after, by node number. With `changes`.
  var lastIDs: [Int: UInt64] = [:]
  /// The number of the first event that no lane has run of a source that was removed, by node number. With `changes`.
  var lastChains: [Int: UInt64] = [:]
  /// CPU time of readers that are gone. With `changes`.
  var helperNs: Int64 = 0
  /// How often the graph has changed. With `changes`.
  var changeCount: UInt32 = 0
  var artifacts: [ArtifactUse] = []
  /// Nodes as the last `trace.json` described them, by number: hops keep the names of removed ones. With `changes`.
  var describedNodes: [Int: TraceMeta.Node] = [:]
  /// By lane number.
  var laneNow: [UnsafeMutablePointer<Int64>] = []
  var bells: [Bell] = []
  /// By lane number.
  private let threads = Mutex<[Int: LaneThread]>([:])
  private var hopLogs: [HopLog] { hops.withLock { $0 } }
  let hops = Mutex<[HopLog]>([])
  var journal: JournalWriter?
  var captureBuffers: [OutputCapture] = []
  let clock: TickClock
  private let beganNs = clinux_monotonic_ns()
  private(set) var startedNs: Int64 = 0
  let stopRequested = Atomic<Bool>(false)
  /// All lanes have ended: nothing is changed any more. With `changes`.
  var isClosing = false
  private var isDismantled = false

  public init(
    graph: Graph, options: RunOptions = RunOptions(), code: (Int) throws(GantryError) -> PluginCode
  ) throws(GantryError) {
    self.options = options
    clock = TickClock.calibrated()
    id = Run.newID(options.seed, graph)
    folder = options.folder
    let lanes = BlockPlan.lanes(graph)
    shape = Mutex(RunShape(graph: graph, numbers: Array(graph.nodes.indices), laneOf: lanes.of, laneNames: lanes.names))
    roster = graph.nodes.map(\.name)
    services = HostServices(graph: graph, nodes: roster, log: log, secrets: options.secrets)
    scan = try options.script.map { (path) throws(GantryError) in try JournalScan(path) }
    following = Atomic(options.script != nil)
    durable = DurableEdges(log: log)
    followed = options.continuation == nil ? nil : FollowedEdges(options.orders.journaled)
    try Run.checkBrokers(graph, options)
    gate = OrderGate(
      riskNodes: Run.riskNodes(graph, Array(graph.nodes.indices)), instruments: graph.instruments.count, script: scan?.refusals)
    planner = LanePlanner(
      layout: LaneLayout(
        graph: graph, numbers: Array(graph.nodes.indices), laneOf: lanes.of, laneCount: lanes.names.count))
    planner.reserve(nodes: roster.count)
    for name in lanes.names { addLane(name) }
    do {
      try assemble(code)
    } catch {
      dismantle()
      throw error
    }
  }

  deinit { dismantle() }

  private static func newID(_ seed: UInt64, _ graph: Graph) -> UInt64 {
    var state = RandomState(seed: UInt64(bitPattern: clinux_wall_ns()) ^ seed &* 0x9E37_79B9_7F4A_7C15)
    return state.next()
  }

  /// Numbers of the nodes that the order gate closes for.
  static func riskNodes(_ graph: Graph, _ numbers: [Int]) -> [Int32] {
    graph.nodes.indices.filter { graph.nodes[$0].plugin.kind == .risk && graph.nodes[$0].shadows == nil }.map { Int32(numbers[$0]) }
  }

  // MARK: what runs now; any thread

  /// The graph that runs now.
  public var graph: Graph { shape.withLock { $0.graph } }
  var numbers: [Int] { shape.withLock { $0.numbers } }
  /// By place in the graph: the number of the lane.
  var laneOf: [Int] { shape.withLock { $0.laneOf } }
  /// By lane number.
  var laneNames: [String] { shape.withLock { $0.laneNames } }
  /// By place in the graph.
  var instances: [Instance] { shape.withLock { $0.instances } }
  var intakes: [Int: Intake] { shape.withLock { $0.intakes } }

  // MARK: starting

  /// Opens the journal, starts every instance and then the lanes.
  public func start() throws(GantryError) {
    do {
      try open()
      let graph = graph
      let instances = instances
      // A replay does not act on the outside again: such nodes are configured and never started.
      for index in graph.order.reversed() where options.script == nil || graph.nodes[index].plugin.effects == .none {
        try instances[index].start()
      }
      try startStandbys()
      try writeMeta()
      try checkInherited(options.continuation?.graph ?? graph)
      try beginBrokers()
      for lane in planner.lanes { try startThread(of: lane) }
      try startScripts()
      if options.script == nil { for intake in intakes.values { try intake.start() } }
    } catch {
      requestStop()
      joinAll()
      endStandbys(haveLanes: false)
      dismantle()
      throw error
    }
    startedNs = clinux_monotonic_ns()
  }

  /// A thread for a lane that has none, or whose thread has ended.
  func startThread(of lane: Lane) throws(GantryError) {
    let thread = LaneThread()
    let old = threads.withLock { $0.updateValue(thread, forKey: lane.index) }
    old?.join()
    let cpu = options.pinFirstCPU < 0 ? -1 : options.pinFirstCPU + Int32(lane.index)
    lane.isEnding.store(false, ordering: .releasing)
    lane.hasEnded.store(false, ordering: .releasing)
    try thread.start(name: "lane:\(lane.name)", cpu: cpu) { [endBell] in
      lane.run()
      endBell.ring()
    }
  }

  // MARK: following a journal

  /// What was found in the journal that is followed.
  let scan: JournalScan?
  /// The run does what a journal says, and nothing by itself.
  var isFollowing: Bool { following.load(ordering: .acquiring) }
  let following: Atomic<Bool>
  /// By lane number. With `changes`, once the lanes run.
  var scripts: [JournalScript] = []
  private(set) lazy var scriptedSwaps = ScriptedSwaps(journal: options.script ?? "", run: self, make: options.scriptedSwap)
  private(set) lazy var scriptedChanges = ScriptedChanges(scan?.applies ?? [], of: options.script ?? "", run: self)
  private(set) lazy var scriptedSources = ScriptedSources(journal: options.script ?? "", run: self, make: options.scriptedSwap)

  // MARK: running

  /// Asks the run to end at the next event boundary. Any thread, also a signal's.
  public func requestStop() { stopRequested.store(true, ordering: .releasing) }

  /// Closes or opens the order gate. Any thread; takes effect within one event.
  public func halt(_ on: Bool) { gate.halt(on) }

  /// Events so far.
  public var eventCount: UInt64 { planner.lanes.reduce(0) { $0 + $1.eventCount } }
  public var orderCount: UInt64 { gate.orders }
  public var fillCount: UInt64 { gate.fills }

  /// Waits for the end, passing log lines on, and calls `progress` a few times a second.
  public func wait(progress: (Run) -> Void = { _ in }) {
    var lastProgressNs = clinux_monotonic_ns()
    var watchdog = Watchdog(limitNs: options.hangNs)
    var seen = endBell.current
    while !closeIfEnded() {
      if stopRequested.load(ordering: .acquiring) {
        for lane in planner.lanes {
          lane.stopRequested.store(true, ordering: .releasing)
          lane.bell.ring()
        }
      }
      if planner.lanes.contains(where: { $0.hasEnded.load(ordering: .acquiring) && $0.isFailed }) { abandon() }
      pumpLog()
      for log in hopLogs { log.prefault() }
      let nowNs = clinux_monotonic_ns()
      if nowNs - lastProgressNs > 200_000_000 {
        lastProgressNs = nowNs
        lookForHangs(&watchdog, atNs: nowNs)
        progress(self)
      }
      endBell.wait(since: seen, timeoutNs: 2_000_000)
      seen = endBell.current
    }
    joinAll()
    endSwaps()
    if options.script != nil { scriptedSwaps.letGo() }
    pumpLog()
  }

  /// True once all lanes have ended and no change is under way that could begin others.
  private func closeIfEnded() -> Bool {
    guard planner.lanes.allSatisfy({ $0.hasEnded.load(ordering: .acquiring) }) else { return false }
    return changes.withLock { _ in
      guard planner.lanes.allSatisfy({ $0.hasEnded.load(ordering: .acquiring) }) else { return false }
      isClosing = true
      return true
    }
  }

  /// Rung when a lane has ended.
  let endBell = Bell()

  func pumpLog() {
    while let line = log.next() {
      options.onLog(
        LogLine(
          severity: LogLine.Severity(rawValue: min(line.severity, 4)) ?? .info,
          node: services.nodeName(line.node),
          wallNs: line.wallNs, text: line.text))
    }
  }

  /// Tells of host calls that were refused because of the thread they came from.
  private func reportMisuse() {
    for (node, calls) in services.contexts.misuse {
      log.say(.warning, node: Int(node), "PLUGIN: \(calls) calls from a thread that may not make them were refused")
    }
  }

  /// Ends all lanes at once: one of them has failed, or could not be started.
  private func abandon() {
    for lane in planner.lanes {
      lane.abandonRequested.store(true, ordering: .releasing)
      lane.bell.ring()
    }
  }

  private func joinAll() {
    abandon()
    for queue in planner.queues { queue.queue.ring.close() }
    for thread in threads.withLock({ $0 }).values { thread.join() }
    if options.script != nil { scriptedChanges.stop() }
    for script in scripts { script.join() }
    for intake in intakes.values { intake.stop() }
  }

  /// Stops and destroys all instances, closes the journal, and sums the run up. Throws what ended
  /// the run, if it failed; call it once, after `wait`.
  public func finish() throws(GantryError) -> RunSummary {
    let endedNs = clinux_monotonic_ns()
    var failures: [Diagnostic] = []
    for script in scripts { failures += script.failure?.diagnostics ?? [] }
    for lane in planner.lanes { failures += lane.failure?.diagnostics ?? [] }
    let exit = (scripts.compactMap(\.failure) + planner.lanes.compactMap(\.failure)).first?.exitCode ?? .failed
    let instances = instances
    for index in graph.order {
      if let error = instances[index].stop() { failures += error.diagnostics }
    }
    reportMisuse()
    pumpLog()
    let lost = planner.lanes.reduce(0) { $0 + $1.recorder.lostRecords }
    do {
      try journal?.close()
    } catch {
      failures += error.diagnostics
    }
    if lost > 0, failures.isEmpty {
      failures.append(Diagnostic(.error, "runtime.journal-lost", "\(lost) records were not journaled"))
    }
    let summary = makeSummary(endedNs: endedNs)
    do throws(GantryError) { try writeMeta(hasEnded: true) } catch { failures += error.diagnostics }
    dismantle()
    if !failures.isEmpty { throw GantryError(failures, exit) }
    return summary
  }

  /// What the captured ports emitted, lane by lane. After `finish`.
  public var captures: [OutputCapture] { captureBuffers }

  /// The columns of a FEATURES port; empty for others.
  public func columns(node: Int, port: Int) -> [String] { instances[node].schemas[port].columns }

  /// Every node the run has had, by the number that captures and the journal name it with.
  public var nodeNames: [String] { roster }

  /// The same with the names of their outputs, where the last graph has them.
  public var portNames: [(node: String, ports: [String])] {
    let graph = graph
    return roster.map { name in (name, graph.node(named: name).map { graph.nodes[$0].plugin.outputs.map(\.name) } ?? []) }
  }

  /// Numbers of the nodes that act on the outside, where the last graph has them.
  public var nodesOutside: [Int] {
    let graph = graph
    return roster.indices.filter { number in graph.node(named: roster[number]).map { graph.nodes[$0].plugin.effects == .external } ?? false }
  }

  /// How many applies of a followed journal are whole; see `JournalComparison`.
  public var appliesFollowed: UInt32 { UInt32(scan?.applies.count ?? 0) }

  private func makeSummary(endedNs: Int64) -> RunSummary {
    let (graph, numbers, instances) = shape.withLock { ($0.graph, $0.numbers, $0.instances) }
    let statistics = planner.statistics
    var chain = LatencySnapshot()
    for lane in planner.lanes { chain.merge(lane.trace.perChain.pointee.snapshot) }
    var nodes: [RunSummary.Node] = []
    for (index, node) in graph.nodes.enumerated() {
      var latency = LatencySnapshot()
      for lane in planner.lanes { latency.merge(lane.trace.perNode[numbers[index]].snapshot) }
      let counts = statistics[numbers[index]]
      var metrics: [String: Double] = [:]
      for (number, metric) in services.metricDefinitions(node: numbers[index]).enumerated() {
        metrics[metric.name] = instances[index].context.pointee.metrics[number]
      }
      nodes.append(
        RunSummary.Node(
          name: node.name, plugin: "\(node.plugin.id)@\(node.plugin.version)", kind: node.plugin.kind.rawValue,
          events: counts.events, outputs: counts.outputs, errors: counts.errors, dropped: counts.dropped,
          p50Ns: latency.percentile(0.5), p99Ns: latency.percentile(0.99), meanNs: latency.meanNs,
          breaker: breakerText(numbers[index]), metrics: metrics))
    }
    var summary = RunSummary(
      graph: graph.name, events: sourceEvents, orders: gate.orders, refused: gate.refused, fills: gate.fills,
      orderHash: gate.orderHash, netProfit: nil, currency: nil, commission: nil,
      journal: journal == nil ? nil : folder.map { "\($0)/journal" }, runFolder: folder, nodes: nodes,
      queues: planner.drops.map { .init(from: $0.from, to: $0.to, dropped: $0.dropped) },
      seconds: Double(endedNs - startedNs) / 1e9, startSeconds: Double(startedNs - beganNs) / 1e9,
      laneCPUSeconds: planner.lanes.reduce(0) { $0 + Double($1.cpuNs.load(ordering: .relaxed)) / 1e9 },
      helperCPUSeconds: intakes.values.reduce(Double(helperNs) / 1e9) { $0 + Double($1.cpuTimeNs) / 1e9 }
        + Double(journal?.statistics.threadCpuNs ?? 0) / 1e9,
      chainP50Ns: chain.percentile(0.5), chainP99Ns: chain.percentile(0.99), residentBytes: clinux_resident_bytes(),
      lostLogLines: log.lostLines, wasStopped: stopRequested.load(ordering: .relaxed))
    if gate.hasAccount, let currency = services.currency(gate.lastAccount.currency) {
      let account = gate.lastAccount
      let digits = currency.pointee.digits
      summary.netProfit = exactText(account.equity - account.initial, digits: digits)
      summary.commission = exactText(account.commission, digits: digits)
      summary.currency = swiftText(currency.pointee.code)
    }
    return summary
  }

  private var sourceEvents: UInt64 {
    let statistics = planner.statistics
    return origins.reduce(0) { $0 + statistics[$1].events }
  }

  private func breakerText(_ number: Int) -> String {
    for lane in planner.lanes {
      for slot in 0..<lane.nodeCount where lane.nodes[slot].index == Int32(number) {
        switch lane.nodes[slot].breaker.state {
        case .closed: return "closed"
        case .open: return "open"
        case .halfOpen: return "half-open"
        }
      }
    }
    return "closed"
  }

  private func dismantle() {
    guard !isDismantled else { return }
    isDismantled = true
    for instance in instances { instance.destroy() }
    planner.deallocate()
    for intake in intakes.values { intake.deallocate() }
    for now in laneNow { now.deallocate() }
    services.deallocate()
    for log in hopLogs { log.close() }
  }
}
