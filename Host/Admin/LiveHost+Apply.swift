import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Synchronization

/// `plan`, `apply`, and going back to an earlier version of the graph.
extension LiveHost {
  /// What applying a graph does, or would do, to one node.
  public struct PlannedNode: Codable, Sendable, Equatable {
    public var node: String
    public var action: NodeChange.Action
    /// It acts on the outside: the old instance stops before the new one starts.
    public var isHandOver: Bool
    public var reasons: [String]

    enum CodingKeys: String, CodingKey {
      case node, action, reasons
      case isHandOver = "is_hand_over"
    }

    init(_ change: NodeChange) {
      node = change.node
      action = change.action
      isHandOver = change.isHandOver
      reasons = change.reasons
    }
  }

  /// The answer to `plan`.
  public struct PlanAnswer: Codable, Sendable {
    public var file: String
    public var nodes: [PlannedNode]
    public var warnings: [Diagnostic]
    /// Nothing would change.
    public var isEmpty: Bool { nodes.allSatisfy { $0.action == .keep } }
  }

  /// The answer to `apply`, and to `revert` of a committed change.
  public struct ApplyAnswer: Codable, Sendable {
    public var change: String
    public var nodes: [PlannedNode]
    /// Nil when there was nothing to do.
    public var report: ApplyReport?
    public var version: Int?
  }

  func plan(_ request: ControlRequest) throws(GantryError) -> PlanAnswer {
    try use { (_) throws(GantryError) in
      let prepared = try tools.prepare(source(request))
      defer { prepared.letGo() }
      return try PlanAnswer(
        file: prepared.source.file, nodes: changes(to: prepared, prepared.artifactHashes(), cold: Set(request.texts("cold"))).map(PlannedNode.init), warnings: prepared.warnings)
    }
  }

  func apply(_ request: ControlRequest, _ peer: ControlPeer, _ reply: ControlReply) throws(GantryError) {
    let cold = Set(request.texts("cold"))
    try reply.done(apply(source(request), verb: "apply", about: request.text("file"), cold: cold, peer) { reply.progress($0) })
  }

  /// Makes the running graph into the one of this source, all or nothing, and commits it as a version.
  func apply(
    _ source: GraphSource, verb: String, about: String?, cold: Set<String> = [], _ peer: ControlPeer,
    progress: @escaping @Sendable (ApplyStep) -> Void
  ) throws(GantryError) -> ApplyAnswer {
    try use { (run) throws(GantryError) in
      let history = try history
      let id = try history.begin(verb, about: about, by: peer.text)
      do throws(GantryError) {
        // Swaps under way end first: what they leave is what the plan is made for.
        settle(run)
        let prepared = try tools.prepare(source)
        var isTaken = false
        defer { if !isTaken { prepared.letGo() } }
        let hashes = prepared.artifactHashes()
        let planned = try changes(to: prepared, hashes, cold: cold)
        let nodes = planned.map(PlannedNode.init)
        guard planned.contains(where: { $0.action != .keep }) else {
          try history.end(id, outcome: "done", detail: "nothing to do")
          return ApplyAnswer(change: id, nodes: nodes, report: nil, version: graphs.withLock { $0.version })
        }
        let report = try run.apply(
          graph: prepared.graph, code: { index throws(GantryError) in prepared.code[index] }, changes: planned, id: id, by: peer.text,
          head: prepared.head
        ) { step in
          history.step(id, step.step.rawValue, step.detail.isEmpty ? nil : step.detail)
          progress(step)
        }
        isTaken = true
        let (_, version) = try commitGraph(id, peer) { graphs in
          let old = graphs.prepared
          graphs.prepared = prepared
          graphs.pending = [:]
          old.letGo()
          return true
        }
        try history.end(id, outcome: "committed", version: version)
        return ApplyAnswer(change: id, nodes: nodes, report: report, version: version)
      } catch {
        let outcome = error.diagnostics.first?.code == "apply.superseded" ? "superseded" : "failed"
        if history.change(id)?.outcome == nil { try history.end(id, outcome: outcome, detail: error.diagnostics.first?.text) }
        var error = error
        if error.diagnostics.first?.code == "apply.state-refused", error.diagnostics[0].help.isEmpty {
          error.diagnostics[0].help = ["the old graph runs on; `--cold NODE` lets the node start from nothing"]
        }
        throw error
      }
    }
  }

