import GantryAdmin
import GantryBase
import GantryRuntime
import Glibc
import PluginHarness
import Testing

/// A host that was killed with -9 goes on where it was, when it is started with --resume.
@Suite struct RecoveryTests {
  private static let more = "events of the last run were followed"

  /// How many hosts of this folder went on behind a journal: their messages are in one file.
  private static func count(_ host: LiveGraph) -> Int { host.errors.split(separator: "\n").count { $0.contains(more) } }

  private func kill9(_ host: LiveGraph) throws {
    kill(host.pid, SIGKILL)
    _ = try host.end()
  }

  /// Bought and sold: a fill has come, and the journal's thread has had time to write it.
  private func traded(_ host: LiveGraph, since events: UInt64) throws {
    try until("orders are filled") { try host.status().run.gate.fills > 2 && host.status().run.events > events + 500 }
  }

  @Test func `a killed host knows its position, its columns and its ids when it is resumed`() throws {
    let folder = try LiveGraph.temporaryFolder()
    defer { _ = Glibc.system("rm -rf '\(folder)'") }
    var run = ""
    var followed: UInt64 = 0
    for round in 0..<3 {
      let host = try LiveGraph(folder: folder, arguments: ["--resume"])
      run = host.runFolder
      // Answered once it goes on by itself.
      let resumed = try host.status().run.events
      if round > 0 {
        #expect(Self.count(host) == round, "round \(round): \(host.errors)")
        // Warm from the first event on: no column is gathered anew.
        let features = try host.node("features")
        #expect(features.errors == 0 && resumed >= followed, "round \(round): \(resumed) of \(followed)")
      }
      try traded(host, since: resumed)
      // What is older than the last frame of the journal is in it.
      followed = resumed
      if round == 1 {
        // On probation when the end comes: it is taken back.
        let swap = try host.gantry("swap", "decide", "--set", "quantity=5000", "--probation", "1000000", "--cold")
        #expect(swap.code == 0, "\(swap.error)\(swap.out)\(host.errors)")
      }
      if round < 2 {
        try kill9(host)
      } else {
        #expect(try host.node("decide").errors == 0)
        #expect(try host.gantry("plan", "graph.yaml").out.contains("nothing would change"))
        #expect(try host.gantry("drain").code == 0)
        #expect(try host.end() == 0)
      }
    }
    // The last journal holds all three runs as one, and gives the same again without any end in between:
    // orders, fills, positions and account, bit for bit.
    let replay = try Verb.run(["replay", "\(run)/journal"], in: folder)
    #expect(replay.code == 0, "\(replay.error)\(replay.out)")
    #expect(replay.out.contains("identical"))
    // An end that was asked for leaves nothing to go on with.
    let host = try LiveGraph(folder: folder, arguments: ["--resume"])
    _ = try host.status()
    #expect(Self.count(host) == 2, "\(host.errors)")
  }

  @Test func `where the journal is gone the nodes begin anew, and orders are halted`() throws {
    let folder = try LiveGraph.temporaryFolder()
    defer { _ = Glibc.system("rm -rf '\(folder)'") }
    do {
      let host = try LiveGraph(folder: folder)
      try traded(host, since: 0)
      try kill9(host)
      #expect(Glibc.system("rm -rf '\(folder)/\(host.runFolder)/journal'") == 0)
    }
    let host = try LiveGraph(folder: folder, arguments: ["--resume"])
    _ = try host.status()
    #expect(host.errors.contains("journal.not-found") && host.errors.contains("the nodes begin anew"), "\(host.errors)")
    #expect(try host.status().halt != nil)
    #expect(try host.status().run.gate.fills == 0)
  }
}
