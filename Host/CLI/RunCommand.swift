import ArgumentParser
import GantryAdmin
import CLinux
import GantryBase
import GantryCells
import GantryGraph
import GantryLoader
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// `gantry run`: a graph to its end, or to SIGINT or SIGTERM.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a graph until its sources end or a signal comes.",
    discussion: """
      EXAMPLES
        gantry run manifests/quickstart.yaml
        gantry run trading.yaml --profile live --run-folder /var/lib/gantry/eurusd
        gantry run manifests/quickstart.yaml --set ticks.count=1000000 --json

      While it runs, `gantry status`, `gantry top` and the other live verbs ask it and change it.
      """)

  @Argument(help: ArgumentHelp("The graph file.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var file: String
  @OptionGroup var graph: GraphArguments
  @OptionGroup var running: RunArguments
  @OptionGroup var live: LiveArguments
  @OptionGroup var output: OutputOptions

  mutating func run() throws {
    try GraphRunner(file: file, arguments: graph, running: running, live: live, terminal: output.terminal, clock: nil).run()
  }
}

/// `gantry backtest`: the same with the replay clock, whatever the file says.
struct BacktestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backtest", abstract: "Run a graph on recorded data with the replay clock.",
    discussion: """
      EXAMPLES
        gantry backtest manifests/ema-cross.yaml --set ticks.path=data/eurusd
        gantry backtest manifests/ema-cross.yaml --block 1 --trace all --json
      """)

  @Argument(help: ArgumentHelp("The graph file.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var file: String
  @OptionGroup var graph: GraphArguments
  @OptionGroup var running: RunArguments
  @OptionGroup var output: OutputOptions

  mutating func run() throws {
    try GraphRunner(file: file, arguments: graph, running: running, live: nil, terminal: output.terminal, clock: .replay).run()
  }
}

/// How a run is recorded, traced and placed.
struct RunArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Write the journal and the hop log here; default run/<graph>-<time>.", valueName: "folder"))
  var runFolder: String?
  @Flag(name: .customLong("no-journal"), help: "Write no journal.")
  var noJournal = false
  @Flag(name: .customLong("no-run-folder"), help: "Write nothing at all: no journal, no hop log.")
  var noRunFolder = false
  @Option(help: ArgumentHelp("Time hops: off, 1/N for a power of two, or all; default what the graph says, or 1/16.", valueName: "share"))
  var trace: String?
  @Option(help: ArgumentHelp("Events a block, 1 to 256. It changes the speed, never the outputs.", valueName: "events"))
  var block: Int = 256
  @Option(help: "Seed of the plugins' random numbers.")
  var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Bind lanes to CPUs, from this one on.", valueName: "cpu"))
  var pin: Int32?
  @Option(name: .customLong("log"), help: "Least severity of log lines: trace, debug, info, warning or error.")
  var logLevel: String = "info"
  @Option(name: .customLong("isolate"), help: ArgumentHelp("Run this node in a cell, whatever the file says. May be given more than once.", valueName: "node"))
  var isolated: [String] = []
  @Option(help: ArgumentHelp("End a cell that has not returned from a call for so long.", valueName: "seconds"))
  var cellDeadline: Double = 5
  @Option(help: ArgumentHelp("How much memory a plugin in a cell may take.", valueName: "MB"))
  var cellMemory: UInt64 = 2048
  @Option(name: .customLong("hang-after"), help: ArgumentHelp("Call a plugin hung that has not returned for so long.", valueName: "seconds"))
  var hangAfter: Double = 30
  @Flag(name: .customLong("start-halted"), help: "Start with orders halted; `gantry unhalt` lets them pass.")
  var startHalted = false
  @Flag(help: "Journal the events of every port, not only what leaves the graph.")
  var journalAll = false

  var cellLimits: CellLimits {
    var limits = CellLimits()
    limits.deadlineNs = Int64(cellDeadline * 1e9)
    limits.memoryBytes = cellMemory << 20
    return limits
  }

  /// Nil: as the graph says.
  func traceEvery() throws -> Int? { try trace.map(TraceShare.parse) }

  func severity() throws -> LogLine.Severity {
    if let severity = LogLine.Severity(name: logLevel) { return severity }
    throw ValidationError("--log takes trace, debug, info, warning or error, not '\(logLevel)'.")
  }

  func validate() throws {
    _ = try traceEvery()
    _ = try severity()
    guard cellDeadline > 0, cellDeadline < 1e9 else { throw ValidationError("--cell-deadline takes seconds above 0.") }
    guard (16...1 << 24).contains(cellMemory) else { throw ValidationError("--cell-memory takes 16 to 16777216 MB.") }
    guard hangAfter > 0, hangAfter < 1e9 else { throw ValidationError("--hang-after takes seconds above 0.") }
    guard (1...256).contains(block) else { throw ValidationError("--block takes 1 to 256 events.") }
  }
}

