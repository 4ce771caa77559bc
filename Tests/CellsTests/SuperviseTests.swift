import BrokenPlugins
import GantryBase
@testable import GantryRuntime
import Glibc
import Testing

/// What is written down when a host dies, and what comes after it. All of it with the real executable.
@Suite(.enabled(if: Fixture.hasCompiler)) struct SuperviseTests {
  private static func graph(_ nodes: String, count: Int = 3000) -> String {
    """
    graph: crashes
    clock: replay
    plugins: { path: [plugins] }
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD }
    nodes:
      s: { plugin: beat, params: { count: \(count), step: 1000 } }
    \(nodes)

    """
  }

  private static let quiet = "--no-control --state state --run-folder run"

  @Test(arguments: [("tally", 2, SIGSEGV, UInt64(1000)), ("tally", 1, SIGILL, 1000), ("tally", 3, SIGABRT, 1000), ("tally-block", 1, SIGILL, 769), ("tally", 7, SIGSEGV, 1000)])
  func `a crash leaves a record of node, plugin, chain and signal`(_ plugin: String, _ how: Int, _ signal: Int32, _ chain: UInt64) throws {
    let host = try Host(Self.graph("  t: { plugin: \(plugin), from: s, params: { die_on: 1000, how: \(how) } }"))
    let end = try host.run("run graph.yaml --no-control --run-folder run")
    #expect(end.code == 128 + signal, "\(end.errors)")
    let record = try #require(CrashRecord.read("\(host.folder)/run/crash.json"), "\(end.errors)")
    #expect(record.what == "signal" && record.signal == signal)
    #expect(record.node == "t" && record.plugin == "\(plugin)@1.0.0")
    #expect((record.generation ?? 0) > 0)
    #expect(record.lane == "main" && record.phase == "event")
    #expect(record.chain == chain)
    if how == 2 { #expect(record.address == "0x8") }
  }

  @Test func `a crash on the control thread leaves a record of its phase`() throws {
    let host = try Host(Self.graph("  t: { plugin: doomed, from: s, params: { in: 2 } }"))
    let end = try host.run("run graph.yaml --no-control --run-folder run")
    let record = try #require(CrashRecord.read("\(host.folder)/run/crash.json"), "\(end.errors)")
    #expect(record.node == "t" && record.phase == "start" && record.signal == SIGILL)
  }

  @Test func `a run that ends well leaves no record`() throws {
    let host = try Host(Self.graph("  t: { plugin: tally, from: s }"))
    #expect(try host.run("run graph.yaml --no-control --run-folder run").code == 0)
    #expect(access("\(host.folder)/run/crash.json", F_OK) != 0)
  }

  @Test func `a lane that hangs is named, and a supervised host ends`() throws {
    let host = try Host(Self.graph("  t: { plugin: doomed, from: s, params: { in: 3, how: 5 } }"))
    let end = try host.run("run graph.yaml --no-control --run-folder run --hang-after 0.3", environment: "GANTRY_SUPERVISED=\(host.folder)/note")
    #expect(end.code == ExitCode.bug.rawValue)
    #expect(end.errors.contains("HANG"))
    let record = try #require(CrashRecord.read("\(host.folder)/run/crash.json"), "\(end.errors)")
    #expect(record.what == "hang" && record.node == "t")
  }

  @Test func `supervise runs the node that crashed in a cell, and the graph comes to its end`() throws {
    let host = try Host(Self.graph("  t: { plugin: tally, from: s, params: { die_on: 1000 } }"))
    let end = try host.run("supervise graph.yaml --no-control --state state")
    #expect(end.code == 0, "\(end.errors)")
    #expect(end.errors.contains("SIGILL while node t (tally@1.0.0"), "\(end.errors)")
    #expect(end.errors.contains("with t in a cell"))
    #expect(access("\(host.folder)/state/halt", F_OK) != 0, "one crash of a replay halts nothing")
  }

  @Test func `two crashes in a row halt orders`() throws {
    let host = try Host(
      Self.graph("  t: { plugin: tally, from: s, params: { die_on: 1000 } }\n  u: { plugin: tally, from: s, params: { die_on: 2000 } }"))
    let end = try host.run("supervise graph.yaml --no-control --state state")
    #expect(end.code == 0, "\(end.errors)")
    #expect(host.text("state/halt").contains("2 crashes in a row"), "\(end.errors)")
    #expect(end.errors.contains("with t, u in a cell"), "\(end.errors)")
  }

  @Test func `a host that ends by itself is not started again`() throws {
    let host = try Host(Self.graph("  t: { plugin: nothing, from: s }"))
    let end = try host.run("supervise graph.yaml --no-control --state state")
    #expect(end.code == ExitCode.badInput.rawValue)
    #expect(!end.errors.contains("starting it again"))
  }

  @Test func `a stopped or killed supervisor leaves no process behind`() throws {
    for signal in [SIGTERM, SIGKILL] {
      let host = try Host(Self.graph("  t: { plugin: tally, from: s, isolate: process }", count: 2_000_000_000))
      let supervisor = try host.start("supervise graph.yaml --no-control --state state")
      var run: pid_t = 0
      var cell: pid_t = 0
      #expect(
        Cells.wait {
          run = Host.children(of: supervisor).first ?? 0
          cell = run > 0 ? Host.children(of: run).first ?? 0 : 0
          return cell > 0
        }, "\(host.text("err.txt"))")
      kill(supervisor, signal)
      let end = host.end(supervisor)
      if signal == SIGTERM { #expect(end.code == 0, "\(end.errors)") }
      #expect(Cells.wait { !Cells.isAlive(run) && !Cells.isAlive(cell) }, "signal \(signal)")
    }
  }

  @Test func `a host that is killed leaves no cell behind`() throws {
    let host = try Host(Self.graph("  t: { plugin: tally, from: s, isolate: process }\n  u: { plugin: trail, from: t, isolate: process }", count: 2_000_000_000))
    let run = try host.start("run graph.yaml --no-control --run-folder run")
    var cells: [pid_t] = []
    #expect(
      Cells.wait {
        cells = Host.children(of: run)
        return cells.count == 2
      }, "\(host.text("err.txt"))")
    kill(run, SIGKILL)
    _ = host.end(run)
    #expect(Cells.wait { cells.allSatisfy { !Cells.isAlive($0) } })
  }
}
