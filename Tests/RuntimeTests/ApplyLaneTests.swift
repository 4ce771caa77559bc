import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Glibc
import PluginHarness
import Synchronization
import Testing

/// Changes that reach over several lanes, to sources, and to what acts on the outside.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ApplyLaneTests {
  private static let source = "s: { plugin: beat, params: { count: 1000000000, step: 10, chunk: 16, idle: 2 } }"
  private static func graph(_ nodes: String..., clock: String = "replay", source: String? = nil, count: Int = 1_000_000_000) -> String {
    Bench.yaml(([(source ?? Self.source).replacing("1000000000", with: "\(count)")] + nodes).joined(separator: "\n"), clock: clock)
  }

  /// Each of the source's events once and in order, counted without a gap.
  private func expectWhole(_ ticks: [gantry_tick], _ ended: ApplyBench.Ended) {
    #expect(ticks.count == ended.events("s"))
    #expect(ticks.enumerated().allSatisfy { $1.ask == Double($0 + 1) && $1.bid == Double($0 + 1) })
  }

  @Test(arguments: ["replay", "live"])
  func `lanes change together at the marker`(clock: String) throws {
    let bench = try ApplyBench(
      Self.graph(
        "k: { plugin: keeper, from: s, params: { plain: 1 } }", "l: { plugin: keeper-single, from: s, lane: b, queue: { size: 16 }, params: { plain: 1 } }",
        "m: { plugin: keeper, from: [k], lane: c, queue: { size: 300 }, params: { plain: 1 } }", clock: clock), captures: ["n"], replays: true)
    try bench.until(events: 5000)
    for label in 1...5 {
      try bench.until(events: bench.run.eventCount + 2000)
      try bench.apply(
        Self.graph(
          "k: { plugin: keeper, from: s, params: { plain: 1, label: \(label) } }",
          "l: { plugin: keeper-single, from: s, lane: b, queue: { size: 16 }, params: { plain: 1, label: \(label / 2) } }",
          "m: { plugin: keeper, from: [k], lane: c, queue: { size: 300 }, params: { plain: 1, scale: \(label) } }",
          label % 2 == 1 ? "n: { plugin: keeper, from: [k], lane: b, queue: { size: 5 }, params: { plain: 1 } }" : "", clock: clock))
    }
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    expectWhole(ended.ticks("l.out"), ended)
    #expect(ended.ticks("m.out").count == ended.events("s"))
    #expect(ended.ticks("m.out").enumerated().allSatisfy { $1.bid == Double($0 + 1) })
    #expect(ended.summary.queues.allSatisfy { $0.dropped == 0 })
    // What was added, removed and added again counts from 1 each time, without a gap in what it is given.
    let added = ended.ticks("n.out")
    #expect(zip(added, added.dropFirst()).allSatisfy { $1.bid == $0.bid + 1 ? $1.ask == $0.ask + 1 : $1.bid == 1 && $1.ask > $0.ask })
    #expect(added.count { $0.bid == 1 } == 3)
  }

  @Test func `all lanes stand at the same moment of event time`() throws {
    let nodes = { (label: Int) in
      Self.graph(
        "k: { plugin: keeper, from: s, params: { scale: \(label) } }",
        "l: { plugin: keeper-single, from: s, lane: b, queue: { size: 4000 }, params: { scale: \(label) } }")
    }
    let bench = try ApplyBench(nodes(1))
    try bench.until(events: 5000)
    try bench.apply(nodes(2))
    try bench.until(events: 30_000)
    try bench.apply(nodes(3))
    let ended = try bench.end()
    for scale in 1...3 {
      let first = ended.ticks("k.out").last { $0.bid_size == Double(scale) }
      #expect(first?.ask == ended.ticks("l.out").last { $0.bid_size == Double(scale) }?.ask, "scale \(scale)")
    }
  }

  @Test(arguments: ["replay", "live"])
  func `a node moves to another lane and back with its instance`(clock: String) throws {
    let nodes = { (lane: String) in
      Self.graph(
        "k: { plugin: keeper-single, from: s, params: { timer: 55, plain: 1 }\(lane) }", "l: { plugin: trail, from: s }", clock: clock, count: 60_000)
    }
    let still = try ApplyBench(nodes("")).end(stop: false)
    let bench = try ApplyBench(nodes(""), replays: true)
    let instance = ObjectIdentifier(bench.run.instances[1])
    for turn in 1...6 {
      try bench.until(events: UInt64(turn) * 5000)
      let report = try bench.apply(nodes(turn % 2 == 1 ? ", lane: m\(clock), queue: { size: 64 }" : ""))
      #expect(report.nodes[1].action == .rewire)
    }
    #expect(ObjectIdentifier(bench.run.instances[1]) == instance)
    let ended = try bench.end(stop: false)
    // What it emitted is kept lane by lane; its own count says in which order.
    func inOrder(_ ticks: [gantry_tick]) -> [gantry_tick] { ticks.sorted { ($0.bid, -$0.ask) < ($1.bid, -$1.ask) } }
    let (ticks, expected) = (inOrder(ended.ticks("k.out")), inOrder(still.ticks("k.out")))
    let counted = ticks.filter { $0.ask > 0 }
    #expect(counted.count == 60_000)
    #expect(zip(counted, counted.dropFirst()).allSatisfy { $1.ask == $0.ask + 1 && $1.bid == $0.bid + 1 })
    if clock == "replay" {
      #expect(ticks.count == expected.count)
      #expect(zip(ticks, expected).allSatisfy { $0.ask == $1.ask && $0.bid == $1.bid })
    }
    try bench.until("the lane's end") { Bench.threads(named: "lane:m\(clock)") == 0 }
  }

  @Test func `a source that is added begins after the marker`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s, params: { plain: 1 } }"), captures: ["m"], replays: true)
    try bench.until(events: 5000)
    let more = "t: { plugin: beat, params: { count: 1000000000, step: 10, start: 1003, chunk: 16, idle: 2 } }"
    try bench.apply(Self.graph(more, "k: { plugin: keeper, from: s, params: { plain: 1 } }", "m: { plugin: keeper, from: t, params: { plain: 1 } }"))
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    let added = ended.ticks("m.out")
    let first = Int(try #require(added.first).ask)
    #expect(first > 4000 && added.count == ended.events("t"))
    #expect(added.first?.header.chain == 1)
    #expect(zip(added, added.dropFirst()).allSatisfy { $1.ask == $0.ask + 1 && $1.header.chain == $0.header.chain + 1 })
  }

  @Test func `a source that is removed ends at the marker and others go on`() throws {
    let more = "gone: { plugin: beat, params: { count: 1000000000, step: 10, start: 1003, chunk: 16, idle: 2 } }"
    let bench = try ApplyBench(Self.graph(more, "k: { plugin: keeper, from: s, params: { plain: 1 } }", "m: { plugin: keeper, from: gone, params: { plain: 1 } }"), replays: true)
    try bench.until(events: 5000)
    try bench.apply(Self.graph("k: { plugin: keeper, from: s, params: { plain: 1 } }"))
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    #expect(ended.ticks("m.out").enumerated().allSatisfy { $1.ask == Double($0 + 1) })
    #expect(ended.summary.events == UInt64(ended.events("s") + ended.ticks("m.out").count))
    try bench.until("the reader's end") { Bench.threads(named: "read:gone") == 0 }
  }

  @Test func `a source with other parameters goes on at the marker, its chains counted on`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s }"))
    try bench.until(events: 5000)
    let report = try bench.apply(Self.graph("k: { plugin: keeper, from: s }", source: Self.source.replacing("step: 10", with: "step: 10, price: 100000")))
    #expect(report.nodes[0].action == .swapCold)
    let ended = try bench.end()
    let ticks = ended.ticks("k.out")
    #expect(ticks.count == ended.events("s"))
    #expect(ticks.enumerated().allSatisfy { $1.bid == Double($0 + 1) && $1.header.chain == UInt64($0 + 1) && $1.header.event_ns == 1000 + Int64($0) * 10 })
    #expect(ticks.prefix(Int(report.atEvent)).allSatisfy { $0.ask >= 1 } && ticks.dropFirst(Int(report.atEvent)).allSatisfy { $0.ask < 3 })
  }

  @Test func `what acts on the outside is handed over with its state, never two at once`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper-external, from: s }"))
    try bench.until(events: 5000)
    let report = try bench.apply(Self.graph("k: { plugin: keeper-external, from: s, params: { label: 1 } }"))
    #expect(report.nodes[1].action == .swapWithState && report.stateBytes == 8)
    // One whose successor does not start comes back with its state.
    let error = try #require(throws: GantryError.self) { try bench.apply(Self.graph("k: { plugin: keeper-external, from: s, params: { refuse: 3 } }")) }
    #expect(error.diagnostics.first?.code == "runtime.start-failed")
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    #expect(Set(ended.ticks("k.out").map(\.ask_size)).count <= 3)
  }

  @Test func `a newer apply supersedes one that has not come to its marker`() throws {
    let bench = try ApplyBench(Self.graph("k: { plugin: keeper, from: s }"))
    try bench.until(events: 1000)
    let loaded = try Bench.load(Self.graph("k: { plugin: keeper, from: s, params: { label: 1 } }"))
    let newer = try Bench.load(Self.graph("k: { plugin: keeper, from: s, params: { scale: 9 } }"))
    let run = bench.run
    let second = LaneThread()
    var isBegun = false
    let error = try #require(throws: GantryError.self) {
      try run.apply(
        graph: loaded.graph,
        code: { node throws(GantryError) in
          if !isBegun {
            isBegun = true
            let turn = run.newestApply.load(ordering: .acquiring)
            try second.start(name: "newer") {
              _ = try? run.apply(
                graph: newer.graph, code: { node throws(GantryError) in newer.code[node] },
                changes: GraphDiff.diff(old: run.graph, new: newer.graph), id: "c2", by: "a test")
            }
            while run.newestApply.load(ordering: .acquiring) == turn { sched_yield() }
          }
          return loaded.code[node]
        }, changes: GraphDiff.diff(old: run.graph, new: loaded.graph), id: "c1", by: "a test")
    }
    #expect(error.diagnostics.first?.code == "apply.superseded")
    second.join()
    let ended = try bench.end()
    expectWhole(ended.ticks("k.out"), ended)
    #expect(ended.ticks("k.out").last?.bid_size == 9)
    #expect(Set(ended.ticks("k.out").map(\.ask_size)).count == 1)
  }
}
