import BrokenPlugins
import CGantry
import GantryAdmin
import GantryBase
import GantryJournal
import GantryRuntime
import Glibc
import Testing

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Models as people train them, exchanged one for another in a host while it trades.
@Suite struct RealModelTests {
  /// Real quotes of two pairs as LEAN's folders; nil where there are none.
  static let tapes: (eurusd: String, nzdusd: String)? = {
    let folders = [getenv("GANTRY_DATA").map { String(cString: $0) }, "\(LiveGraph.root)/../shared/data"]
    for folder in folders.compactMap(\.self) {
      let tapes = ("\(folder)/lean/forex/oanda/tick/eurusd", "\(folder)/lean/forex/fxcm/tick/nzdusd")
      if access(tapes.0, R_OK) == 0, access(tapes.1, R_OK) == 0 { return tapes }
    }
    return nil
  }()

  /// The folder of ONNX Runtime's library; nil where Python has none.
  static let onnxRuntime: String? = {
    let python = getenv("GANTRY_PYTHON").map { String(cString: $0) } ?? "python3"
    guard let pipe = popen("\(python) -c 'import onnxruntime, os; print(os.path.dirname(onnxruntime.__file__) + \"/capi\")' 2> /dev/null", "r") else { return nil }
    var line = [CChar](repeating: 0, count: 4096)
    let hasLine = fgets(&line, 4096, pipe) != nil
    guard pclose(pipe) == 0, hasLine else { return nil }
    return String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }()

  /// Two tapes as fast as they can be read, and a third feed whose last quotes come when it is let through; the very last has a
  /// price that no model has seen.
  private static func graph(_ tapes: (eurusd: String, nzdusd: String)) -> String {
    """
    graph: real
    clock: live
    instruments:
      AUDUSD: { tick: 0.00001, lot: 1, base: AUD, quote: USD, contract: 1, session: fx }
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
      NZDUSD: { tick: 0.00001, lot: 1, base: NZD, quote: USD, contract: 1, session: fx }
    nodes:
      eurusd: { plugin: replay, params: { path: \(tapes.eurusd), format: lean, instrument: EURUSD, repeat: 100000 } }
      nzdusd: { plugin: replay, params: { path: \(tapes.nzdusd), format: lean, instrument: NZDUSD, repeat: 100000 } }
      shock: { plugin: replay, params: { path: shock.csv, instrument: AUDUSD, speed: x10 } }
      pool: { plugin: pool, from: [eurusd, nzdusd, shock] }
      features: { plugin: indicators, from: pool, params: { columns: [price, rsi_14, zscore_20, return_5] } }
      model:
        plugin: trees
        from: features
        params: { artifact: "models:direction@champion", on_missing: skip }
        grant: [library]
        swap: { warm: 50, revert_if: { errors: 1 } }
      decide: { plugin: threshold, from: [model, broker.executions~, risk.rejects~], params: { use: probability, upper: 0.56, lower: 0.44, quantity: 10000 } }
      risk: { plugin: limits, from: [pool, decide, broker.executions~], params: { max_position: 20000, max_order: 20000, orders_per_second: 10000, max_drawdown: 90%, equity: 100000000 }, on_error: halt }
      broker: { plugin: paper, from: [pool, risk], params: { deposit: 100000000 } }

    """
  }

  /// The folder of `pool`.
  private static let plugins = Result {
    let library = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/ModelPlugins/plugins.c", as: "libpool.so", flags: "-lm")
    return String(library.dropLast("/libpool.so".count))
  }

