import GantryAdmin
import GantryBase
import GantryGraph
import GantryRuntime
import Glibc
import PluginHarness
import Testing

/// A host that dies at any moment of a change comes up again with the last committed graph.
@Suite struct CrashTests {
  @Test func `killed at random moments of swaps and applies, the restart runs what was committed and the journal is whole`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SplitMix(seed)
    let folder = try LiveGraph.temporaryFolder()
    defer { _ = Glibc.system("rm -rf '\(folder)'") }
    /// What `decide` may order, by the version that was committed with it.
    var quantities: [Int: String] = [:]
    var quantity = 10_000
    // Changes that had told of a step before the end came: those were written down first.
    var begun = 0
    for round in 0..<12 {
      let host = try LiveGraph(folder: folder, arguments: ["--resume"])
      try until("events flow") { try host.status().run.events > 20 }
      let version = try #require(try host.history().version)
      // The graph that runs is the one that this version says it is: applying its own text anew would change nothing.
      if let known = quantities[version] {
        let plan = try self.plan(host, known)
        #expect(plan.allSatisfy { $0.action == .keep }, "round \(round): \(plan)")
      } else {
        quantities[version] = try committedQuantity(host, candidates: [quantity - 1, quantity])
      }
      quantity += 1
      let client = try RawClient(host.socket)
      if random.next() % 2 == 0 {
        client.send(
          ControlRequest(
            .swap,
            [
              "node": .text("decide"), "set": .list([.text("quantity=\(quantity)")]), "cold": .bool(true), "wait": .bool(true),
              "probation": .number(Double(random.next() % 200)),
            ]
          ).line + "\n")
      } else {
        client.send(ControlRequest(.apply, self.file(host, "\(quantity)")).line + "\n")
      }
      // So many lines of progress, then a moment more, then the end.
      var steps = 0
      for _ in 0..<Int(random.next() % 9) {
        guard let line = try client.line(), line.contains("\"progress\"") else { break }
        steps += 1
      }
      begun += steps > 0 ? 1 : 0
      for _ in 0..<Int(random.next() % 2000) { sched_yield() }
      kill(host.pid, SIGKILL)
      _ = try host.end()
      let replay = try Verb.run(["replay", "\(host.runFolder)/journal"], in: folder)
      // It reads to its end: a last frame that was not finished is cut off, and what there is gives the same again.
      #expect(replay.code == 0, "seed \(seed), round \(round): \(replay.error)\(replay.out)")
    }
    let history = try LiveHost.HistoryAnswer(state: "\(folder)/run/state/quickstart", limit: 100, verify: true)
    #expect(history.check?.problem == nil)
    #expect((begun...12).contains(history.changes.count), "\(history.changes.count) of \(begun) that had begun")
  }

  private func file(_ host: LiveGraph, _ quantity: String) -> [String: JSONValue] {
    ["file": .text("graph.yaml"), "folder": .text(host.folder), "text": .text(LiveGraph.quickstart.replacing("quantity: 10000", with: "quantity: \(quantity)"))]
  }

  private func plan(_ host: LiveGraph, _ quantity: String) throws -> [LiveHost.PlannedNode] {
    let client = try ControlClient(path: host.socket)
    try client.send(.plan, file(host, quantity))
    return try client.receive(timeoutNs: LiveGraph.deadlineNs).decode(LiveHost.PlanAnswer.self).nodes
  }

  /// Which of these the running graph has.
  private func committedQuantity(_ host: LiveGraph, candidates: [Int]) throws -> String {
    for candidate in candidates where try plan(host, "\(candidate)").allSatisfy({ $0.action == .keep }) { return "\(candidate)" }
    throw Trouble("the running graph has none of the quantities \(candidates)")
  }

  @Test func `code that was swapped out is unloaded`() throws {
    let host = try LiveGraph()
    try until("events flow") { try host.status().run.events > 100 }
    let emitted = try host.node("features").emitted
    for number in 1...8 {
      // The same code in a file with other bytes.
      let folder = "\(host.folder)/build-\(number)"
      mkdir(folder, 0o755)
      let copy = "cp '\(PluginHarness.productsFolder)/libindicators.so' '\(folder)/' && printf '%\(number)s' '' >> '\(folder)/libindicators.so'"
      try #require(Glibc.system(copy) == 0)
      let swap = try host.gantry("swap", "features", "--with", "build-\(number)/libindicators.so", "--probation", "10", "--wait")
      #expect(swap.code == 0, "\(swap.error)\(swap.out)")
    }
    let status = try host.status()
    #expect(status.generations.count == 7, "\(status.generations)")
    #expect(status.generations.allSatisfy { $0.uses == 1 })
    #expect(status.run.swaps.map(\.outcome) == Array(repeating: .committed, count: 8))
    #expect(status.version == 9)
    // The state went with it: what the columns need to be warm was not gathered anew.
    #expect(try host.node("features").emitted > emitted)
    #expect(try host.node("features").errors == 0)
  }
}
