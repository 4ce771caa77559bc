import CGantry
import GantryBase
import GantryGraph
import Synchronization

/// The hand-overs of sources that a journal tells of, made again at the same rows when it is followed: the
/// thread that pulls a lane's sources asks for them between two pulls. Feeds do not run in a replay, and
/// what they gave is in the journal.
final class ScriptedSources: Sendable {
  private let journal: String
  private unowned let run: Run
  private let make: @Sendable (ChangeRecord) throws(GantryError) -> SwapRequest
  /// By change: what a source ran before it.
  private let before = Mutex<[Int64: (graph: Graph, code: PluginCode)]>([:])

  init(journal: String, run: Run, make: @escaping @Sendable (ChangeRecord) throws(GantryError) -> SwapRequest) {
    self.journal = journal
    self.run = run
    self.make = make
  }

  /// Another instance goes on where this reader is. Nil when the source goes on as it is.
  func handOver(_ decision: DecisionRecord) throws(GantryError) -> SourceReader? {
    let number = Int(decision.node)
    guard let node = run.shape.withLock({ $0.index(of: number) }), let intake = run.intakes[number] else { return nil }
    let old = run.instances[node]
    let change = try ChangeRecord.read(journal, decision.value)
    // Swaps of a run that goes on behind the journal count on.
    run.swapList.withLock { $0.lastNumber = max($0.lastNumber, decision.value) }
    run.services.take(models: change.models ?? [])
    var request = try make(change)
    if decision.what == Decision.flippedBack.rawValue {
      guard let last = before.withLock({ $0.removeValue(forKey: decision.value) }) else { return nil }
      (request.graph, request.code) = last
    } else {
      before.withLock { $0[decision.value] = (run.graph, old.code) }
    }
    let new = try run.makeCandidate(node, request, writing: old.schemas).instance
    guard let table = old.capability("gantry.state/1", as: gantry_state.self) else { return nil }
    let made: Intake
    do throws(GantryError) {
      try SourceHandOver.load(old.save(table), table.pointee, new, from: old, request.converters)
      if new.code.description.effects == .none { try new.start() }
      made = try run.changes.withLock { _ throws(GantryError) in
        try run.openIntake(request.graph.nodes[node], number: number, new, request.graph, lane: run.laneOf[node], ring: intake.ring)
      }
    } catch {
      new.destroy()
      throw error
    }
    made.takeOver(from: intake)
    run.shape.withLock {
      $0.instances[node] = new
      $0.intakes[number] = made
    }
    run.take(node: node, from: request.graph)
    _ = old.stop()
    old.destroy()
    intake.deallocate()
    return made.reader
  }
}
