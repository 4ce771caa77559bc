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
  public init() {}
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

/// One run of one graph: assembles it, starts it, waits for its end, sums it up.
///
/// Used by one control thread. Everything that can fail before the first event fails in `init` or
/// `start`, and leaves nothing running.
public final class Run: @unchecked Sendable {  // control thread; `requestStop` and `halt` from any
  public let graph: Graph
  public let id: UInt64
  public let folder: String?
  let options: RunOptions
  let services: HostServices
  let log = LogRing()
  let planner: LanePlanner
  let gate: OrderGate
  private(set) var instances: [Instance] = []
  private(set) var readers: [Int: SourceReader] = [:]
  private(set) var feeds: [Int: FeedReader] = [:]
  private(set) var artifacts: [ArtifactUse] = []
  private var contexts: [UnsafeMutablePointer<NodeContext>] = []
  private var laneNow: [UnsafeMutablePointer<Int64>] = []
  private var laneTimers: [UnsafeMutablePointer<TimerHeap>] = []
  private var threads: [LaneThread] = []
  private var hopLogs: [HopLog] = []
  private var journal: JournalWriter?
  private var captureBuffers: [OutputCapture] = []
  let clock: TickClock
  private let beganNs = clinux_monotonic_ns()
  private var startedNs: Int64 = 0
  private let stopRequested = Atomic<Bool>(false)
  let laneNames: [String]
  let laneOf: [Int]
  private var isDismantled = false

