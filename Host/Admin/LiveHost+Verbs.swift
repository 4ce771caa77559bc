import CLinux
import GantryBase
import GantryGraph
import GantryRuntime

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

  func pause(_ on: Bool, _ request: ControlRequest) throws(GantryError) -> PauseAnswer {
    let node = request.text("node") ?? ""
    let hasChanged = try use { (run) throws(GantryError) in try run.pause(on, node: node) }
    return PauseAnswer(node: node, isPaused: on, hasChanged: hasChanged)
  }

  /// The answer to `halt` and `unhalt`.
  public struct HaltAnswer: Codable, Sendable {
    public var isHalted: Bool
    public var halt: StateFolder.Halt?
    /// Whether the next run of this graph is halted as well.
    public var survivesRestart: Bool

    enum CodingKeys: String, CodingKey {
      case halt
      case isHalted = "is_halted"
      case survivesRestart = "survives_restart"
    }
  }

  /// Closes the order gate, then writes that down. Orders are refused from the first moment on,
  /// whether or not it can be written.
  func halt(_ request: ControlRequest, _ peer: ControlPeer) throws(GantryError) -> HaltAnswer {
    try use { (run) throws(GantryError) in run.halt(true) }
    let halt = StateFolder.Halt(sinceNs: clinux_wall_ns(), by: peer.text, reason: request.text("reason"))
    guard let state else { return HaltAnswer(isHalted: true, halt: halt, survivesRestart: false) }
    do throws(GantryError) { try state.setHalt(halt) } catch {
      throw GantryError(
        [Diagnostic(.error, "control.halt-unwritten", "trading is halted, but a restart would not know: it could not be written down")] + error.diagnostics,
        .failed)
    }
    return HaltAnswer(isHalted: true, halt: halt, survivesRestart: true)
  }

  /// Forgets the halt, then opens the gate: a crash between leaves trading halted until the end of this run.
  func unhalt() throws(GantryError) -> HaltAnswer {
    try state?.setHalt(nil)
    try use { (run) throws(GantryError) in run.halt(false) }
    return HaltAnswer(isHalted: false, halt: nil, survivesRestart: state != nil)
  }

  /// The answer to `loglevel`.
  public struct LevelAnswer: Codable, Sendable {
    public var level: String
    public var node: String?
  }

  func setLevel(_ request: ControlRequest) throws(GantryError) -> LevelAnswer {
    let word = request.text("level") ?? ""
    guard let severity = LogLine.Severity(name: word) else {
      throw GantryError(
        "control.bad-level", "there is no log level '\(word.prefix(40).printable)'",
        help: ["levels are \(LogLine.Severity.all.map(\.name).joined(separator: ", "))"], exit: .usage)
    }
    let node = request.text("node")
    if let node, run.graph.node(named: node) == nil {
      throw GantryError(
        "control.unknown-node", "the graph \(run.graph.name) has no node \(node.prefix(80).printable)",
        help: nearest(to: node, among: run.graph.nodes.map(\.name)).map { ["did you mean \($0)?"] } ?? [], exit: .usage)
    }
    levels.set(severity, node: node)
    return LevelAnswer(level: severity.name, node: node)
  }

  /// Tells that a run is ending.
  public struct EndProgress: Codable, Sendable {
    public var stage: String
  }

  /// Asks the run to end, and answers with its summary when it has.
  func end(_ reply: ControlReply, _ ask: (Run) -> Void) throws(GantryError) {
    try use { (run) throws(GantryError) in ask(run) }
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
