import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Synchronization

/// `swap`, `commit`, and `revert` of what is on probation.
extension LiveHost {
  /// The answer to `swap`, `commit` and `revert`.
  public struct SwapAnswer: Codable, Sendable {
    public var change: String
    public var report: SwapReport
    /// The version of the graph that it made, once it is committed.
    public var version: Int?
  }

  /// Replaces a node's instance. The client is answered after the flip, or with `wait` at the end; this
  /// returns at the end, when the change's outcome and, where it was committed, the graph's new version
  /// are on the disk.
  func swap(_ request: ControlRequest, _ peer: ControlPeer, _ reply: ControlReply) throws(GantryError) {
    let node = request.text("node") ?? ""
    try checkNode(node)
    try use { (run) throws(GantryError) in
      let change = try nodeChange(node, request)
      let history = try history
      let id = try history.begin("swap", about: node, by: peer.text, detail: change.text)
      do throws(GantryError) {
        try swap(run, node, change, request, id, peer, reply)
      } catch {
        let outcome = error.diagnostics.first?.code == "swap.superseded" ? "superseded" : "failed"
        if history.change(id)?.outcome == nil { try history.end(id, outcome: outcome, detail: error.diagnostics.first?.text) }
        throw error
      }
    }
  }

  private func swap(
    _ run: Run, _ node: String, _ change: GraphSource.NodeChange, _ asked: ControlRequest, _ id: String, _ peer: ControlPeer,
    _ reply: ControlReply
  ) throws(GantryError) {
    // A swap of the same node that is under way ends first: the new one begins from what it leaves.
    settle(run, node: node)
    var source = graphs.withLock { $0.source }
    source.take(change, node: node)
    let prepared = try tools.prepare(source)
    guard let index = prepared.graph.node(named: node) else { throw GantryError("swap.unknown-node", "no node is named \(node)", exit: .usage) }
    let code = prepared.code[index]
    // Of all that was loaded to check the graph, only the candidate's code is of use.
    prepared.letGo(keeping: [code.generation])
    var isKept = false
    defer { if !isKept { prepared.generations.first { UInt32($0.number) == code.generation }?.unload() } }

    var request = SwapRequest(
      id: id, node: node, graph: prepared.graph, code: code, policy: try policy(prepared.graph.nodes[index].swap, asked),
      isCold: asked.flag("cold") ?? false, description: JSONLine.text(prepared.source), by: peer.text)
    let path = prepared.generations.first { UInt32($0.number) == code.generation }?.path ?? ""
    if let bytes = try? readFile(path, limit: GraphVersions.objectBytesMax), FileBytes.sha256(bytes) == code.sha256 { request.keeps = [bytes] }

    let converters = try loadConverters(asked.texts("convert"), source)
    defer { for converter in converters { converter.generation.unload() } }
    let history = try history
    for converter in converters {
      request.converters.append(converter.code)
      request.keeps.append(converter.bytes)
      let description = converter.code.description
      history.step(id, "converter", "\(description.id)@\(description.version) sha256 \(converter.code.sha256)")
    }
    if asked.flag("rehearse") ?? true { request.rehearsal = try tools.rehearsal(request, run, path) }
    let waits = asked.flag("wait") ?? false
    let pending = LiveGraphs.Pending(id: id, node: node, change: change)
    graphs.withLock { $0.pending[node] = pending }
    defer { graphs.withLock { $0.forget(pending) } }
    let flipped = try run.swap(request) { step in
      history.step(id, step.step.rawValue, step.detail.isEmpty ? nil : step.detail)
      reply.progress(step)
    }
    if !waits, flipped.outcome == nil { reply.done(SwapAnswer(change: id, report: flipped, version: nil)) }
    let isAnswered = !waits && flipped.outcome == nil
    let report = try run.waitForSwap(id)
    var version: Int?
    if report.outcome == .committed {
      (isKept, version) = try commitGraph(id, peer) { $0.commit(pending, from: prepared) }
    }
    try history.end(id, outcome: report.outcome?.rawValue ?? "unfinished", detail: report.reason, version: version)
    if !isAnswered { reply.done(SwapAnswer(change: id, report: report, version: version)) }
  }

  /// Ends swaps under way as a newer change does, and waits until what they leave is written down.
  func settle(_ run: Run, node: String? = nil) {
    run.settleSwaps(of: node)
    _ = phase.wait(forNs: 30_000_000_000, everyNs: 2_000_000) { _ in
      graphs.withLock { graphs in node.map { graphs.pending[$0] == nil } ?? graphs.pending.isEmpty } ? true : nil
    }
  }

  /// The graph has become another one, unless `body` says that it has not: it is written down as a
  /// version, which a restart runs.
  func commitGraph(
    _ change: String, _ peer: ControlPeer, _ body: (inout LiveGraphs) -> Bool
  ) throws(GantryError) -> (isChanged: Bool, version: Int?) {
    try commits.withLock { _ throws(GantryError) in
      let isChanged = graphs.withLock { body(&$0) }
      guard isChanged else { return (false, nil) }
      let (prepared, parent) = graphs.withLock { ($0.prepared, $0.version) }
      let hashes = prepared.artifactHashes()
      graphs.withLock { $0.artifacts = hashes }
      guard let versions = try history.versions else { return (true, nil) }
      let version = try versions.write(prepared, change: change, parent: parent, by: peer.text)
      try versions.commit(version)
      graphs.withLock { $0.version = version.number }
      return (true, version.number)
    }
  }

