import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
import GantryLoader
@testable import GantryRuntime
import Glibc
import Synchronization
import Testing

/// What a swap guarantees, step by step: with plugins whose every row depends on all they were ever given.
@Suite(.serialized) struct SwapProtocolTests {
  private static let plugins = Result { try Fixture.compile("\(Fixture.root)/Tests/Fixtures/SwapPlugins/plugins.c", as: "libswap.so") }
  private static let ids = ["meter", "meter-single", "stillborn", "meter-two", "meter-convert", "window", "clockwork", "outlet"]

  private static func files() throws -> [String: String] {
    let path = try plugins.get()
    return Dictionary(uniqueKeysWithValues: ids.map { ($0, path) })
  }

  private static func yaml(_ plugin: String = "meter", _ params: String = "", policy: String = "", count: UInt64 = 1_000_000_000) -> String {
    Bench.yaml(
      """
      beat: { plugin: beat, params: { count: \(count), instruments: 2 } }
      meter: { plugin: \(plugin), from: beat\(params.isEmpty ? "" : ", params: { \(params) }")\(policy.isEmpty ? "" : ", swap: { \(policy) }") }
      """)
  }

  /// A run in which `change` is called while the ticks flow, and what it left. It ends when `change`
  /// has returned.
  private static func run(
    _ yaml: String, folder: String? = nil, change: @escaping (Run, Swaps) throws -> Void
  ) throws -> (outcome: Outcome, error: GantryError?) {
    let loaded = try Bench.load(yaml, files: files())
    var failure: GantryError?
    let outcome = try Bench.run(
      loaded,
      options: {
        $0.blockSize = 64
        $0.captures = [("meter", "out")]
        if let folder {
          $0.folder = folder
          $0.journalsAll = true
        }
      },
      during: { run in
        waitUntil { run.eventCount > 2_000 }
        do { try change(run, Swaps(loaded)) } catch { failure = error as? GantryError ?? GantryError("test", "\(error)") }
        run.requestStop()
      })
    return (outcome, failure)
  }

  /// Makes requests for the node `meter`.
  struct Swaps {
    let old: Bench.Loaded
    init(_ loaded: Bench.Loaded) { old = loaded }

    func request(_ plugin: String = "meter", _ params: String = "", _ change: (inout SwapPolicy) -> Void = { _ in }) throws -> SwapRequest {
      let new = try Bench.load(SwapProtocolTests.yaml(plugin, params), files: SwapProtocolTests.files())
      var policy = SwapPolicy()
      change(&policy)
      let index = new.graph.node(named: "meter")!
      return SwapRequest(
        id: "c1", node: "meter", graph: new.graph, code: new.code[index], policy: policy, description: "\(plugin) \(params)", by: "test")
    }
  }

  private static func waitUntil(_ condition: () -> Bool) {
    let began = Bench.monotonicNs()
    while !condition(), Bench.monotonicNs() - began < 20_000_000_000 { usleep(200) }
  }