/// The share of chains whose hops are timed: `off`, `all`, `1/16`.
enum TraceShare {
  static func parse(_ text: String) throws -> Int {
    switch text {
    case "off", "0": return 0
    case "all", "1/1", "1": return 1
    default:
      let parts = text.split(separator: "/")
      guard parts.count == 2, parts[0] == "1", let every = Int(parts[1]), every > 0, every & (every - 1) == 0 else {
        throw ValidationError("--trace takes off, all, or 1/N with N a power of two, not '\(text)'.")
      }
      return every
    }
  }
}

/// Runs one graph in the foreground and prints its summary.
struct GraphRunner {
  var file: String
  var arguments: GraphArguments
  var running: RunArguments
  /// Nil for a run that cannot be asked anything while it goes on.
  var live: LiveArguments?
  var terminal: Terminal
  var clock: Graph.Clock?

  func run() throws {
    let signals = StopSignals()
    var source = try GraphSession.source(file, arguments)
    let side = try liveRun(source)
    let resumed = try side?.resumed()
    if let resumed { source = resumed.source }
    for node in running.isolated { source.overlays.append("nodes: { \(node): { isolate: process } }") }
    let session = try GraphSession(source, cells: CellFactory(limits: running.cellLimits))
    for warning in session.warnings { terminal.error(warning.rendered(colour: terminal.errorPaint.enabled)) }
    var graph = session.graph
    if let clock { graph.clock = clock }
    if graph.trust == .any, graph.clock == .live {
      terminal.error("warning: `trust: any` loads whatever stands in the plugin path; it is for development")
    }
    var options = RunOptions()
    options.traceEvery = try running.traceEvery() ?? graph.trace.every
    options.blockSize = running.block
    options.seed = running.seed
    options.pinFirstCPU = running.pin ?? -1
    options.journalsAll = running.journalAll
    options.writesJournal = !running.noJournal
    let folder = running.noRunFolder ? nil : try running.runFolder ?? RunFolders.fresh(graph.name)
    options.folder = folder
    var hasStarted = false
    // Empty as long as nothing has started.
    defer { if !hasStarted, let folder { rmdir(folder) } }
    options.secrets = { name in Secrets.value(name) }
    let levels = LogLevels(try running.severity())
    let terminal = terminal
    options.onLog = { line in
      if levels.shows(line) { terminal.error(LogFormat.text(line, paint: terminal.errorPaint)) }
    }
    try keepOrders(graph, side, folder, &options)
    options.journalHead = JournalHeads.maker(session, source.pinned(to: graph), seed: running.seed, epoch: options.orders.epoch, graph)
    let socket = try side?.openSocket()
    if socket == nil, live?.watch == true {
      throw GantryError("watch.no-control", "--watch needs a place for the control socket", help: ["name one with --control PATH"], exit: .usage)
    }
    options.hangNs = Int64(running.hangAfter * 1e9)
    let isSupervised = SupervisedHost.file != nil
    if isSupervised {
      clinux_end_with_parent(SIGTERM)
      // The supervisor has the record and starts this host again; a lane that hangs cannot be ended otherwise.
      options.onHang = { _ in _exit(GantryBase.ExitCode.bug.rawValue) }
    }
    if let folder {
      try CrashRecord.begin(in: folder)
      SupervisedHost(folder: folder, state: side?.state?.path).tell()
    }
    defer { CrashRecord.end() }
    let prepared = session.prepared(source, seed: running.seed)
    let run = try begin(Beginning(graph: graph, session: session, prepared: prepared, resumes: side?.resumes ?? false, folder: folder), options, side, signals)
    hasStarted = true
    let summary: RunSummary
    do throws(GantryError) {
      if let socket, let side {
        let (loader, cells) = (session.loader, session.cells)
        let host = LiveHost(
          LiveHost.Parts(
            run: run, loader: loader, levels: levels, control: socket.path, state: side.state, prepared: prepared,
            tools: tools(loader, cells), resumed: resumed?.version))
        summary = try serve(run, host, socket, watching: side.watches ? source : nil)
      } else {
        run.wait(progress: showProgress)
        terminal.progress(nil)
        summary = try run.finish()
      }
    } catch {
      // It ended by itself: nobody has to go on behind its journal.
      try? side?.ended()
      throw error
    }
    try side?.ended()
    RunFolders.remember(summary.runFolder)
    if terminal.json {
      try terminal.object(summary)
    } else {
      terminal.out(SummaryText.render(summary, paint: terminal.paint))
    }
  }