  /// What is asked for, as a change of the node's part of the graph.
  private func nodeChange(_ node: String, _ request: ControlRequest) throws(GantryError) -> GraphSource.NodeChange {
    let prepared = graphs.withLock { $0.prepared }
    guard let index = prepared.graph.node(named: node) else { throw GantryError("swap.unknown-node", "no node is named \(node)", exit: .usage) }
    let plugin = prepared.graph.nodes[index].plugin
    var change = GraphSource.NodeChange(sets: request.texts("set"))
    if let bad = change.sets.first(where: { !$0.contains("=") || $0.hasPrefix("=") }) {
      throw GantryError("swap.bad-set", "'\(bad.prefix(80).printable)' is not param=value", help: ["write --set threshold=0.7"], exit: .usage)
    }
    if let artifact = request.text("artifact") {
      let parameters = plugin.parameters.filter { $0.kind == .artifact }.map(\.name)
      let name = request.text("parameter") ?? (parameters.count == 1 ? parameters[0] : nil)
      guard let name, parameters.contains(name) else {
        throw GantryError(
          "swap.which-artifact", parameters.isEmpty ? "\(plugin.id) of \(node) reads no artifact" : "\(plugin.id) of \(node) reads several artifacts",
          help: parameters.isEmpty ? ["swap its code with --with, or its parameters with --set"] : ["name one with --set PARAM=FILE: \(parameters.joined(separator: ", "))"],
          exit: .usage)
      }
      change.sets.append("\(name)=\(artifact)")
    }
    if let with = request.text("with") { try takePlugin(with, node, plugin, prepared.source, &change) }
    guard change != GraphSource.NodeChange() else {
      throw GantryError("swap.nothing", "the swap changes nothing", help: ["say what is new: --with, --artifact or --set"], exit: .usage)
    }
    return change
  }

  /// `PATH` or `plugin@version`.
  private func takePlugin(
    _ with: String, _ node: String, _ old: PluginDescription, _ source: GraphSource, _ change: inout GraphSource.NodeChange
  ) throws(GantryError) {
    guard with.contains("/") || with.hasSuffix(".so") else {
      let id = String(with.prefix { $0 != "@" })
      guard tools.findPlugin(id, source) != nil else {
        throw GantryError("swap.unknown-plugin", "no plugin \(id.prefix(80).printable) is installed where the graph looks", help: ["name its file: --with path/to/lib\(id).so"])
      }
      change.plugin = with
      return
    }
    let generation = try loader.load(path: with)
    defer { generation.unload() }
    let ids = generation.plugins.map(\.description.id)
    guard let id = ids.contains(old.id) ? old.id : ids.count == 1 ? ids[0] : nil else {
      throw GantryError("swap.which-plugin", "\(with) offers \(ids.joined(separator: ", ")), and none is the \(old.id) that \(node) has")
    }
    change.plugin = id
    change.pin = with
  }

  private struct Converter {
    var generation: Generation
    var code: PluginCode
    var bytes: [UInt8]
  }

  /// Loads what `--convert` names, for the time of the swap.
  private func loadConverters(_ names: [String], _ source: GraphSource) throws(GantryError) -> [Converter] {
    var loaded: [Converter] = []
    do throws(GantryError) {
      for name in names { loaded.append(try loadConverter(name, source)) }
    } catch {
      for converter in loaded { converter.generation.unload() }
      throw error
    }
    return loaded
  }

  /// `PATH` or `plugin@version`.
  private func loadConverter(_ name: String, _ source: GraphSource) throws(GantryError) -> Converter {
    let said = name.prefix(80).printable
    let parts = name.split(separator: "@", maxSplits: 1)
    let isPath = name.contains("/") || name.hasSuffix(".so")
    guard isPath || !parts.isEmpty, let path = isPath ? name : tools.findPlugin(String(parts[0]), source) else {
      throw GantryError(
        "swap.unknown-plugin", "no plugin \(said) is installed where the graph looks", help: ["name its file: --convert path/to/plugin.so"], exit: .usage)
    }
    let generation = try loader.load(path: path)
    do throws(GantryError) {
      var plugins = generation.plugins
      if !isPath {
        plugins.removeAll { $0.description.id != parts[0] }
        if parts.count > 1 {
          guard let wanted = VersionRequirement(parts[1]) else {
            throw GantryError("swap.bad-version", "'\(said)' names no version", help: ["write plugin@1.2.3"], exit: .usage)
          }
          plugins.removeAll { plugin in !(SemanticVersion(plugin.description.version).map { wanted.isMet(by: $0) } ?? false) }
          if plugins.isEmpty {
            let there = generation.plugins.map { "\($0.description.id)@\($0.description.version)" }.joined(separator: ", ")
            throw GantryError("swap.other-version", "\(path) has \(there), and \(said) was asked for", help: ["name its file: --convert path/to/plugin.so"])
          }
        }
      }
      let code = try LiveHost.converter(generation, in: plugins, said: name)
      let bytes = try readFile(generation.path, limit: GraphVersions.objectBytesMax)
      guard FileBytes.sha256(bytes) == code.sha256 else {
        throw GantryError("loader.changed", "\(generation.path) changed while it was being loaded", help: ["ask again once the build is done"])
      }
      return Converter(generation: generation, code: code, bytes: bytes)
    } catch {
      generation.unload()
      throw error
    }
  }

