import BrokenPlugins
import GantryBase
import Glibc
import PluginHarness
import Testing

/// What each verb does, with the real executable.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct VerbTests {
  private func gantry(_ arguments: String..., in folder: String? = nil) throws -> Gantry { try Gantry.run(arguments, in: folder) }
  private let quickstart = "\(Fixture.root)/manifests/quickstart.yaml"

  // MARK: check

  private struct Checked: Decodable {
    var files: [String]
    var errors: Int
    var diagnostics: [Diagnostic]
  }

  @Test func `check reports every mistake at once, each with its place`() throws {
    let graph = try Files.graph(
      """
      s: { plugin: synthetic, params: { cuont: 10 } }
      f: { plugin: indicators, from: [s], params: { columns: [ema_ten] }, lame: x }
      d: { plugin: threshold, from: nobody }
      """)
    let result = try gantry("check", graph)
    #expect(result.code == 65)
    for place in ["graph.yaml:6:", "graph.yaml:7:", "graph.yaml:8:"] { #expect(result.error.contains(place), "\(place)") }
    #expect(result.error.contains("did you mean count?"))
    #expect(result.error.contains("^^^"))
    let json = try gantry("check", graph, "--json")
    #expect(json.code == 65)
    let checked = try json.decode(Checked.self)
    #expect(checked.errors >= 3)
    #expect(Set(checked.diagnostics.compactMap(\.place?.line)).isSuperset(of: [6, 7, 8]))
    #expect(checked.diagnostics.allSatisfy { $0.place?.column ?? 1 > 0 })
  }

  @Test func `check configures the nodes, so that columns are checked against each other`() throws {
    let graph = try Files.graph(
      """
      s: { plugin: synthetic }
      f: { plugin: indicators, from: s, params: { columns: [ema_10] } }
      m: { plugin: linear, from: f, params: { artifact: \(Fixture.root)/manifests/models/ema_cross.json } }
      """)
    let result = try gantry("check", graph)
    #expect(result.code == 65)
    #expect(result.error.contains("ema_20"))
    #expect(result.error.contains("graph.yaml:8:"))
  }

  @Test func `check blames a plugin that crashes and goes on with the next file`() throws {
    let bad = try Files.graph("s: { plugin: beat }\nb: { plugin: ill, from: s, params: { in: 6 } }")
    let result = try gantry("check", bad, quickstart, "--plugins", Files.pluginFolder())
    #expect(result.code == 65)
    #expect(result.signal == 0)
    #expect(result.error.contains("error[check.plugin-crashed]"))
    #expect(result.error.contains("while configuring b (ill)"))
    #expect(result.out.contains("quickstart.yaml: ok"))
  }

  @Test func `the project's own graphs are right`() throws {
    let result = try gantry("check", quickstart, "\(Fixture.root)/manifests/ema-cross.yaml")
    #expect(result.code == 0, "\(result.error)")
    #expect(result.out.split(separator: "\n").allSatisfy { $0.hasSuffix(": ok") })
  }

  // MARK: plugin

  private struct Listed: Decodable {
    struct Entry: Decodable {
      var path: String
      var plugin: PluginDescription?
    }
    var plugins: [Entry]
  }
  private struct Inspected: Decodable { var plugins: [PluginDescription] }

  @Test func `plugin list shows what is installed`() throws {
    let person = try gantry("plugin", "list")
    #expect(person.code == 0)
    for id in ["indicators@", "paper@", "threshold@"] { #expect(person.out.contains(id)) }
    let listed = try gantry("plugin", "list", "--json").decode(Listed.self)
    let own = ["indicators", "limits", "linear", "log", "paper", "replay", "synthetic", "threshold"]
    #expect(Set(listed.plugins.compactMap(\.plugin?.id)).isSuperset(of: own))
  }

  @Test func `a plugin that crashes when looked at hides no other`() throws {
    let folder = try Files.folder()
    try Files.copy(Fixture.plugin("TrapsInEntry"), folder + "/libbroken.so")
    let result = try gantry("plugin", "list", "--plugins", folder)
    #expect(result.signal == 0)
    #expect(result.out.contains("paper@"))
    #expect(result.error.contains("error[loader.crashed]"))
  }

  @Test func `plugin inspect shows ports, parameters, effects and needs`() throws {
    let person = try gantry("plugin", "inspect", "limits")
    #expect(person.code == 0)
    for word in ["inputs", "outputs", "parameters", "max_position", "effects none", "needs nothing"] { #expect(person.out.contains(word), "\(word)") }
    let path = "\(PluginHarness.productsFolder)/liblimits.so"
    let found = try gantry("plugin", "inspect", path, "--json").decode(Inspected.self)
    #expect(found.plugins.map(\.id) == ["limits"])
    #expect(found.plugins[0].parameters.contains { $0.name == "max_position" })
    let unknown = try gantry("plugin", "inspect", "limit", "--json")
    #expect(unknown.code == 65)
    #expect(unknown.diagnostics.first?.help.first == "did you mean limits?")
  }

  @Test func `plugin add pins by hash, and again changes nothing`() throws {
    let folder = try Files.folder()
    let first = try gantry("plugin", "add", "paper", "limits", in: folder)
    #expect(first.code == 0)
    #expect(first.out.contains("sha256"))
    func lock() -> String {
      guard let file = fopen(folder + "/plugins.lock", "r") else { return "" }
      defer { fclose(file) }
      var buffer = [UInt8](repeating: 0, count: 65_536)
      return String(decoding: buffer[..<fread(&buffer, 1, buffer.count, file)], as: UTF8.self)
    }
    let text = lock()
    #expect(text.contains("paper") && text.contains("limits"))
    #expect(try gantry("plugin", "add", "paper", in: folder).code == 0)
    #expect(lock() == text)
  }

  // MARK: --set, profiles

  @Test func `--set overrides a parameter, and a wrong one is a mistake with a place`() throws {
    let result = try gantry("run", quickstart, "--set", "ticks.count=123", "--no-run-folder", "--json")
    #expect(try result.decode(Summary.self).events == 123)
    let wrong = try gantry("run", quickstart, "--set", "tick.count=1", "--json")
    #expect(wrong.code == 65)
    #expect(wrong.diagnostics.first?.help.contains { $0.contains("ticks") } == true)
    #expect(try gantry("run", quickstart, "--set", "ticks.count").code == 65)
    #expect(try gantry("run", quickstart, "--set", "ticks.count=many").code == 65)
  }

  @Test func `a profile changes the graph`() throws {
    let graph = try Files.graph(
      "s: { plugin: synthetic, params: { count: 50 } }\nn: { plugin: log, from: s, params: { every: 1000 } }",
      tail: "profiles:\n  short: { nodes: { s: { params: { count: 7 } } } }")
    #expect(try gantry("run", graph, "--no-run-folder", "--json").decode(Summary.self).events == 50)
    #expect(try gantry("run", graph, "--profile", "short", "--no-run-folder", "--json").decode(Summary.self).events == 7)
    let unknown = try gantry("run", graph, "--profile", "shrot")
    #expect(unknown.code == 65)
    #expect(unknown.error.contains("short"))
  }

  // MARK: test

  private struct Tested: Decodable {
    struct One: Decodable {
      var test: String
      var passed: Bool
      var diagnostics: [Diagnostic]
    }
    var tests: [One]
  }

  @Test func `test runs the tests of a graph, and says what was expected`() throws {
    let graph = try Files.graph(
      """
      ticks: { plugin: synthetic, params: { count: 1000 } }
      features: { plugin: indicators, from: ticks, params: { columns: [spread] } }
      """,
      tail: """
        tests:
          - name: the spread is what the quotes say
            given: { ticks: ticks.csv }
            expect: { features.features: [ { spread: 0.5 }, { spread: 0.25 } ] }
          - name: it is something else
            given: { ticks: ticks.csv }
            expect: { features.features: [ { spread: 0.5 }, { spread: 0.75 } ] }
          - name: there are three
            given: { ticks: ticks.csv }
            expect: { features.features: [ {}, {}, {} ] }
        """)
    let folder = String(graph.dropLast("/graph.yaml".count))
    try Files.write("time,bid,ask\n1700000000000,1.5,2.0\n1700000001000,1.5,1.75\n", folder + "/ticks.csv")
    let result = try gantry("test", graph, "--json")
    #expect(result.code == 1, "\(result.error)\(result.out)")
    let tested = try result.decode(Tested.self).tests
    #expect(tested.map(\.passed) == [true, false, false])
    #expect(tested[1].diagnostics.map(\.code) == ["test.value"])
    #expect(tested[1].diagnostics.first?.text == "event 2 of features.features: spread is 0.25, 0.75 is expected")
    #expect(tested[1].diagnostics.first?.place != nil)
    #expect(tested[2].diagnostics.map(\.code) == ["test.count"])
    let one = try gantry("test", graph, "--only", "the spread is what the quotes say")
    #expect(one.code == 0, "\(one.error)")
    #expect(one.out.contains("1 passed, 0 failed"))
    #expect(try gantry("test", graph, "--only", "nothing").code == 2)
  }

  // MARK: replay

  private struct Replayed: Decodable {
    var identical: Bool
    var records: UInt64
    var events: UInt64
    var orderHash: String
  }

  @Test func `replay is identical, from whatever folder it is asked for`() throws {
    let folder = try Files.folder()
    mkdir(folder + "/elsewhere", 0o755)
    let summary = try gantry("run", quickstart, "--set", "ticks.count=20000", "--run-folder", "r", "--json", in: folder).decode(Summary.self)
    let result = try gantry("replay", "r/journal", "--json", in: folder)
    #expect(result.code == 0, "\(result.error)")
    let replayed = try result.decode(Replayed.self)
    #expect(replayed.identical)
    #expect(replayed.events == 20_000)
    #expect(replayed.orderHash == summary.orderHash)
    #expect(replayed.records > 0)
    let other = try gantry("replay", "../r", in: folder + "/elsewhere")
    #expect(other.code == 0, "\(other.error)")
    #expect(other.out.contains("identical"))
  }

  @Test func `replay with another graph shows the first difference`() throws {
    let folder = try Files.folder()
    _ = try gantry("run", quickstart, "--set", "ticks.count=20000", "--run-folder", "r", in: folder)
    let result = try gantry("replay", "r/journal", "--graph", quickstart, "--set", "ticks.count=20000", "--set", "decide.quantity=5000", in: folder)
    #expect(result.code == 1, "\(result.error)")
    #expect(result.out.contains("different at record 1"))
    #expect(try gantry("replay", "r/journal", "--graph", quickstart, "--set", "ticks.count=20000", in: folder).code == 0)
  }

  @Test func `runs that begin in the same second have folders of their own`() throws {
    let folder = try Files.folder()
    let children = try (0..<6).map { _ in
      try GantryChild(["backtest", quickstart, "--json", "--set", "ticks.count=2000"], folder: folder, environment: nil, closesOut: false)
    }
    let journals = try children.map { child -> String in
      let result = child.finish { _, _ in }
      #expect(result.code == 0, "\(result.error)")
      return try #require(result.decode(Summary.self).journal)
    }
    #expect(Set(journals).count == 6, "\(journals)")
    for journal in journals { #expect(try gantry("replay", journal, in: folder).code == 0) }
  }

  @Test func `a run that does not start leaves no folder`() throws {
    let folder = try Files.folder()
    let graph = try Files.graph("s: { plugin: beat, params: { count: 10 } }\ni: { plugin: ill, from: s, params: { in: 2 } }")
    #expect(try gantry("backtest", graph, "--plugins", Files.pluginFolder(), in: folder).code == 65)
    #expect(rmdir("\(folder)/run") == 0, "it holds nothing")
  }

  // MARK: exactness

  @Test(arguments: ["quickstart", "ema-cross"])
  func `the orders are the same in blocks, one by one, and without FMA`(name: String) throws {
    var arguments = ["backtest", "\(Fixture.root)/manifests/\(name).yaml", "--no-run-folder", "--json"]
    if name == "quickstart" { arguments += ["--set", "ticks.count=40000"] }
    func hash(_ more: [String], _ environment: [String: String]? = nil) throws -> String {
      let result = try Gantry.run(arguments + more, in: Files.folder(), environment: environment)
      #expect(result.code == 0, "\(result.error)")
      let summary = try result.decode(Summary.self)
      #expect(summary.orders > 0)
      return summary.orderHash
    }
    let blocks = try hash([])
    #expect(try hash([]) == blocks)
    #expect(try hash(["--block", "1"]) == blocks)
    #expect(try hash(["--block", "37", "--trace", "all"]) == blocks)
    #expect(try hash([], ["GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2_Usable,-FMA_Usable,-AVX2"]) == blocks)
  }
}
