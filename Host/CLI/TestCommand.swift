import ArgumentParser
import GantryBase
import GantryGraph
import GantryRuntime

/// `gantry test`: runs a graph's `tests:`.
struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Run the tests that graph files hold.",
    discussion: """
      A test gives some sources their events from CSV files and says what ports must emit, in
      order. Only the fields that the expectation names are compared.

      EXAMPLES
        gantry test manifests/ema-cross.yaml
        gantry test trading.yaml --only "a cross upwards buys once"
      """)

  @Argument(help: ArgumentHelp("Graph files.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var files: [String]
  @Option(help: ArgumentHelp("Run only the test of this name.", valueName: "name"))
  var only: String?
  @OptionGroup var graph: GraphArguments
  @OptionGroup var output: OutputOptions

  struct Outcome: Encodable {
    var file: String
    var test: String
    var passed: Bool
    var diagnostics: [Diagnostic]
  }

  mutating func run() throws {
    let terminal = output.terminal
    var outcomes: [Outcome] = []
    for file in files {
      let session = try GraphSession(
        file: file, options: GraphOptions(profile: graph.profile, sets: graph.sets), pluginFolders: graph.pluginFolders)
      if session.graph.tests.isEmpty, !terminal.json { terminal.error("\(file) has no tests:") }
      for test in session.graph.tests where only == nil || test.name == only {
        let found = GraphTestRunner(file: file, base: session.graph, arguments: graph).run(test)
        outcomes.append(Outcome(file: file, test: test.name, passed: found.isEmpty, diagnostics: found))
        if !terminal.json {
          terminal.out("  " + (found.isEmpty ? terminal.paint("ok    ", .green) : terminal.paint("FAILED", .red)) + " " + test.name)
          try terminal.report(found)
        }
      }
    }
    let failed = outcomes.count { !$0.passed }
    if terminal.json {
      try terminal.object(["tests": outcomes])
    } else {
      terminal.out("  \(outcomes.count - failed) passed, \(failed) failed")
    }
    if let only, outcomes.isEmpty { throw GantryError("test.unknown", "no test is named '\(only)'", exit: .usage) }
    if failed > 0 { throw VerbFailed(exitCode: .failed) }
  }
}

/// Runs one test: the graph with its given sources replaced, and its expected ports captured.
struct GraphTestRunner {
  var file: String
  var base: Graph
  var arguments: GraphArguments

  func run(_ test: GraphTest) -> [Diagnostic] {
    do {
      var options = GraphOptions(profile: arguments.profile, sets: arguments.sets)
      options.overlays = [overlay(test)]
      let session = try GraphSession(file: file, options: options, pluginFolders: arguments.pluginFolders)
      var graph = session.graph
      graph.clock = .replay
      var runOptions = RunOptions()
      runOptions.captures = test.expect.map { expectation in
        let node = base.nodes[expectation.node]
        return (node.name, node.plugin.outputs[expectation.port].name)
      }
      let run = try Run(graph: graph, options: runOptions) { node throws(GantryError) in session.code(node) }
      try run.start()
      run.wait()
      _ = try run.finish()
      let events = run.captures.flatMap(\.events)
      return test.expect.flatMap { compare($0, test, graph, events, run) }
    } catch {
      return error.diagnostics
    }
  }

  /// The given sources as `replay` of their CSV files.
  private func overlay(_ test: GraphTest) -> String {
    var text = "nodes:\n"
    for given in test.given {
      let node = base.nodes[given.node]
      var symbol = base.instruments.first?.symbol ?? ""
      for value in node.parameters { if case .instrument(_, let own) = value { symbol = own } }
      text += "  \(node.name): { plugin: replay, params: { path: \(quote(given.path)), format: csv, instrument: \(symbol) } }\n"
    }
    return test.given.isEmpty ? "nodes: {}\n" : text
  }

  private func quote(_ text: String) -> String {
    "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
  }

  private func compare(
    _ expectation: GraphTest.Expectation, _ test: GraphTest, _ graph: Graph, _ events: [OutputCapture.Event], _ run: Run
  ) -> [Diagnostic] {
    let node = base.nodes[expectation.node]
    guard let index = graph.node(named: node.name) else { return [] }
    let port = node.plugin.outputs[expectation.port]
    let texts = EventText(graph: graph)
    let columns = run.columns(node: index, port: expectation.port)
    let got = events.filter { $0.node == index && $0.port == expectation.port }
      .map { texts.fields(port.type, $0.bytes, arena: $0.arena, columns: columns) }
    var found: [Diagnostic] = []
    let name = "\(node.name).\(port.name)"
    if got.count != expectation.events.count {
      found.append(
        Diagnostic(
          .error, "test.count", "\(name) emitted \(got.count) events, \(expectation.events.count) are expected",
          at: expectation.place ?? test.place, help: got.prefix(5).map { "got " + show($0, expectation.events.first) }))
    }
    for (number, pair) in zip(expectation.events, got).enumerated() {
      for (field, wanted) in pair.0.sorted(by: { $0.key < $1.key }) {
        guard let actual = pair.1.first(where: { $0.name == field })?.text else {
          found.append(
            Diagnostic(
              .error, "test.field", "\(name) has no field \(field); it has \(pair.1.map(\.name).joined(separator: ", "))",
              at: expectation.place ?? test.place))
          continue
        }
        if !same(wanted, actual) {
          found.append(
            Diagnostic(
              .error, "test.value", "event \(number + 1) of \(name): \(field) is \(actual), \(wanted) is expected",
              at: expectation.place ?? test.place))
        }
      }
    }
    return found
  }

  private func show(_ fields: [(name: String, text: String)], _ wanted: [String: String]?) -> String {
    fields.filter { wanted?[$0.name] != nil || wanted == nil }.map { "\($0.name): \($0.text)" }.joined(separator: ", ")
  }

  /// Equal as text, or as numbers: exact ones exactly, others to nine digits.
  private func same(_ wanted: String, _ actual: String) -> Bool {
    if wanted == actual { return true }
    if let a = parseDecimal(wanted), let b = parseDecimal(actual) { return a == b }
    guard let a = Double(wanted), let b = Double(actual) else { return false }
    return a == b || (a - b).magnitude <= 1e-9 * max(a.magnitude, b.magnitude)
  }
}
