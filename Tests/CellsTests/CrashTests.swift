import BrokenPlugins
import CGantry
import GantryBase
import GantryCells
import GantryGraph
@testable import GantryRuntime
import Glibc
import Synchronization
import Testing

/// What a cell's end costs: the events that its node's policy gives up, and nothing else.
@Suite(.enabled(if: Fixture.hasCompiler)) struct CrashTests {
  private static func graph(_ count: Int, _ plugin: String, _ params: String, step: Int = 10_000_000) -> String {
    Bench.yaml(
      """
      s: { plugin: beat, params: { count: \(count), step: \(step) } }
      t: { plugin: \(plugin), from: s, params: { \(params) } }
      u: { plugin: trail, from: s }
      """)
  }

  /// Each event was handled once or given up once, and what was handled knows of all that was handled before it.
  private static func account(_ outcome: Outcome, events: Int, exact: Bool = true, _ what: Comment) {
    #expect(outcome.diagnostics.isEmpty, what)
    #expect(outcome.summary?.events == UInt64(events), what)
    let ticks = outcome.ticks("t.out").filter { $0.bid > 0 }
    let numbers = ticks.map { Int($0.bid) }
    #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "\(what): an event came out twice, or late")
    let node = outcome.node("t")
    let given = Int((node?.errors ?? 0) + (node?.dropped ?? 0))
    #expect(numbers.count + given == events, "\(what): \(numbers.count) handled and \(given) given up of \(events)")
    // `ask` is how many events the instance has seen, by its own count.
    if exact { #expect(ticks.enumerated().allSatisfy { Int($0.element.ask) == $0.offset + 1 }, "\(what): the state was not brought back whole") }
    #expect(outcome.rows("u.out").count == events, "\(what): another node missed events")
  }

  @Test(arguments: [1, 2, 3, 4, 6, 7, 8])
  func `an event that ends the cell costs that event, and the rest of the graph nothing`(_ how: Int) throws {
    var limits = CellLimits()
    limits.memoryBytes = 256 << 20
    limits.snapshotEvery = 50
    let outcome = try Cells.run(Self.graph(3000, "tally", "die_on: 1000, how: \(how)"), isolated: ["t"], limits: limits)
    Self.account(outcome, events: 3000, "how \(how)")
    #expect(outcome.log.contains { $0.node == "t" && $0.severity == .error && $0.text.contains("its cell") } || how == 8)
  }

  @Test func `a call that hangs is ended at its deadline`() throws {
    var limits = CellLimits()
    limits.deadlineNs = 200_000_000
    let outcome = try Cells.run(Self.graph(3000, "tally", "die_on: 1000, how: 5"), isolated: ["t"], limits: limits)
    Self.account(outcome, events: 3000, "a hang")
    #expect(outcome.log.contains { $0.text.contains("did not return from on_batch within 200 ms") })
  }

  @Test(arguments: [
    ("deadline: 200ms", 5, "did not return from on_batch within 200 ms"), ("cpu: 1s", 9, "SIGXCPU"), ("memory: 64MB, deadline: 20s", 6, "its cell"),
  ])
  func `the graph file says what one node's cell may take`(_ limits: String, _ how: Int, _ said: String) throws {
    let yaml = Self.graph(1000, "tally", "die_on: 500, how: \(how)").replacing("from: s, params: { die_on", with: "from: s, isolate: { \(limits) }, params: { die_on")
    // What the command line says for all cells would let each of them go on for long, or take much.
    var wide = CellLimits()
    wide.deadlineNs = 30_000_000_000
    wide.memoryBytes = 16 << 30
    let outcome = try Cells.run(yaml, isolated: ["t"], limits: wide)
    Self.account(outcome, events: 1000, "\(limits)")
    #expect(outcome.log.contains { $0.node == "t" && $0.text.contains(said) }, "\(outcome.log.map(\.text))")
  }

  @Test(arguments: ["tally", "tally-plain", "tally-block", "tally-timed"])
  func `random kills under load lose no event and double none`(_ plugin: String) throws {
    for seed in Seeded.seeds(1) {
      var random = Seeded(seed)
      let factory = CellFactory(executable: Cells.gantry)
      var limits = CellLimits()
      limits.snapshotEvery = [1, 64, 1000].randomElement(using: &random)!
      let kills = Atomic<Int>(0)
      let outcome = try Cells.run(
        Self.graph(400_000, plugin, plugin == "tally-timed" ? "timer_every: 50" : "random: 0", step: 1_000_000), isolated: ["t"], limits: limits,
        factory: factory,
        during: { run in
          for _ in 0..<5 {
            guard Cells.wait(20, for: { factory.cells.first?.isReady == true }), let pid = factory.cells.first?.pid else { break }
            let target = run.eventCount + UInt64.random(in: 0...2000, using: &random)
            if !Cells.wait(20, for: { run.eventCount >= target || run.eventCount >= 390_000 }) { break }
            if run.eventCount >= 390_000 { break }
            kill(pid, SIGKILL)
            kills.wrappingAdd(1, ordering: .relaxed)
            _ = Cells.wait(20, for: { factory.cells.first.map { !$0.isReady || $0.pid != pid } ?? true })
          }
        })
      // Without a state to save, only the last calls are known.
      Self.account(outcome, events: 400_000, exact: plugin != "tally-plain", "seed \(seed), \(plugin), snapshot every \(limits.snapshotEvery)")
      #expect(kills.load(ordering: .relaxed) > 0, "seed \(seed)")
    }
  }

  @Test func `a source whose cell is killed goes on where it was`() throws {
    let yaml = Bench.yaml("s: { plugin: beat, params: { count: 300000, step: 10 } }\nu: { plugin: trail, from: s }")
    let inside = try Cells.run(yaml, isolated: [])
    let factory = CellFactory(executable: Cells.gantry)
    let outcome = try Cells.run(
      yaml, isolated: ["s"], factory: factory,
      during: { run in
        for _ in 0..<3 {
          guard Cells.wait(20, for: { factory.cells.first?.isReady == true }), let pid = factory.cells.first?.pid else { break }
          let target = run.eventCount + 2000
          if !Cells.wait(20, for: { run.eventCount >= target }) { break }
          kill(pid, SIGKILL)
          _ = Cells.wait(20, for: { factory.cells.first.map { !$0.isReady || $0.pid != pid } ?? true })
        }
      })
    #expect(outcome.difference(from: inside) == nil)
    #expect(outcome.diagnostics.isEmpty)
    #expect(outcome.log.contains { $0.text.contains("is back") })
  }

  @Test(arguments: [1, 2])
  func `a cell that ends in configure or start keeps the graph from running and says why`(_ phase: Int) throws {
    let yaml = Self.graph(10, "doomed", "in: \(phase)")
    let outcome = try Cells.run(yaml, isolated: ["t"])
    #expect(outcome.diagnostics.contains { $0.text.contains("its cell ended by SIGILL") }, "\(outcome.diagnostics)")
  }

  @Test(arguments: [4, 5])
  func `a cell that ends in stop or flush is reported and the run has ended`(_ phase: Int) throws {
    let outcome = try Cells.run(Self.graph(10, "doomed", "in: \(phase)"), isolated: ["t"])
    #expect(outcome.rows("t.out").count == 10)
    #expect(outcome.diagnostics.contains { $0.text.contains("SIGILL") } || outcome.log.contains { $0.text.contains("SIGILL") })
  }

  @Test func `a cell has what it was granted and no more`() throws {
    let outcome = try Cells.run(Self.graph(2, "prowler", "die_on: 0"), isolated: ["t"])
    let answers = Dictionary(uniqueKeysWithValues: outcome.ticks("t.out").map { (Int($0.bid), Int32($0.ask)) })
    #expect(answers.count == 12, "\(outcome.diagnostics)")
    #expect(answers[0] == EACCES, "an Internet socket")
    #expect(answers[1] == EACCES, "a Unix socket")
    #expect(answers[4] == EPERM, "fork")
    #expect(answers[5] == EPERM || answers[5] == EACCES, "exec")
    #expect(answers[6] == EPERM, "a signal to the host")
    #expect(answers[7] == EPERM, "ptrace of the host")
    #expect(answers[8] == 0, "threads are allowed")
    #expect(answers[9] == 0, "randomness is allowed")
    #expect(answers[10] == ENOENT, "the host's environment")
    #expect(answers[11] == 0, "the host's descriptors")
    // Where the kernel has no landlock the host says so instead.
    if !outcome.log.contains(where: { $0.text.contains("no landlock") }) {
      #expect(answers[2] == EACCES, "the user's files")
      #expect(answers[3] == EACCES, "a new file")
    }
  }
}
