import GantryAdmin
import GantryBase
import GantryGraph
import GantryRuntime

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#endif

/// How a run begins: from nothing, or where one that was killed has left off.
extension GraphRunner {
  struct Beginning {
    var graph: Graph
    var session: GraphSession
    var prepared: PreparedGraph
    /// Where the last run was killed it is gone on with.
    var resumes: Bool
    /// Of the run.
    var folder: String?
  }

  /// A run that goes on by itself.
  func begin(_ beginning: Beginning, _ options: RunOptions, _ side: LiveRun?, _ signals: StopSignals) throws(GantryError) -> Run {
    func prepare(_ run: Run) {
      side?.prepare(run)
      if running.startHalted { run.halt(true) }
      signals.onStop { run.requestStop() }
    }
    let folder = beginning.folder.map { $0.hasPrefix("/") ? $0 : "\(JournalHeads.workingDirectory())/\($0)" }
    let journal = options.writesJournal ? folder.map { "\($0)/journal" } : nil
    if beginning.resumes, let side {
      var killed: String?
      do throws(GantryError) {
        killed = try side.killedJournal()
        if let killed {
          let run = try recover(killed, folder, beginning, options, side, prepare)
          try side.runs(journal)
          return run
        }
      } catch {
        if signals.hasStopped {
          try side.runs(killed)
          throw error
        }
        try beginAnew(error, beginning, side)
      }
    }
    let run = try Run(graph: beginning.graph, options: options) { node throws(GantryError) in beginning.session.code(node) }
    prepare(run)
    try run.start()
    try side?.runs(journal)
    return run
  }

  private func recover(
    _ journal: String, _ folder: String?, _ beginning: Beginning, _ options: RunOptions, _ side: LiveRun, _ prepare: (Run) -> Void
  ) throws(GantryError) -> Run {
    guard let folder else {
      throw GantryError("recover.no-folder", "a run without a folder cannot go on where another left off", exit: .failed)
    }
    terminal.error("note: the last run was killed; what its nodes had learnt is taken from \(journal)")
    try side.follows(journal)
    let recovery = try Recovery(
      journal: journal, target: beginning.session, pluginFolders: beginning.prepared.source.pluginFolders, isolated: running.isolated,
      work: "\(folder)/recovered")
    let continuation = Continuation(
      graph: beginning.graph, code: beginning.prepared.code, by: "gantry run --resume", head: beginning.prepared.head)
    let deaf = Recovery.brokerWithLostReplies(beginning.graph)
    let run = try recovery.run(
      into: continuation, options: options,
      prepare: { run in
        prepare(run)
        if deaf != nil { run.halt(true) }
      }
    ) { run in
      terminal.progress("\(grouped(run.eventCount)) events of the last run")
    }
    terminal.progress(nil)
    terminal.error("note: \(grouped(run.eventCount)) events of the last run were followed; the run goes on from there")
    if let deaf {
      try halted(side, "\(deaf) answers nodes of another lane, and what was on its way to them when the host was killed is lost: compare positions first")
    }
    return run
  }

  private func halted(_ side: LiveRun, _ reason: String) throws(GantryError) {
    terminal.error("warning: orders are halted until `gantry unhalt`: \(reason)")
    try keepHalt(side, reason)
  }

  private func keepHalt(_ side: LiveRun, _ reason: String) throws(GantryError) {
    guard let state = side.state, state.halt == nil else { return }
    try state.setHalt(StateFolder.Halt(sinceNs: Int64(Date().timeIntervalSince1970 * 1e9), by: "gantry run", reason: reason))
  }

  /// The nodes begin from nothing: what was bought and sold before is not known to them.
  private func beginAnew(_ error: GantryError, _ beginning: Beginning, _ side: LiveRun) throws(GantryError) {
    terminal.progress(nil)
    for diagnostic in error.diagnostics {
      var warning = diagnostic
      warning.severity = .warning
      terminal.error(warning.rendered(colour: terminal.errorPaint.enabled))
    }
    let trades = beginning.graph.clock == .live && beginning.graph.nodes.contains { $0.plugin.kind == .broker }
    terminal.error(
      "warning: the nodes begin anew, without what they had learnt in the last run" + (trades ? "; orders are halted until `gantry unhalt`" : ""))
    if trades {
      try keepHalt(
        side, "the last run was killed and could not be gone on with (\(error.diagnostics.first?.text ?? "no reason")): compare positions with the broker first")
    }
    guard let folder = beginning.folder else { return }
    for name in ["journal", "recovered"] { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".bin") {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }
}
