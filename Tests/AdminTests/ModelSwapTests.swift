import BrokenPlugins
import GantryAdmin
import GantryBase
import GantryRuntime
import Glibc
import Testing

/// Models in versions, in a running graph: swaps, canaries, what is refused, what is taken back.
@Suite struct ModelSwapTests {
  /// A folder with a graph and its models; the host runs once it is started.
  final class Deployment {
    let folder: String
    private(set) var host: LiveGraph!

    init(_ graph: String) throws {
      folder = try LiveGraph.temporaryFolder()
      try LiveGraph.write(graph, "\(folder)/graph.yaml")
    }

    deinit {
      host = nil
      _ = Glibc.system("rm -rf '\(folder)'")
    }

    func start(_ arguments: String...) throws {
      host = nil
      host = try LiveGraph(folder: folder, arguments: arguments)
      try until("predictions flow") { try self.host.node("model").emitted > 100 }
    }

    @discardableResult
    func gantry(_ arguments: String...) throws -> Verb {
      let verb = try Verb.run(arguments, in: folder)
      guard verb.code == 0 else { throw Trouble("\(arguments): \(verb.error)") }
      return verb
    }

    /// Adds a version of a model with this text.
    func add(_ name: String, _ text: String, _ more: String...) throws {
      try LiveGraph.write(text, "\(folder)/draft.json")
      let verb = try Verb.run(["model", "add", "draft.json", "--name", name] + more, in: folder)
      guard verb.code == 0 else { throw Trouble("model add: \(verb.error)") }
    }
  }

  static let momentum = LiveGraph.read("\(LiveGraph.root)/manifests/models/momentum.json")

  /// Quotes of four instruments without an end: real ones where there are some, over and over, otherwise
  /// made-up ones.
  private static func graph(_ model: String, swap: String, source: String = "synthetic, params: { count: 0, seed: 42, interval: 1ms, speed: real, drift: 0.1 }") -> String {
    """
    graph: models
    clock: live
    instruments:
      AUDUSD: { tick: 0.00001 }
      EURUSD: { tick: 0.00001 }
      GBPUSD: { tick: 0.00001 }
      NZDUSD: { tick: 0.00001 }
    nodes:
      ticks: { plugin: \(source) }
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20, rsi_14] } }
      model: { plugin: \(model), from: features, swap: { \(swap) } }
      decide: { plugin: threshold, from: [model, broker.executions~, risk.rejects~], params: { use: probability, upper: 0.6, lower: 0.4, quantity: 10000 } }
      risk: { plugin: limits, from: [ticks, decide, broker.executions~], params: { max_position: 20000, max_order: 20000, orders_per_second: 1000, max_drawdown: 20%, equity: 100000 }, on_error: halt }
      broker: { plugin: paper, from: [ticks, risk], params: { deposit: 100000 } }

    """
  }

  private static let linear = "linear, params: { artifact: models:momentum@champion }"

  @Test func `a canary goes from one version of a model to the next, and everything says which`() throws {
    let d = try Deployment(Self.graph(Self.linear, swap: "warm: 200"))
    try d.add("momentum", Self.momentum, "--alias", "champion", "--metrics", "auc=0.58")
    try d.add("momentum", Self.momentum.replacing("0.4]", with: "0.5]"), "--metrics", "auc=0.61")
    try d.start("--trace", "all")
    #expect(try d.host.node("model").model == "momentum@1")
    let swap = try d.host.gantry("swap", "model", "--artifact", "models:momentum@2", "--shadow", "50", "--canary", "50%", "--probation", "200", "--wait", "--json")
    #expect(swap.code == 0, "\(swap.error)\(swap.out)")
    let report = try swap.result(LiveHost.SwapAnswer.self).report
    #expect(report.outcome == .committed && report.from.hasSuffix("with momentum@1") && report.to.hasSuffix("with momentum@2"), "\(report.from) -> \(report.to)")
    #expect(report.steps.contains { $0.step == .canary })
    #expect(try d.host.node("model").model == "momentum@2")
    #expect(try d.host.gantry("status").out.contains("linear@1.2.0 momentum@2"))
    #expect(try d.host.history().changes.first?.detail == "artifact=models:momentum@2")
    let emitted = try d.host.node("model").emitted
    try until("the new one predicts") { try d.host.node("model").emitted > emitted + 50 }
    #expect(try d.host.gantry("stop").code == 0)
    _ = try d.host.end()
    let run = "\(d.folder)/\(d.host.runFolder)"
    let trace = LiveGraph.read("\(run)/trace.json")
    #expect(trace.contains("momentum@1") && trace.contains("momentum@2"))
    // The journal keeps both, and runs again with neither folder nor alias.
    _ = Glibc.system("rm -rf '\(d.folder)/models'")
    let replay = try Verb.run(["replay", "\(run)/journal"], in: d.folder)
    #expect(replay.code == 0 && replay.out.contains("identical"), "\(replay.out)\(replay.error)")
  }