  /// A host with its models: @1 and @2 are good, @3 is cut off, @4 is infinite above a price of 10, @5 has ten times the trees.
  private func session() throws -> ModelSwapTests.Deployment {
    let d = try ModelSwapTests.Deployment(Self.graph(try #require(Self.tapes)))
    // Enough quotes for the columns to be known, and then that one.
    let calm = (10..<50).map { "2014-05-01T00:01:39.0\($0)Z,0.9,0.9001\n" }.joined()
    try LiveGraph.write("time,bid,ask\n2014-05-01T00:00:00Z,0.9,0.9001\n\(calm)2014-05-01T00:01:40Z,99,99.01\n", "\(d.folder)/shock.csv")
    let second = MadeTrees(seed: 2)
    var infinite = second
    infinite.infiniteAbove = 10
    for text in [
      MadeTrees(seed: 1).xgboost, second.xgboost, String(second.xgboost.prefix(5000)), infinite.xgboost, MadeTrees(seed: 2, trees: 400).xgboost,
    ] { try d.add("direction", text, "--format", "xgboost.json") }
    try d.gantry("model", "alias", "direction", "champion", "1")
    try d.start("--plugins", Self.plugins.get(), "--json")
    try d.ask("pause", "shock")
    return d
  }

  @Test(.enabled(if: tapes != nil && Fixture.hasCompiler, "there are no real ticks in GANTRY_DATA or ../shared/data, or no C compiler"))
  func `under load on real ticks every change of a model is right, wrong ones go back, and nothing is lost`() throws {
    let d = try session()
    try d.counts("direction@1")
    try canary(d)
    try apply(d)
    try corrupt(d)
    try infinite(d)
    try slow(d)
    try ending(d)
  }

  /// From one version to the next: first for one of two pairs, which the predictions themselves show.
  private func canary(_ d: ModelSwapTests.Deployment) throws {
    let swap = try RunningVerb(
      ["swap", "model", "--artifact", "models:direction@2", "--shadow", "1000", "--canary", "50%", "--probation", "1000000000", "--wait", "--json"], d)
    try until("one pair has the one, and one the other") {
      let shared = try d.models()
      return shared["EURUSD"]?.count == 1 && shared["NZDUSD"]?.count == 1 && shared["EURUSD"] != shared["NZDUSD"]
    }
    #expect(try d.host.status().run.swaps.last?.steps.last?.step == .canary)
    try d.ask("commit", "model")
    let report = try swap.end().result(LiveHost.SwapAnswer.self).report
    #expect(report.outcome == .committed && report.candidateErrors == 0 && report.comparedRows >= 1000 && report.differingRows > 0, "\(report)")
    try d.counts("direction@2")
    let after = try d.models()
    #expect(after["EURUSD"]?.count == 1 && after["EURUSD"] == after["NZDUSD"], "\(after)")
    try d.gantry("model", "alias", "direction", "champion", "2")
  }

  /// To a network with other columns: no swap, an apply. And back.
  private func apply(_ d: ModelSwapTests.Deployment) throws {
    guard let library = Self.onnxRuntime else {
      return print("skipped the ONNX model: python3 has no onnxruntime (`python3 -m pip install onnxruntime`, or set GANTRY_PYTHON)")
    }
    try d.gantry("model", "add", "\(LiveGraph.root)/manifests/models/hour_network.onnx", "--name", "network")
    for (more, said) in [
      ([], "this looks like an ONNX model; the plugin onnx reads those"),
      (["--with", "onnx@1.0.0", "--set", "library=\(library)"], "the model needs the column \"return_1\", which its input does not have"),
    ] {
      let swap = try Verb.run(["swap", "model", "--artifact", "models:network@1", "--control", "c.sock"] + more, in: d.folder)
      #expect(swap.code == 65 && swap.error.contains(said), "\(swap.code) \(swap.error)")
      #expect(swap.error.contains("use apply") && swap.error.contains("`gantry apply FILE`"), "\(swap.error)")
      try d.counts("direction@2")
    }
    let changed = LiveGraph.read("\(d.folder)/graph.yaml").replacing("plugin: trees", with: "plugin: onnx").replacing("direction@champion\"", with: "network@1\", library: \(library)")
      .replacing("zscore_20, return_5", with: "zscore_20, return_1, return_5, return_24")
    try LiveGraph.write(changed, "\(d.folder)/onnx.yaml")
    let plan = try d.ask("plan", "onnx.yaml").out
    #expect(plan.contains("plugin trees 1.0.0 -> onnx 1.0.0") && plan.contains("return_24]"), "\(plan)")
    try d.ask("apply", "onnx.yaml", "--cold", "features")
    try d.counts("network@1")
    #expect(try d.host.node("model").plugin == "onnx@1.0.0")
    try d.ask("revert", "--cold", "features")
    try d.counts("direction@2")
    #expect(try d.host.node("model").plugin == "trees@1.0.0")
  }

  private func corrupt(_ d: ModelSwapTests.Deployment) throws {
    let swap = try d.host.gantry("swap", "model", "--artifact", "models:direction@3")
    #expect(swap.code == 65 && swap.error.contains("/models/direction/3/draft.json:1:") && swap.error.contains("the file is cut off"), "\(swap.error)")
    #expect(swap.error.contains("nothing of the run was touched"))
    let (outcome, reason) = try d.lastSwap()
    #expect(outcome == "failed" && reason.contains("the file is cut off"), "\(outcome): \(reason)")
    try d.counts("direction@2")
  }

  /// It does well until a price comes that its training did not know.
  private func infinite(_ d: ModelSwapTests.Deployment) throws {
    try d.ask("swap", "model", "--artifact", "models:direction@4", "--shadow", "1000", "--probation", "1000000000")
    try d.counts("direction@4")
    try d.ask("resume", "shock")
    let (outcome, reason) = try d.lastSwap()
    #expect(outcome == "reverted" && reason.hasSuffix("errors in probation, the limit is 1"), "\(outcome): \(reason)")
    #expect(d.host.errors.contains("/models/direction/4/draft.json: the model gives NaN or infinity for a row"), "\(d.host.errors)")
    try d.counts("direction@2", failed: 1)
  }

  /// What one row may take is four times what it takes: ten times is refused where a shadow shows it, and taken back otherwise.
  private func slow(_ d: ModelSwapTests.Deployment) throws {
    let limitUs = max(Double(try d.host.node("model").p50Ns) * 4 / 1000, 0.1)
    let limited = LiveGraph.read("\(d.folder)/graph.yaml").replacing("errors: 1 }", with: "errors: 1, p99_us: \(limitUs) }")
    try LiveGraph.write(limited, "\(d.folder)/limited.yaml")
    try d.ask("apply", "limited.yaml")
    try d.counts("direction@2", failed: 1)
    let shadowed = try d.host.gantry("swap", "model", "--artifact", "models:direction@5", "--shadow", "2000", "--wait")
    #expect(shadowed.code == 1 && shadowed.error.contains("the candidate's p99 is"), "\(shadowed.error)")
    try d.counts("direction@2", failed: 1)
    // Without a shadow, and while no event shows before the flip how slow it is.
    for tape in ["eurusd", "nzdusd"] { try d.ask("pause", tape) }
    try d.ask("swap", "model", "--artifact", "models:direction@5", "--probation", "1000000000")
    #expect(try d.host.node("model").model == "direction@5")
    for tape in ["eurusd", "nzdusd"] { try d.ask("resume", tape) }
    let (outcome, reason) = try d.lastSwap()
    #expect(outcome == "reverted" && reason.hasPrefix("p99 ") && reason.contains(" us in probation, the limit is "), "\(outcome): \(reason)")
    try d.counts("direction@2", failed: 1)
  }

  /// Each event went through each node once, each order has its fill, in their order, and a replay gives the same.
  private func ending(_ d: ModelSwapTests.Deployment) throws {
    let orders = try d.host.status().run.gate.orders
    try until("there are orders") { try d.host.status().run.gate.orders > orders + 5 }
    try d.ask("drain")
    #expect(try d.host.end() == 0)
    let last = try #require(d.host.output.split(separator: "\n").last)
    let summary = try JSONDecoder().decode(RunSummary.self, from: Data(last.utf8))
    let node = Dictionary(uniqueKeysWithValues: summary.nodes.map { ($0.name, $0) })
    let (pool, features, model) = (node["pool"]!, node["features"]!, node["model"]!)
    let entered = ["eurusd", "nzdusd", "shock"].reduce(0) { $0 + node[$1]!.outputs }
    #expect(summary.events == entered && pool.events == entered && pool.outputs == entered && features.events == entered && features.outputs == entered)
    #expect(model.events == entered && model.errors == 1, "\(model)")
    #expect(Double(model.outputs) + 1 + (model.metrics["missing_rows"] ?? 0) == Double(entered), "\(model)")
    #expect(summary.refused == 0 && summary.fills == summary.orders && node["risk"]!.outputs == summary.orders && node["decide"]!.outputs == summary.orders)
    // An order's executions, that it is accepted and that it is filled, come back to both.
    #expect(node["decide"]!.events == model.outputs + 2 * summary.orders)
    #expect(node["risk"]!.events == entered + 3 * summary.orders && node["broker"]!.events == entered + summary.orders)
    #expect(summary.nodes.allSatisfy { $0.dropped == 0 && ($0.errors == 0 || $0.name == "model") })

    let journal = "\(d.folder)/\(d.host.runFolder)/journal"
    let told = try Self.executions(journal, broker: summary.nodes.firstIndex { $0.name == "broker" }!)
    let first = try #require(told[UInt32(GANTRY_EXEC_FILL)]?.first)
    #expect(told[UInt32(GANTRY_EXEC_FILL)] == Array(first..<first + summary.orders))
    #expect(told[UInt32(GANTRY_EXEC_ACCEPTED)] == told[UInt32(GANTRY_EXEC_FILL)])

    let replay = try RunningVerb(["replay", journal, "--plugins", Self.plugins.get()], d, asks: false).end(minutes: 5)
    #expect(replay.code == 0 && replay.out.contains("identical") && replay.out.contains(summary.orderHash), "\(replay.out)\(replay.error)")
  }

  /// Ids of orders by the kind of what the journal says left the broker, in its order.
  private static func executions(_ journal: String, broker: Int) throws -> [UInt32: [UInt64]] {
    let reader = try JournalReader(directory: journal)
    var told: [UInt32: [UInt64]] = [:]
    while let record = try reader.next() {
      guard RecordKind(rawValue: record.kind) == .output else { continue }
      let head = record.payload.loadUnaligned(as: EventsRecord.self)
      guard Int(head.node) == broker, head.port == 0 else { continue }
      for row in 0..<Int(head.count) {
        let place = MemoryLayout<EventsRecord>.size + row * Int(head.stride)
        let execution = record.payload.loadUnaligned(fromByteOffset: place, as: gantry_execution.self)
        told[UInt32(execution.kind), default: []].append(execution.order_id)
      }
    }
    return told
  }

  @Test func `an order names the model and the version that made it, before a swap and after`() throws {
    let d = try ModelSwapTests.Deployment(
      """
      graph: named
      clock: live
      instruments:
        EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
      nodes:
        ticks: { plugin: synthetic, params: { count: 0, seed: 42, interval: 1ms, speed: real, drift: 0.1 } }
        features: { plugin: indicators, from: ticks, params: { columns: [price, rsi_14, zscore_20, return_5] } }
        model: { plugin: trees, from: features, params: { artifact: "models:direction@champion", on_missing: skip }, grant: [library], swap: { warm: 50 } }
        decide: { plugin: threshold, from: [model, broker.executions~, risk.rejects~], params: { use: probability, upper: 0.52, lower: 0.48, quantity: 10000 } }
        risk: { plugin: limits, from: [ticks, decide, broker.executions~], params: { max_position: 20000, max_order: 20000, orders_per_second: 1000, max_drawdown: 90%, equity: 1000000 }, on_error: halt }
        broker: { plugin: paper, from: [ticks, risk], params: { deposit: 1000000 } }

      """)
    for seed in [1, 2] { try d.add("direction", MadeTrees(seed: UInt64(seed)).xgboost, "--format", "xgboost.json") }
    try d.gantry("model", "alias", "direction", "champion", "1")
    try d.start()
    // The newest order, once it is of this model: hops are written down a little later than they happen.
    func order(of model: String) throws -> String {
      var shown = ""
      try until("an order of \(model) is shown") {
        let list = try Verb.run(["chain", "list", d.host.runFolder, "--with-orders", "--limit", "1"], in: d.folder)
        guard list.code == 0, let chain = list.lines.dropFirst().first?.split(separator: " ").first else { return false }
        shown = try d.gantry("chain", "show", String(chain), d.host.runFolder).out
        return shown.contains(" model \(model)\n")
      }
      return shown
    }
    let before = try order(of: "direction@1")
    #expect(before.contains("model trees@1.0.0") && before.contains("-> order #") && !before.contains("direction@2"), "\(before)")
    let swap = try d.host.gantry("swap", "model", "--artifact", "models:direction@2", "--probation", "100", "--wait")
    #expect(swap.code == 0, "\(swap.error)")
    let after = try order(of: "direction@2")
    #expect(after.contains("model trees@1.0.0") && after.contains("-> order #") && !after.contains("direction@1"), "\(after)")
  }
}

/// A verb that goes on while others are asked, or for minutes.
private final class RunningVerb {
  private let pid: pid_t
  private let mark: String

  /// - Parameter asks: the running host
  init(_ arguments: [String], _ d: ModelSwapTests.Deployment, asks: Bool = true) throws {
    mark = "\(d.folder)/running-\(arguments[0])"
    pid = try Child.start(arguments + (asks ? ["--control", "c.sock"] : []), in: d.folder, out: mark + ".out", error: mark + ".err")
  }

  func end(minutes: Int = 1) throws -> Verb {
    var status: Int32 = 0
    var hasEnded = false
    for _ in 1..<minutes where !hasEnded {
      do { try until("the verb ends") { waitpid(self.pid, &status, WNOHANG) == self.pid } } catch { continue }
      hasEnded = true
    }
    if !hasEnded { try until("the verb ends") { waitpid(self.pid, &status, WNOHANG) == self.pid } }
    return Verb(code: status >> 8 & 0xFF, out: LiveGraph.read(mark + ".out"), error: LiveGraph.read(mark + ".err"))
  }
}

extension ModelSwapTests.Deployment {
  /// A live verb that has to succeed.
  @discardableResult
  func ask(_ arguments: String...) throws -> Verb {
    let verb = try Verb.run(arguments + ["--control", "c.sock"], in: folder)
    guard verb.code == 0 else { throw Trouble("\(arguments): \(verb.error)") }
    return verb
  }

  /// Expects this model to count, so many rows of it to have failed, and predictions to go on.
  func counts(_ model: String, failed: UInt64 = 0, at place: SourceLocation = #_sourceLocation) throws {
    let node = try host.node("model")
    #expect(node.model == model && node.errors == failed && node.breaker.state == "closed", "\(node)", sourceLocation: place)
    #expect(try host.gantry("status").out.contains(" \(model) "), sourceLocation: place)
    try until("\(model) predicts") { try self.host.node("model").emitted > node.emitted + 1000 }
  }

  /// How the newest swap ended, as the history tells it, and why.
  func lastSwap() throws -> (outcome: String, reason: String) {
    var newest: Change?
    try until("the swap is written down") {
      newest = try self.host.history().changes.last { $0.verb == "swap" }
      return newest?.outcome != nil
    }
    let change = try #require(newest)
    return (change.outcome ?? "goes on", change.detail ?? "")
  }

  /// The numbers of the models in some thousand predictions, by instrument.
  func models() throws -> [String: Set<String>] {
    struct Line: Decodable {
      struct Field: Decodable { var name: String, value: String }
      struct Row: Decodable { var fields: [Field]? }
      var progress: Row?
    }
    var models: [String: Set<String>] = [:]
    for line in try ask("tap", "model", "--count", "5000", "--json").lines {
      guard let fields = try JSONDecoder().decode(Line.self, from: Data(line.utf8)).progress?.fields else { continue }
      let value = Dictionary(fields.map { ($0.name, $0.value) }) { first, _ in first }
      if let instrument = value["instrument"], let model = value["model"] { models[instrument, default: []].insert(model) }
    }
    return models
  }
}