  public init(
    graph: Graph, options: RunOptions = RunOptions(), code: (Int) throws(GantryError) -> PluginCode
  ) throws(GantryError) {
    self.graph = graph
    self.options = options
    clock = TickClock.calibrated()
    id = Run.newID(options.seed, graph)
    folder = options.folder
    let grants = graph.nodes.map { $0.grants.contains(.secrets) }
    let lookup = options.secrets
    services = HostServices(graph: graph, log: log) { node, name in
      guard grants[node] else { return .failure(.denied) }
      guard let value = lookup(name) else { return .failure(.notFound) }
      return .success(value)
    }
    let lanes = BlockPlan.lanes(graph)
    laneNames = lanes.names
    laneOf = lanes.of
    gate = OrderGate(
      riskNodes: graph.nodes.indices.filter { graph.nodes[$0].plugin.kind == .risk }.map { Int32($0) },
      script: try options.script.map { (path) throws(GantryError) in try JournalScript.refusals(path) })
    planner = LanePlanner(graph: graph)
    for _ in laneNames {
      let now = UnsafeMutablePointer<Int64>.allocate(capacity: 2)
      now.initialize(repeating: 0, count: 2)
      if graph.clock == .live { now.pointee = clinux_wall_ns() }
      laneNow.append(now)
      let timers = UnsafeMutablePointer<TimerHeap>.allocate(capacity: 1)
      timers.initialize(to: TimerHeap(nodes: graph.nodes.count))
      laneTimers.append(timers)
    }
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

  // MARK: assembly

  private func assemble(_ code: (Int) throws(GantryError) -> PluginCode) throws(GantryError) {
    for index in graph.nodes.indices {
      contexts.append(makeContext(index))
      if let problem = LanePlanner.fallbackProblem(graph, index, laneOf: laneOf) {
        throw GantryError(
          "runtime.fallback", "\(graph.nodes[index].name) cannot fall back: \(problem)", at: graph.nodes[index].place)
      }
    }
    // Created in file order, so that a graph's mistakes come in the order of its file.
    var byNode: [Instance?] = Array(repeating: nil, count: graph.nodes.count)
    for index in graph.nodes.indices {
      options.onPhase("creating \(graph.nodes[index].name) (\(graph.nodes[index].plugin.id))")
      byNode[index] = try Instance(graph: graph, node: index, code: code(index), context: contexts[index])
      instances.append(byNode[index]!)
    }
    for index in graph.order {
      options.onPhase("configuring \(graph.nodes[index].name) (\(graph.nodes[index].plugin.id))")
      try instances[index].configure(graph, inputs: inputSchemas(index), artifacts: &artifacts)
    }
  }

  /// What a node's edges carry, in the order of `from`. A feedback edge comes from a node that is
  /// configured later; its type is known, and feedback carries no columns.
  func inputSchemas(_ index: Int) -> [PortSchema] {
    graph.nodes[index].inputs.map { edge in
      let from = instances[edge.fromNode]
      if edge.fromPort < from.schemas.count { return from.schemas[edge.fromPort] }
      return PortSchema(type: graph.nodes[edge.fromNode].plugin.outputs[edge.fromPort].type, columns: [])
    }
  }

  /// The handle of a further instance of a node. It lives as long as the run.
  func addContext(_ index: Int) -> UnsafeMutablePointer<NodeContext> {
    let context = makeContext(index)
    contexts.append(context)
    return context
  }

  func replaceInstance(_ index: Int, by instance: Instance) { instances[index] = instance }

  private func makeContext(_ index: Int) -> UnsafeMutablePointer<NodeContext> {
    let lane = laneOf[index]
    let text = UnsafeMutablePointer<UInt8>.allocate(capacity: failTextCapacity)
    let metrics = UnsafeMutablePointer<Double>.allocate(capacity: metricsPerNode)
    metrics.initialize(repeating: 0, count: metricsPerNode)
    let plugin = graph.nodes[index].plugin
    var context = NodeContext(
      now: laneNow[lane], random: RandomState(seed: Run.seed(options.seed, graph.name, graph.nodes[index].name)),
      timers: laneTimers[lane], failText: text, metrics: metrics, node: Int32(index), slot: 0,
      heldNote: .allocate(capacity: noteKeyCapacity + noteTextCapacity), services: .passUnretained(services))
    // A reader's thread has a tag of its own; both are never 0, which is nobody's.
    context.laneTag = plugin.kind == .source ? UInt64(10_000 + index) : UInt64(lane + 1)
    context.clock = graph.clock == .live ? .live : .replay
    context.nextID = UInt64(index + 1) * 1_000_000_000_000
    context.mayUseTimers = plugin.usesTimers
    let pointer = UnsafeMutablePointer<NodeContext>.allocate(capacity: 1)
    pointer.initialize(to: context)
    return pointer
  }

  private static func seed(_ seed: UInt64, _ texts: String...) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ seed
    for text in texts {
      for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      hash = (hash ^ 0xFF) &* 0x0000_0100_0000_01B3
    }
    return hash
  }

  // MARK: starting

  /// Opens the journal, starts every instance and then the lanes.
  public func start() throws(GantryError) {
    do {
      try open()
      // A replay does not act on the outside again: such nodes are configured and never started.
      for index in graph.order.reversed() where options.script == nil || graph.nodes[index].plugin.effects == .none {
        try instances[index].start()
      }
      if let folder, !hopLogs.isEmpty { try makeMeta(hasEnded: false).write(to: folder) }
      for lane in planner.lanes {
        let thread = LaneThread()
        threads.append(thread)
        let cpu = options.pinFirstCPU < 0 ? -1 : options.pinFirstCPU + Int32(lane.index)
        try thread.start(name: "lane:\(lane.name)", cpu: cpu) { lane.run() }
      }
      for script in scripts { try script.start() }
      if scripts.isEmpty {
        for reader in readers.values { try reader.start() }
        for feed in feeds.values { try feed.start() }
      }
    } catch {
      requestStop()
      joinAll()
      dismantle()
      throw error
    }
    startedNs = clinux_monotonic_ns()
  }

