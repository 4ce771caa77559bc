import GantryAdmin
import GantryBase
import GantryRuntime
import Glibc
import Testing

@Suite struct WatchTests {
  @Test func `a file that is still being written is not taken, however long nothing happens`() {
    var settling = Settling(settleNs: 100)
    #expect(settling.dueNs == nil)
    settling.note(.writing, "a", nowNs: 0)
    #expect(settling.take(nowNs: 1000).isEmpty)
    settling.note(.changed, "a", nowNs: 1000)
    #expect(settling.take(nowNs: 1099).isEmpty)
    settling.note(.changed, "b", nowNs: 1050)
    #expect(settling.take(nowNs: 1149).isEmpty)
    #expect(settling.take(nowNs: 1150) == ["a", "b"])
    #expect(settling.take(nowNs: 9999).isEmpty)
  }

  @Test func `a writer that never closes does not hold a change for ever`() {
    var settling = Settling(settleNs: 100)
    settling.note(.writing, "a", nowNs: 0)
    #expect(settling.take(nowNs: Settling.patienceNs) == ["a"])
  }

  @Test func `the running graph follows its file, and half a file is never applied`() throws {
    let host = try LiveGraph(arguments: ["--watch"])
    try until("events flow") { try host.status().run.events > 20 }
    let path = "\(host.folder)/graph.yaml"
    let text = LiveGraph.quickstart.replacing("quantity: 10000", with: "quantity: 5000")
    // Half of it, which is a whole graph by itself, and the file stays open: it is not taken while
    // this process writes on.
    let file = try #require(fopen(path, "we"))
    let half = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(7).joined(separator: "\n") + "\n"
    fputs(half, file)
    fflush(file)
    fputs(String(text.dropFirst(half.count)), file)
    fclose(file)
    try until("the change is applied") { try host.history().changes.last?.outcome == "committed" }
    let changes = try host.history().changes
    #expect(changes.map(\.verb) == ["apply"])
    #expect(changes[0].by.hasSuffix("run --watch"))
    #expect(try host.status().run.nodes.map(\.name).count == 7)
    // A mistake changes nothing, is said, and the next change is taken.
    try LiveGraph.write(text.replacing("upper: 0.6", with: "uper: 0.6"), path)
    try until("the mistake is told") { host.errors.contains("did you mean upper?") }
    #expect(try host.history().changes.last?.outcome == "failed")
    try LiveGraph.write(text.replacing("upper: 0.6", with: "upper: 0.7"), path)
    try until("the next change is applied") { try host.history().changes.last?.outcome == "committed" }
    #expect(host.errors.contains("watch: applied as c3"))
  }
}
