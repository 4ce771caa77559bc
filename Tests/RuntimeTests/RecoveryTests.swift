import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
import GantryJournal
@testable import GantryRuntime
import Glibc
import PluginHarness
import Synchronization
import Testing

/// A run that follows the journal of a killed one and goes on where it ends: whatever its nodes emit
/// afterwards is what they would have emitted without the end in between.
@Suite(.serialized) struct RecoveryTests {
  private static let plugins = Result { try Fixture.compile("\(Fixture.root)/Tests/Fixtures/SwapPlugins/plugins.c", as: "librecovery.so") }
  private static func files() throws -> [String: String] {
    let path = try plugins.get()
    return Dictionary(uniqueKeysWithValues: ["meter", "meter-single", "clockwork", "outlet"].map { ($0, path) })
  }

  private static func yaml(count: UInt64 = 1_000_000_000, source: String = "beat", clock: String = "replay", meter: String = "value: 0", more: String = "") -> String {
    Bench.yaml(
      """
      beat: { plugin: \(source), params: { count: \(count), instruments: 2, chunk: 16, idle: 2 } }
      first: { plugin: meter, from: beat, params: { \(meter) } }
      clock: { plugin: clockwork, from: first.out }
      near: { plugin: meter-single, from: first.out }
      \(more)
      """, clock: clock)
  }
  private static let nodes = ["first", "clock", "near"]

  /// A journal as a host leaves it that is killed while `change` is under way.
  private static func killed(_ yaml: String, _ change: @escaping (Run) throws -> Void = { _ in }) throws -> String {
    let folder = try Fixture.temporaryFolder()
    var failure: (any Error)?
    let outcome = try Bench.run(
      Bench.load(yaml, files: files()),
      options: {
        $0.folder = "\(folder)/run"
        $0.captures = []
        $0.journals = Set(nodes)
        $0.blockSize = 32
      },
      during: { run in
        do {
          try until(run, events: 5000)
          try change(run)
          try copy(run, to: "\(folder)/journal")
        } catch { failure = error }
        run.requestStop()
      })
    if let failure { throw failure }
    guard outcome.diagnostics.isEmpty else { throw GantryError(outcome.diagnostics, .failed) }
    return "\(folder)/journal"
  }

  private static func copy(_ run: Run, to folder: String) throws {
    try run.journal?.flush()
    guard let journal = run.journal?.directory, system("cp -r '\(journal)' '\(folder)'") == 0 else { throw GantryError("test", "no copy") }
  }

  private static func until(_ run: Run, events: UInt64) throws {
    let began = Bench.monotonicNs()
    while run.eventCount < events {
      guard Bench.monotonicNs() - began < 60_000_000_000 else { throw GantryError("test.timeout", "no \(events) events") }
      sched_yield()
    }
  }

  /// The journal followed, and so many events more.
  private static func recover(
    _ journal: String, _ yaml: String, into target: String? = nil, folder: String? = nil, more: UInt64 = 3000
  ) throws -> (outcome: Outcome, followed: UInt64) {
    let loaded = try Bench.load(yaml, files: files())
    let next = try Bench.load(target ?? yaml, files: files())
    let files = try files()
    var followed: UInt64 = 0
    var failure: (any Error)?
    let outcome = try Bench.run(
      loaded,
      options: {
        $0.folder = folder
        $0.journals = Set(nodes)
        $0.script = journal
        $0.captures = nodes.map { ($0, "out") }
        $0.continuation = Continuation(graph: next.graph, code: next.code, by: "test") { _ in JournalHead(json: Array((target ?? yaml).utf8), objects: []) }
        Journals.follow(&$0, files)
      },
      during: { run in
        do {
          try run.waitUntilLive()
          followed = run.eventCount
          try until(run, events: followed + more)
          // As one that is killed again leaves it.
          if let folder { try copy(run, to: "\(folder)/killed") }
        } catch { failure = error }
        run.requestStop()
      })
    if let failure { throw failure }
    return (outcome, followed)
  }

  private func expectUndisturbed(_ outcome: Outcome, _ note: Comment) throws {
    #expect(outcome.diagnostics.isEmpty, note)
    let events = try #require(outcome.summary?.events, note)
    let still = try Bench.run(
      Bench.load(Self.yaml(count: events), files: Self.files()), options: { $0.captures = Self.nodes.map { ($0, "out") } })
    for node in Self.nodes {
      let rows = try #require(outcome.ports["\(node).out"], note)
      let expected = try #require(still.ports["\(node).out"], note)
      let first = zip(rows, expected).enumerated().first { $1.0 != $1.1 }?.offset
      let isSame = first == nil && rows.count == expected.count
      #expect(isSame, "\(node): \(rows.count) rows of \(expected.count), different from \(first.map(String.init) ?? "the end"), \(note)")
    }
  }

