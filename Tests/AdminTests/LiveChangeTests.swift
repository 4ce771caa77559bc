import GantryAdmin
import GantryBase
import GantryGraph
import GantryRuntime
import Glibc
import Testing

/// Swaps and applies of a running host, over its control socket.
@Suite struct LiveChangeTests {
  /// An artifact like the quickstart's, with another intercept.
  private func artifact(_ host: LiveGraph) throws -> String {
    let path = "\(host.folder)/other.json"
    let text = LiveGraph.read("\(LiveGraph.root)/manifests/models/momentum.json")
    try LiveGraph.write(text + "\n", path)
    return path
  }

  private func flowing(_ host: LiveGraph) throws { try until("events flow") { try host.status().run.events > 100 } }

  @Test func `a swap goes on probation, and a revert brings the old instance back`() throws {
    let host = try LiveGraph()
    try flowing(host)
    let before = try host.node("decide")
    let swap = try host.gantry("swap", "decide", "--set", "quantity=5000", "--probation", "1000000", "--cold", "--json")
    #expect(swap.code == 0, "\(swap.error)\(swap.out)")
    let answer = try swap.result(LiveHost.SwapAnswer.self)
    #expect(answer.change == "c1")
    #expect(answer.report.hasFlipped && answer.report.outcome == nil)
    #expect(swap.lines.contains { $0.contains("\"step\":\"flip\"") })
    #expect(try host.status().run.swaps.count == 1)
    #expect(try host.gantry("status").out.contains("swap c1"))
    let revert = try host.gantry("revert")
    #expect(revert.code == 0, "\(revert.error)")
    try until("the history says so") { try host.history().changes.first?.outcome == "reverted" }
    #expect(try host.node("decide").generation == before.generation)
    #expect(try host.history().version == 1)
    #expect(try host.gantry("revert").code == 2)
  }

  @Test func `a committed swap is a version of the graph, and what a resume runs`() throws {
    let folder = try LiveGraph.temporaryFolder()
    defer { _ = Glibc.system("rm -rf '\(folder)'") }
    do {
      let host = try LiveGraph(folder: folder)
      try flowing(host)
      let other = try artifact(host)
      let swap = try host.gantry("swap", "model", "--artifact", "other.json", "--probation", "100000", "--cold")
      #expect(swap.code == 0, "\(swap.error)\(swap.out)")
      let commit = try host.gantry("commit", "model", "--json")
      #expect(commit.code == 0, "\(commit.error)")
      #expect(try commit.result(LiveHost.SwapAnswer.self).version == 2)
      #expect(try host.status().version == 2)
      // A second one is on probation when the host dies.
      let second = try host.gantry("swap", "decide", "--set", "quantity=5000", "--probation", "1000000", "--cold")
      #expect(second.code == 0, "\(second.error)\(second.out)")
      kill(host.pid, SIGKILL)
      _ = try host.end()
      unlink(other)
    }
    let host = try LiveGraph(folder: folder, arguments: ["--resume"])
    try flowing(host)
    #expect(host.errors.contains("version 2 of the graph is resumed"), "\(host.errors)")
    let history = try host.history()
    #expect(history.version == 2)
    #expect(history.changes.map(\.outcome) == ["committed", "done", "interrupted"])
    // The artifact was removed; its bytes were kept.
    #expect(try host.node("model").errors == 0)
    let plain = try host.gantry("plan", "graph.yaml", "--json").result(LiveHost.PlanAnswer.self)
    #expect(plain.nodes.first { $0.node == "model" }?.action != .keep)
    #expect(plain.nodes.first { $0.node == "decide" }?.action == .keep)
  }

