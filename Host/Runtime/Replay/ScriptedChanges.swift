import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// The applies of a journal, carried out again where they were: each lane stands when it comes to its
/// record of one, and when all stand the graph is changed as it was then.
///
/// Lanes of a replay do not meet otherwise. Each has exactly one record of each apply, so that none
/// waits for another that waits for it.
final class ScriptedChanges: @unchecked Sendable {  // `next` and the atomics are for all; the rest is the thread's
  private unowned let run: Run
  private let path: String
  private let applies: [JournalScan.Apply]
  /// What the lanes come to next.
  private let next: Mutex<LaneMarker>
  /// Applies that have been carried out.
  private let done = Atomic<UInt32>(0)
  private let isClosed = Atomic<Bool>(false)
  private let thread = LaneThread()

  init(_ applies: [JournalScan.Apply], of path: String, run: Run) {
    self.applies = applies
    self.path = path
    self.run = run
    next = Mutex(LaneMarker(lanes: 0, phase: .park))
  }

  /// How many applies are carried out: a lane is not followed beyond them.
  var count: UInt32 { UInt32(applies.count) }

  /// Before the scripts begin.
  func start() throws(GantryError) {
    next.withLock { [lanes = run.planner.lanes.count] in $0 = LaneMarker(lanes: lanes, phase: .park) }
    guard !applies.isEmpty || goesOn else { return }
    try thread.start(name: "replay:applies") { [self] in
      if let error = follow() { fail(error) }
      close()
    }
  }

  private func follow() -> GantryError? {
    for apply in applies {
      guard waitForLanes() else { return nil }
      if let error = perform(apply) { return error }
    }
    guard goesOn, waitForLanes() else { return nil }
    return performEnd()
  }

  /// Where the journal ends the run goes on by itself: the lanes meet there, too.
  var goesOn: Bool { run.options.continuation != nil }

  /// What lanes come to at the journal's end.
  var endRecord: ApplyRecord { ApplyRecord(number: count + 1, lanes: 0, cutNs: .min, ranToCut: false, sources: 0, sha256: "") }

  /// Ends it, whatever is still to come. After the lanes were told to end.
  func stop() {
    close()
    thread.join()
  }

  private func close() {
    isClosed.store(true, ordering: .releasing)
    wake(done)
    run.endBell.ring()
    next.withLock { $0 }.go(.release)
  }

  // MARK: the lanes and their scripts

  /// On the lane, between two blocks: it has come to an apply, and parks with its next step.
  func arrived(_ record: ApplyRecord, on lane: Lane) {
    if record.ranToCut != 0, lane.timers.pointee.nextDueNs <= record.cutNs { lane.fireTimers(upTo: record.cutNs) }
    let marker = next.withLock { $0 }
    lane.marker.store(UInt(bitPattern: Unmanaged.passUnretained(marker).toOpaque()), ordering: .releasing)
    // It has nothing to run: it is not to sleep before it has looked at the marker.
    lane.bell.ring()
  }

  /// On the thread of a script: its lane has ended before this apply, or has nothing that could bring it here.
  func arrived(ended lane: Lane) {
    while true {
      let seen = run.endBell.current
      if lane.hasEnded.load(ordering: .acquiring) || isClosed.load(ordering: .acquiring) { break }
      run.endBell.wait(since: seen, timeoutNs: 10_000_000)
    }
    next.withLock { $0 }.answer(lane.index, .parked)
  }

  /// On the thread of a script: returns when the apply has been carried out. False when it will not be.
  func wait(for number: UInt32) -> Bool {
    while true {
      let seen = done.load(ordering: .acquiring)
      if seen >= number { return true }
      if isClosed.load(ordering: .acquiring) { return false }
      GantryRuntime.wait(done, while: seen, timeoutNs: 10_000_000)
    }
  }

  // MARK: the thread

  private func waitForLanes() -> Bool {
    let marker = next.withLock { $0 }
    let lanes = run.planner.lanes
    while true {
      let words = marker.words
      if lanes.allSatisfy({ marker.seats[$0.index].has(.parked) }) { return true }
      let isOver =
        isClosed.load(ordering: .acquiring) || run.stopRequested.load(ordering: .acquiring)
        || lanes.contains { $0.abandonRequested.load(ordering: .acquiring) }
      if isOver { return false }
      marker.waitForWord(after: words)
    }
  }

  /// All lanes stand.
  private func perform(_ apply: JournalScan.Apply) -> GantryError? {
    let marker = next.withLock { $0 }
    let held = Run.Held(marker: marker, lanes: run.planner.lanes, cutNs: apply.record.cutNs, ranToCut: apply.record.ranToCut != 0)
    do throws(GantryError) {
      let problems = try run.changes.withLock { _ throws(GantryError) in try exchange(apply, held) }
      for problem in problems { run.say(problem, node: -1) }
      done.store(apply.record.number, ordering: .releasing)
      wake(done)
      return nil
    } catch {
      return error
    }
  }

  private func exchange(_ apply: JournalScan.Apply, _ held: Run.Held) throws(GantryError) -> [GantryError] {
    let described = try AppliedGraph.read(path, apply.record)
    run.take(described)
    let made = try run.options.scriptedApply(described)
    let transaction = try ApplyTransaction(run, to: made.graph, following: described, sources: apply.sources)
    let before: LaneLayout
    do throws(GantryError) {
      try transaction.prepare { index throws(GantryError) in made.code[index] }
      try transaction.handOver(cutNs: held.cutNs)
      before = transaction.commit(held, number: apply.record.number, sha256: apply.record.sha256Text)
    } catch {
      _ = transaction.rollBack()
      throw error
    }
    run.changeCount = apply.record.number
    let lanes = run.planner.lanes
    next.withLock { $0 = LaneMarker(lanes: lanes.count, phase: .park) }
    run.letGo(held)
    for lane in lanes where lane.hasEnded.load(ordering: .acquiring) && lane.ingressCount > 0 { try run.startThread(of: lane) }
    try run.takeScripts()
    return transaction.settle(before)
  }

  /// All lanes stand at the journal's end.
  private func performEnd() -> GantryError? {
    let marker = next.withLock { $0 }
    let lanes = run.planner.lanes
    let held = Run.Held(marker: marker, lanes: lanes, cutNs: lanes.map(\.lastChainNs).max() ?? .min, ranToCut: false)
    do throws(GantryError) {
      let problems = try run.changes.withLock { _ throws(GantryError) in try run.goOn(held) }
      for problem in problems { run.say(problem, node: -1) }
      done.store(count + 1, ordering: .releasing)
      wake(done)
      return nil
    } catch {
      return error
    }
  }

  /// The lanes stand, and the one that is told of it ends the run.
  private func fail(_ error: GantryError) {
    let lanes = run.planner.lanes
    (lanes.first { !$0.hasEnded.load(ordering: .acquiring) } ?? lanes.first)?.end(error)
  }
}
