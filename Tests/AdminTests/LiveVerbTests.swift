import CLinux
import GantryAdmin
import GantryBase
import GantryRuntime
import Glibc
import Testing

/// Every verb against a real running host.
@Suite struct LiveVerbTests {
  @Test func `status shows every node, and stop ends the run with its summary`() throws {
    let host = try LiveGraph()
    try until("events flow") { try host.status().run.events > 50 }
    let found = try host.status()
    #expect(found.pid == host.pid)
    #expect(found.run.nodes.map(\.name) == ["ticks", "features", "model", "decide", "risk", "broker", "notify"])
    #expect(found.run.nodes[2].plugin.hasPrefix("linear@1."))
    #expect(found.run.nodes.allSatisfy { $0.breaker.state == "closed" && $0.generation > 0 && $0.sha256.count == 64 })
    #expect(found.generations.count == 7)
    #expect(found.control == "c.sock")
    let person = try host.gantry("status")
    #expect(person.code == 0)
    for word in ["quickstart", "live clock", "features", "gate open"] { #expect(person.out.contains(word), "\(word)") }
    let stop = try host.gantry("stop", "--json")
    #expect(stop.code == 0, "\(stop.error)")
    #expect(stop.lines.count == 2)
    let summary = try stop.result(RunSummary.self)
    #expect(summary.wasStopped)
    #expect(summary.events > 50)
    #expect(try host.end() == 0)
    #expect(access(host.socket, F_OK) != 0)
    #expect(try host.gantry("status").code == 69)
  }

  @Test func `a paused source gives nothing until it is resumed`() throws {
    let host = try LiveGraph()
    try until("events flow") { try host.status().run.events > 20 }
    #expect(try host.gantry("pause", "ticks").code == 0)
    // What was on its way when the pause came is run; then nothing moves any more.
    var last = try host.status().run.events
    try until("nothing moves") {
      let now = try host.status()
      #expect(now.run.nodes[0].isPaused == true)
      defer { last = now.run.events }
      return now.run.events == last
    }
    #expect(try host.gantry("pause", "ticks").out.contains("already"))
    #expect(try host.gantry("resume", "ticks").code == 0)
    try until("events flow again") { try host.status().run.events > last }
    let wrong = try host.gantry("pause", "decide")
    #expect(wrong.code == 2)
    #expect(wrong.error.contains("error[control.not-a-source]"))
    let unknown = try host.gantry("pause", "tick")
    #expect(unknown.code == 2)
    #expect(unknown.error.contains("did you mean ticks?"))
  }

  @Test func `drain runs out what was taken in, also from a paused source`() throws {
    let host = try LiveGraph()
    try until("events flow") { try host.status().run.events > 20 }
    _ = try host.gantry("pause", "ticks")
    let drain = try host.gantry("drain", "--json")
    #expect(drain.code == 0, "\(drain.error)")
    let summary = try drain.result(RunSummary.self)
    #expect(!summary.wasStopped)
    #expect(summary.nodes[1].events == summary.events)
    #expect(try host.end() == 0)
  }

  @Test func `a halt refuses orders at once, survives a restart, and unhalt ends it`() throws {
    let folder = try LiveGraph.temporaryFolder()
    defer { _ = Glibc.system("rm -rf '\(folder)'") }
    do {
      let host = try LiveGraph(folder: folder)
      try until("orders flow") { try host.status().run.gate.orders > 0 }
      #expect(try host.gantry("halt", "--reason", "a test").code == 0)
      let passed = try host.status().run.gate.orders
      try until("orders are refused") { try host.status().run.gate.refused > 0 }
      #expect(try host.status().run.gate.orders == passed)
      kill(host.pid, SIGKILL)
      _ = try host.end()
    }
    let host = try LiveGraph(folder: folder)
    try until("orders are refused") { try host.status().run.gate.refused > 0 }
    #expect(host.errors.contains("trading is halted"))
    let found = try host.status()
    #expect(found.run.gate.isHalted && found.run.gate.orders == 0)
    #expect(found.halt?.reason == "a test")
    #expect(found.halt?.by.contains("uid \(geteuid()), pid ") == true)
    #expect(try host.gantry("unhalt").code == 0)
    try until("orders flow") { try host.status().run.gate.orders > 0 }
    #expect(try host.status().halt == nil)
  }

  @Test func `loglevel changes what is logged, for all or for one node`() throws {
    let host = try LiveGraph()
    #expect(try host.gantry("loglevel", "debug").code == 0)
    #expect(try host.status().logLevel == "debug")
    #expect(try host.gantry("loglevel", "trace", "model").code == 0)
    #expect(try host.gantry("loglevel", "loud").code == 2)
    let unknown = try host.gantry("loglevel", "info", "modl")
    #expect(unknown.code == 2)
    #expect(unknown.error.contains("did you mean model?"))
  }

  @Test func `bad clients do not disturb a running host`() throws {
    let host = try LiveGraph()
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SplitMix(seed)
    var kept: [RawClient] = []
    for round in 0..<200 {
      let client = try RawClient(host.socket)
      switch random.next() % 4 {
      case 0: kept.append(client)
      case 1: client.send((0..<Int(random.next() % 2000)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
      case 2: client.send(#"{"gantry":1,"id":1,"verb":"sta"#)
      default: client.send([UInt8](repeating: 10, count: 500))
      }
      if round % 50 == 0 { #expect(try host.gantry("status").code == 0) }
    }
    #expect(try host.gantry("status").code == 0)
    #expect(!host.hasEnded)
  }

  @Test(.enabled(if: geteuid() == 0, "only root can become somebody else"))
  func `another user is refused, by the file's mode and by the host`() throws {
    guard Glibc.system("command -v setpriv >/dev/null") == 0 else { return }
    let host = try LiveGraph()
    let ask = "setpriv --reuid 65534 --clear-groups '\(LiveGraph.executable)' status --control '\(host.socket)' > '\(host.folder)/asked' 2>&1"
    chmod(host.folder, 0o755)
    #expect(Glibc.system(ask) >> 8 == 77)
    #expect(LiveGraph.read("\(host.folder)/asked").contains("control.not-allowed"))
    chmod(host.socket, 0o666)
    #expect(Glibc.system(ask) >> 8 == 77)
    #expect(LiveGraph.read("\(host.folder)/asked").contains("uid 65534 may not ask"))
    #expect(try host.gantry("status").code == 0)
  }
}