  private func open() throws(GantryError) {
    if let folder = options.folder {
      try makeFolder(folder)
      if options.writesJournal {
        let head = options.journalHead(artifacts)
        let writer = try JournalWriter(
          directory: "\(folder)/journal", head: head.json, options: JournalOptions(lanes: laneNames.count))
        for object in head.objects {
          try keep(object, in: writer)
        }
        journal = writer
      }
      if options.traceEvery > 0 {
        for lane in laneNames.indices { hopLogs.append(try HopLog(directory: folder, lane: lane)) }
      }
    }
    var sources = LanePlanner.Sources()
    let bells = laneNames.map { _ in Bell() }
    let sourceNodes = graph.nodes.indices.filter { graph.nodes[$0].plugin.kind == .source }
    for index in sourceNodes { try openSource(index, bells[laneOf[index]], &sources) }
    if let script = options.script { openScript(script, bells, &sources) }
    let captured = options.captures
    let all = options.journalsAll
    let parts = laneNames.indices.map { lane -> LanePlanner.LaneParts in
      let capture = captured.isEmpty ? nil : OutputCapture()
      if let capture { captureBuffers.append(capture) }
      return LanePlanner.LaneParts(
        name: laneNames[lane], bell: bells[lane], now: laneNow[lane], timers: laneTimers[lane], tag: UInt64(lane + 1),
        journal: journal?.lane(lane), hops: lane < hopLogs.count ? hopLogs[lane] : nil, capture: capture,
        timerOrigin: UInt16(sourceNodes.count + lane + 1))
    }
    planner.plan(
      instances: instances, laneOf: laneOf, parts: parts, sources: sources, services: services, gate: gate,
      options: LanePlanner.Options(
        traceEvery: options.traceEvery, clock: clock,
        journaled: { [graph] node, port in
          all || graph.nodes[node].plugin.kind == .broker
        },
        captured: { [graph] node, port in
          captured.contains { $0.node == graph.nodes[node].name && $0.port == graph.nodes[node].plugin.outputs[port].name }
        }, pinFirstCPU: options.pinFirstCPU))
    for script in scripts { script.take(planner.lanes[script.lane].ingresses) }
  }

  private func openSource(_ index: Int, _ bell: Bell, _ sources: inout LanePlanner.Sources) throws(GantryError) {
    let instance = instances[index]
    let pull = instance.capability("gantry.pull/1", as: gantry_pull.self).flatMap { $0.pointee.pull == nil ? nil : $0 }
    let feed = instance.capability("gantry.feed/1", as: gantry_feed_source.self).flatMap { $0.pointee.run == nil ? nil : $0 }
    guard pull != nil || feed != nil else {
      throw GantryError(
        "runtime.no-intake", "PLUGIN: source \(instance.name) offers neither gantry.pull/1 nor gantry.feed/1",
        at: graph.nodes[index].place)
    }
    let strides = instance.schemas.map(\.stride)
    let hasArena = graph.nodes[index].plugin.outputs.contains { PortSchema.hasArena($0.type) }
    let ring = BlockRing(
      rows: options.blockSize, stride: strides.max() ?? 64, arena: hasArena ? 1 << 20 : 0, bell: bell)
    let origin = UInt16(sources.origins.count + 1)
    sources.origins[index] = origin
    sources.rings[index] = ring
    guard let pull else { return try openFeed(index, feed!, ring, origin, strides) }
    if pull.pointee.cursor != nil, graph.clock == .replay { sources.replayable.insert(index) }
    let outputs = UnsafeMutablePointer<gantry_outputs>.allocate(capacity: 1)
    let ports = UnsafeMutablePointer<gantry_output>.allocate(capacity: max(strides.count, 1))
    for (port, description) in graph.nodes[index].plugin.outputs.enumerated() {
      (ports + port).initialize(to: gantry_output())
      (ports + port).pointee.size = UInt32(MemoryLayout<gantry_output>.size)
      (ports + port).pointee.type = description.type.rawValue
      (ports + port).pointee.stride = UInt32(strides[port])
      (ports + port).pointee.connected = 1
    }
    outputs.initialize(to: gantry_outputs())
    outputs.pointee.size = UInt32(MemoryLayout<gantry_outputs>.size)
    outputs.pointee.port_count = UInt32(strides.count)
    outputs.pointee.ports = ports
    outputs.pointee.grow = { _, _, _, _ in GANTRY_FULL }
    sourceOutputs.append((outputs, ports))
    readers[index] = SourceReader(
      SourceReader.Setup(
        instance: instance.raw!, pull: pull, context: instance.context, outputs: outputs, strides: strides,
        origin: origin, blockSize: options.blockSize, clock: graph.clock == .live ? .live : .replay,
        name: instance.name, tag: instance.context.pointee.laneTag, firstChain: 1), ring: ring)
  }