  @Test func `nodes go on where the killed run has left them`() throws {
    let journal = try Self.killed(Self.yaml())
    let (outcome, followed) = try Self.recover(journal, Self.yaml())
    #expect(followed >= 5000)
    try expectUndisturbed(outcome, "\(followed) events were followed")
  }

  @Test(arguments: Seeded.seeds(3))
  func `a journal that was torn anywhere is followed to its last whole frame`(seed: UInt64) throws {
    var random = Seeded(seed)
    let journal = try Self.killed(Self.yaml())
    let path = "\(journal)/journal-000001.lz4"
    var info = stat()
    try #require(stat(path, &info) == 0)
    try #require(truncate(path, info.st_size * Int.random(in: 30...99, using: &random) / 100) == 0)
    let (outcome, followed) = try Self.recover(journal, Self.yaml())
    try expectUndisturbed(outcome, "seed \(seed), \(followed) events were followed")
  }

  @Test func `a swap on probation is taken back, and applies stay`() throws {
    let added = Self.yaml(more: "side: { plugin: meter, from: first.out }")
    let journal = try Self.killed(Self.yaml()) { run in
      let files = try Self.files()
      let next = try Bench.load(added, files: files)
      try run.apply(
        graph: next.graph, code: { node throws(GantryError) in next.code[node] }, changes: GraphDiff.diff(old: run.graph, new: next.graph), id: "c1",
        by: "test", head: { _ in JournalHead(json: Array(added.utf8), objects: []) })
      for (number, node) in ["first", "near"].enumerated() {
        let text = added.replacing("from: first.out }\n", with: "from: first.out, params: { value: 1 } }\n")
        let swapped = try Bench.load(text, files: files)
        var policy = SwapPolicy()
        policy.probation = number == 0 ? 1_000_000_000 : 100
        try run.swap(
          SwapRequest(
            id: "c\(number + 2)", node: node, graph: swapped.graph, code: swapped.code[swapped.graph.node(named: node)!], policy: policy,
            description: text, by: "test"), waits: number == 1)
      }
      try Self.until(run, events: run.eventCount + 1000)
    }
    let folder = try Fixture.temporaryFolder() + "/run"
    let (outcome, followed) = try Self.recover(journal, Self.yaml(), into: added, folder: folder)
    try expectUndisturbed(outcome, "\(followed) events were followed")
    // What was followed is the first part of its own journal, which replays.
    #expect(try Journals.difference(folder, Self.yaml(), files: Self.files(), all: false, journals: Set(Self.nodes)) == nil)
    // And once more from that one.
    let (again, more) = try Self.recover(folder + "/killed", Self.yaml(), into: added)
    #expect(more >= followed)
    try expectUndisturbed(again, "the second time, \(more) events were followed")
  }

  @Test func `a graph that was to go on with other code gets the state of what ran`() throws {
    let journal = try Self.killed(Self.yaml())
    let target = Self.yaml(meter: "value: 2")
    let (outcome, _) = try Self.recover(journal, Self.yaml(), into: target)
    try expectUndisturbed(outcome, "first was swapped with its state")
  }

  @Test func `a source that cannot be read again is not gone on with under the replay clock`() throws {
    let yaml = Self.yaml(source: "beat-fresh")
    let journal = try Self.killed(yaml)
    let outcome = try Self.attempt(journal, yaml)
    #expect(outcome.codes.contains("recover.source"), "\(outcome.diagnostics)")
  }

  @Test func `lanes that would not stand at one event are not gone on with under the replay clock`() throws {
    let yaml = Self.yaml(more: "far: { plugin: meter, from: first.out, lane: b, queue: { size: 64 } }")
    let journal = try Self.killed(yaml)
    let outcome = try Self.attempt(journal, yaml)
    #expect(outcome.codes.contains("recover.lanes"), "\(outcome.diagnostics)")
  }

  @Test func `with the live clock chains count on from the journal, and states go on`() throws {
    let yaml = Self.yaml(source: "beat-fresh", clock: "live")
    let journal = try Self.killed(yaml)
    let (outcome, followed) = try Self.recover(journal, yaml)
    #expect(outcome.diagnostics.isEmpty)
    let rows = try #require(outcome.ports["first.out"])
    #expect(rows.count > Int(followed))
    #expect(zip(rows, rows.dropFirst()).allSatisfy { $1.tick.header.chain == $0.tick.header.chain + 1 && $1.tick.bid == $0.tick.bid + 1 })
  }

  private static func attempt(_ journal: String, _ yaml: String) throws -> Outcome {
    let loaded = try Bench.load(yaml, files: files())
    let files = try files()
    return try Bench.run(
      loaded,
      options: {
        $0.script = journal
        $0.captures = []
        $0.continuation = Continuation(graph: loaded.graph, code: loaded.code, by: "test") { _ in JournalHead(json: [], objects: []) }
        Journals.follow(&$0, files)
      })
  }
}
