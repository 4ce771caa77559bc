import ArgumentParser
import GantryBase
import GantryGraph
import GantryJournal
import GantryRuntime

/// `gantry replay`: runs a journal again and compares what leaves, bit for bit.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Run a journal again and compare its outputs, bit for bit.",
    discussion: """
      Everything that entered each lane comes from the journal, or from the files whose hashes it
      holds. With --graph another graph handles the same events, and the first difference is shown.

      EXAMPLES
        gantry replay run/latest/journal
        gantry replay run/latest/journal --graph changed.yaml --json
      """)

  @Argument(help: ArgumentHelp("The journal's folder.", valueName: "journal"), completion: .directory)
  var journal: String
  @Option(name: .customLong("graph"), help: ArgumentHelp("Run this graph file instead of the journal's.", valueName: "file"))
  var otherGraph: String?
  @OptionGroup var graph: GraphArguments
  @Option(help: ArgumentHelp("Time hops: off, 1/N, or all.", valueName: "share"))
  var trace = "off"
  @Option(help: ArgumentHelp("Keep the second run's journal and hop log here.", valueName: "folder"))
  var runFolder: String?
  @OptionGroup var output: OutputOptions

  struct Result: Encodable {
    var journal: String
    var identical: Bool
    var records: UInt64
    var events: UInt64
    var seconds: Double
    var orderHash: String
    var tornBytes: Int
    var difference: JournalDifference?
    enum CodingKeys: String, CodingKey {
      case journal, identical, records, events, seconds, difference
      case orderHash = "order_hash"
      case tornBytes = "torn_bytes"
    }
  }

  mutating func run() throws {
    let terminal = output.terminal
    let arguments = self.graph
    let other = otherGraph.map { (file: $0, options: GraphOptions(profile: arguments.profile, sets: arguments.sets)) }
    let recorded = try RecordedRun(journal: journal, pluginFolders: arguments.pluginFolders, other: other)
    let (journal, head, session) = (recorded.journal, recorded.head, recorded.session)
    let graph = recorded.graph
    for warning in session.warnings { terminal.error(warning.rendered(colour: terminal.errorPaint.enabled)) }
    if otherGraph == nil { checkHashes(session, head, terminal) }
    let temporary = runFolder == nil ? try WorkFolder(purpose: "replay") : nil
    defer { temporary?.remove() }
    let folder = runFolder.map(recorded.absolute) ?? temporary!.path
    var options = RunOptions()
    options.folder = folder
    options.script = journal
    options.scriptedSwap = ReplaySwaps.maker(journal, session, in: folder)
    if otherGraph == nil {
      options.scriptedApply = ReplayApplies.maker(journal, session, pluginFolders: recorded.pluginFolders, clock: graph.clock, in: folder)
    }
    options.seed = head.seed
    options.orders.epoch = head.orderEpoch ?? 0
    options.traceEvery = try TraceShare.parse(trace)
    options.onLog = { line in
      if line.severity >= .warning { terminal.error(LogFormat.text(line, paint: terminal.errorPaint)) }
    }
    let run = try Run(graph: graph, options: options) { node throws(GantryError) in session.code(node) }
    try run.start()
    run.wait { terminal.progress("\(grouped($0.eventCount)) events") }
    terminal.progress(nil)
    let summary = try run.finish()
    let comparison = try JournalComparison(
      journal, "\(folder)/journal", names: run.portNames, applies: run.appliesFollowed, outside: run.nodesOutside)
    if comparison.tornBytes > 0, !terminal.json {
      terminal.error("warning: the journal's last frame was not finished; \(comparison.tornBytes) bytes of it were left out")
    }
    if terminal.json {
      try terminal.object(
        Result(
          journal: journal, identical: comparison.difference == nil, records: comparison.records, events: summary.events,
          seconds: summary.seconds, orderHash: summary.orderHash, tornBytes: comparison.tornBytes,
          difference: comparison.difference))
    } else if let difference = comparison.difference {
      terminal.out(difference.text(paint: terminal.paint))
    } else {
      terminal.out(
        "  " + terminal.paint("identical", .green, bold: true)
          + ": \(grouped(summary.events)) events, \(grouped(comparison.records)) records that left, order hash \(summary.orderHash)")
      terminal.out(terminal.paint("  \(grouped(UInt64(Double(summary.events) / max(summary.seconds, 1e-9)))) events/s", .grey))
    }
    if comparison.difference != nil { throw VerbFailed(exitCode: .failed) }
  }

  private func checkHashes(_ session: GraphSession, _ head: JournalHeadValue, _ terminal: Terminal) {
    for (index, plugin) in head.plugins.enumerated() where index < session.graph.nodes.count {
      if session.code(index).sha256 != plugin.sha256 {
        terminal.error(
          "warning: \(plugin.id) of node \(plugin.node) is not the code of the journal (\(plugin.sha256.prefix(12)) then, \(session.code(index).sha256.prefix(12)) now)"
        )
      }
    }
  }
}