  @Test func `a candidate that cannot be made changes nothing and says why`() throws {
    let host = try LiveGraph()
    try flowing(host)
    let wrong = try host.gantry("swap", "decide", "--set", "quantty=1")
    #expect(wrong.code == 65)
    #expect(wrong.error.contains("did you mean quantity?"))
    let missing = try host.gantry("swap", "model", "--artifact", "nowhere.json")
    #expect(missing.code == 65 || missing.code == 1, "\(missing.error)")
    #expect(missing.error.contains("nowhere.json"))
    #expect(try host.gantry("swap", "nobody", "--set", "a=1").code == 2)
    #expect(try host.gantry("swap", "decide").code == 2)
    #expect(try host.gantry("swap", "risk", "--artifact", "x").error.contains("reads no artifact"))
    #expect(try host.history().changes.allSatisfy { $0.outcome == "failed" })
    #expect(try host.status().run.nodes.allSatisfy { $0.errors == 0 })
    let generations = try host.status().generations
    #expect(generations.count == 7 && generations.allSatisfy { $0.uses == 1 }, "\(generations)")
  }

  @Test func `plan says what apply does, node by node`() throws {
    let host = try LiveGraph()
    try flowing(host)
    #expect(try host.gantry("plan", "graph.yaml").out.contains("nothing would change"))
    let changed =
      LiveGraph.quickstart.replacing("quantity: 10000", with: "quantity: 5000")
      .replacing("columns: [ema_10, ema_20, rsi_14, spread]", with: "columns: [ema_10, ema_20, rsi_14, spread, ema_50]")
      + "  tell: { plugin: log, from: decide.orders, params: { every: 1000 } }\n"
    try LiveGraph.write(changed, "\(host.folder)/changed.yaml")
    let plan = try host.gantry("plan", "changed.yaml", "--json").result(LiveHost.PlanAnswer.self)
    let actions = Dictionary(plan.nodes.map { ($0.node, $0.action) }) { first, _ in first }
    #expect(actions["ticks"] == .keep && actions["tell"] == .add)
    #expect(actions["decide"] != .keep && actions["features"] != .keep)
    let person = try host.gantry("plan", "changed.yaml")
    #expect(person.out.contains("params.quantity"))
    #expect(try host.status().run.nodes.count == 7)
    let events = try host.node("ticks").events
    // The features' state is of other columns: the plugin refuses it, and nothing has changed.
    let refused = try host.gantry("apply", "changed.yaml")
    #expect(refused.code == 65 && refused.error.contains("--cold NODE"), "\(refused.error)")
    #expect(try host.status().run.nodes.count == 7)
    let apply = try host.gantry("apply", "changed.yaml", "--cold", "features", "--json")
    #expect(apply.code == 0, "\(apply.error)\(apply.out)")
    let answer = try apply.result(LiveHost.ApplyAnswer.self)
    #expect(answer.version == 2)
    #expect(answer.nodes.map(\.node) == plan.nodes.map(\.node))
    let status = try host.status()
    #expect(status.run.nodes.map(\.name).last == "tell")
    #expect(status.version == 2)
    try until("events flow on") { try host.node("ticks").events > events + 50 }
    #expect(try host.gantry("apply", "changed.yaml").out.contains("nothing to do"))
    // Back to what was before, as a change of its own.
    let revert = try host.gantry("revert", answer.change, "--cold", "features")
    #expect(revert.code == 0, "\(revert.error)\(revert.out)")
    #expect(try host.status().run.nodes.count == 7)
    #expect(try host.history().version == 3)
    #expect(try host.gantry("plan", "graph.yaml").out.contains("nothing would change"))
  }

  @Test func `an apply that fails leaves the old graph running and says why`() throws {
    let host = try LiveGraph()
    try flowing(host)
    try LiveGraph.write(LiveGraph.quickstart.replacing("plugin: threshold", with: "plugin: treshold"), "\(host.folder)/wrong.yaml")
    let wrong = try host.gantry("apply", "wrong.yaml")
    #expect(wrong.code == 65)
    #expect(wrong.error.contains("wrong.yaml:") && wrong.error.contains("did you mean threshold?"))
    try LiveGraph.write(LiveGraph.quickstart.replacing("clock: live", with: "clock: replay"), "\(host.folder)/clock.yaml")
    let clock = try host.gantry("apply", "clock.yaml")
    #expect(clock.code != 0)
    let events = try host.status().run.events
    try until("events flow on") { try host.status().run.events > events + 50 }
    #expect(try host.history().changes.map(\.outcome) == ["failed", "failed"])
    #expect(try host.history().version == 1)
  }

