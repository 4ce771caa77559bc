import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Glibc
import PluginHarness
import Testing

/// A running graph becomes another one under full load: nothing lost, nothing twice, all or nothing.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ApplyTests {
  private static let source = "s: { plugin: beat, params: { count: 1000000000, step: 10, chunk: 16, idle: 2 } }"
  private static func graph(_ nodes: String..., count: Int = 1_000_000_000) -> String {
    Bench.yaml(([source.replacing("1000000000", with: "\(count)")] + nodes).joined(separator: "\n"))
  }

  /// Every event of the source once, in its order, counted without a gap.
  private func expectWhole(_ ticks: [gantry_tick], from first: Int = 1, _ ended: ApplyBench.Ended, _ what: Comment = "") {
    let last = ended.events("s")
    #expect(ticks.count == last - first + 1, what)
    #expect(ticks.first?.ask == Double(first) && ticks.last?.ask == Double(last), what)
    #expect(zip(ticks, ticks.dropFirst()).allSatisfy { $1.ask == $0.ask + 1 && $1.bid == $0.bid + 1 }, what)
  }

  /// The state of the node that wrote these went on without a gap.
  private func expectCounted(_ ticks: [gantry_tick], _ count: Int) {
    #expect(ticks.count == count)
    #expect(ticks.enumerated().allSatisfy { $1.bid == Double($0 + 1) })
  }

  @Test func `a node that is added gets what comes after the marker and others notice nothing`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper-single, from: s }"), captures: ["a"])
    try bench.until(events: 1000)
    let before = bench.run.instances[1]
    let report = try bench.apply(Self.graph("a: { plugin: keeper, from: s }", "k: { plugin: keeper-single, from: s }"))
    #expect(report.nodes.map(\.action) == [.keep, .add, .keep])
    #expect(bench.run.instances[2] === before)
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    #expect(Set(ended.ticks("k.out").map(\.ask_size)).count == 1)
    #expect(ended.events("k") == ended.events("s"))
    let added = ended.ticks("a.out")
    let first = Int(try #require(added.first).ask)
    #expect(first == Int(report.atEvent) + 1)
    expectWhole(added, from: first, ended)
    #expect(added.first?.bid == 1)
  }

  @Test func `a node that is removed gets nothing after the marker`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s }", "r: { plugin: keeper-single, from: k }"))
    try bench.until(events: 1000)
    let report = try bench.apply(Self.graph("k: { plugin: keeper, from: s }"))
    #expect(report.nodes.map(\.action) == [.keep, .keep, .remove])
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    #expect(ended.ticks("r.out").count == Int(report.atEvent))
  }

  @Test func `a parameter that is not live makes a new instance that goes on with the state`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s }"))
    try bench.until(events: 1000)
    let report = try bench.apply(Self.graph("k: { plugin: keeper, from: s, params: { label: 7 } }"))
    #expect(report.nodes.map(\.action) == [.keep, .swapWithState])
    #expect(report.stateBytes == 8)
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    #expect(Set(ended.ticks("k.out").map(\.ask_size)).count == 2)
    #expect(ended.events("k") == ended.events("s"))
  }

  @Test func `a live parameter changes in the same instance`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s }"))
    try bench.until(events: 1000)
    let report = try bench.apply(Self.graph("k: { plugin: keeper, from: s, params: { scale: 5 } }"))
    #expect(report.nodes.map(\.action) == [.keep, .reconfigure])
    let ended = try bench.end()
    let ticks = ended.ticks("k.out")
    expectWhole(ticks, ended)
    #expect(Set(ticks.map(\.ask_size)).count == 1)
    #expect(ticks.prefix(Int(report.atEvent)).allSatisfy { $0.bid_size == 1 })
    #expect(ticks.dropFirst(Int(report.atEvent)).allSatisfy { $0.bid_size == 5 })
  }

  @Test func `a node that is fed by another one keeps its instance when what it gets has the same shape`() throws {
    let bench = try ApplyBench(
      Self.graph("a: { plugin: keeper, from: s }", "b: { plugin: trail, from: s }", "k: { plugin: keeper, from: a }"))
    try bench.until(events: 1000)
    let before = bench.run.instances[3]
    let report = try bench.apply(
      Self.graph("a: { plugin: keeper, from: s }", "b: { plugin: trail, from: s }", "k: { plugin: keeper, from: b }"))
    #expect(report.nodes.map(\.action) == [.keep, .keep, .keep, .rewire])
    #expect(bench.run.instances[3] === before)
    let ended = try bench.end()
    expectCounted(ended.ticks("k.out"), ended.events("s"))
  }

  @Test func `a node that gets more edges is made anew with its state`() throws {
    let bench = try ApplyBench(Self.graph("a: { plugin: keeper, from: s }", "k: { plugin: keeper, from: s }"))
    try bench.until(events: 1000)
    let report = try bench.apply(Self.graph("a: { plugin: keeper, from: s }", "k: { plugin: keeper, from: [s, a] }"))
    #expect(report.nodes[2].action == .swapWithState)
    let ended = try bench.end()
    expectCounted(ended.ticks("k.out"), 2 * ended.events("s") - Int(report.atEvent))
  }

  @Test func `timers go on with an instance that is kept or takes the state over`() throws {
    let text = { (label: Int) in Self.graph("k: { plugin: keeper-single, from: s, params: { timer: 25, label: \(label) } }", label == 2 ? "t: { plugin: trail, from: k }" : "", count: 60_000) }
    let still = try ApplyBench(text(0)).end(stop: false)
    let bench = try ApplyBench(text(0), captures: ["t"])
    for label in 1...6 {
      try bench.until(events: UInt64(label) * 5000)
      try bench.apply(text(label))
    }
    let ended = try bench.end(stop: false)
    let (ticks, expected) = (ended.ticks("k.out"), still.ticks("k.out"))
    #expect(ticks.count == expected.count && expected.count > 60_000)
    #expect(zip(ticks, expected).allSatisfy { $0.bid == $1.bid && $0.ask == $1.ask })
  }

  @Test(arguments: [(2, "runtime.configure-failed"), (3, "runtime.start-failed"), (4, "apply.state-refused")])
  func `a change that fails leaves the old graph running and says why`(step: Int, code: String) throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s, params: { scale: 3 } }", "l: { plugin: keeper-single, from: k }"), captures: ["a"])
    try bench.until(events: 1000)
    let instances = bench.run.instances.map { ObjectIdentifier($0) }
    let wrong = Self.graph(
      "a: { plugin: keeper, from: s }", "k: { plugin: keeper, from: s, params: { scale: 4, refuse: \(step) } }",
      "l: { plugin: keeper-single, from: k, params: { label: 1 } }")
    let error = try #require(throws: GantryError.self) { try bench.apply(wrong) }
    #expect(error.diagnostics.first?.code == code)
    #expect(error.diagnostics.first?.text.contains("told to refuse") == true)
    #expect(bench.run.instances.map { ObjectIdentifier($0) } == instances)
    #expect(bench.steps.last?.step == .failed)
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    expectWhole(
      ended.ticks("l.out").map { tick in
        var tick = tick
        tick.ask = tick.bid
        return tick
      }, ended)
    #expect(Set(ended.ticks("k.out").map(\.ask_size)).count == 1)
    #expect(ended.rows("a.out").isEmpty)
  }

  @Test func `live parameters that one node refuses are taken back from the others`() throws {
    let text = { (k: Int, l: Int) in
      Self.graph("k: { plugin: keeper, from: s, params: { scale: \(k) } }", "l: { plugin: keeper, from: s, params: { scale: \(l) } }")
    }
    let bench = try ApplyBench(text(1, 1))
    try bench.until(events: 1000)
    let error = try #require(throws: GantryError.self) { try bench.apply(text(2, -1)) }
    #expect(error.diagnostics.first?.code == "apply.parameters-refused")
    let ended = try bench.end()
    #expect(ended.ticks("k.out").allSatisfy { $0.bid_size == 1 })
    #expect(ended.ticks("l.out").allSatisfy { $0.bid_size == 1 })
  }

  @Test func `what cannot change while a graph runs is refused`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s }"))
    for text in [
      Bench.yaml(Self.source + "\nk: { plugin: keeper, from: s }", clock: "live"),
      Self.graph("k: { plugin: keeper, from: s }").replacing("tick: 0.00001, lot: 1, base: GBP", with: "tick: 0.0001, lot: 1, base: GBP"),
    ] {
      let error = try #require(throws: GantryError.self) { try bench.apply(text) }
      #expect(error.diagnostics.first?.code == "apply.needs-restart")
    }
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    let error = try #require(throws: GantryError.self) { try bench.apply(Self.graph("k: { plugin: keeper, from: s }")) }
    #expect(error.diagnostics.first?.code == "apply.ended")
  }
}
