import BrokenPlugins
import GantryAdmin
import GantryRuntime
import Glibc
import Testing

/// `gantry swap --convert`: states between versions, up and down, by the real command line.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ConverterTests {
  @Test func `a converter takes the state up to a new version and down again, and the replay does so too`() throws {
    let folder = try LiveGraph.temporaryFolder()
    defer { _ = Glibc.system("rm -rf '\(folder)'") }
    let file = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/SwapPlugins/plugins.c", as: "libswap.so")
    for id in ["meter", "meter-two", "meter-convert"] { symlink(file, "\(folder)/lib\(id).so") }
    let graph = """
      graph: convert
      clock: live
      instruments:
        EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
      nodes:
        ticks: { plugin: synthetic, params: { count: 0, seed: 42, interval: 1ms, speed: real } }
        meter: { plugin: meter, from: ticks }

      """
    try LiveGraph.write(graph, "\(folder)/graph.yaml")
    let host = try LiveGraph(folder: folder, arguments: ["--plugins", folder])
    try until("events flow") { try host.status().run.events > 100 }
    let without = try host.gantry("swap", "meter", "--with", "meter-two@1.0.0", "--wait", "--json")
    #expect(without.code != 0)
    #expect(without.out.contains("swap.state-refused") || without.out.contains("swap.rehearsal-failed"), "\(without.out)")
    let wrong = try host.gantry("swap", "meter", "--with", "meter-two@1.0.0", "--convert", "\(folder)/libmeter.so@", "--json")
    #expect(wrong.code != 0)
    let none = try host.gantry("swap", "meter", "--with", "meter-two@1.0.0", "--convert", "meter@1.0.0", "--json")
    #expect(none.out.contains("swap.no-converter"), "\(none.out)\(none.error)")
    let other = try host.gantry("swap", "meter", "--with", "meter-two@1.0.0", "--convert", "meter-convert@7.0.0", "--json")
    #expect(other.out.contains("swap.other-version"), "\(other.out)\(other.error)")

    let up = try host.gantry("swap", "meter", "--with", "meter-two@1.0.0", "--convert", "meter-convert@1.0.0", "--wait", "--json")
    #expect(up.code == 0, "\(up.out)\(up.error)")
    #expect(try up.result(LiveHost.SwapAnswer.self).report.stateBytes >= 16)
    #expect(try host.node("meter").plugin.contains("meter-two"))
    let down = try host.gantry("swap", "meter", "--with", "meter@1.0.0", "--convert", "\(folder)/libmeter-convert.so", "--wait", "--json")
    #expect(down.code == 0, "\(down.out)\(down.error)")
    #expect(try host.gantry("history", "--json").out.contains("meter-convert@1.0.0 sha256"))
    let stop = try host.gantry("stop")
    #expect(stop.code == 0, "\(stop.error)")
    #expect(try host.end() == 0)
    let record = LiveGraph.read("\(folder)/\(host.runFolder)/journal/changes/2.json")
    #expect(record.contains("meter-convert"), "\(record)")
    let replay = try Verb.run(["replay", "\(host.runFolder)/journal", "--plugins", folder], in: folder)
    #expect(replay.code == 0, "\(replay.out)\(replay.error)")
    #expect(replay.out.contains("identical"))
  }
}
