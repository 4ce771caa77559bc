import BrokenPlugins
import GantryBase
import Glibc
import PluginHarness
import Testing

/// Exit codes and what is said with them, of the real executable.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ExitCodeTests {
  private func gantry(_ arguments: String..., in folder: String? = nil) throws -> Gantry { try Gantry.run(arguments, in: folder) }
  private let quickstart = "\(Fixture.root)/manifests/quickstart.yaml"

  @Test func `0: a run to its end, its summary as the last line`() throws {
    let folder = try Files.folder()
    let result = try gantry("run", quickstart, "--set", "ticks.count=5000", "--json", in: folder)
    #expect(result.code == 0, "\(result.error)")
    let summary = try result.decode(Summary.self)
    #expect(summary.events == 5000)
    #expect(summary.orders > 0 && summary.fills > 0 && !summary.wasStopped)
    #expect(summary.orderHash.count == 32)
    #expect(summary.netProfit != nil)
    #expect(summary.nodes.map(\.name) == ["ticks", "features", "model", "decide", "risk", "broker", "notify"])
    let journal = try #require(summary.journal)
    #expect(access("\(folder)/\(journal)", F_OK) == 0)
    #expect(access("\(folder)/run/latest/journal", F_OK) == 0)
    let person = try gantry("run", quickstart, "--set", "ticks.count=5000", "--no-run-folder", in: folder)
    #expect(person.code == 0)
    #expect(person.out.contains("order hash \(summary.orderHash)"))
    #expect(!person.out.contains("\u{1B}["))
  }

  @Test func `1: a run that failed`() throws {
    let graph = try Files.graph("s: { plugin: beat }\nf: { plugin: fan, from: s, params: { fail_from: 5, fail_to: 6 }, on_error: halt }")
    let result = try gantry("run", graph, "--plugins", Files.pluginFolder(), "--no-run-folder")
    #expect(result.code == 1)
    #expect(result.error.contains("error[runtime.node-failed]"))
    let json = try gantry("run", graph, "--plugins", Files.pluginFolder(), "--no-run-folder", "--json")
    #expect(json.code == 1)
    #expect(json.diagnostics.map(\.code) == ["runtime.node-failed"])
  }

  @Test(arguments: [
    ["fly"], ["run"], ["run", "a.yaml", "--fast"], ["run", "a.yaml", "--block", "0"], ["run", "a.yaml", "--block", "257"],
    ["run", "a.yaml", "--trace", "1/3"], ["run", "a.yaml", "--log", "loud"], ["replay"], ["check"], ["plugin", "inspect"],
  ])
  func `2: usage`(arguments: [String]) throws {
    let result = try Gantry.run(arguments)
    #expect(result.code == 2, "\(result.error)")
    #expect(result.out.isEmpty)
    #expect(!result.error.isEmpty)
  }

  @Test func `65: a file that is wrong or not there`() throws {
    let missing = try gantry("run", "/nowhere/graph.yaml")
    #expect(missing.code == 65)
    #expect(missing.error.contains("/nowhere/graph.yaml"))
    let wrong = try gantry("run", Files.graph("s: { plugin: synthetik }"), "--json")
    #expect(wrong.code == 65)
    #expect(wrong.diagnostics.first?.help.contains { $0.contains("synthetic") } == true)
    let data = try gantry("run", Files.graph("s: { plugin: replay, params: { path: /nowhere.csv, instrument: EURUSD } }"), "--no-run-folder")
    #expect(data.code == 65)
    #expect(data.error.contains("/nowhere.csv"))
    let source = try gantry(
      "run", Files.graph("s: { plugin: beat, params: { ending: 2 } }"), "--plugins", Files.pluginFolder(), "--no-run-folder")
    #expect(source.code == 65)
    #expect(source.error.contains("the tape broke"))
    #expect(try gantry("replay", "/nowhere/journal").code == 65)
    #expect(try gantry("plugin", "inspect", "/nowhere/libx.so").code == 65)
  }

  @Test func `77: what may not be loaded`() throws {
    let folder = try Files.folder()
    let plugins = folder + "/plugins"
    mkdir(plugins, 0o755)
    for id in ["synthetic", "log"] { try Files.copy("\(PluginHarness.productsFolder)/lib\(id).so", "\(plugins)/lib\(id).so") }
    let graph = folder + "/graph.yaml"
    func write(trust: String) throws {
      try Files.write(
        """
        graph: pinned
        plugins: { path: [plugins], trust: \(trust) }
        instruments: { EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx } }
        nodes:
          s: { plugin: synthetic, params: { count: 10 } }
          n: { plugin: log, from: s }

        """, graph)
    }
    try write(trust: "manifest")
    let without = try gantry("run", graph, "--no-run-folder", in: folder)
    #expect(without.code == 77)
    #expect(without.error.contains("error[loader.no-lock]"))
    #expect(try gantry("plugin", "add", "./plugins/libsynthetic.so", in: folder).code == 0)
    let unpinned = try gantry("run", graph, "--no-run-folder", in: folder)
    #expect(unpinned.code == 77, "\(unpinned.error)")
    #expect(unpinned.error.contains("liblog.so"))
    #expect(try gantry("plugin", "add", "log", "--plugins", "plugins", in: folder).code == 0)
    let pinned = try gantry("run", graph, "--no-run-folder", in: folder)
    #expect(pinned.code == 0, "\(pinned.error)")
    // One byte after the last segment: the same plugin to the system's loader, another to the lock.
    try Files.copy("\(PluginHarness.productsFolder)/liblog.so", "\(plugins)/liblog.so") { $0.append(0) }
    let changed = try gantry("run", graph, "--no-run-folder", "--json", in: folder)
    #expect(changed.code == 77)
    #expect(changed.diagnostics.map(\.code) == ["loader.pin-mismatch"])
    #expect(changed.diagnostics.first?.place?.line == 6)
    try write(trust: "signed")
    #expect(try gantry("run", graph, "--no-run-folder", in: folder).code == 77)
  }

  @Test func `help says what to do, for every verb`() throws {
    let all = try gantry("--help")
    #expect(all.code == 0)
    #expect(all.out.contains("Exit codes: 0 done; 1 the run failed; 2 usage; 65"))
    for verb in ["run", "backtest", "check", "graph", "test", "replay", "plugin list", "plugin inspect", "plugin add"] {
      let help = try Gantry.run(verb.split(separator: " ").map(String.init) + ["--help"])
      #expect(help.code == 0, "\(verb)")
      #expect(help.out.contains("EXAMPLES"), "\(verb)")
      #expect(help.out.contains("--json") || verb == "graph", "\(verb)")
    }
    #expect(try gantry("--version").out == gantryVersion + "\n")
    #expect(try gantry().code == 0)
  }

  @Test func `a reader that goes away ends nothing badly`() throws {
    let list = try Gantry.run(["plugin", "list"], closesOut: true)
    #expect(list.signal == 0)
    let folder = try Files.folder()
    let run = try Gantry.run(["run", quickstart, "--set", "ticks.count=2000", "--json", "--run-folder", "r"], in: folder, closesOut: true)
    #expect(run.signal == 0)
    #expect(try gantry("replay", "r/journal", in: folder).code == 0)
  }

  @Test func `a folder that cannot be made is named, with the way out`() throws {
    let folder = try Files.folder()
    try Files.write("", folder + "/file")
    let result = try gantry("run", quickstart, "--set", "ticks.count=10", "--run-folder", "file/run", in: folder)
    #expect(result.code == 1)
    #expect(result.error.contains("error[runtime.no-folder]"))
    #expect(result.error.contains("--run-folder"))
  }

  @Test func `neither a home nor any environment is needed`() throws {
    let result = try Gantry.run(["run", quickstart, "--set", "ticks.count=10", "--no-run-folder", "--json"], in: Files.folder(), environment: [:])
    #expect(result.code == 0, "\(result.error)")
  }

  @Test func `a folder that holds a journal is not written over`() throws {
    let folder = try Files.folder()
    #expect(try gantry("run", quickstart, "--set", "ticks.count=10", "--run-folder", "r", in: folder).code == 0)
    let again = try gantry("run", quickstart, "--set", "ticks.count=10", "--run-folder", "r", in: folder)
    #expect(again.code != 0)
    #expect(again.error.contains("error[journal.exists]"))
  }
}
