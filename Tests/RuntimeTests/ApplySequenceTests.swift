import BrokenPlugins
import CLinux
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Glibc
import PluginHarness
import Synchronization
import Testing

/// Seeded random sequences of changes under full-speed load, failing ones among them. Keepers fail when an
/// event is missing or comes twice, so every event of the run is looked at.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ApplySequenceTests {
  @Test(arguments: Seeded.seeds(4), ["replay", "live"])
  func `random changes under load lose nothing and touch nobody else`(seed: UInt64, clock: String) throws {
    var random = Seeded(seed)
    var graph = ChangingGraph(lanes: ["main", "b", "c"], clock: clock)
    let bench = try ApplyBench(graph.yaml, replays: true) { $0.captures = [] }
    let note: Comment = "seed \(seed), clock \(clock)"
    var instances = bench.identities
    var applied = 0
    var refused: [String: Int] = [:]
    for _ in 0..<60 {
      try bench.until(events: bench.run.eventCount + UInt64.random(in: 0...5000, using: &random))
      var next = graph
      let change = next.change(&random)
      do throws(GantryError) {
        let report = try bench.applying(next.yaml)
        applied += 1
        let old = instances
        graph = next
        instances = bench.identities
        for node in report.nodes where node.action <= .rewire { #expect(instances[node.node] == old[node.node], "\(note): \(node.node) after \(change)") }
        for node in report.nodes where node.action == .remove { #expect(instances[node.node] == nil, note) }
      } catch {
        refused[error.diagnostics.first?.code ?? "", default: 0] += 1
        // A move may chain lanes in a ring, which the graph's own checks refuse.
        let isExpected = next.refuses || error.diagnostics.first?.code.hasPrefix("graph.") == true
        #expect(isExpected, "\(note): \(change): \(error.diagnostics.map(\.text))\n\(next.yaml)")
        #expect(bench.identities == instances, note)
      }
    }
    // Lanes in a ring do not wait for each other's last events: the run ends on one.
    graph.gather()
    try bench.applying(graph.yaml)
    let ended = try bench.end()
    #expect(applied > 20, note)
    #expect(ended.summary.nodes.allSatisfy { $0.errors == 0 && $0.dropped == 0 && $0.breaker == "closed" }, "\(note): \(ended.summary.nodes.map { "\($0.name) \($0.errors)" })")
    #expect(ended.summary.queues.allSatisfy { $0.dropped == 0 }, note)
    for node in graph.whole { #expect(ended.events(node) == ended.events("s"), "\(note): \(node)") }
  }

  /// In a process of its own, where no other test makes threads or allocates.
  @Test func `changes leave no thread, file, mapping or memory behind`() async {
    await #expect(processExitsWith: .success) {
      var random = Seeded(20_260_101)
      var graph = ChangingGraph(lanes: ["main", "b"], clock: "replay")
      let folder = try Fixture.temporaryFolder()
      let bench = try ApplyBench(graph.yaml) {
        $0.captures = []
        $0.folder = "\(folder)/run"
      }
      let quiet = graph.yaml
      func rounds(_ count: Int) throws {
        for _ in 0..<count {
          var next = graph
          _ = next.change(&random)
          if (try? bench.applying(next.yaml)) != nil { graph = next }
        }
        graph = ChangingGraph(lanes: ["main", "b"], clock: "replay")
        try bench.applying(quiet)
      }
      try rounds(60)
      try bench.until("lane b's end") { Bench.threads(named: "lane:b") == 0 }
      let before = (threads: ownThreads(), files: count("fd"), bytes: residentBytes())
      try rounds(300)
      try bench.until("lane b's end") { Bench.threads(named: "lane:b") == 0 }
      #expect(ownThreads() == before.threads)
      #expect(count("fd") == before.files)
      let grown = residentBytes() - before.bytes
      #expect(grown < 4 << 20, "300 changes left \(grown) bytes")
      _ = try bench.end()
      removeFolder(folder)
    }
  }
}

/// A graph that changes at random, so that what each keeper must have seen stays known.
private struct ChangingGraph {
  let lanes: [String]
  let clock: String
  private var keepers: [(name: String, lane: Int, label: Int, scale: Int, from: String, isSingle: Bool)] = [
    ("k1", 0, 0, 1, "s", false), ("k2", 0, 0, 1, "s", true), ("k3", 0, 0, 1, "k1", false),
  ]
  private var extras: [(name: String, lane: Int, from: String)] = []
  private var made = 0
  /// The number of the call that the next change's new instance refuses, if any.
  private var refusing: (node: Int, call: Int)?

  init(lanes: [String], clock: String) {
    self.lanes = lanes
    self.clock = clock
  }

  var refuses: Bool { refusing != nil }
  /// Keepers that must have had every event of the source.
  var whole: [String] { keepers.map(\.name) }

  /// Everything on one lane.
  mutating func gather() {
    for place in keepers.indices { keepers[place].lane = 0 }
    for place in extras.indices { extras[place].lane = 0 }
  }

  mutating func change(_ random: inout Seeded) -> String {
    let node = Int.random(in: 0..<keepers.count, using: &random)
    switch Int.random(in: 0..<9, using: &random) {
    case 0, 1:
      keepers[node].label += 1
      return "another label of \(keepers[node].name)"
    case 2:
      keepers[node].scale += 1
      return "another scale of \(keepers[node].name)"
    case 3, 4:
      made += 1
      let from = (["s"] + keepers.map(\.name)).randomElement(using: &random)!
      extras.append(("x\(made % 12)", Int.random(in: 0..<lanes.count, using: &random), from))
      extras = Dictionary(extras.map { ($0.name, $0) }) { $1 }.values.sorted { $0.name < $1.name }
      return "adds \(extras.last!.name)"
    case 5:
      guard !extras.isEmpty else { return "nothing" }
      return "removes \(extras.remove(at: Int.random(in: 0..<extras.count, using: &random)).name)"
    case 6:
      keepers[node].lane = Int.random(in: 0..<lanes.count, using: &random)
      return "moves \(keepers[node].name)"
    case 7:
      guard !extras.isEmpty else { return "nothing" }
      let place = Int.random(in: 0..<extras.count, using: &random)
      extras[place].from = (["s"] + keepers.map(\.name)).randomElement(using: &random)!
      return "feeds \(extras[place].name) from \(extras[place].from)"
    default:
      keepers[node].label += 1
      refusing = (node, Int.random(in: 2...4, using: &random))
      return "\(keepers[node].name) refuses call \(refusing!.call)"
    }
  }

  var yaml: String {
    var lines = ["s: { plugin: beat, params: { count: 1000000000000, step: 10 } }"]
    for (place, keeper) in keepers.enumerated() {
      let isStrict = keeper.from == "s" ? 1 : 0
      var text = "\(keeper.name): { plugin: keeper\(keeper.isSingle ? "-single" : ""), from: \(keeper.from), params: { plain: 1, strict: \(isStrict), label: \(keeper.label), scale: \(keeper.scale)"
      if let refusing, refusing.node == place { text += ", refuse: \(refusing.call)" }
      text += " }"
      if keeper.lane != 0 { text += ", lane: \(lanes[keeper.lane]), queue: { size: 100 }" }
      lines.append(text + " }")
    }
    for extra in extras {
      lines.append("\(extra.name): { plugin: trail, from: \(extra.from)\(extra.lane == 0 ? "" : ", lane: \(lanes[extra.lane]), queue: { size: 40 }") }")
    }
    return Bench.yaml(lines.joined(separator: "\n"), clock: clock)
  }
}

extension ApplyBench {
  /// The instance of each node.
  var identities: [String: ObjectIdentifier] {
    Dictionary(uniqueKeysWithValues: zip(run.graph.nodes.map(\.name), run.instances.map { ObjectIdentifier($0) }))
  }

  /// `apply`, whose errors are all of the host.
  @discardableResult
  func applying(_ yaml: String) throws(GantryError) -> ApplyReport {
    do { return try apply(yaml) } catch let error as GantryError { throw error } catch { throw GantryError("test.failed", "\(error)") }
  }
}

/// The threads that a run has.
private func ownThreads() -> [String] {
  Bench.threadNames.filter { name in ["lane:", "read:", "gantry-journal"].contains { name.hasPrefix($0) } }.sorted()
}

/// Entries of a folder of this process.
private func count(_ folder: String) -> Int {
  guard let entries = opendir("/proc/self/\(folder)") else { return -1 }
  defer { closedir(entries) }
  var count = 0
  while readdir(entries) != nil { count += 1 }
  return count
}

/// Without what the allocator keeps of memory that was freed.
private func residentBytes() -> Int64 {
  typealias Trim = @convention(c) (Int) -> Int32
  if let trim = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(trim, to: Trim.self)(0) }
  return Int64(clinux_resident_bytes())
}
