import ArgumentParser
import GantryAdmin
import GantryBase
import GantryGraph
import GantryRuntime

/// `gantry plan`: what applying a changed file would do.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what applying a graph file to the running graph would do, node by node.",
    discussion: """
      For each node: keep, reconfigure, rewire, swap with state, swap cold, add or remove, with the
      reasons. Nothing is changed. Bytes of plugins and artifacts count.

      EXAMPLES
        gantry plan trading.yaml
        gantry plan trading.yaml --set model.artifact=models/new.json --json
      """)

  @Argument(help: ArgumentHelp("The graph file.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var file: String
  @OptionGroup var changed: ChangedGraphArguments
  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let answer = try host.ask(.plan, changed.arguments(file), timeoutNs: 120_000_000_000, for: LiveHost.PlanAnswer.self)
    guard !host.output.json else { return }
    try host.terminal.report(answer.warnings)
    host.terminal.out(PlanText.render(answer.nodes, host.terminal.paint))
  }
}

/// What makes another graph of a file, for a host that runs already. The file is read here, so that
/// what is applied is what was seen.
struct ChangedGraphArguments: ParsableArguments {
  @Option(help: "Apply one of the file's profiles.")
  var profile: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("Override a parameter: node.param=value. May be given more than once.", valueName: "node.param=value"))
  var sets: [String] = []
  @Option(help: ArgumentHelp("Let the new instance of this node start from nothing. May be given more than once.", valueName: "node"), completion: NodeCompletion.nodes)
  var cold: [String] = []

  func arguments(_ file: String) throws(GantryError) -> [String: JSONValue] {
    let bytes = try readFile(file, limit: 1 << 20)
    guard let text = String(validating: bytes, as: UTF8.self) else { throw GantryError("graph.not-utf8", "\(file) is not UTF-8") }
    return JSONValue.arguments([
      "file": .text(file), "text": .text(text), "folder": .text(JournalHeads.workingDirectory()), "profile": .ifGiven(profile), "set": .ifAny(sets),
      "cold": .ifAny(cold),
    ])
  }
}