  /// What the same events give without a change.
  private static func still(_ plugin: String = "meter", _ params: String = "", like outcome: Outcome) throws -> [Row] {
    let events = try #require(outcome.summary?.events)
    return try #require(
      try Bench.run(Bench.load(yaml(plugin, params, count: events), files: files()), options: { $0.captures = [("meter", "out")] }).ports["meter.out"])
  }

  /// Says where two long lists first differ, and no more.
  private static func expectSame(_ outcome: Outcome, _ expected: [Row], _ place: SourceLocation = #_sourceLocation) throws {
    let rows = try #require(outcome.ports["meter.out"], sourceLocation: place)
    let first = zip(rows, expected).enumerated().first { $1.0 != $1.1 }?.offset
    let note: Comment = "\(rows.count) rows of \(expected.count), different from \(first.map(String.init) ?? "the end")"
    let isSame = first == nil && rows.count == expected.count
    #expect(isSame, note, sourceLocation: place)
    if let first { print(rows[first].tick, expected[first].tick) }
  }

  // MARK: what must not change

  @Test(arguments: ["meter", "meter-single", "clockwork"])
  func `a swap with state loses, doubles and misplaces nothing`(plugin: String) throws {
    let text = Self.yaml(plugin)
    let (outcome, error) = try Self.run(text) { run, swaps in
      for number in 0..<12 {
        let report = try run.swap(
          swaps.request(plugin) {
            $0.probation = 1_000_000_000; $0.shadow = number % 2 * 300
          })
        #expect(report.differingRows == 0)
        if number % 3 == 0 { #expect(try run.revert(node: "meter", by: "test").outcome == .reverted) }
        if number % 3 == 1 { #expect(try run.commit(node: "meter", by: "test").outcome == .committed) }
      }
    }
    #expect(error == nil)
    #expect(outcome.diagnostics.isEmpty)
    try Self.expectSame(outcome, Self.still(plugin, like: outcome))
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    var params: String
    var code: String
    var plugin = "meter"
    var testDescription: String { "\(plugin) \(params)" }
  }

  @Test(arguments: [
    Fault(params: "", code: "runtime.create-failed", plugin: "stillborn"), Fault(params: "fault: 2", code: "runtime.configure-failed"),
    Fault(params: "fault: 3", code: "runtime.start-failed"), Fault(params: "fault: 4", code: "swap.state-refused"),
    Fault(params: "fault: 5, after: 100", code: "swap.failed"), Fault(params: "fault: 6, after: 100", code: "swap.failed"),
    Fault(params: "", code: "swap.state-refused", plugin: "meter-two"), Fault(params: "", code: "swap.cold", plugin: "window"),
  ])
  func `a candidate that fails before the flip changes nothing`(fault: Fault) throws {
    let text = Self.yaml()
    let (outcome, error) = try Self.run(text) { run, swaps in
      try run.swap(swaps.request(fault.plugin, fault.params) { $0.shadow = 1000 })
    }
    #expect(error?.diagnostics.first?.code == fault.code, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
    try Self.expectSame(outcome, Self.still(like: outcome))
  }

  @Test func `a node that does not save its state is not swapped`() throws {
    let text = Self.yaml("meter", "fault: 7")
    let (outcome, error) = try Self.run(text) { run, swaps in try run.swap(swaps.request()) }
    #expect(error?.diagnostics.first?.code == "swap.state-not-saved")
    #expect(outcome.diagnostics.isEmpty)
  }

  @Test func `a large state is refused without a standby, and handed over through one`() throws {
    let large = "bytes: 3000000"
    let (_, error) = try Self.run(Self.yaml("meter", large)) { run, swaps in try run.swap(swaps.request("meter", large)) }
    #expect(error?.diagnostics.first?.code == "swap.state-too-large")
    let (outcome, failure) = try Self.run(Self.yaml("meter", large, policy: "standby: true")) { run, swaps in
      for number in 0..<6 {
        let report = try run.swap(
          swaps.request("meter", large) {
            $0.probation = 1_000_000_000; $0.shadow = 200
          })
        #expect(report.stateBytes == 3_000_016)
        #expect(report.differingRows == 0)
        #expect(report.comparedRows >= 200, "swap \(number) compared \(report.comparedRows) rows")
        if number % 2 == 0 {
          #expect(try run.revert(node: "meter", by: "test").outcome == .reverted)
        } else {
          #expect(try run.commit(node: "meter", by: "test").outcome == .committed)
        }
      }
    }
    #expect(failure == nil, "\(String(describing: failure))")
    try Self.expectSame(outcome, Self.still(like: outcome))
  }

  @Test func `a canary through a standby can be given up, and the standby is as good as before`() throws {
    let large = "bytes: 100000"
    let (share, _) = try Self.shareOfOne()
    let (outcome, error) = try Self.run(Self.yaml("meter", large, policy: "standby: true")) { run, swaps in
      for _ in 0..<3 {
        let isCanary = Atomic<Bool>(false)
        let reverter = Thread {
          Self.waitUntil { isCanary.load(ordering: .acquiring) }
          _ = try? run.revert(node: "meter", by: "test")
        }
        _ = try? run.swap(
          swaps.request("meter", large) {
            $0.canary = share
            $0.probation = 1_000_000_000
          }, waits: true
        ) { if $0.step == .canary { isCanary.store(true, ordering: .releasing) } }
        reverter.join()
      }
      #expect(run.swaps.map(\.outcome) == [.reverted, .reverted, .reverted])
      let last = try run.swap(swaps.request("meter", large), waits: true)
      #expect(last.outcome == .committed)
    }
    #expect(error == nil, "\(String(describing: error))")
    try Self.expectSame(outcome, Self.still(like: outcome))
  }

  @Test func `a cold swap ends the standby, whose past the new instance does not have`() throws {
    let large = "bytes: 100000"
    let (outcome, error) = try Self.run(Self.yaml("meter", large, policy: "standby: true")) { run, swaps in
      var cold = try swaps.request("meter", large)
      cold.isCold = true
      let report = try run.swap(cold, waits: true)
      #expect(report.outcome == .committed)
      _ = try run.swap(swaps.request("meter", large))
    }
    #expect(error?.diagnostics.first?.code == "swap.state-too-large", "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
  }

  // MARK: comparing

  @Test func `shadow says how many rows differ and how far`() throws {
    let (_, error) = try Self.run(Self.yaml()) { run, swaps in
      let report = try run.swap(
        swaps.request("meter", "offset: 3") {
          $0.shadow = 2000; $0.probation = 1_000_000_000
        })
      #expect(report.comparedRows >= 1500)
      #expect(report.differingRows == report.comparedRows)
      #expect(try run.revert(node: "meter", by: "test").outcome == .reverted)
    }
    #expect(error == nil)
  }

  // MARK: probation

  @Test func `errors in probation bring the old instance back, and it has missed nothing`() throws {
    let text = Self.yaml()
    let reports = Mutex<[SwapReport]>([])
    let (outcome, error) = try Self.run(text) { run, swaps in
      let report = try run.swap(
        swaps.request("meter", "fault: 5, after: 60000") {
          $0.probation = 1_000_000_000; $0.revertIfErrors = 1
        }, waits: true)
      reports.withLock { $0.append(report) }
    }
    let report = try #require(reports.withLock { $0.first }, "\(String(describing: error))")
    #expect(report.outcome == .reverted)
    #expect(report.reason?.contains("errors in probation") == true)
    let still = try Self.still(like: outcome)
    // Rows of the failing events are missing; every other one is as without a swap.
    let expected = Set(still)
    let got = try #require(outcome.ports["meter.out"])
    #expect(got.allSatisfy { expected.contains($0) })
    #expect(got.count < expected.count)
    #expect(got.last == still.last)
  }

  @Test func `a slow candidate is found by its p99`() throws {
    let (outcome, error) = try Self.run(Self.yaml()) { run, swaps in
      try run.swap(
        swaps.request("meter", "spin_ns: 40000") {
          $0.shadow = 1000; $0.revertIfP99Us = 20
        })
    }
    #expect(error?.diagnostics.first?.text.contains("p99") == true, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
  }

  // MARK: canary

  @Test func `a canary changes the rows of its instruments only, and a revert takes it back`() throws {
    let text = Self.yaml()
    let (share, chosen) = try Self.shareOfOne()
    let steps = Mutex<[SwapStep.Step]>([])
    let (outcome, error) = try Self.run(text) { run, swaps in
      let isCanary = Atomic<Bool>(false)
      let reverter = Thread {
        Self.waitUntil { isCanary.load(ordering: .acquiring) }
        let from = run.eventCount
        Self.waitUntil { run.eventCount > from + 12_000 }
        _ = try? run.revert(node: "meter", by: "test")
      }
      _ = try? run.swap(
        swaps.request("meter", "offset: 5") {
          $0.canary = share; $0.probation = 1_000_000_000
        }, waits: true
      ) { step in
        steps.withLock { $0.append(step.step) }
        if step.step == .canary { isCanary.store(true, ordering: .releasing) }
      }
      reverter.join()
      let from = run.eventCount
      Self.waitUntil { run.eventCount > from + 1_000 }
    }
    #expect(error == nil)
    #expect(steps.withLock { $0 }.contains(.canary))
    let still = try Self.still(like: outcome)
    let got = try #require(outcome.ports["meter.out"])
    try #require(got.count == still.count)
    var changed: [UInt32: Int] = [:]
    for (a, b) in zip(got, still) where a != b { changed[a.header.instrument, default: 0] += 1 }
    #expect(changed.keys.sorted() == [UInt32(chosen)], "\(changed)")
    #expect(got.last == still.last)
    #expect(changed.values.reduce(0, +) > 3_000)
  }

  /// A share that selects one of the two instruments, and which.
  private static func shareOfOne() throws -> (share: Double, instrument: Int) {
    let graph = try Bench.load(yaml(), files: files()).graph
    for step in 1..<100 {
      let chosen = Run.canaryInstruments(graph, share: Double(step) / 100)
      if chosen.count == 1 { return (Double(step) / 100, chosen[0]) }
    }
    throw GantryError("test", "no share selects one of two instruments")
  }

  @Test func `a canary that selects nothing is an error`() throws {
    let (_, error) = try Self.run(Self.yaml()) { run, swaps in try run.swap(swaps.request { $0.canary = 0.000001 }) }
    #expect(error?.diagnostics.first?.code == "swap.canary-empty")
  }

  // MARK: tails, cold starts, conversion

  @Test func `a plugin without a state is warmed by the node's tail`() throws {
    let text = Self.yaml("window", policy: "warm: 60")
    let (outcome, error) = try Self.run(text) { run, swaps in
      for _ in 0..<5 { _ = try run.swap(swaps.request("window") { $0.warm = 60 }) }
    }
    #expect(error == nil)
    try Self.expectSame(outcome, Self.still("window", like: outcome))
  }

  @Test func `a third plugin converts a state up and down`() throws {
    let text = Self.yaml()
    let (outcome, error) = try Self.run(text) { run, swaps in
      let converter = try swaps.request("meter-convert").code
      var up = try swaps.request("meter-two")
      up.converters = [converter]
      _ = try run.swap(up)
      var down = try swaps.request("meter")
      down.converters = [converter]
      _ = try run.swap(down)
    }
    #expect(error == nil, "\(String(describing: error))")
    try Self.expectSame(outcome, Self.still(like: outcome))
  }

  // MARK: hand-over

  @Test func `a node that acts on the outside is handed over, and only one instance ever runs`() throws {
    let text = Self.yaml("outlet")
    let (outcome, error) = try Self.run(text) { run, swaps in
      for number in 0..<6 {
        _ = try run.swap(swaps.request("outlet") { $0.probation = 1_000_000_000 })
        if number % 2 == 0 { #expect(try run.revert(node: "meter", by: "test").outcome == .reverted) }
      }
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
    try Self.expectSame(outcome, Self.still(like: outcome))
  }

  @Test func `when the new instance does not start, the old code goes on with the state`() throws {
    let text = Self.yaml("outlet")
    let (outcome, error) = try Self.run(text) { run, swaps in _ = try run.swap(swaps.request("outlet", "fault: 3")) }
    #expect(error?.diagnostics.first?.code == "runtime.start-failed")
    #expect(outcome.diagnostics.isEmpty)
    try Self.expectSame(outcome, Self.still(like: outcome))
  }

  // MARK: who wins

  @Test func `a newer swap supersedes one in shadow and commits one in probation`() throws {
    let text = Self.yaml()
    let (outcome, error) = try Self.run(text) { run, swaps in
      let inShadow = Atomic<Bool>(false)
      let first = Thread {
        _ = try? run.swap(swaps.request { $0.shadow = 100_000_000 }) { if $0.step == .shadow { inShadow.store(true, ordering: .releasing) } }
      }
      Self.waitUntil { inShadow.load(ordering: .acquiring) }
      _ = try run.swap(swaps.request { $0.probation = 100_000_000 })
      first.join()
      _ = try run.swap(swaps.request(), waits: true)
      #expect(run.swaps.map(\.outcome) == [.superseded, .committed, .committed])
    }
    #expect(error == nil, "\(String(describing: error))")
    try Self.expectSame(outcome, Self.still(like: outcome))
  }

  // MARK: replay

  @Test(arguments: ["", ", lane: b, queue: { size: 64 }"])
  func `a journal with swaps, a canary and a revert is replayed bit for bit`(lane: String) throws {
    let text = Self.yaml("clockwork").replacing("from: beat", with: "from: beat\(lane)")
    let folder = try Fixture.temporaryFolder() + "/run"
    let (share, _) = try Self.shareOfOne()
    let (outcome, error) = try Self.run(text, folder: folder) { run, swaps in
      _ = try run.swap(swaps.request("clockwork") { $0.shadow = 200 })
      _ = try run.swap(swaps.request("meter", "offset: 7") { $0.probation = 1_000_000_000 })
      _ = try run.revert(node: "meter", by: "test")
      _ = try run.swap(
        swaps.request("meter-single", "offset: 1") {
          $0.canary = share; $0.probation = 3_000
        }, waits: true)
      _ = try? run.swap(swaps.request("meter", "fault: 5, after: 500") { $0.shadow = 2_000 })
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
    try Self.expectReplay(text, folder, outcome)
  }

  @Test func `models have the same numbers in a replay, whatever candidates came to nothing`() throws {
    let text = Self.yaml("meter", "model: 1")
    let folder = try Fixture.temporaryFolder() + "/run"
    let (outcome, error) = try Self.run(text, folder: folder) { run, swaps in
      for fault in 2...3 { _ = try? run.swap(swaps.request("meter", "model: \(fault), fault: \(fault)")) }
      _ = try run.swap(swaps.request("meter", "model: 7") { $0.probation = 100 }, waits: true)
      let events = run.eventCount
      Self.waitUntil { run.eventCount > events + 1000 }
    }
    #expect(error == nil, "\(String(describing: error))")
    // Two that failed were named before it.
    #expect(outcome.ports["meter.out"]?.last?.tick.bid_size == 4)
    try Self.expectReplay(text, folder, outcome)
  }

  private static func expectReplay(_ text: String, _ folder: String, _ outcome: Outcome) throws {
    let loaded = try Bench.load(text, files: Self.files())
    let swaps = Swaps(loaded)
    let again = try Fixture.temporaryFolder() + "/again"
    let replayed = try Bench.run(
      loaded,
      options: {
        $0.folder = again
        $0.journalsAll = true
        $0.script = folder + "/journal"
        $0.scriptedSwap = { (record) throws(GantryError) in
          let parts = record.request.split(separator: " ", maxSplits: 1).map(String.init)
          do {
            return try swaps.request(parts[0], parts.count > 1 ? parts[1] : "") { $0.canary = record.canary }
          } catch {
            throw error as? GantryError ?? GantryError("test", "\(error)")
          }
        }
      })
    #expect(replayed.diagnostics.isEmpty, "\(replayed.diagnostics)")
    let names = loaded.graph.nodes.map { ($0.name, $0.plugin.outputs.map(\.name)) }
    let comparison = try JournalComparison(folder + "/journal", again + "/journal", names: names)
    #expect(comparison.difference == nil, "\(comparison.difference.map { $0.text(paint: Paint(enabled: false)) } ?? "")")
    #expect(comparison.records > 100)
    try Self.expectSame(replayed, #require(outcome.ports["meter.out"]))
  }
}

/// A thread of a test.
private final class Thread: Sendable {
  private let thread = LaneThread()

  init(_ body: @escaping @Sendable () -> Void) { try? thread.start(name: "test", body) }
  func join() { thread.join() }
}