  /// Back to the version before a change: the newest committed one, or the one of this id.
  func revertVersion(_ wanted: String?, _ request: ControlRequest, _ peer: ControlPeer, _ reply: ControlReply) throws(GantryError) {
    let history = try history
    guard let versions = history.versions else {
      throw GantryError("revert.no-versions", "this host keeps no versions of its graph", help: ["run it with --state FOLDER"], exit: .failed)
    }
    let current = graphs.withLock { $0.version }
    let number: Int?
    if let wanted {
      guard let change = history.change(wanted) else {
        throw GantryError("revert.unknown", "there is no change \(wanted.prefix(40).printable)", help: ["`gantry history` lists them"], exit: .usage)
      }
      number = change.version
    } else {
      number = current
    }
    guard let number, let version = versions.read(number), let parent = version.parent.flatMap(versions.read) else {
      throw GantryError(
        "revert.nothing", wanted.map { "\($0) has made no version of the graph that could be taken back" } ?? "nothing was committed that could be taken back",
        help: ["`gantry history` shows which changes made a version"], exit: .usage)
    }
    let answer = try apply(versions.source(of: parent), verb: "revert", about: "\(wanted ?? version.change ?? "v\(number)"), to version \(parent.number)", cold: Set(request.texts("cold")), peer) {
      reply.progress($0)
    }
    reply.done(answer)
  }

  private func source(_ request: ControlRequest) -> GraphSource {
    let folders = graphs.withLock { $0.prepared.source.pluginFolders }
    return GraphSource(
      file: request.text("file") ?? "", text: request.text("text") ?? "", directory: request.text("folder") ?? "", profile: request.text("profile"),
      sets: request.texts("set"), pluginFolders: folders)
  }

  /// What differs between what runs and another graph, the bytes of code and artifacts included.
  ///
  /// - Parameter cold: nodes whose new instances are to start from nothing
  func changes(to new: PreparedGraph, _ hashes: [String: String], cold: Set<String>) throws(GantryError) -> [NodeChange] {
    let (old, artifacts) = graphs.withLock { ($0.prepared, $0.artifacts) }
    let files = Set(hashes.filter { artifacts[$0.key] != nil && artifacts[$0.key] != $0.value }.keys)
    var changes = GraphDiff.diff(old: old.graph, new: new.graph, changed: GraphDiff.Changed(files: files))
    for (index, node) in new.graph.nodes.enumerated() {
      guard let place = old.graph.node(named: node.name), let at = changes.firstIndex(where: { $0.node == node.name }) else { continue }
      let before = old.graph.nodes[place]
      guard old.code[place].sha256 != new.code[index].sha256, before.plugin.id == node.plugin.id, before.plugin.version == node.plugin.version,
        !changes[at].reasons.contains(where: { $0.hasSuffix("has other bytes") && !$0.hasPrefix("params.") })
      else { continue }
      let hasState = [before, node].allSatisfy { $0.plugin.extensions.contains(GraphDiff.stateExtension) }
      changes[at].action = max(changes[at].action, hasState ? .swapWithState : .swapCold)
      changes[at].reasons.append("\(node.plugin.id) \(node.plugin.version) has other bytes")
      changes[at].isHandOver = [before, node].contains { $0.plugin.effects == .external }
    }
    for name in cold.sorted() {
      guard let at = changes.firstIndex(where: { $0.node == name }) else {
        throw GantryError("apply.unknown-node", "--cold names \(name.prefix(80).printable), which the graph does not have", exit: .usage)
      }
      if changes[at].action == .swapWithState { changes[at].action = .swapCold }
    }
    return changes
  }
}
