import CLinux
import GantryBase
import GantryGraph
import GantryRuntime
import Synchronization

/// The short verbs, and those that end the run.
extension LiveHost {
  /// The answer to `pause` and `resume`.
  public struct PauseAnswer: Codable, Sendable {
    public var node: String
    public var isPaused: Bool
    /// False when it was so already.
    public var hasChanged: Bool

    enum CodingKeys: String, CodingKey {
      case node
      case isPaused = "is_paused"
      case hasChanged = "has_changed"
    }
  }

  func pause(_ on: Bool, _ request: ControlRequest, _ peer: ControlPeer) throws(GantryError) -> PauseAnswer {
    let node = request.text("node") ?? ""
    let hasChanged = try noted(request, peer, about: node) { (run) throws(GantryError) in try run.pause(on, node: node) }
    return PauseAnswer(node: node, isPaused: on, hasChanged: hasChanged)
  }

  /// The answer to `halt` and `unhalt`.
  public struct HaltAnswer: Codable, Sendable {
    public var isHalted: Bool
    public var halt: StateFolder.Halt?
    /// Of the change in the history.
    public var change: String?
    /// Whether the next run of this graph is halted as well.
    public var survivesRestart: Bool

    enum CodingKeys: String, CodingKey {
      case halt, change
      case isHalted = "is_halted"
      case survivesRestart = "survives_restart"
    }
  }

  /// Closes the order gate, then writes that down. Orders are refused from the first moment on,
  /// whether or not it can be written.
  func halt(_ request: ControlRequest, _ peer: ControlPeer) throws(GantryError) -> HaltAnswer {
    try use { (run) throws(GantryError) in run.halt(true) }
    let halt = StateFolder.Halt(sinceNs: clinux_wall_ns(), by: peer.text, reason: request.text("reason"))
    do throws(GantryError) {
      try state?.setHalt(halt)
      let history = try history
      let id = try history.begin("halt", about: nil, by: peer.text, detail: halt.reason)
      try history.end(id, outcome: "done")
      return HaltAnswer(isHalted: true, halt: halt, change: id, survivesRestart: state != nil)
    } catch {
      throw GantryError(
        [Diagnostic(.error, "control.halt-unwritten", "trading is halted, but that could not be written down: a restart may not know")]
          + error.diagnostics, .failed)
    }
  }

  /// Forgets the halt, then opens the gate: a crash between leaves trading halted until the end of this run.
  func unhalt(_ request: ControlRequest, _ peer: ControlPeer) throws(GantryError) -> HaltAnswer {
    let id = try noted(request, peer, about: nil) { (run, id) throws(GantryError) in
      try state?.setHalt(nil)
      run.halt(false)
      return id
    }
    return HaltAnswer(isHalted: false, halt: nil, change: id, survivesRestart: state != nil)
  }

  /// Performs a short verb as a change with an id: written down before and after.
  func noted<Value>(
    _ request: ControlRequest, _ peer: ControlPeer, about: String?, _ body: (Run, String) throws(GantryError) -> Value
  ) throws(GantryError) -> Value {
    let history = try history
    return try use { (run) throws(GantryError) in
      let id = try history.begin(request.verb.rawValue, about: about, by: peer.text, detail: request.text("reason"))
      do throws(GantryError) {
        let value = try body(run, id)
        try history.end(id, outcome: "done")
        return value
      } catch {
        try history.end(id, outcome: "failed", detail: error.diagnostics.first?.text)
        throw error
      }
    }
  }

  func noted<Value>(
    _ request: ControlRequest, _ peer: ControlPeer, about: String?, _ body: (Run) throws(GantryError) -> Value
  ) throws(GantryError) -> Value {
    try noted(request, peer, about: about) { (run, _) throws(GantryError) in try body(run) }
  }

  /// The answer to `history`.
  public struct HistoryAnswer: Codable, Sendable {
    /// Oldest first.
    public var changes: [Change]
    /// How many there are in all.
    public var count: Int
    /// The committed version of the graph.
    public var version: Int?
    /// What was found when the log was opened, and with `verify` what it looks like now.
    public var findings: [Diagnostic]
    public var check: AuditCheck?
  }

  func historyAnswer(_ request: ControlRequest) throws(GantryError) -> HistoryAnswer {
    let history = try history
    let limit = request.number("limit").map { Int(clamping: max($0, 0)) } ?? 50
    let (changes, count) = history.newest(limit)
    return HistoryAnswer(
      changes: changes, count: count, version: graphs.withLock { $0.version }, findings: history.log.findings,
      check: request.flag("verify") == true ? history.log.check() : nil)
  }

  /// The answer to `loglevel`.
  public struct LevelAnswer: Codable, Sendable {
    public var level: String
    public var node: String?
  }

  func setLevel(_ request: ControlRequest, _ peer: ControlPeer) throws(GantryError) -> LevelAnswer {
    let word = request.text("level") ?? ""
    guard let severity = LogLine.Severity(name: word) else {
      throw GantryError(
        "control.bad-level", "there is no log level '\(word.prefix(40).printable)'",
        help: ["levels are \(LogLine.Severity.all.map(\.name).joined(separator: ", "))"], exit: .usage)
    }
    let node = request.text("node")
    if let node { try checkNode(node) }
    try noted(request, peer, about: node.map { "\($0) \(word)" } ?? word) { _ in levels.set(severity, node: node) }
    return LevelAnswer(level: severity.name, node: node)
  }

  func checkNode(_ node: String) throws(GantryError) {
    let graph = run.graph
    guard graph.node(named: node) == nil else { return }
    throw GantryError(
      "control.unknown-node", "the graph \(graph.name) has no node \(node.prefix(80).printable)",
      help: nearest(to: node, among: graph.nodes.map(\.name)).map { ["did you mean \($0)?"] } ?? [], exit: .usage)
  }

  /// Tells that a run is ending.
  public struct EndProgress: Codable, Sendable {
    public var stage: String
  }

  /// Asks the run to end, and answers with its summary when it has.
  func end(_ request: ControlRequest, _ peer: ControlPeer, _ reply: ControlReply, _ ask: (Run) -> Void) throws(GantryError) {
    try noted(request, peer, about: nil) { run in ask(run) }
    reply.progress(EndProgress(stage: "ending"))
    let result = phase.wait { phase -> Result<RunSummary, GantryError>? in
      if case .ended(let result) = phase.stage { result } else { nil }
    }
    switch result {
    case .success(let summary): reply.done(summary)
    case .failure(let error): reply.failed(error)
    case nil: break
    }
  }
}
