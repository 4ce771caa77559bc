import GantryBase
import GantryGraph
import Testing

@Suite struct DiffTests {
  /// The momentum graph with one text replaced, compared with itself; only what is not kept.
  static func changes(_ from: String, _ to: String, changed: GraphDiff.Changed = GraphDiff.Changed()) throws -> [String] {
    let old = try graph(Catalog.momentum)
    let new = try graph(Catalog.momentum.replacing(from, with: to))
    return GraphDiff.diff(old: old, new: new, changed: changed).filter { $0.action != .keep }.map {
      "\($0.node): \($0.action.rawValue)\($0.isHandOver ? " by hand-over" : ""): \($0.reasons.joined(separator: "; "))"
    }
  }

  @Test func `moving lines changes nothing`() throws {
    #expect(try Self.changes("nodes:\n", "\n# moved\nnodes:\n") == [])
  }

  @Test func `a live parameter reconfigures only its node`() throws {
    #expect(
      try Self.changes("[model, broker.executions~] }", "[model, broker.executions~], params: { long_above: 0.5 } }") == [
        "decide: reconfigure: params.long_above 0 -> 0.5"
      ])
  }

  @Test func `a parameter that is not live swaps, with the state where the plugin has one`() throws {
    #expect(try Self.changes("max_position: 100000", "max_position: 200000") == ["risk: swap with state: params.max_position 100000 -> 200000"])
    #expect(try Self.changes("rsi_14, ", "") == ["features: swap cold: params.columns [ema_10, ema_20, rsi_14, spread] -> [ema_10, ema_20, spread]"])
  }

  @Test func `another plugin starts cold`() throws {
    #expect(
      try Self.changes("plugin: replay, params: { path: data/eurusd, format: lean, instrument: EURUSD }", "plugin: synthetic") == [
        "ticks: swap cold: plugin replay 0.1.0 -> synthetic 0.1.0"
      ])
  }

  @Test func `what acts on the world outside is handed over`() throws {
    #expect(
      try Self.changes("plugin: replay, params: { path: data/eurusd, format: lean, instrument: EURUSD }", "plugin: metatrader-source") == [
        "ticks: swap cold by hand-over: plugin replay 0.1.0 -> metatrader-source 0.3.0"
      ])
  }

  @Test func `other bytes swap what holds them`() throws {
    let changed = GraphDiff.Changed(plugins: ["limits"], files: ["/house/graphs/models/momentum.json"])
    #expect(
      try Self.changes("x", "x", changed: changed) == [
        "model: swap cold: params.artifact has other bytes", "risk: swap with state: limits 0.1.0 has other bytes",
      ])
  }

  @Test func `other edges, lanes and queues rewire`() throws {
    #expect(
      try Self.changes("[risk.alerts, broker.executions], queue: { size: 1024,", "[risk.alerts], lane: slow, queue: { size: 2048,") == [
        "notify: swap cold: without broker.executions -> events; lane main -> slow"
      ])
    #expect(try Self.changes("[risk.alerts, broker.executions], queue", "[risk.alerts, broker.executions], lane: slow, queue") == ["notify: rewire: lane main -> slow"])
    #expect(try Self.changes("size: 1024", "size: 2048") == ["notify: rewire: queue 1024 drop_oldest -> 2048 drop_oldest"])
    #expect(try Self.changes("[risk.alerts, broker.executions]", "[broker.executions, risk.alerts]") == ["notify: swap cold: another order of from"])
  }

  @Test func `policies of the host reconfigure`() throws {
    #expect(try Self.changes("on_error: skip ", "on_error: halt ") == ["model: reconfigure: on_error skip -> halt"])
    #expect(try Self.changes("probation: 5000", "probation: 50") == ["model: reconfigure: swap changed"])
    #expect(try Self.changes("isolate: none", "isolate: process") == ["model: swap cold: isolate none -> process"])
  }

  @Test func `nodes are added and removed by name`() throws {
    #expect(try Self.changes("  notify:  ", "  tell:  ") == ["tell: add: log 0.1.0", "notify: remove: log 0.1.0"])
  }

  @Test func `a changed instrument changes the ground under all, a new one behind it does not`() throws {
    let changed = try Self.changes("tick: 0.00001", "tick: 0.0001")
    #expect(changed.count == 7)
    #expect(changed[0] == "ticks: swap cold: instrument 1 EURUSD changed")
    #expect(try Self.changes("session: fx }", "session: fx }\n  NZDUSD: { tick: 0.00001 }") == [])
  }
}

/// What `gantry plan` prints.
@Suite struct GraphPlanTests {
  private func plan(_ from: String, _ to: String) throws -> GraphPlan {
    let old = try graph(Catalog.momentum)
    let new = try graph(Catalog.momentum.replacing(from, with: to))
    return GraphPlan(graph: new.name, changes: GraphDiff.diff(old: old, new: new))
  }

  @Test func `a plan has a line for each node that changes, with the reasons`() throws {
    let text = try plan("max_position: 100000", "max_position: 200000").text(paint: Paint(enabled: false))
    #expect(
      text == """
          eurusd-momentum: 1 swap with state, 6 keep
          ~ risk  swap with state  params.max_position 100000 -> 200000
        """)
  }

  @Test func `a plan of nothing says so`() throws {
    #expect(try plan("x", "x").text(paint: Paint(enabled: false)) == "  eurusd-momentum runs already: nothing to do")
    #expect(try plan("x", "x").changes == false)
  }
}
