@testable import GantryAdmin
import GantryBase
import GantryRuntime
import Glibc
import Testing

@Suite struct AuditTests {
  /// A state folder with some changes in its log.
  private func made() throws -> (folder: String, path: String) {
    let path = try LiveGraph.temporaryFolder() + "/state"
    let history = try History(StateFolder(path: path))
    try history.started(by: "a test", about: "graph.yaml")
    for number in 1...5 {
      let id = try history.begin("swap", about: "model", by: "uid 0, pid 1, a test")
      #expect(id == "c\(number)")
      history.step(id, "flip", "now")
      try history.end(id, outcome: "committed", version: number + 1)
    }
    return (path, path + "/audit.log")
  }

  private func check(_ folder: String) throws -> AuditCheck {
    try #require(LiveHost.HistoryAnswer(state: folder, limit: 10, verify: true).check)
  }

  @Test func `a log that nobody touched is whole, and its changes come back`() throws {
    let (folder, _) = try made()
    #expect(try check(folder).problem == nil)
    #expect(try check(folder).entries == 16)
    let history = try History(StateFolder(path: folder))
    #expect(history.log.findings.isEmpty)
    #expect(history.changes.map(\.id) == ["c1", "c2", "c3", "c4", "c5"])
    #expect(history.changes.allSatisfy { $0.outcome == "committed" && $0.steps.map(\.step) == ["flip"] })
    #expect(history.changes.map(\.version) == [2, 3, 4, 5, 6])
    #expect(try history.begin("apply", about: nil, by: "a test") == "c6")
  }

  @Test func `of many changes the newest are in memory and all are in the log`() throws {
    let path = try LiveGraph.temporaryFolder() + "/state"
    let (count, keptMax) = (100, 20)
    do {
      let history = try History(StateFolder(path: path), keptMax: keptMax)
      let unending = try history.begin("swap", about: "model", by: "a test")
      for number in 2...count {
        let id = try history.begin("swap", about: "model", by: "a test")
        history.step(id, "flip", "now")
        try history.end(id, outcome: "committed", version: number)
      }
      #expect((keptMax...keptMax / 2 * 3 + 1).contains(history.keptCount), "\(history.keptCount)")
      #expect(history.newest(15).count == count)
      #expect(history.newest(15).changes.map(\.id) == (count - 14...count).map { "c\($0)" })
      #expect(history.newest(count - 5).changes.first?.id == "c6")
      #expect(history.change("c7")?.version == 7 && history.change("c7")?.steps.count == 1)
      #expect(history.change("c\(count + 1)") == nil)
      // One that goes on stays, however old it is.
      #expect(history.change(unending)?.outcome == nil)
      try history.end(unending, outcome: "reverted")
      #expect(history.change(unending)?.outcome == "reverted")
      #expect(history.changes.count == count)
    }
    // The folder is free again.
    let again = try History(StateFolder(path: path), keptMax: keptMax)
    #expect(again.newest(1).count == count && again.change("c7")?.version == 7)
    #expect(try again.begin("swap", about: nil, by: "a test") == "c\(count + 1)")
  }

  @Test(arguments: ["changed", "removed", "swapped", "inserted", "cut", "garbage"])
  func `tampering is found, and never continued silently`(kind: String) throws {
    let (folder, path) = try made()
    var lines = LiveGraph.read(path).split(separator: "\n").map(String.init)
    switch kind {
    case "changed": lines[4] = lines[4].replacing("model", with: "risks")
    case "removed": lines.remove(at: 6)
    case "swapped": lines.swapAt(4, 7)
    case "inserted": lines.insert(lines[5], at: 6)
    case "cut": lines.removeLast(2)
    default: lines[8] = "{}"
    }
    try LiveGraph.write(lines.joined(separator: "\n") + "\n", path)
    #expect(try check(folder).problem != nil)
    let history = try History(StateFolder(path: folder))
    #expect(history.log.findings.map(\.code) == ["audit.broken"])
    #expect(history.log.entries.map(\.event) == [.mended])
    // The broken one is kept, and the new one says so from its first line on.
    let kept = try #require(history.log.entries.first?.about)
    #expect(LiveGraph.read("\(folder)/\(kept)") == lines.joined(separator: "\n") + "\n")
    #expect(try check(folder).problem == nil)
  }

  @Test func `a line that a crash has torn is cut off, and that is said`() throws {
    let (folder, path) = try made()
    try LiveGraph.write(LiveGraph.read(path) + "{\"by\":\"uid", path)
    let history = try History(StateFolder(path: folder))
    #expect(history.log.findings.map(\.code) == ["audit.torn"])
    #expect(history.changes.count == 5)
    #expect(try check(folder).problem == nil)
    #expect(try check(folder).entries == 17)
  }

  @Test func `a state folder has one host at a time`() throws {
    let path = try LiveGraph.temporaryFolder() + "/state"
    let first = try StateFolder(path: path)
    #expect(throws: GantryError.self) { try StateFolder(path: path) }
    withExtendedLifetime(first) {}
  }

  @Test func `the history of a live host is there, after a restart too`() throws {
    let folder = try LiveGraph.temporaryFolder()
    defer { _ = Glibc.system("rm -rf '\(folder)'") }
    do {
      let host = try LiveGraph(folder: folder)
      _ = try host.gantry("pause", "ticks")
      _ = try host.gantry("resume", "ticks")
      _ = try host.gantry("pause", "nobody")
      let changes = try host.history().changes
      #expect(changes.map(\.verb) == ["pause", "resume", "pause"])
      #expect(changes.map(\.outcome) == ["done", "done", "failed"])
      #expect(changes.allSatisfy { $0.by.hasPrefix("uid \(geteuid()), pid ") })
      kill(host.pid, SIGKILL)
      _ = try host.end()
    }
    let offline = try Verb.run(["history", "--state", "run/state/quickstart", "--verify"], in: folder)
    #expect(offline.code == 0, "\(offline.error)")
    #expect(offline.out.contains("the audit log is whole"))
    let host = try LiveGraph(folder: folder)
    #expect(try host.history().changes.map(\.id) == ["c1", "c2", "c3"])
    #expect(try host.gantry("halt").code == 0)
    #expect(try host.history().changes.map(\.id) == ["c1", "c2", "c3", "c4"])
    #expect(try host.gantry("history", "c4").out.contains("asked by uid"))
    #expect(try host.gantry("history", "c9").code == 2)
    #expect(try host.gantry("history", "--verify").code == 0)
    // Somebody edits the log under the running host.
    let path = "\(folder)/run/state/quickstart/audit.log"
    try LiveGraph.write(LiveGraph.read(path).replacing("nobody", with: "ticks"), path)
    let broken = try host.gantry("history", "--verify")
    #expect(broken.code == 1)
    #expect(broken.error.contains("error[audit.broken]"))
  }
}