  @Test func `a model in a cell is known by name and version too`() throws {
    let d = try Deployment(Self.graph(Self.linear, swap: "warm: 200"))
    try d.add("momentum", Self.momentum, "--alias", "champion")
    try d.start("--isolate", "model")
    #expect(try d.host.gantry("stop").code == 0)
    _ = try d.host.end()
    #expect(LiveGraph.read("\(d.folder)/\(d.host.runFolder)/trace.json").contains("\"momentum@1\""))
  }

  @Test func `what cannot be right is refused, nothing has changed, and other columns are an apply`() throws {
    let d = try Deployment(Self.graph(Self.linear, swap: "warm: 200"))
    try d.add("momentum", Self.momentum, "--alias", "champion")
    try d.add("momentum", Self.momentum)
    try d.add("momentum", "{ \"format\": \"gantry.linear/1\", \"name\": ", "--format", "gantry.linear/1")
    let wider = Self.momentum.replacing("\"rsi_14\"]", with: "\"rsi_14\", \"spread\"]").replacing("0.4]", with: "0.4, 1]")
      .replacing("[0, 0, 50]", with: "[0, 0, 50, 0]").replacing("[1, 1, 10]", with: "[1, 1, 10, 1]")
    try d.add("momentum", wider)
    try d.start()
    try LiveGraph.write(Self.momentum + "\n", "\(d.folder)/models/momentum/2/draft.json")
    for (reference, said) in [
      ("momentum@2", "model.hash-mismatch"), ("momentum@3", "draft.json:1"), ("momentum@4", "needs the column"), ("momentum@9", "it has: 4, 3, 2, 1"),
      ("momentun@1", "did you mean momentum?"), ("momentum@champoin", "did you mean champion?"), ("../momentum@1", "a name is no path"),
    ] {
      let swap = try d.host.gantry("swap", "model", "--artifact", "models:\(reference)")
      #expect(swap.code != 0, "\(reference)")
      #expect(swap.error.contains(said), "\(reference): \(swap.error)")
    }
    let node = try d.host.node("model")
    #expect(node.model == "momentum@1" && node.errors == 0)
    #expect(try d.host.history().changes.allSatisfy { $0.outcome == "failed" })
    let changed = LiveGraph.read("\(d.folder)/graph.yaml").replacing("rsi_14]", with: "rsi_14, spread]").replacing("@champion", with: "@4")
    try LiveGraph.write(changed, "\(d.folder)/wider.yaml")
    let plan = try d.host.gantry("plan", "wider.yaml")
    #expect(plan.out.contains("params.artifact momentum@1 -> momentum@4"), "\(plan.out)")
    let apply = try d.host.gantry("apply", "wider.yaml", "--cold", "features")
    #expect(apply.code == 0, "\(apply.error)")
    #expect(try d.host.node("model").model == "momentum@4")
  }

