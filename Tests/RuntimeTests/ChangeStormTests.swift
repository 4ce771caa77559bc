import BrokenPlugins
import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Glibc
import Synchronization
import Testing

/// Random changes of a running graph under full load, over two lanes: swaps with and without state,
/// candidates that fail at every step, reverts, commits, applies and their rivals, pauses. Whatever
/// was done, the rows of the counted nodes are those of an undisturbed run over the same events, and the
/// run's journal, replayed, gives them again.
@Suite(.serialized) struct ChangeStormTests {
  private static let plugins = Result { try Fixture.compile("\(Fixture.root)/Tests/Fixtures/SwapPlugins/plugins.c", as: "libstorm.so") }
  private static let ids = ["meter", "meter-single", "stillborn", "window", "clockwork"]
  /// GANTRY_STORM_SEED runs one seed; GANTRY_STORM_OPERATIONS sets how many operations each has.
  private static let seeds: [UInt64] = number("GANTRY_STORM_SEED").map { [$0] } ?? [11, 13]
  private static let operations = Int(number("GANTRY_STORM_OPERATIONS") ?? 100)

  private static func number(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

  private static func files() throws -> [String: String] {
    let path = try plugins.get()
    return Dictionary(uniqueKeysWithValues: ids.map { ($0, path) })
  }

  /// - Parameter sides: nodes that an apply has added; nothing counted reads them
  private static func yaml(count: UInt64, sides: Int = 0, changed: (node: String, plugin: String, params: String)? = nil) -> String {
    func node(_ name: String, _ plugin: String, _ rest: String) -> String {
      if let changed, changed.node == name { return "\(name): { plugin: \(changed.plugin), \(rest), params: { \(changed.params) } }" }
      return "\(name): { plugin: \(plugin), \(rest) }"
    }
    var lines = [
      "beat: { plugin: beat, params: { count: \(count), instruments: 2 } }",
      node("first", "meter", "from: beat"),
      node("clock", "clockwork", "from: first.out"),
      node("far", "meter", "lane: other, from: first.out, queue: { size: 256 }"),
      node("near", "meter-single", "lane: other, from: far.out"),
    ]
    for side in 0..<sides { lines.append("side\(side): { plugin: \(side % 2 == 0 ? "meter" : "window"), from: first.out }") }
    return Bench.yaml(lines.joined(separator: "\n"))
  }
  private static let kinds = ["first": "meter", "clock": "clockwork", "far": "meter", "near": "meter-single"]
  private static let captures = ["first", "clock", "far", "near"].map { (node: $0, port: "out") }

  @Test(arguments: seeds)
  func `a storm of changes leaves no trace in what the counted nodes emit`(seed: UInt64) throws {
    let loaded = try Bench.load(Self.yaml(count: 1_000_000_000), files: Self.files())
    var random = RandomState(seed: seed)
    var done: [String: Int] = [:]
    var failure: String?
    let folder = try Fixture.temporaryFolder() + "/run"
    let outcome = try Bench.run(
      loaded,
      options: {
        $0.blockSize = 32
        $0.captures = Self.captures
        $0.folder = folder
        $0.journals = Set(Self.kinds.keys)
      },
      during: { run in
        do {
          for number in 0..<Self.operations {
            let name = try operation(number, run, &random)
            done[name, default: 0] += 1
            if let why = broken(run) {
              failure = "after \(name), operation \(number): \(why)"
              break
            }
          }
        } catch {
          failure = "\(error)"
        }
        run.requestStop()
      })
    let note: Comment = "seed \(seed): \(done)"
    #expect(failure == nil, note)
    #expect(outcome.diagnostics.isEmpty, note)
    #expect(!outcome.hung, note)
    let events = try #require(outcome.summary?.events)
    let still = try Bench.run(
      Bench.load(Self.yaml(count: events), files: Self.files()),
      options: {
        $0.blockSize = 32
        $0.captures = Self.captures
      })
    for node in ["first", "clock", "far", "near"] {
      let rows = try #require(outcome.ports["\(node).out"], note)
      let expected = try #require(still.ports["\(node).out"], note)
      // A capture keeps a million rows of a lane; what both kept is compared.
      let kept = outcome.summary!.events > 400_000 ? min(rows.count, expected.count) : expected.count
      let first = zip(rows, expected).enumerated().first { $1.0 != $1.1 }?.offset
      let isSame = first == nil && min(rows.count, expected.count) == kept
      #expect(isSame, "seed \(seed), \(node): \(rows.count) rows of \(expected.count), different from \(first.map(String.init) ?? "the end"); \(done)")
    }
    #expect(done.count >= 6, note)
    let difference = try Journals.difference(folder, Self.yaml(count: 1_000_000_000), files: Self.files(), all: false, journals: Set(Self.kinds.keys))
    #expect(difference == nil, note)
    removeFolder(folder)
  }

  private func operation(_ number: Int, _ run: Run, _ random: inout RandomState) throws -> String {
    func pick<Element>(_ list: [Element]) -> Element { list[Int(random.next() % UInt64(list.count))] }
    let node = pick(Array(Self.kinds.keys).sorted())
    var policy = SwapPolicy()
    policy.shadow = pick([0, 0, 200])
    policy.probation = pick([0, 300, 1_000_000_000])
    switch random.next() % 10 {
    case 0...3:
      try? end(run, &random)
      let report = try run.swap(request(number, node, "", policy, run))
      guard report.hasFlipped, report.differingRows == 0 else { throw GantryError("test", "\(report)") }
      return "swap"
    case 4:
      let fault = pick([("stillborn", ""), (Self.kinds[node]!, "fault: 2"), (Self.kinds[node]!, "fault: 3"), (Self.kinds[node]!, "fault: 4"), ("window", "")])
      // The clock's plugin takes no part in these games.
      let plugin = node == "clock" ? "stillborn" : fault.0
      let request = try request(number, node, plugin == fault.0 ? fault.1 : "", policy, plugin: plugin, run)
      if (try? run.swap(request)) != nil { throw GantryError("test", "a candidate with \(fault) was taken for \(node)") }
      return "failing candidate"
    case 5:
      let swapping = run.swaps.filter { $0.outcome == nil }.map(\.node)
      guard let node = swapping.first else { return "nothing" }
      _ = try? run.revert(node: node, by: "test")
      return "revert"
    case 6:
      let swapping = run.swaps.filter { $0.outcome == nil }.map(\.node)
      guard let node = swapping.first else { return "nothing" }
      _ = try? run.commit(node: node, by: "test")
      return "commit"
    case 7...8:
      return try apply(number, run, sides: Int(random.next() % 3), rivals: random.next() % 3 == 0)
    default:
      _ = try run.pause(true, node: "beat")
      _ = try run.pause(false, node: "beat")
      return "pause"
    }
  }

  /// Sometimes the swap before is left to be superseded.
  private func end(_ run: Run, _ random: inout RandomState) throws {
    guard random.next() % 2 == 0 else { return }
    for swap in run.swaps where swap.outcome == nil { _ = try run.commit(node: swap.node, by: "test") }
  }

  private func request(
    _ number: Int, _ node: String, _ params: String, _ policy: SwapPolicy, plugin: String? = nil, _ run: Run
  ) throws -> SwapRequest {
    let sides = run.graph.nodes.count - 5
    let kind = plugin ?? Self.kinds[node]!
    let yaml = Self.yaml(count: 1_000_000_000, sides: sides, changed: (node, kind, params.isEmpty ? "value: 0" : params))
    let new = try Bench.load(yaml, files: Self.files())
    let index = new.graph.node(named: node)!
    return SwapRequest(
      id: "c\(number)", node: node, graph: new.graph, code: new.code[index], policy: policy, description: yaml, by: "test")
  }

  private func apply(_ number: Int, _ run: Run, sides: Int, rivals: Bool) throws -> String {
    let yaml = Self.yaml(count: 1_000_000_000, sides: sides)
    let loaded = try Bench.load(yaml, files: Self.files())
    @Sendable func once(_ id: String) -> GantryError? {
      let changes = GraphDiff.diff(old: run.graph, new: loaded.graph)
      do {
        try run.apply(
          graph: loaded.graph, code: { node throws(GantryError) in loaded.code[node] }, changes: changes, id: id, by: "test",
          head: { _ in JournalHead(json: Array(yaml.utf8), objects: []) })
        return nil
      } catch {
        return error
      }
    }
    func check(_ error: GantryError?) throws {
      if let error, error.diagnostics.first?.code != "apply.superseded" { throw error }
    }
    if rivals {
      let theirs = Mutex<GantryError?>(nil)
      let thread = LaneThread()
      try thread.start(name: "rival") {
        let error = once("r\(number)")
        theirs.withLock { $0 = error }
      }
      let ours = once("c\(number)")
      thread.join()
      try check(ours)
      try check(theirs.withLock { $0 })
      return "rival applies"
    }
    if let error = once("c\(number)") { throw error }
    return "apply"
  }

  /// What must hold after each operation.
  private func broken(_ run: Run) -> String? {
    let names = run.graph.nodes.map(\.name)
    for name in ["beat", "first", "clock", "far", "near"] where !names.contains(name) { return "\(name) is gone" }
    for swap in run.swaps where swap.outcome == nil && !swap.hasFlipped { return "a swap of \(swap.node) neither flipped nor ended" }
    return nil
  }
}
