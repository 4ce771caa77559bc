import CGantry
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// The swaps of a journal, made again at the same events when it is followed: all candidates are
/// configured and started before the first event, and the lane feeds them itself.
///
/// A replay's lane may allocate here: it is no lane that trades.
final class ScriptedSwaps: @unchecked Sendable {  // built before the lanes start; then each entry is one lane's
  private final class Entry {
    let slot: Int
    let candidate: Instance
    let follower: Follower
    let warmth: SwapDriver.Warmth
    let converters: [PluginCode]
    let wider: WiderPorts?

    init(slot: Int, candidate: Instance, follower: Follower, warmth: SwapDriver.Warmth, converters: [PluginCode], wider: WiderPorts?) {
      self.wider = wider
      self.slot = slot
      self.candidate = candidate
      self.follower = follower
      self.warmth = warmth
      self.converters = converters
    }
  }

  private var entries: [Int64: Entry] = [:]
  private unowned let run: Run

  /// - Parameter make: the candidate of a change, from what the journal keeps of it
  init(
    journal: String, run: Run, make: (ChangeRecord) throws(GantryError) -> SwapRequest
  ) throws(GantryError) {
    self.run = run
    for number in try ScriptedSwaps.numbers(journal) {
      let record = try ChangeRecord.read(journal, number)
      let request = try make(record)
      guard let node = run.graph.node(named: record.node), let (lane, slot) = run.place(of: run.numbers[node]) else {
        throw GantryError("replay.no-fit", "\(journal) swaps the node \(record.node), which the graph does not have")
      }
      let (candidate, _) = try run.makeCandidate(node, request, inputs: record.schemas(like: run.candidateInputs(node)))
      let warmth = try SwapDriver.warmth(request, current: run.instances[node], candidate, hasTail: lane.nodes[slot].tail != nil)
      try candidate.start()
      let muted = MutedInstance(
        instance: candidate, beside: run.instances[node], like: lane.nodes + slot, tag: run.nextTag(), clock: run.clock)
      let follower = Follower(muted, like: lane.nodes + slot, name: record.node, clock: lane.clock)
      if let share = record.canary {
        follower.setShare(Set(Run.canaryInstruments(run.graph, share: share)), of: run.graph.instruments.count)
      }
      entries[number] = Entry(
        slot: slot, candidate: candidate, follower: follower, warmth: warmth, converters: request.converters,
        wider: WiderPorts(candidate.schemas, beside: run.instances[node].schemas, lane.nodes + slot, on: lane, run.planner.layout))
    }
  }

  /// Numbers of the swaps that began, in the order of the journal.
  private static func numbers(_ path: String) throws(GantryError) -> [Int64] {
    let reader = try JournalReader(directory: path)
    var numbers: [Int64] = []
    while let record = try reader.next() {
      guard record.kind == RecordKind.decision.rawValue, record.payload.count == MemoryLayout<DecisionRecord>.size else { continue }
      let decision = record.payload.loadUnaligned(as: DecisionRecord.self)
      if decision.what == Decision.swapBegan.rawValue { numbers.append(decision.value) }
    }
    return numbers.sorted()
  }

  /// What the lane did here when the journal was written. On the lane, between two blocks.
  func perform(_ record: DecisionRecord, on lane: Lane) {
    guard let what = Decision(rawValue: record.what), let entry = entries[record.value] else {
      // A node that acts on the outside was handed over: it does not run in a replay.
      if let what = Decision(rawValue: record.what) {
        lane.recorder.decision(what, node: Int32(bitPattern: record.node), value: record.value, detail: record.detail)
      }
      return
    }
    switch what {
    case .swapBegan: begin(entry, record.value, lane)
    case .canaryBegan: _ = CanaryCommand(slot: entry.slot, follower: entry.follower, change: record.value).perform(lane)
    case .flipped, .flippedBack:
      let command = ExchangeCommand(
        slot: entry.slot, follower: entry.follower, change: record.value, reason: what == .flipped ? .flip : .revert,
        wider: entry.wider)
      _ = command.perform(lane)
      if let failure = command.failure {
        lane.end(GantryError("replay.swap-failed", "the instance that was to count \(failure)", exit: .failed))
      } else if let index = run.shape.withLock({ $0.index(of: Int(record.node)) }) {
        run.replaceInstance(index, by: entry.follower.muted.counted)
      }
    case .swapEnded: _ = UnfollowCommand(slot: entry.slot, follower: entry.follower, change: record.value).perform(lane)
    default: break
    }
  }

  private func begin(_ entry: Entry, _ number: Int64, _ lane: Lane) {
    guard let index = run.shape.withLock({ $0.index(of: Int(lane.nodes[entry.slot].index)) }) else { return }
    entry.follower.muted.stand(beside: run.instances[index])
    entry.follower.startInline()
    var saved: UnsafePointer<gantry_state>?
    var usesTail = false
    switch entry.warmth {
    case .state: saved = entry.follower.muted.counted.capability("gantry.state/1", as: gantry_state.self)
    case .tail: usesTail = true
    case .nothing: break
    }
    // A state of any size: nobody waits for a replay's lane.
    if let saved, case .state(_, let new) = entry.warmth {
      do throws(GantryError) {
        let bytes = try entry.follower.muted.counted.save(saved)
        var failure: GantryError?
        bytes.withUnsafeBufferPointer { bytes in
          do throws(GantryError) { try entry.candidate.load(new, from: saved.pointee, bytes, converters: entry.converters) } catch { failure = error }
        }
        if let failure { throw failure }
      } catch {
        return lane.end(error)
      }
    }
    let command = FollowCommand(
      slot: entry.slot, follower: entry.follower, state: nil, usesTail: usesTail, change: number)
    _ = command.perform(lane)
  }

  /// After the lanes have ended: instances that do not count are gone.
  func letGo() {
    let counted = run.instances
    for entry in entries.values {
      for instance in [entry.follower.muted.instance, entry.follower.muted.counted, entry.candidate]
      where !counted.contains(where: { $0 === instance }) {
        _ = instance.stop()
        instance.destroy()
      }
    }
  }
}