  private func openFeed(
    _ index: Int, _ feed: UnsafePointer<gantry_feed_source>, _ ring: BlockRing, _ origin: UInt16, _ strides: [Int]
  ) throws(GantryError) {
    let instance = instances[index]
    guard graph.clock == .live || options.script != nil else {
      throw GantryError(
        "runtime.feed-needs-live", "source \(instance.name) is a feed, which runs with the live clock only",
        at: graph.nodes[index].place, help: ["write `clock: live`, or replay a journal of it"])
    }
    feeds[index] = FeedReader(
      FeedReader.Setup(
        instance: instance.raw!, feed: feed, context: instance.context, strides: strides, origin: origin,
        name: instance.name, tag: instance.context.pointee.laneTag, halts: graph.nodes[index].onError == .halt),
      ring: ring, log: log)
  }

  private func keep(_ object: (sha256: String, bytes: [UInt8]), in writer: JournalWriter) throws(GantryError) {
    var failure: GantryError?
    object.bytes.withUnsafeBytes { bytes in
      do throws(GantryError) { try writer.keep(sha256: object.sha256, bytes: bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// For each lane a thread that follows the journal, in place of the readers.
  private func openScript(_ path: String, _ bells: [Bell], _ sources: inout LanePlanner.Sources) {
    let widest = instances.flatMap { $0.schemas.map(\.stride) }.max() ?? 64
    for lane in laneNames.indices {
      let ring = BlockRing(rows: blockRows, stride: widest, arena: 1 << 20, bell: bells[lane])
      sources.scripts[lane] = ring
      scripts.append(JournalScript(path: path, lane: lane, ring: ring, readers: readers, bringsTimers: graph.clock == .live))
    }
  }
  private var scripts: [JournalScript] = []

  private var sourceOutputs: [(UnsafeMutablePointer<gantry_outputs>, UnsafeMutablePointer<gantry_output>)] = []

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
    while !planner.lanes.allSatisfy({ $0.hasEnded.load(ordering: .acquiring) }) {
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
        progress(self)
      }
      endBell.wait(since: endBell.current, timeoutNs: 2_000_000)
    }
    joinAll()
    pumpLog()
  }

  private let endBell = Bell()

  private func pumpLog() {
    while let line = log.next() {
      options.onLog(
        LogLine(
          severity: LogLine.Severity(rawValue: min(line.severity, 4)) ?? .info,
          node: line.node >= 0 && line.node < graph.nodes.count ? graph.nodes[line.node].name : "host",
          wallNs: line.wallNs, text: line.text))
    }
  }

  /// Tells of host calls that were refused because of the thread they came from.
  private func reportMisuse() {
    for context in contexts where context.pointee.misuse > 0 {
      var text = "PLUGIN: \(context.pointee.misuse) calls from a thread that may not make them were refused"
      text.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          log.write(
            node: context.pointee.node, severity: LogLine.Severity.warning.rawValue, chain: 0,
            gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
        }
      }
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
    for thread in threads { thread.join() }
    for script in scripts { script.join() }
    for feed in feeds.values { feed.stopAndJoin() }
    for reader in readers.values {
      reader.ring.close()
      reader.join()
    }
  }

  /// Stops and destroys all instances, closes the journal, and sums the run up. Throws what ended
  /// the run, if it failed; call it once, after `wait`.
  public func finish() throws(GantryError) -> RunSummary {
    let endedNs = clinux_monotonic_ns()
    var failures: [Diagnostic] = []
    for script in scripts { failures += script.failure?.diagnostics ?? [] }
    for lane in planner.lanes { failures += lane.failure?.diagnostics ?? [] }
    let exit = (scripts.compactMap(\.failure) + planner.lanes.compactMap(\.failure)).first?.exitCode ?? .failed
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
    if let folder, !hopLogs.isEmpty {
      var meta = makeMeta(hasEnded: true)
      meta.endedWallNs = clinux_wall_ns()
      do throws(GantryError) { try meta.write(to: folder) } catch { failures += error.diagnostics }
    }
    dismantle()
    if !failures.isEmpty { throw GantryError(failures, exit) }
    return summary
  }

  /// What the captured ports emitted, lane by lane. After `finish`.
  public var captures: [OutputCapture] { captureBuffers }

  /// The columns of a FEATURES port; empty for others.
  public func columns(node: Int, port: Int) -> [String] { instances[node].schemas[port].columns }

  private func makeSummary(endedNs: Int64) -> RunSummary {
    var chain = LatencySnapshot()
    for lane in planner.lanes { chain.merge(lane.trace.perChain.pointee.snapshot) }
    var nodes: [RunSummary.Node] = []
    for (index, node) in graph.nodes.enumerated() {
      var latency = LatencySnapshot()
      for lane in planner.lanes { latency.merge(lane.trace.perNode[index].snapshot) }
      let counts = planner.statistics[index]
      var metrics: [String: Double] = [:]
      for (number, metric) in services.metricDefinitions(node: index).enumerated() {
        metrics[metric.name] = instances[index].context.pointee.metrics[number]
      }
      nodes.append(
        RunSummary.Node(
          name: node.name, plugin: "\(node.plugin.id)@\(node.plugin.version)", kind: node.plugin.kind.rawValue,
          events: counts.events, outputs: counts.outputs, errors: counts.errors, dropped: counts.dropped,
          p50Ns: latency.percentile(0.5), p99Ns: latency.percentile(0.99), meanNs: latency.meanNs,
          breaker: breakerText(index), metrics: metrics))
    }
    var summary = RunSummary(
      graph: graph.name, events: sourceEvents, orders: gate.orders, refused: gate.refused, fills: gate.fills,
      orderHash: gate.orderHash, netProfit: nil, currency: nil, commission: nil,
      journal: journal == nil ? nil : folder.map { "\($0)/journal" }, runFolder: folder, nodes: nodes,
      queues: planner.queues.map { .init(from: $0.from, to: $0.to, dropped: $0.queue.dropped) },
      seconds: Double(endedNs - startedNs) / 1e9, startSeconds: Double(startedNs - beganNs) / 1e9,
      laneCPUSeconds: planner.lanes.reduce(0) { $0 + Double($1.cpuNs.load(ordering: .relaxed)) / 1e9 },
      helperCPUSeconds: readers.values.reduce(0) { $0 + Double($1.cpuTimeNs) / 1e9 }
        + feeds.values.reduce(0) { $0 + Double($1.cpuTimeNs) / 1e9 }
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
    graph.nodes.indices.filter { graph.nodes[$0].plugin.kind == .source }
      .reduce(0) { $0 + planner.statistics[$1].events }
  }

  private func breakerText(_ index: Int) -> String {
    for lane in planner.lanes {
      for slot in 0..<lane.nodeCount where lane.nodes[slot].index == Int32(index) {
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
    for (outputs, ports) in sourceOutputs {
      outputs.deallocate()
      ports.deallocate()
    }
    for context in contexts {
      context.pointee.failText.deallocate()
      context.pointee.heldNote.deallocate()
      context.pointee.metrics.deallocate()
      context.deallocate()
    }
    for now in laneNow { now.deallocate() }
    for timers in laneTimers {
      timers.pointee.deallocate()
      timers.deallocate()
    }
    services.deallocate()
    for log in hopLogs { log.close() }
  }
}