  @Test(.enabled(if: Fixture.hasCompiler)) func `a version without finite values, and one that is too slow, are taken back in probation`() throws {
    let library = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/ModelPlugins/plugins.c", as: "libformula.so", flags: "-lm")
    let plugins = String(library.dropLast("/libformula.so".count))
    let d = try Deployment(
      Self.graph("formula, params: { artifact: models:formula@champion }", swap: "warm: 50, probation: 1000000, revert_if: { errors: 1, p99_us: 1000 }"))
    try d.add("formula", "2 1000", "--format", "formula", "--alias", "champion")
    try d.add("formula", "2 1000 300 nan 1000", "--format", "formula")
    try d.add("formula", "2 1000 300 2 3000000", "--format", "formula")
    try d.start("--plugins", plugins)
    for (version, reason) in [(2, "errors in probation"), (3, "p99")] {
      let swap = try d.host.gantry("swap", "model", "--artifact", "models:formula@\(version)", "--wait", "--json")
      #expect(swap.code == 1, "\(swap.error)\(swap.out)")
      let report = try swap.result(LiveHost.SwapAnswer.self).report
      #expect(report.outcome == .reverted && report.steps.contains { $0.step == .flip }, "\(report)")
      #expect(report.reason?.contains(reason) == true, "\(report.reason ?? "")")
      #expect(try d.host.node("model").model == "formula@1")
    }
    #expect(try d.host.history().version == 1)
  }

  @Test func `a host that watches swaps when an alias moves, and a restart runs the version that was committed`() throws {
    let d = try Deployment(Self.graph(Self.linear, swap: "warm: 200, probation: 100, revert_if: { errors: 1 }"))
    for number in 4...6 { try d.add("momentum", Self.momentum.replacing("0.4]", with: "0.\(number)]")) }
    try d.gantry("model", "alias", "momentum", "champion", "1")
    try d.start("--watch")
    try d.gantry("model", "alias", "momentum", "champion", "2")
    try until("the swap is committed") { try d.host.history().changes.last?.outcome == "committed" }
    let change = try #require(d.host.history().changes.last)
    #expect(change.verb == "swap" && change.about == "model" && change.detail == "artifact=models:momentum@2", "\(change)")
    #expect(change.by.hasSuffix("run --watch"))
    #expect(try d.host.node("model").model == "momentum@2")
    try until("it is told") { d.host.errors.contains("watch: model: momentum@1 -> momentum@2") }
    // An alias that leads nowhere is told, and changes nothing.
    try LiveGraph.write("77\n", "\(d.folder)/models/momentum/aliases/champion")
    try until("the mistake is told") { d.host.errors.contains("has no version 77") }
    #expect(try d.host.node("model").model == "momentum@2")
    kill(d.host.pid, SIGKILL)
    _ = try d.host.end()
    try d.gantry("model", "alias", "momentum", "champion", "3")
    try d.start("--resume")
    #expect(try d.host.node("model").model == "momentum@2")
  }

  @Test func `under load on many quotes, versions follow one another and nothing fails`() throws {
    let data = getenv("GANTRY_DATA").map { String(cString: $0) + "/lean/forex/oanda/tick/eurusd" }
    let source = data.map { access($0, R_OK) == 0 ? "replay, params: { path: \($0), format: lean, instrument: EURUSD, repeat: 100000 }" : nil } ?? nil
    let graph = Self.graph(
      Self.linear, swap: "warm: 200", source: source ?? "synthetic, params: { count: 0, seed: 42, interval: 1ms, drift: 0.1 }"
    ).replacing("clock: live", with: "clock: replay")
    let d = try Deployment(graph)
    for number in 1...4 { try d.add("momentum", Self.momentum.replacing("0.4]", with: "0.\(number)]"), "--alias", "champion") }
    try d.start("--no-journal")
    for version in [1, 2, 3, 4] {
      let swap = try d.host.gantry("swap", "model", "--artifact", "models:momentum@\(version)", "--probation", "2000", "--wait")
      #expect(swap.code == 0, "\(swap.error)\(swap.out)")
      #expect(try d.host.node("model").model == "momentum@\(version)")
    }
    let (ticks, model) = (try d.host.node("ticks"), try d.host.node("model"))
    #expect(model.errors == 0 && model.dropped == 0 && ticks.errors == 0)
  }
}