  /// A graph that sends orders out begins with what is known of earlier ones.
  private func keepOrders(_ graph: Graph, _ side: LiveRun?, _ folder: String?, _ options: inout RunOptions) throws(GantryError) {
    guard graph.clock == .live, OrderKeeping.isNeeded(graph), let folder, options.writesJournal else { return }
    options.orders = try OrderKeeping.history(side?.state)
    guard let state = side?.state else { return }
    let directory = folder.hasPrefix("/") ? folder : "\(JournalHeads.workingDirectory())/\(folder)"
    options.onOrdersKept = { epoch throws(GantryError) in try OrderKeeping(epoch: epoch, journal: "\(directory)/journal").keep(in: state) }
    for (broker, count) in options.orders.openCounts {
      terminal.error("note: \(count) orders of the last run have no known end at \(broker); none passes before \(broker) has said how things stand")
      guard state.halt == nil, let node = graph.nodes.first(where: { $0.name == broker }), !node.plugin.extensions.contains("gantry.reconcile/1") else { continue }
      try state.setHalt(
        StateFolder.Halt(
          sinceNs: clinux_wall_ns(), by: "gantry run",
          reason: "\(count) orders have no known end and \(broker) cannot be asked: compare positions and working orders with it first"))
    }
  }

  /// What must be known of the file before it is loaded, for its state and its socket.
  private func liveRun(_ source: GraphSource) throws(GantryError) -> LiveRun? {
    let header = GraphBuilder.header(file: file, bytes: Array(source.text.utf8), options: GraphSession.options(source))
    guard let live, let header, !header.name.isEmpty else { return nil }
    return try LiveRun(live, name: header.name, clock: header.clock, keepsFiles: !running.noRunFolder, terminal: terminal)
  }

  private func tools(_ loader: Loader, _ cells: CellFactory) -> LiveTools {
    let seed = running.seed
    return LiveTools(
      prepare: { (source) throws(GantryError) in try GraphSession(source, loader: loader, cells: cells).prepared(source, seed: seed) },
      findPlugin: { id, source in GraphSession.pluginPath(id, source) },
      rehearsal: { (request, run, path) throws(GantryError) in
        // One that is to run in a cell costs its cell only.
        guard let node = request.graph.node(named: request.node), request.graph.nodes[node].isolation == .none else { return nil }
        let image = try PluginImage(path: path)
        guard image.sha256 == request.code.sha256 else {
          throw GantryError("loader.changed", "\(path) changed while it was being loaded", help: ["ask again once the build is done"])
        }
        return cells.rehearsal(of: request, image: image, run: run)
      },
      cells: { cells.cells.map { .init(node: $0.node, pid: $0.pid, isReady: $0.isReady, restarts: $0.restarts, lastEnd: $0.lastEnd) } })
  }

  private func showProgress(_ run: Run) {
    terminal.progress("\(grouped(run.eventCount)) events, \(grouped(run.orderCount)) orders, \(grouped(run.fillCount)) fills")
  }

  /// The run to its end, with its control socket served. Those who asked for the end are answered
  /// before this returns.
  private func serve(
    _ run: Run, _ host: LiveHost, _ socket: LiveRun.OpenSocket, watching source: GraphSource?
  ) throws(GantryError) -> RunSummary {
    var server: ControlServer?
    var watch: LiveHost.Watch?
    defer { server?.stop() }
    var failure: GantryError?
    do throws(GantryError) {
      for finding in try host.began() { terminal.error(finding.rendered(colour: terminal.errorPaint.enabled)) }
      watch = try source.map { (source) throws(GantryError) in
        try host.watch(source) { [terminal] text, diagnostics in
          for diagnostic in diagnostics { terminal.error(diagnostic.rendered(colour: terminal.errorPaint.enabled)) }
          terminal.error("watch: " + text)
        }
      }
      server = try socket.serve(host.handle)
    } catch {
      failure = error
      run.requestStop()
    }
    run.wait { run in
      host.sample()
      showProgress(run)
    }
    host.ending()
    watch?.stop()
    terminal.progress(nil)
    do throws(GantryError) {
      let summary = try run.finish()
      host.ended(.success(summary))
      if let failure { throw failure }
      return summary
    } catch {
      host.ended(.failure(error))
      throw error
    }
  }
}
