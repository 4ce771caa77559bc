import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Testing

/// The swap of a source: its events go on without a gap and without one twice, files and feeds alike.
@Suite(.serialized, .enabled(if: Fixture.hasCompiler, "no C compiler"))
struct SourceSwapTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    var plugin: String
    var params = ""
    var lane = ""
    var clock: String { plugin == "line" ? "live" : "replay" }
    var testDescription: String { "\(plugin) \(params)\(lane)" }
  }

  private func yaml(_ shape: Shape, mark: Int = 0, fault: Int = 0, plugin: String? = nil) -> String {
    Bench.yaml(
      """
      s: { plugin: \(plugin ?? shape.plugin), params: { mark: \(mark), fault: \(fault)\(shape.params) } }
      slow: { plugin: columns, from: s, params: { columns: 1 }\(shape.lane) }
      meter: { plugin: meter, from: s }
      """, clock: shape.clock)
  }

  /// The source's events are whole, and say which instance gave each: `marks` in turn, each once at least.
  private func expectWhole(_ outcome: Outcome, marks: [Double], _ place: SourceLocation = #_sourceLocation) {
    #expect(!outcome.hung && outcome.diagnostics.isEmpty, "\(outcome.diagnostics)", sourceLocation: place)
    let ticks = outcome.ticks("s.ticks")
    let isWhole = ticks.enumerated().allSatisfy { $1.bid == Double($0 + 1) && $1.header.chain == UInt64($0 + 1) }
    let gap = zip(ticks, ticks.dropFirst()).first { $0.bid + 1 != $1.bid }
    #expect(isWhole, "\(ticks.count) ticks; \(gap.map { "\($0.0.bid) and then \($0.1.bid)" } ?? "no gap")", sourceLocation: place)
    #expect(zip(ticks, ticks.dropFirst()).allSatisfy { $0.header.receive_ns <= $1.header.receive_ns }, sourceLocation: place)
    var seen: [Double] = []
    for tick in ticks where seen.last != tick.ask { seen.append(tick.ask) }
    #expect(seen == marks, sourceLocation: place)
    #expect(outcome.ticks("meter.out").map(\.bid) == (0..<ticks.count).map { Double($0 + 1) }, sourceLocation: place)
  }

  @Test(arguments: [
    Shape(plugin: "tape"), Shape(plugin: "tape", lane: ", lane: b, queue: { size: 64 }"), Shape(plugin: "tape-fresh"),
    Shape(plugin: "line", params: ", chunk: 1, pause_us: 20"), Shape(plugin: "line", params: ", chunk: 7"), Shape(plugin: "line", params: ", chunk: 700"),
  ])
  func `a source is handed over and back, and no event is lost or doubled`(shape: Shape) throws {
    let folder = try Fixture.temporaryFolder() + "/run"
    let (outcome, error) = try SwapBench.run(yaml(shape), folder: folder) { run in
      for mark in 1...3 {
        let report = try run.swap(SwapBench.request("s", yaml(shape, mark: mark)) { $0.policy.probation = 1_000_000_000 })
        #expect(report.stateBytes == 8 && report.pauseNs == 0)
        SwapBench.pass(1_500, run)
        if mark == 2 {
          #expect(try run.commit(node: "s", by: "test").outcome == .committed)
        } else {
          #expect(try run.revert(node: "s", by: "test").outcome == .reverted)
          SwapBench.pass(1_500, run)
        }
      }
    }
    #expect(error == nil, "\(String(describing: error))")
    expectWhole(outcome, marks: [0, 1, 0, 2, 3, 2])
    try SwapBench.expectReplayed(folder, yaml(shape), like: outcome)
  }

  @Test(arguments: [Shape(plugin: "tape"), Shape(plugin: "line", params: ", chunk: 50")])
  func `when the new instance does not start, the old code goes on behind the last event`(shape: Shape) throws {
    let (outcome, error) = try SwapBench.run(yaml(shape)) { run in
      #expect(throws: GantryError.self) { try run.swap(SwapBench.request("s", yaml(shape, mark: 1, fault: 3))) }
      SwapBench.pass(1_500, run)
      _ = try run.swap(SwapBench.request("s", yaml(shape, mark: 2)), waits: true)
      SwapBench.pass(1_500, run)
    }
    #expect(error == nil, "\(String(describing: error))")
    expectWhole(outcome, marks: [0, 2])
  }

  @Test(arguments: [Shape(plugin: "tape"), Shape(plugin: "line", params: ", chunk: 50")])
  func `a paused source stays paused over a swap, and goes on after it`(shape: Shape) throws {
    let (outcome, error) = try SwapBench.run(yaml(shape)) { run in
      _ = try run.pause(true, node: "s")
      let report = try run.swap(SwapBench.request("s", yaml(shape, mark: 1)) { $0.policy.probation = 1_000_000_000 })
      #expect(report.hasFlipped)
      #expect(run.status().nodes.first { $0.name == "s" }?.isPaused == true)
      _ = try run.pause(false, node: "s")
      SwapBench.pass(1_500, run)
    }
    #expect(error == nil, "\(String(describing: error))")
    expectWhole(outcome, marks: [0, 1])
  }

  @Test func `a source that cannot say how far it has read is refused, with what to do instead`() throws {
    let text = Bench.yaml("s: { plugin: beat, params: { count: 1000000000 } }\nmeter: { plugin: columns, from: s }")
    let (outcome, error) = try SwapBench.run(text) { run in
      _ = try run.swap(SwapBench.request("s", text.replacing("count: 1000000000", with: "count: 1000000000, price: 3")))
    }
    #expect(error?.diagnostics.first?.code == "swap.source-state")
    #expect(error?.diagnostics.first?.help.first?.contains("apply") == true)
    #expect(outcome.diagnostics.isEmpty)
  }

  @Test func `a source that is journaled in another manner is refused`() throws {
    let shape = Shape(plugin: "tape")
    let (outcome, error) = try SwapBench.run(yaml(shape)) { run in
      _ = try run.swap(SwapBench.request("s", yaml(shape, plugin: "tape-fresh")))
    }
    #expect(error?.diagnostics.first?.code == "swap.source-manner")
    expectWhole(outcome, marks: [0])
  }

  @Test func `a source that has ended is not handed over`() throws {
    let text = Bench.yaml(
      """
      s: { plugin: tape, params: { count: 500 } }
      t: { plugin: tape }
      slow: { plugin: columns, from: t, params: { columns: 1 } }
      meter: { plugin: meter, from: s }
      """)
    let (_, error) = try SwapBench.run(text) { run in _ = try run.swap(SwapBench.request("s", text.replacing("count: 500", with: "count: 500, mark: 1"))) }
    #expect(error?.diagnostics.first?.code == "swap.source-ended")
  }

  @Test(arguments: [1, 7, 700])
  func `an apply hands a feed over in the middle of its events`(chunk: Int) throws {
    let shape = Shape(plugin: "line", params: ", chunk: \(chunk)")
    let (outcome, error) = try SwapBench.run(yaml(shape)) { run in
      for mark in 1...4 {
        let new = try SwapBench.load(yaml(shape, mark: mark))
        let report = try run.apply(
          graph: new.graph, code: { node throws(GantryError) in new.code[node] },
          changes: GraphDiff.diff(old: run.graph, new: new.graph, changed: GraphDiff.Changed()), id: "a\(mark)", by: "a test")
        #expect(report.nodes.first { $0.node == "s" }?.action == .swapWithState)
        SwapBench.pass(1_500, run)
      }
    }
    #expect(error == nil, "\(String(describing: error))")
    expectWhole(outcome, marks: [0, 1, 2, 3, 4])
  }
}
