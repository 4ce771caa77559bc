import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// The swaps of a journal, made again at the same events when it is followed: the lane itself makes the
/// candidate where the swap began, and feeds it.
///
/// A replay's lane may allocate here: it is no lane that trades.
final class ScriptedSwaps: Sendable {
  private final class Entry: @unchecked Sendable {  // one lane's
    let slot: Int
    let candidate: Instance
    let follower: Follower
    let node: Int32
    /// The graphs before the swap and with it.
    let old: Graph
    let new: Graph
    let wider: WiderPorts?

    init(node: Int32, slot: Int, candidate: Instance, follower: Follower, old: Graph, new: Graph, wider: WiderPorts?) {
      self.wider = wider
      self.node = node
      self.old = old
      self.new = new
      self.slot = slot
      self.candidate = candidate
      self.follower = follower
    }
  }

  private let entries = Mutex<[Int64: Entry]>([:])
  private let journal: String
  private unowned let run: Run
  private let make: @Sendable (ChangeRecord) throws(GantryError) -> SwapRequest

  /// - Parameter make: the candidate of a change, from what the journal keeps of it
  init(journal: String, run: Run, make: @escaping @Sendable (ChangeRecord) throws(GantryError) -> SwapRequest) {
    self.journal = journal
    self.run = run
    self.make = make
  }

  /// What the lane did here when the journal was written. On the lane, between two blocks.
  func perform(_ record: DecisionRecord, on lane: Lane) {
    guard let what = Decision(rawValue: record.what) else { return }
    do throws(GantryError) {
      if what == .swapBegan { return try begin(record, lane) }
      guard let entry = entries.withLock({ $0[record.value] }) else {
        // A node that acts on the outside was handed over: it does not run in a replay.
        return lane.recorder.decision(what, node: Int32(bitPattern: record.node), value: record.value, detail: record.detail)
      }
      switch what {
      case .canaryBegan: _ = CanaryCommand(slot: entry.slot, follower: entry.follower, change: record.value).perform(lane)
      case .flipped, .flippedBack: try exchange(entry, record, lane)
      case .swapEnded: end(entry, record.value, lane)
      default: break
      }
    } catch {
      lane.end(error)
    }
  }

  private func begin(_ record: DecisionRecord, _ lane: Lane) throws(GantryError) {
    let change = try ChangeRecord.read(journal, record.value)
    // Swaps of a run that goes on behind the journal count on.
    run.swapList.withLock { $0.lastNumber = max($0.lastNumber, record.value) }
    run.services.take(models: change.models ?? [])
    let own = clinux_thread_tag()
    defer { clinux_set_thread_tag(own) }
    let request = try make(change)
    guard let index = run.shape.withLock({ $0.index(of: Int(record.node)) }), let slot = run.planner.layout.slot(of: Int(record.node), lane: lane.index) else {
      throw GantryError("replay.no-fit", "\(journal) swaps the node \(change.node), which the graph does not have")
    }
    let place = lane.nodes + slot
    let counted = run.instances[index]
    let (candidate, _) = try run.makeCandidate(index, request, inputs: change.schemas(like: run.candidateInputs(index)))
    let warmth = try SwapDriver.warmth(request, current: counted, candidate, hasTail: place.pointee.tail != nil)
    try candidate.start()
    let muted = MutedInstance(instance: candidate, beside: counted, like: place, tag: run.nextTag(), clock: run.clock)
    let follower = Follower(muted, like: place, name: change.node, clock: lane.clock)
    let graph = run.graph
    if let share = change.canary { run.share(share, by: change.canaryBy ?? .instrument, follower) }
    let wider = WiderPorts(candidate.schemas, beside: counted.schemas, place, on: lane, run.planner.layout)
    let entry = Entry(
      node: place.pointee.index, slot: slot, candidate: candidate, follower: follower, old: graph, new: request.graph, wider: wider)
    entries.withLock { $0[record.value] = entry }
    follower.startInline()
    var refusal: GantryError?
    var usesTail = false
    switch warmth {
    // A state of any size: nobody waits for a replay's lane.
    case .state(let old, let new):
      let bytes = try counted.save(old)
      bytes.withUnsafeBufferPointer { bytes in
        do throws(GantryError) { try candidate.load(new, from: old.pointee, bytes, converters: request.converters) } catch { refusal = error }
      }
    case .tail: usesTail = true
    case .nothing: break
    }
    _ = FollowCommand(slot: slot, follower: follower, state: nil, usesTail: usesTail, change: record.value).perform(lane)
    // It came to nothing then, too.
    if let refusal { follower.giveUp(refusal.diagnostics.first?.text ?? "did not take the state") }
  }

  private func exchange(_ entry: Entry, _ record: DecisionRecord, _ lane: Lane) throws(GantryError) {
    let reason: ExchangeCommand.Reason = record.what == Decision.flipped.rawValue ? .flip : .revert
    let command = ExchangeCommand(slot: entry.slot, follower: entry.follower, change: record.value, reason: reason, wider: entry.wider)
    _ = command.perform(lane)
    if let failure = command.failure { throw GantryError("replay.swap-failed", "the instance that was to count \(failure)", exit: .failed) }
    guard let index = run.shape.withLock({ $0.index(of: Int(record.node)) }) else { return }
    run.replaceInstance(index, by: entry.follower.muted.counted)
    run.take(node: index, from: reason == .flip ? entry.new : entry.old)
  }

  /// The journal ends here, and swaps are under way: none has been committed, so each node goes on with
  /// its old instance, which was fed all the while. The lanes stand; the caller speaks for them.
  func settle(_ lanes: [Lane]) throws(GantryError) {
    for (number, entry) in entries.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
      guard let lane = lanes.first(where: { lane in (0..<lane.nodeCount).contains { lane.nodes[$0].index == entry.node } }) else { continue }
      let own = clinux_thread_tag()
      clinux_set_thread_tag(lane.tag)
      defer { clinux_set_thread_tag(own) }
      if entry.follower.muted.hasExchanged {
        let back = DecisionRecord(what: Decision.flippedBack.rawValue, node: UInt32(bitPattern: entry.node), value: number, detail: 0)
        try exchange(entry, back, lane)
      }
      end(entry, number, lane)
    }
  }

  private func end(_ entry: Entry, _ number: Int64, _ lane: Lane) {
    _ = UnfollowCommand(slot: entry.slot, follower: entry.follower, change: number).perform(lane)
    entries.withLock { $0[number] = nil }
    letGo(entry)
  }

  /// After the lanes have ended: instances that do not count are gone.
  func letGo() {
    for entry in entries.withLock({ Array($0.values) }) { letGo(entry) }
  }

  private func letGo(_ entry: Entry) {
    let muted = entry.follower.muted.instance
    guard !run.instances.contains(where: { $0 === muted }) else { return }
    _ = muted.stop()
    muted.destroy()
    run.didLetGo(muted.code)
  }
}