  @Test func `a tap goes on over a swap and an apply`() throws {
    let host = try LiveGraph()
    try flowing(host)
    let client = try RawClient(host.socket)
    client.send(#"{"gantry":1,"id":1,"verb":"tap","port":"model.predictions"}"# + "\n")
    for _ in 0..<20 { #expect(try client.line()?.contains("progress") == true) }
    let swap = try host.gantry("swap", "model", "--artifact", artifact(host), "--cold", "--wait")
    #expect(swap.code == 0, "\(swap.error)\(swap.out)")
    try LiveGraph.write(LiveGraph.quickstart + "  tell: { plugin: log, from: decide.orders, params: { every: 1000 } }\n", "\(host.folder)/changed.yaml")
    #expect(try host.gantry("apply", "changed.yaml").code == 0)
    // As many as were on their way before, and then more.
    for _ in 0..<3000 { #expect(try client.line()?.contains("progress") == true) }
  }

  @Test func `the journal of a run with swaps replays to the bit`() throws {
    let host = try LiveGraph()
    try flowing(host)
    let other = try artifact(host)
    #expect(try host.gantry("swap", "model", "--artifact", "other.json", "--cold", "--shadow", "20", "--probation", "50", "--wait").code == 0)
    #expect(try host.gantry("swap", "decide", "--set", "quantity=5000", "--cold", "--probation", "1000000").code == 0)
    #expect(try host.gantry("revert").code == 0)
    #expect(try host.gantry("drain").code == 0)
    #expect(try host.end() == 0)
    // The artifact has become another one since: the journal has the bytes.
    try LiveGraph.write("{}", other)
    let replay = try Verb.run(["replay", "\(host.runFolder)/journal"], in: host.folder)
    #expect(replay.code == 0, "\(replay.error)\(replay.out)")
    #expect(replay.out.contains("identical"))
  }

  @Test func `the journal of a run with applies, their revert and swaps between them replays to the bit`() throws {
    let host = try LiveGraph()
    try flowing(host)
    let changed =
      LiveGraph.quickstart.replacing("quantity: 10000", with: "quantity: 5000")
      .replacing("columns: [ema_10, ema_20, rsi_14, spread]", with: "columns: [ema_10, ema_20, rsi_14, spread, ema_50]")
      .replacing("model: { plugin: linear@^1.0,", with: "model: { plugin: linear@^1.0, lane: models, queue: { size: 64 },")
      + "  tell: { plugin: log, from: decide.orders, params: { every: 1000 } }\n"
    try LiveGraph.write(changed, "\(host.folder)/changed.yaml")
    let apply = try host.gantry("apply", "changed.yaml", "--cold", "features", "--json")
    #expect(apply.code == 0, "\(apply.error)\(apply.out)")
    let change = try apply.result(LiveHost.ApplyAnswer.self).change
    func more() throws {
      let events = try host.node("decide").events
      try until("events flow on") { try host.node("decide").events > events + 50 }
    }
    try more()
    let other = try artifact(host)
    #expect(try host.gantry("swap", "model", "--artifact", "other.json", "--cold", "--probation", "50", "--wait").code == 0)
    try more()
    let revert = try host.gantry("revert", change, "--cold", "features", "--cold", "model")
    #expect(revert.code == 0, "\(revert.error)\(revert.out)")
    try more()
    #expect(try host.gantry("apply", "nowhere.yaml").code != 0)
    #expect(try host.gantry("drain").code == 0)
    #expect(try host.end() == 0)
    try LiveGraph.write("{}", other)
    let replay = try Verb.run(["replay", "\(host.runFolder)/journal"], in: host.folder)
    #expect(replay.code == 0, "\(replay.error)\(replay.out)")
    #expect(replay.out.contains("identical"))
  }
}
