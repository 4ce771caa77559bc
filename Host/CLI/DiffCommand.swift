import ArgumentParser
import GantryBase
import GantryGraph
import GantryJournal
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// `gantry diff`: what a candidate for a node would have written, and ordered, on recorded traffic.
struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Replay recorded traffic through a node and a candidate for it, and show where they differ.",
    discussion: """
      The journal is replayed with the candidate muted beside the node, given the same events, and
      again with the candidate in the node's place, for the orders that would have changed. The
      candidate is another plugin file, another version, an artifact, or other parameters.

      EXAMPLES
        gantry diff --journal run/latest/journal --node model --with models/new.json
        gantry diff --journal run/latest/journal --node features --with build/libindicators.so --json
        gantry diff --journal run/latest/journal --node decide --set threshold=0.7
      """)

  @Option(help: ArgumentHelp("The journal's folder, or that of its run.", valueName: "folder"), completion: .directory)
  var journal: String
  @Option(help: ArgumentHelp("The node to compare.", valueName: "name"))
  var node: String
  @Option(help: ArgumentHelp("The candidate: a plugin's .so file, plugin@version, or an artifact file.", valueName: "candidate"))
  var with: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("A parameter of the candidate: param=value. May be given more than once.", valueName: "param=value"))
  var sets: [String] = []
  @Option(name: .customLong("plugins"), help: ArgumentHelp("Look for plugins here first.", valueName: "folder"), completion: .directory)
  var pluginFolders: [String] = []
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if with == nil, sets.isEmpty { throw ValidationError("Say what the candidate is: --with, or --set param=value.") }
    if let bad = sets.first(where: { !$0.contains("=") || $0.hasPrefix("=") }) { throw ValidationError("--set takes param=value, not '\(bad)'.") }
  }

  mutating func run() throws {
    let terminal = output.terminal
    let recorded = try RecordedRun(journal: journal, pluginFolders: pluginFolders)
    guard let index = recorded.session.graph.node(named: node) else {
      throw GantryError(
        "diff.unknown-node", "the journal's graph has no node \(node)", help: ["it has \(recorded.session.graph.nodes.map(\.name).joined(separator: ", "))"],
        exit: .usage)
    }
    let candidate = try recorded.candidate(node: index, with: with, sets: sets)
    let folder = try WorkFolder(purpose: "diff")
    defer { folder.remove() }
    let code = recorded.graph.nodes.indices.map { recorded.session.code($0) }
    var diff = NodeDiff(
      graph: recorded.graph, node: index, candidate: candidate.node, code: { code[$0] }, candidateCode: candidate.code,
      journal: recorded.journal, folder: folder.path, seed: recorded.head.seed)
    diff.onLog = { line in
      if line.severity >= .warning { terminal.error(LogFormat.text(line, paint: terminal.errorPaint)) }
    }
    diff.progress = { replay, events in terminal.progress("replay \(replay) of 2: \(grouped(events)) events") }
    let report = try diff.report()
    terminal.progress(nil)
    if terminal.json { try terminal.object(report) } else { terminal.out(DiffText.render(report, paint: terminal.paint)) }
  }
}
