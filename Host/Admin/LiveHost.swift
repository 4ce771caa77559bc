import CLinux
import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Glibc
import Synchronization

/// A run that can be asked and changed while it goes on: joins the run, the loader and what is kept
/// from one run to the next, and performs what comes over the control socket.
///
/// Requests may come from any thread. None reaches the run before `began` or after `ending`: then
/// its memory is not there yet, or no more.
public final class LiveHost: Sendable {
  enum Stage { case starting, running, ending, ended(Result<RunSummary, GantryError>) }
  struct Phase {
    var stage = Stage.starting
    /// Requests that use the run now.
    var uses = 0
  }

  /// What a host is made of.
  public struct Parts: Sendable {
    public var run: Run
    public var loader: Loader
    public var levels: LogLevels
    public var control: String
    /// Nil: what outlives a run is not kept.
    public var state: StateFolder?
    /// What the run was made from.
    public var prepared: PreparedGraph
    public var tools: LiveTools
    /// The version that the run resumed; nil when it began from the file.
    public var resumed: GraphVersion?

    public init(
      run: Run, loader: Loader, levels: LogLevels, control: String, state: StateFolder?, prepared: PreparedGraph,
      tools: LiveTools, resumed: GraphVersion? = nil
    ) {
      self.run = run
      self.loader = loader
      self.levels = levels
      self.control = control
      self.state = state
      self.prepared = prepared
      self.tools = tools
      self.resumed = resumed
    }
  }

  let run: Run
  let loader: Loader
  let control: String
  public let state: StateFolder?
  let levels: LogLevels
  let tools: LiveTools
  let phase = Waitable(Phase())
  let graphs: Mutex<LiveGraphs>
  /// Versions are written one at a time.
  let commits = Mutex<Void>(())
  private let resumed: GraphVersion?
  private let past = Mutex<History?>(nil)
  private let rates = Mutex(RateWindow())
  private let startedNs = clinux_wall_ns()

  public init(_ parts: Parts) {
    run = parts.run
    loader = parts.loader
    control = parts.control
    state = parts.state
    levels = parts.levels
    tools = parts.tools
    resumed = parts.resumed
    graphs = Mutex(LiveGraphs(parts.prepared, version: parts.resumed?.number))
  }

  // MARK: the run's life, told by the control thread

  /// The run has started: opens the history, and commits the graph that runs as its version.
  ///
  /// - Returns: what is not in order with what earlier runs have left
  public func began() throws(GantryError) -> [Diagnostic] {
    let history = try History(state)
    past.withLock { $0 = history }
    let by = "uid \(getuid()), pid \(getpid()), command line"
    let prepared = graphs.withLock { $0.prepared }
    try history.started(by: by, about: prepared.source.file)
    if resumed == nil, let versions = history.versions {
      // The same graph with the same code again is no new version.
      var version = try? versions.committed()
      if version.map({ !$0.isOf(prepared) }) ?? true {
        version = try versions.write(prepared, change: nil, parent: version?.number, by: by)
        try versions.commit(version!)
      }
      graphs.withLock { [number = version?.number] in $0.version = number }
    }
    let hashes = prepared.artifactHashes()
    graphs.withLock { $0.artifacts = hashes }
    phase.withLock { $0.stage = .running }
    return history.log.findings
  }

  /// Changes and versions. There once the run has begun.
  var history: History {
    get throws(GantryError) {
      guard let history = past.withLock({ $0 }) else { throw GantryError("control.starting", "the run is starting", exit: .failed) }
      return history
    }
  }

  /// All lanes have ended: waits until no request uses the run any more.
  public func ending() {
    phase.withLock { $0.stage = .ending }
    _ = phase.wait { $0.uses == 0 ? true : nil }
  }

  /// How the run ended, for those who wait for it.
  public func ended(_ result: Result<RunSummary, GantryError>) {
    if let history = try? history {
      let outcome =
        switch result {
        case .success(let summary): summary.wasStopped ? "stopped" : "done"
        case .failure(let error): "failed: \(error.diagnostics.first?.text ?? "no reason")"
        }
      try? history.stopped(outcome: outcome)
    }
    phase.withLock { $0.stage = .ended(result) }
  }

  /// Lets `body` use the run. Refused when the run is not there.
  func use<Value>(_ body: (Run) throws(GantryError) -> Value) throws(GantryError) -> Value {
    let isRunning = phase.withLock { phase in
      guard case .running = phase.stage else { return false }
      phase.uses += 1
      return true
    }
    guard isRunning else { throw GantryError("control.ending", "the run is ending", exit: .noHost) }
    defer { phase.withLock { $0.uses -= 1 } }
    return try body(run)
  }

  /// Whether the run goes on; long requests look at it now and then.
  var isRunning: Bool {
    phase.withLock { if case .running = $0.stage { true } else { false } }
  }

  /// Remembers counts for rates. From the control thread, a few times a second.
  public func sample() {
    let status = run.status()
    rates.withLock { $0.add(ns: clinux_monotonic_ns(), counts: Self.counts(status)) }
  }

  private static func counts(_ status: RunStatus) -> [String: UInt64] {
    var counts = Dictionary(status.nodes.map { ($0.name, $0.events) }) { first, _ in first }
    counts[""] = status.events
    return counts
  }

  // MARK: requests

  /// Performs one request and answers it.
  public func handle(_ request: ControlRequest, _ peer: ControlPeer, _ reply: ControlReply) {
    do throws(GantryError) {
      switch request.verb {
      case .status: reply.done(try status())
      case .pause: reply.done(try pause(true, request, peer))
      case .resume: reply.done(try pause(false, request, peer))
      case .halt: reply.done(try halt(request, peer))
      case .unhalt: reply.done(try unhalt(request, peer))
      case .loglevel: reply.done(try setLevel(request, peer))
      case .tap: try tap(request, reply)
      case .history: reply.done(try historyAnswer(request))
      case .stop: try end(request, peer, reply) { $0.requestStop() }
      case .drain: try end(request, peer, reply) { $0.drain() }
      case .swap: try swap(request, peer, reply)
      case .revert: try revert(request, peer, reply)
      case .commit: try commit(request, peer, reply)
      case .plan: reply.done(try plan(request))
      case .apply: try apply(request, peer, reply)
      }
    } catch { reply.failed(error) }
  }

  func status() throws(GantryError) -> HostStatus {
    var status = try use { (run) throws(GantryError) in run.status() }
    let nowNs = clinux_monotonic_ns()
    let (rate, perNode) = rates.withLock { window in
      (window.rate("", ns: nowNs, count: status.events), status.nodes.map { window.rate($0.name, ns: nowNs, count: $0.events) })
    }
    for index in status.nodes.indices { status.nodes[index].rate = perNode[index] }
    return HostStatus(
      gantry: gantryVersion, pid: getpid(), file: graphs.withLock { $0.prepared.source.file }, startedNs: startedNs, control: control, state: state?.path, runFolder: run.folder,
      residentBytes: clinux_resident_bytes(), logLevel: levels.everywhere.name, halt: state?.halt, version: graphs.withLock { $0.version }, run: status,
      generations: loader.generations.map(HostStatus.Code.init),
      cells: tools.cells(), rate: rate ?? Double(status.events) / max(status.secondsRunning, 1e-9))
  }
}
