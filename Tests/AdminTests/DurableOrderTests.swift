import BrokenPlugins
import CGantry
import GantryAdmin
import GantryRuntime
import Glibc
import PluginHarness
import Testing

/// Orders into a broker outside, with real processes: what the exchange sees is on the disk, and what happens
/// after a crash. The exchange is a folder that outlives the hosts.
@Suite(.enabled(if: Fixture.hasCompiler)) struct DurableOrderTests {
  @Test func `killed at random moments, the exchange has seen nothing that is not in the journal, and no order twice`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SplitMix(seed)
    let outpost = try Outpost()
    var bound: Set<UInt64> = []
    var openBefore: Set<UInt64> = []
    var seenBefore: Set<UInt64> = []
    var unsent = 0
    for round in 0..<22 {
      let host = try outpost.start()
      let start = outpost.seen.count
      let wanted = Int(random.next() % 12)
      try until("the exchange sees \(wanted) orders") { outpost.seen.count >= start + wanted && outpost.asked.count > round }
      for _ in 0..<Int(random.next() % 3000) { sched_yield() }
      try outpost.kill(host)

      let seen = outpost.seen
      #expect(Set(seen).count == seen.count, "round \(round): an order was seen twice")
      let journal = try outpost.last
      #expect(Set(journal.bound).isDisjoint(with: bound), "round \(round): an id names two orders")
      bound.formUnion(journal.bound)
      let strangers = Set(seen).subtracting(bound)
      #expect(strangers.isEmpty, "round \(round): \(strangers.count) orders reached the exchange before the disk, such as \(strangers.first ?? 0)")
      // What was open before is what the broker was asked about, and nothing of it was sent since.
      #expect(Set(outpost.asked[round]) == openBefore, "round \(round)")
      #expect(Set(journal.inherited) == openBefore, "round \(round)")
      for id in openBefore.subtracting(seenBefore) {
        // Killed before the answer was on the disk, it is asked about again.
        if journal.told[id] == nil {
          #expect(journal.open.contains(id), "round \(round): order \(id) was lost")
          continue
        }
        unsent += 1
        #expect(!seen.contains(id), "round \(round): order \(id) was sent after all")
        #expect(journal.told[id] == [GANTRY_EXEC_REJECTED] && journal.reasons[id] == GANTRY_REASON_UNKNOWN_ORDER, "round \(round): order \(id) was lost")
      }
      openBefore = journal.open
      seenBefore = Set(seen)
    }
    print("\(bound.count) orders, \(unsent) on the disk and not sent")
    #expect(bound.count > 20)
  }

  /// Waits until orders are written down and the disk keeps them from being sent. Their ids.
  private func heldOrders(_ outpost: Outpost, _ host: LiveGraph) throws -> Set<UInt64> {
    try until("orders flow") { outpost.seen.count > 3 }
    // Once it answers, all that it syncs at its start is done: the disk is to hold orders only.
    _ = try host.status()
    outpost.set("hold", true)
    func held() throws -> Set<UInt64> { Set(try outpost.last.bound).subtracting(outpost.seen) }
    try until("an order waits for the disk") { try !held().isEmpty }
    // Those that were on their way to the exchange when the disk began to hold arrive; the others stay.
    let events = try host.status().run.events
    try until("the lane goes on") { try host.status().run.events > events + 200 }
    return try held()
  }

  @Test func `an order waits for the disk, and one that was synced and not sent is reconciled after a crash`() throws {
    let outpost = try Outpost()
    let first = try outpost.start()
    let held = try heldOrders(outpost, first)
    #expect(!held.isEmpty)
    try outpost.kill(first)
    #expect(held.isDisjoint(with: outpost.seen))

    let position = outpost.position
    let second = try outpost.start()
    try until("orders pass again") { outpost.seen.contains { $0 >> 48 == 2 } }
    #expect(held.isSubset(of: outpost.asked[1]))
    #expect(second.errors.contains("have no known end"))
    kill(second.pid, SIGTERM)
    #expect(try second.end() == 0)
    let journal = try outpost.last
    for id in held { #expect(journal.told[id] == [GANTRY_EXEC_REJECTED] && journal.reasons[id] == GANTRY_REASON_UNKNOWN_ORDER) }
    #expect(held.isDisjoint(with: outpost.seen))
    #expect(Set(outpost.seen).count == outpost.seen.count)
    #expect(journal.positions == (position == 0 ? 0 : 1))
    // After an end in good order everything that was on its way has arrived.
    #expect(Set(journal.bound).subtracting(journal.refused).isSubset(of: outpost.seen))
    // The ids are the run's own, and a replay gives them again.
    let replay = try Verb.run(["replay", outpost.journals[1], "--plugins", try #require(second.arguments.last)], in: outpost.folder)
    #expect(replay.code == 0 && replay.out.contains("identical"), "\(replay.error)\(replay.out)")
  }

  @Test func `killed at random moments, a host that goes on has its nodes hear the end of every order, and gives no id twice`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SplitMix(seed)
    let outpost = try Outpost()
    var before = Outpost.Journaled()
    var retold = 0
    var unsent = 0
    for round in 0..<14 {
      let host = try outpost.start(Outpost.graph(), "--resume")
      let start = outpost.seen.count
      let wanted = 1 + Int(random.next() % 12)
      try until("the exchange sees \(wanted) orders") { outpost.seen.count >= start + wanted }
      if round > 0 { #expect(host.errors.contains("the run goes on from there"), "round \(round): \(host.errors)") }
      for _ in 0..<Int(random.next() % 3000) { sched_yield() }
      try outpost.kill(host)

      let seen = outpost.seen
      #expect(Set(seen).count == seen.count, "round \(round): an order was seen twice")
      let journal = try outpost.last
      #expect(Set(journal.bound).count == journal.bound.count, "round \(round): an id names two orders")
      #expect(Set(seen).isSubset(of: journal.bound), "round \(round): orders reached the exchange before the disk")
      // Of the orders of before, all that the nodes had heard no end of are asked about, and what else is, was never sent.
      let asked = Set(outpost.asked[round])
      #expect(before.openToNodes.isSubset(of: asked), "round \(round)")
      #expect(asked.subtracting(before.openToNodes).isDisjoint(with: seen), "round \(round)")
      #expect(asked.isSubset(of: journal.bound), "round \(round)")
      retold += before.openToNodes.subtracting(before.open).count
      unsent += asked.subtracting(seen).count
      // The nodes have heard of each what became of it.
      for id in asked {
        let end = seen.contains(id) ? (id % 2 == 0 ? GANTRY_EXEC_FILL : GANTRY_EXEC_ACCEPTED) : GANTRY_EXEC_REJECTED
        // Killed before the answer was on the disk, they hear it next time.
        if let heard = journal.heard[id] { #expect(heard.contains(end), "round \(round): order \(id), of which was heard \(heard)") }
      }
      before = journal
    }
    print("\(before.bound.count) orders, \(retold) answers told again, \(unsent) never sent")

    let last = try outpost.start(Outpost.graph(), "--resume")
    let start = outpost.seen.count
    try until("orders flow") { outpost.seen.count > start + 20 }
    #expect(try last.status().run.gate.isOpen)
    kill(last.pid, SIGTERM)
    #expect(try last.end() == 0, "\(last.errors)")
    // All that was open when the last host was killed is known, and the journal of all hosts is one run.
    let journal = try outpost.last
    let working = outpost.seen.filter { $0 % 2 != 0 }
    #expect(journal.openToNodes.intersection(before.bound) == Set(working).intersection(before.bound))
    let replay = try Verb.run(["replay", outpost.journals.last!, "--plugins", last.arguments[1]], in: outpost.folder)
    #expect(replay.code == 0 && replay.out.contains("identical"), "\(replay.error)\(replay.out)")
  }

  @Test func `a broker that does not answer, or does not say all, keeps orders waiting without a word about them`() throws {
    let outpost = try Outpost()
    let first = try outpost.start()
    let held = try heldOrders(outpost, first)
    try outpost.kill(first)
    let seen = outpost.seen

    outpost.set("silent", true)
    let second = try outpost.start()
    try until("it is asked again") { outpost.asked.count >= 4 }
    try until("orders are refused meanwhile") { try second.status().run.gate.refused > 20 }
    let gate = try second.status().run.gate
    #expect(gate.unsettledBrokers == ["broker"] && !gate.isOpen && gate.orders == 0)
    #expect(try second.gantry("status").out.contains("closed until broker has said how things stand"))
    #expect(outpost.asked.allSatisfy { $0.isEmpty || Set($0) == Set(outpost.asked[1]) })
    outpost.set("mute", true)
    outpost.set("silent", false)
    try until("its silence about an order is noticed") { second.errors.contains("it reconciled without a word about order") }
    #expect(outpost.seen == seen)
    outpost.set("mute", false)
    try until("orders pass") { outpost.seen.count > seen.count }
    #expect(try second.status().run.gate.isOpen)
    kill(second.pid, SIGTERM)
    #expect(try second.end() == 0)
    let journal = try outpost.last
    // No order had an end before the broker gave it one.
    for id in held { #expect(journal.told[id] == [GANTRY_EXEC_REJECTED]) }
    #expect(journal.refused.isDisjoint(with: outpost.seen))
    #expect(Set(journal.bound) == journal.refused.union(outpost.seen.filter { $0 >> 48 == 2 }))
  }

  @Test func `a journal that cannot be synced closes the gate`() throws {
    let outpost = try Outpost()
    let host = try outpost.start(Outpost.graph(), "--trace", "off")
    try until("orders flow") { outpost.seen.count > 3 }
    _ = try host.status()
    outpost.set("fail", true)
    try until("the gate is closed") { try host.status().run.gate.isUnsynced }
    let seen = try settled { outpost.seen }
    try until("orders are refused") { try host.status().run.gate.refused > 50 }
    #expect(outpost.seen == seen, "orders were sent that are not on the disk")
    #expect(host.errors.contains("the order gate is closed: the journal cannot be written"), "\(host.errors)")
    #expect(try host.gantry("status").out.contains("closed, for the journal cannot be written"))
    // All that were sent are in what was written; all others came back.
    let journal = try outpost.last
    #expect(Set(seen).isSubset(of: journal.bound))
    let status = try host.status().run
    let emitted = try #require(status.nodes.first { $0.name == "risk" }).emitted
    #expect(status.gate.orders + status.gate.refused + 20 >= emitted, "\(emitted) orders were emitted, and of \(status.gate) was heard")
    kill(host.pid, SIGTERM)
    #expect(try host.end() == 1)
  }

  /// A value that has stayed the same while the host handled events.
  private func settled<Value: Equatable>(_ value: () throws -> Value) throws -> Value {
    var last = try value()
    var same = 0
    try until("it comes to rest") {
      let now = try value()
      same = now == last ? same + 1 : 0
      last = now
      return same > 50
    }
    return last
  }

  @Test func `a broker outside is handed over on the durable edge, and is asked before orders pass again`() throws {
    let outpost = try Outpost()
    let host = try outpost.start()
    try until("orders flow") { outpost.seen.count > 3 }
    for build in 1...5 {
      let asked = outpost.asked.count
      let swap = try host.gantry("swap", "broker", "--set", "build=\(build)", "--cold", "--probation", "0", "--wait")
      #expect(swap.code == 0, "\(swap.error)\(swap.out)")
      let seen = outpost.seen.count
      try until("orders flow again") { outpost.seen.count > seen && outpost.asked.count > asked }
    }
    kill(host.pid, SIGTERM)
    #expect(try host.end() == 0, "\(host.errors)")
    let journal = try outpost.last
    #expect(Set(outpost.seen).count == outpost.seen.count)
    #expect(Set(journal.bound) == journal.refused.union(outpost.seen))
    #expect(journal.refused.isDisjoint(with: outpost.seen))
  }

  @Test func `without gantry.reconcile a person decides after a crash`() throws {
    let outpost = try Outpost()
    let first = try outpost.start(Outpost.graph(plugin: "outpost-dumb"))
    _ = try heldOrders(outpost, first)
    try outpost.kill(first)
    let seen = outpost.seen
    let second = try outpost.start(Outpost.graph(plugin: "outpost-dumb"))
    try until("orders are refused") { try second.status().run.gate.refused > 5 }
    #expect(try second.status().run.gate.isHalted && outpost.seen == seen)
    #expect(second.errors.contains("broker cannot be asked"), "\(second.errors)")
    #expect(try second.gantry("unhalt").code == 0)
    try until("orders pass") { outpost.seen.count > seen.count }
    kill(second.pid, SIGTERM)
    #expect(try second.end() == 0)
    #expect(Set(outpost.seen).count == outpost.seen.count)
  }

  @Test func `a broker outside is refused without a journal and on recorded quotes`() throws {
    let outpost = try Outpost()
    let host = try outpost.start()
    kill(host.pid, SIGTERM)
    #expect(try host.end() == 0)
    let plugins = try #require(host.arguments.last)
    for (verb, code) in [
      ("run graph.yaml --no-control --no-journal", "runtime.broker-no-journal"),
      ("run graph.yaml --no-control --no-run-folder", "runtime.broker-no-journal"),
      ("backtest graph.yaml", "runtime.broker-replay"),
    ] {
      let refused = try Verb.run(verb.split(separator: " ").map(String.init) + ["--plugins", plugins], in: outpost.folder)
      #expect(refused.code != 0 && refused.error.contains(code), "\(verb): \(refused.code) \(refused.error)")
    }
    // Neither is one whose state names a journal that is gone.
    _ = Glibc.system("rm -rf '\(outpost.journals[0])'")
    let lost = try Verb.run(["run", "graph.yaml", "--no-control", "--plugins", plugins], in: outpost.folder)
    #expect(lost.code != 0 && lost.error.contains("orders.no-journal"), "\(lost.error)")
  }
}