  /// The one of these plugins of a generation that converts states.
  public static func converter(_ generation: Generation, in plugins: [LoadedPlugin], said: String) throws(GantryError) -> PluginCode {
    guard let plugin = plugins.first(where: { $0.description.extensions.contains("gantry.state-convert/1") }) else {
      throw GantryError(
        "swap.no-converter", "\(said.prefix(80).printable) does not offer gantry.state-convert/1",
        help: ["`gantry plugin inspect` lists what a plugin offers; gantry/ext/state_convert.h says how it is done"], exit: .usage)
    }
    return PluginCode(raw: plugin.raw, description: plugin.description, sha256: generation.sha256, generation: UInt32(generation.number))
  }

  /// The node's own policy, with what was asked for in its place.
  private func policy(_ policy: SwapPolicy, _ request: ControlRequest) throws(GantryError) -> SwapPolicy {
    var policy = policy
    func events(_ name: String) throws(GantryError) -> Int? {
      guard let count = request.number(name) else { return nil }
      guard (0...1_000_000_000).contains(count) else { throw GantryError("swap.bad-count", "--\(name) takes 0 to 1000000000 events", exit: .usage) }
      return Int(count)
    }
    policy.warm = try events("warm") ?? policy.warm
    policy.shadow = try events("shadow") ?? policy.shadow
    policy.probation = try events("probation") ?? policy.probation
    if let asked = request.text("canary") {
      let parts = asked.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      let text = parts[0]
      let number = text.hasSuffix("%") ? Double(text.dropLast()).map { $0 / 100 } : Double(text)
      guard let share = number, share > 0, share <= 1 else {
        throw GantryError("swap.bad-canary", "'\(text.prefix(40).printable)' is no share", help: ["write --canary 10%"], exit: .usage)
      }
      guard parts.count == 1 || CanaryBy(rawValue: String(parts[1])) != nil else {
        throw GantryError(
          "swap.bad-canary", "a canary shares out instruments or chains, not '\(parts[1].prefix(40).printable)'", help: ["write --canary 10% or --canary 10%/chain"],
          exit: .usage)
      }
      policy.canary = share
      policy.canaryBy = parts.count > 1 ? CanaryBy(rawValue: String(parts[1])) ?? .instrument : .instrument
    }
    if let when = request.text("when") {
      guard when == "flat" else { throw GantryError("swap.bad-when", "--when may be flat, not '\(when.prefix(40).printable)'", exit: .usage) }
      policy.whenFlat = true
    }
    return policy
  }

  // MARK: ending a swap by hand

  func commit(_ request: ControlRequest, _ peer: ControlPeer, _ reply: ControlReply) throws(GantryError) {
    let node = request.text("node") ?? ""
    let (id, report) = try noted(request, peer, about: node) { (run, id) throws(GantryError) in (id, try run.commit(node: node, by: peer.text)) }
    reply.done(SwapAnswer(change: id, report: report, version: settledVersion(report.id)))
  }

  /// The version that a swap's own thread has written, or is writing right now.
  private func settledVersion(_ change: String) -> Int? {
    guard let history = try? history else { return nil }
    _ = phase.wait(forNs: 5_000_000_000, everyNs: 2_000_000) { _ in history.change(change)?.outcome == nil ? nil : true }
    return history.change(change)?.version
  }

  /// Takes a change back: a swap on probation by its old instance, a committed one by the version before it.
  func revert(_ request: ControlRequest, _ peer: ControlPeer, _ reply: ControlReply) throws(GantryError) {
    let wanted = request.text("change")
    let node = request.text("node")
    let underWay = run.swaps.last { $0.outcome == nil && (wanted == nil || $0.id == wanted) && (node == nil || $0.node == node) }
    if let swap = underWay {
      let (id, report) = try noted(request, peer, about: "\(swap.id) \(swap.node)") { (run, id) throws(GantryError) in
        (id, try run.revert(node: swap.node, by: peer.text))
      }
      return reply.done(SwapAnswer(change: id, report: report, version: nil))
    }
    if let node, wanted == nil {
      throw GantryError("swap.none", "no swap of \(node) is under way", help: ["`gantry history` lists what was changed; `gantry revert ID` takes a committed change back"], exit: .usage)
    }
    try revertVersion(wanted, request, peer, reply)
  }
}
