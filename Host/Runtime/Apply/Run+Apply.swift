import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

extension Run {
  /// Makes the running graph into another one, all or nothing: new instances beside the old ones, then
  /// all lanes at a marker, then one exchange. Nodes that are kept keep their instance, state, timers,
  /// counters and place in the streams. Any thread but a lane's; blocks until the new graph runs and
  /// what it does not need is gone.
  ///
  /// Throws with the old graph running on, untouched, and the reason. A newer apply supersedes one
  /// that has not come to its marker yet, which then throws `apply.superseded`.
  ///
  /// - Parameters:
  ///   - code: of a node of the new graph, by its place there; asked for new instances only
  ///   - changes: what `GraphDiff.diff` says of the two graphs
  ///   - id: of this change in the run's history
  ///   - by: who asked
  ///   - head: makes what the journal keeps of the new graph, from the artifacts that were read
  @discardableResult
  public func apply(
    graph: Graph, code: (Int) throws(GantryError) -> PluginCode, changes: [NodeChange], id: String, by: String,
    head: ([ArtifactUse]) -> JournalHead = { _ in JournalHead(json: [], objects: []) },
    progress: @escaping @Sendable (ApplyStep) -> Void = { _ in }
  ) throws(GantryError) -> ApplyReport {
    let turn = newestApply.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
    var report = ApplyReport(id: id, by: by)
    try applies.withLock { _ throws(GantryError) in
      closeSwaps()
      defer { if !isClosing { reopenSwaps() } }
      try self.changes.withLock { _ throws(GantryError) in try makeApply(graph, code, changes, turn, head, progress, &report) }
    }
    return report
  }

  private func makeApply(
    _ graph: Graph, _ code: (Int) throws(GantryError) -> PluginCode, _ changes: [NodeChange], _ turn: UInt64,
    _ head: ([ArtifactUse]) -> JournalHead, _ progress: (ApplyStep) -> Void, _ report: inout ApplyReport
  ) throws(GantryError) {
    let id = report.id
    var steps: [ApplyStep] = []
    func tell(_ step: ApplyStep.Step, _ detail: String) {
      let made = ApplyStep(apply: id, step: step, detail: detail, wallNs: clinux_wall_ns(), event: eventCount)
      steps.append(made)
      progress(made)
    }
    func superseded() -> GantryError? {
      newestApply.load(ordering: .sequentiallyConsistent) == turn
        ? nil : GantryError("apply.superseded", "a newer apply has taken the place of this one", exit: .failed)
    }
    func failed(_ error: GantryError) -> GantryError {
      let isSuperseded = error.diagnostics.first?.code == "apply.superseded"
      tell(isSuperseded ? .superseded : .failed, error.diagnostics.first?.text ?? "")
      return error
    }
    if let error = superseded() { throw failed(error) }
    guard !isClosing else { throw failed(GantryError("apply.ended", "the run has ended", exit: .failed)) }
    guard !isFollowing else { throw failed(GantryError("apply.replay", "a replay follows the changes of its journal, no others", exit: .usage)) }

    let transaction: ApplyTransaction
    do throws(GantryError) {
      transaction = try ApplyTransaction(self, to: graph, changes: changes)
    } catch { throw failed(error) }
    let held: Held
    var sha256 = ""
    do throws(GantryError) {
      try transaction.prepare { index throws(GantryError) in
        if let error = superseded() { throw error }
        return try code(index)
      }
      let journaled = head(transaction.artifacts)
      if let journal {
        for object in journaled.objects { try keep(object, in: journal) }
        let number = changeCount + 1
        sha256 = try journal.keep(transaction.described(number: number, id: id, by: report.by, head: journaled.json).bytes())
      }
      if let error = superseded() { throw error }
      tell(.prepare, transaction.summary)
      held = try hold(needsCut: transaction.needsCut, timeoutNs: 30_000_000_000, isUnwanted: superseded)
    } catch {
      _ = transaction.rollBack()
      throw failed(error)
    }
    tell(.marker, held.cutNs == .min ? "all lanes stand" : "all lanes stand after \(held.cutNs) ns")
    do throws(GantryError) {
      try transaction.handOver(cutNs: held.cutNs)
    } catch {
      let lost = transaction.rollBack()
      letGo(held)
      if let lost {
        requestStop()
        throw failed(GantryError(error.diagnostics + lost.diagnostics, .failed))
      }
      throw failed(error)
    }
    tell(.handOver, "\(transaction.stateBytes.values.reduce(0, +)) bytes of state")
    changeCount += 1
    let before = transaction.commit(held, number: changeCount, sha256: sha256)
    let first = held.lanes.map { held.marker.seats[$0.index].parkedNs.load(ordering: .relaxed) }.min() ?? 0
    report.pauseNs = UInt64(max(clinux_monotonic_ns() - first, 0))
    report.atEvent = eventCount
    letGo(held)
    tell(.commit, "the lanes stood for \(report.pauseNs / 1000) us")
    for lane in planner.lanes where lane.hasEnded.load(ordering: .acquiring) && lane.ingressCount > 0 { try startThread(of: lane) }
    let problems = transaction.settle(before)
    for problem in problems { say(problem, node: -1) }
    do throws(GantryError) { try writeMeta() } catch { say(error, node: -1) }
    tell(.settle, problems.isEmpty ? "done" : problems.flatMap(\.diagnostics).map(\.text).joined(separator: "; "))
    report.nodes = transaction.report
    report.stateBytes = transaction.stateBytes.values.reduce(0, +)
    report.steps = steps
  }

  /// Warnings of the host's own in the log.
  func say(_ error: GantryError, node: Int) {
    for diagnostic in error.diagnostics { log.say(.warning, node: node, diagnostic.text) }
  }
}
