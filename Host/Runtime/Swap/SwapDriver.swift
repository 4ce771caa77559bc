import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryTrace
import Synchronization

/// Carries one swap out: looks, asks the `SwapMachine`, does what it says, on a thread of its own.
///
/// The candidate and the old instance belong to the driver from `prepare` to `letGo`, except for
/// the calls that the lane and the follower make.
final class SwapDriver: @unchecked Sendable {  // `shared` is for all; the rest is the driver thread's
  let request: SwapRequest
  let node: Int
  /// The node's number in the run.
  let nodeNumber: Int
  let number: Int64
  private unowned let run: Run
  private let lane: Lane
  private let slot: Int
  private let old: PluginCode
  private let oldGraph: Graph
  private var machine: SwapMachine
  private(set) var follower: Follower?
  private var candidate: Instance?
  private var artifacts: [ArtifactUse] = []
  private var isFollowed = false
  private var warmth = Warmth.nothing
  /// The node's standby, through which the candidate is fed.
  private var standby: Standby?
  private var flipLatencies = LatencySnapshot()
  private var handOver: (any NodeHandOver)?
  /// Memory for a candidate whose rows have further columns.
  private var wider: WiderPorts?
  private let progress: @Sendable (SwapStep) -> Void
  /// Joined after the end, by whoever waits for it, or by the next swap that ends.
  let thread = LaneThread()
  /// Counts up with each change that somebody may wait for.
  private let signal = Atomic<UInt32>(0)

  private struct Shared {
    var report: SwapReport
    var wish = SwapMachine.Wish.none
    /// Who wished it.
    var wisher: String?
    var error: GantryError?
  }
  private let shared: Mutex<Shared>

  init(
    _ request: SwapRequest, node: Int, nodeNumber: Int, number: Int64, run: Run, lane: Lane, slot: Int,
    progress: @escaping @Sendable (SwapStep) -> Void
  ) {
    self.request = request
    self.node = node
    self.nodeNumber = nodeNumber
    self.number = number
    self.run = run
    self.lane = lane
    self.slot = slot
    self.progress = progress
    old = run.instances[node].code
    oldGraph = run.graph
    // A source reads on by itself: two of them would read twice.
    let canBeMuted = old.description.effects == .none && request.code.description.effects == .none && old.description.kind != .source
    machine = SwapMachine(policy: request.policy, canBeMuted: canBeMuted, rehearses: request.rehearsal != nil)
    shared = Mutex(
      Shared(
        report: SwapReport(
          id: request.id, node: request.node, by: request.by, from: SwapDriver.text(old, run.instances[node].modelTitle),
          to: SwapDriver.text(request))))
  }

  private static func text(_ request: SwapRequest) -> String {
    text(request.code, request.graph.node(named: request.node).flatMap { request.graph.nodes[$0].modelTitle })
  }

  private static func text(_ code: PluginCode, _ model: String?) -> String {
    "\(code.description.id)@\(code.description.version) generation \(code.generation)\(model.map { " with \($0)" } ?? "")"
  }

  // MARK: for any thread

  var report: SwapReport { shared.withLock { $0.report } }
  var hasEnded: Bool { report.outcome != nil }

  func start() throws(GantryError) {
    try thread.start(name: "change:\(request.node)") { [self] in drive() }
  }

  func ask(_ wish: SwapMachine.Wish, by wisher: String? = nil) {
    shared.withLock {
      $0.wish = wish
      $0.wisher = wisher
    }
    ring()
  }

  /// Waits until the swap has flipped or ended; with `untilEnd`, until it has ended.
  func wait(untilEnd: Bool) throws(GantryError) -> SwapReport {
    while true {
      let seen = signal.load(ordering: .acquiring)
      let (report, error) = shared.withLock { ($0.report, $0.error) }
      if report.outcome != nil {
        thread.join()
        if let error { throw error }
        return report
      }
      if report.hasFlipped, !untilEnd { return report }
      GantryRuntime.wait(signal, while: seen, timeoutNs: 50_000_000)
    }
  }

  private func ring() {
    signal.wrappingAdd(1, ordering: .releasing)
    wake(signal)
  }

  // MARK: the thread

  private func drive() {
    while true {
      let sight = look()
      let action = machine.next(sight)
      switch action {
      case .wait:
        let seen = signal.load(ordering: .acquiring)
        GantryRuntime.wait(signal, while: seen, timeoutNs: 500_000)
      case .ended(let outcome):
        ended(outcome)
        return
      default:
        announce(action)
        do throws(GantryError) {
          if try perform(action) { machine.did(action, look()) }
        } catch {
          shared.withLock { $0.error = $0.error ?? error }
          machine.did(action, look(), failure: error.diagnostics.first?.text ?? "failed")
        }
      }
    }
  }

  private func look() -> SwapMachine.Sight {
    var sight = SwapMachine.Sight()
    sight.nowNs = clinux_monotonic_ns()
    sight.wish = shared.withLock { $0.wish }
    sight.runHasEnded = lane.hasEnded.load(ordering: .acquiring)
    sight.events = run.planner.statistics[nodeNumber].events
    sight.countedErrors = run.planner.statistics[nodeNumber].errors
    sight.isFlat = run.gate.isFlat
    if let follower {
      sight.backlogRows = follower.backlogRows
      sight.comparedRows = follower.comparedInputs
      sight.isLoaded = follower.isLoaded
      sight.mutedFault = follower.faultText
      sight.mutedErrors = follower.muted.errors
      // The first calls are slow by nature: they are judged with many others.
      sight.mutedP99Us = SwapDriver.p99(follower.muted.latencies, atLeast: UInt64(min(max(request.policy.shadow / 2, 100), 1000)))
    }
    if machine.phase == .probation { sight.countedP99Us = SwapDriver.p99(countedLatencies.since(flipLatencies), atLeast: 100) }
    return sight
  }

  private var countedLatencies: LatencySnapshot { lane.trace.perNode[nodeNumber].snapshot }

  /// Nil until so many calls were measured.
  private static func p99(_ latencies: LatencySnapshot, atLeast count: UInt64) -> Double? {
    latencies.count < count ? nil : Double(latencies.percentile(0.99)) / 1000
  }

  // MARK: steps

  /// False: not yet, the machine says the same again.
  private func perform(_ action: SwapMachine.Action) throws(GantryError) -> Bool {
    switch action {
    case .rehearse: try request.rehearsal?()
    case .prepare:
      try prepare()
      run.rewriteMeta()
    case .follow: try follow()
    case .compare: follower?.compare()
    case .beginCanary: return try beginCanary()
    case .flip, .flipBack:
      let isBack = action == .flipBack
      guard machine.canBeMuted ? try exchange(isBack ? .revert : .flip) : try takeHandOver(reverse: isBack) else { return false }
      run.rewriteMeta()
    case .letGo: letGo()
    case .wait, .ended: break
    }
    return true
  }

  private func prepare() throws(GantryError) {
    if !machine.canBeMuted {
      if old.description.kind == .source {
        handOver = try SourceHandOver(run: run, node: node, request: request, lane: lane, number: number)
        return
      }
      let made = try HandOver(run: run, node: node, request: request, lane: lane, slot: slot, number: number)
      if let next = made.next { widen(for: next) }
      made.wider = wider
      handOver = made
      return
    }
    let (candidate, artifacts) = try run.makeCandidate(node, request)
    self.candidate = candidate
    self.artifacts = artifacts
    widen(for: candidate)
    do throws(GantryError) {
      warmth = try SwapDriver.warmth(request, current: run.instances[node], candidate, hasTail: lane.nodes[slot].tail != nil)
      try candidate.start()
    } catch {
      letGo()
      throw error
    }
    if let standby = run.standby(of: nodeNumber) {
      if case .state = warmth {
        self.standby = standby
        return
      }
      // From nothing: the twin has a past that the new instance will not have.
      run.endStandbys(of: nodeNumber)
    }
    let muted = MutedInstance(
      instance: candidate, beside: run.instances[node], like: lane.nodes + slot, tag: run.nextTag(), clock: run.clock)
    follower = Follower(muted, like: lane.nodes + slot, name: request.node, clock: lane.clock)
  }

  /// The candidate's rows may be wider than those that the node writes now.
  private func widen(for candidate: Instance) {
    let current = run.instances[node].schemas
    wider = WiderPorts(candidate.schemas, beside: current, lane.nodes + slot, on: lane, run.planner.layout)
    if wider != nil { run.shape.withLock { $0.promised[nodeNumber] = current } }
  }

  enum Warmth { case state(old: UnsafePointer<gantry_state>, new: UnsafePointer<gantry_state>), tail, nothing }

  /// What the candidate begins with.
  static func warmth(
    _ request: SwapRequest, current: Instance, _ candidate: Instance, hasTail: Bool
  ) throws(GantryError) -> Warmth {
    if let old = current.capability("gantry.state/1", as: gantry_state.self),
      let new = candidate.capability("gantry.state/1", as: gantry_state.self)
    {
      if request.isCold { return .nothing }
      return .state(old: old, new: new)
    }
    if hasTail, !request.isCold { return .tail }
    if request.code.description.isStateless || request.isCold { return .nothing }
    throw GantryError(
      "swap.cold", "\(request.node) would start from nothing: \(request.code.description.id) cannot hand its state over, and the node keeps no tail",
      help: [
        "give the node `swap: { warm: N }` with as many events as it needs to be warm, or ask for a cold swap with --cold"
      ])
  }

  private func follow() throws(GantryError) {
    if let standby, let candidate {
      try run.describe(request, number: number, artifacts, candidate)
      let stateBytes = try standby.feed(candidate, request, lane.nodes + slot)
      follower = standby.follower
      shared.withLock { $0.report.stateBytes = stateBytes }
      try asked(StandbyCommand(slot: slot, follower: standby.follower, change: number, moment: .begins))
      return
    }
    guard let candidate, let follower else { throw SwapDriver.bug("nothing to follow") }
    var saved: UnsafePointer<gantry_state>?
    var usesTail = false
    switch warmth {
    case .state(let old, _): saved = old
    case .tail: usesTail = true
    case .nothing: break
    }
    try run.describe(request, number: number, artifacts, candidate)
    let command = FollowCommand(slot: slot, follower: follower, state: saved, usesTail: usesTail, change: number)
    try asked(command)
    guard command.status == GANTRY_OK else {
      let isLarge = command.status == GANTRY_FULL
      throw GantryError(
        isLarge ? "swap.state-too-large" : "swap.state-not-saved",
        isLarge
          ? "\(request.node)'s state is larger than the \(StateBuffer.bytesMax >> 10) KB that are saved on a lane"
          : "\(request.node) did not save its state (\(statusName(command.status)))",
        help: isLarge
          ? ["give the node `swap: { standby: true }`, which keeps a muted twin from the next start on, or ask for a cold swap with --cold"]
          : ["see the plugin's log"])
    }
    isFollowed = true
    if case .state(let old, let new) = warmth {
      shared.withLock { $0.report.stateBytes = command.saved.used }
      do throws(GantryError) {
        try candidate.load(new, from: old.pointee, command.saved.bytes, converters: request.converters)
      } catch {
        follower.giveUp("did not take the state")
        throw error
      }
    }
    try follower.start()
  }

  private func beginCanary() throws(GantryError) -> Bool {
    guard let follower, let share = request.policy.canary else { return true }
    run.share(share, by: request.policy.canaryBy, follower)
    return try asked(CanaryCommand(slot: slot, follower: follower, change: number), patient: false)
  }

  private func exchange(_ reason: ExchangeCommand.Reason) throws(GantryError) -> Bool {
    guard let follower else { throw SwapDriver.bug("nothing to flip") }
    let before = countedLatencies
    let command = ExchangeCommand(slot: slot, follower: follower, change: number, reason: reason, wider: wider)
    guard try asked(command, patient: false) else {
      follower.giveUpWaiting()
      return false
    }
    if let failure = command.failure { throw GantryError("swap.unfit", "the instance that was to count \(failure)") }
    flipLatencies = before
    run.replaceInstance(node, by: follower.muted.counted)
    run.take(node: node, from: reason == .flip ? request.graph : oldGraph)
    remember()
    shared.withLock {
      $0.report.hasFlipped = reason == .flip
      $0.report.atEvent = command.atEvent
    }
    return true
  }

  private func takeHandOver(reverse: Bool) throws(GantryError) -> Bool {
    guard let handOver else { throw SwapDriver.bug("nothing to hand over") }
    let instance = try handOver.perform(reverse: reverse)
    note(pauses: handOver.lastCommand)
    run.replaceInstance(node, by: instance)
    run.take(node: node, from: reverse ? oldGraph : request.graph)
    shared.withLock {
      $0.report.hasFlipped = !reverse
      $0.report.atEvent = handOver.atEvent
      $0.report.stateBytes = handOver.stateBytes
    }
    return true
  }

  /// The muted instance is fed no more, and is gone.
  private func letGo() {
    defer {
      wider = nil
      run.shape.withLock { $0.promised[nodeNumber] = nil }
    }
    if isFollowed, let follower {
      let command = UnfollowCommand(slot: slot, follower: follower, change: number)
      _ = lane.ask(command)
      note(pauses: command)
      isFollowed = false
    }
    remember()
    if let standby {
      if let follower {
        let command = StandbyCommand(slot: slot, follower: follower, change: number, moment: .isOver)
        if lane.ask(command) == .ended { follower.leaveInline() }
        note(pauses: command)
      }
      for code in standby.settle(counted: run.instances[node]) { run.didLetGo(code) }
      if follower == nil, let candidate { candidate.destroy() }
      self.standby = nil
      follower = nil
      candidate = nil
      return
    }
    follower?.stop()
    let muted = follower?.muted.instance ?? candidate
    if let muted, muted !== run.instances[node] {
      _ = muted.stop()
      muted.destroy()
      run.didLetGo(muted.code)
    }
    candidate = nil
    follower = nil
    handOver?.letGo()
    handOver = nil
  }

  /// Asks the lane. With patience until the run ends; otherwise for a moment: false is "not yet".
  @discardableResult
  private func asked(_ command: LaneCommand, patient: Bool = true) throws(GantryError) -> Bool {
    let answer = lane.ask(command, timeoutNs: patient ? .max : 20_000_000)
    note(pauses: command)
    switch answer {
    case .done: return true
    case .timedOut: return false
    case .ended: throw GantryError("swap.ended", "the run ended before \(request.node) could be swapped", exit: .failed)
    }
  }

  private func note(pauses command: LaneCommand) {
    shared.withLock {
      $0.report.pauseNs += command.pauseNs
      $0.report.longestPauseNs = max($0.report.longestPauseNs, command.longestPauseNs)
    }
  }

  /// What the muted instance has shown, before it is gone.
  private func remember() {
    guard let follower else { return }
    let comparison = follower.comparisonResult
    shared.withLock {
      $0.report.comparedRows = comparison.rows
      $0.report.differingRows = comparison.differing
      $0.report.largestDifference = comparison.largest
      $0.report.candidateErrors = max($0.report.candidateErrors, follower.muted.errors)
      $0.report.candidateP99Ns = follower.muted.latencies.percentile(0.99)
    }
  }

  private static func bug(_ what: String) -> GantryError { GantryError("swap.bug", what, exit: .bug) }

  // MARK: telling

  private func announce(_ action: SwapMachine.Action) {
    remember()
    let policy = request.policy
    switch action {
    case .rehearse: say(.rehearse, "in a cell")
    case .prepare: say(.prepare, SwapDriver.text(request))
    case .follow: say(.warm, machine.canBeMuted ? "from the counted instance's state or tail" : "")
    case .compare: say(.shadow, "for \(policy.shadow) events")
    case .beginCanary: say(.canary, "\(Int((policy.canary ?? 0) * 100))% of the \(policy.canaryBy.rawValue)s")
    case .flip: say(.flip, "at the next event boundary")
    case .flipBack: say(.revert, machine.reason ?? "")
    case .letGo, .wait, .ended: break
    }
  }

  private func say(_ step: SwapStep.Step, _ detail: String) {
    let entry = SwapStep(
      swap: request.id, node: request.node, step: step, detail: detail, wallNs: clinux_wall_ns(), event: lane.eventCount)
    let isNew = shared.withLock { shared -> Bool in
      // A step that is tried again is one step.
      if let last = shared.report.steps.last, last.step == step, last.detail == detail { return false }
      shared.report.steps.append(entry)
      return true
    }
    guard isNew else { return }
    progress(entry)
    run.say(node: node, "swap \(request.id): \(step.rawValue)\(detail.isEmpty ? "" : ", \(detail)")")
    ring()
  }

  private func ended(_ outcome: SwapReport.Outcome) {
    let reason = machine.reason
    let step: SwapStep.Step =
      switch outcome {
      case .committed: .commit
      case .reverted: .revert
      case .failed, .unfinished: .failed
      case .superseded: .superseded
      }
    if shared.withLock({ $0.report.steps.last?.step }) != .revert { say(step, reason ?? "") }
    // It is no longer under way before anybody who waits for its end can see that.
    var report = report
    report.reason = reason
    report.outcome = outcome
    report.endedBy = shared.withLock { $0.wisher }
    if outcome != .committed, outcome != .unfinished { report.hasFlipped = false }
    run.swapEnded(self, report)
    shared.withLock {
      $0.report = report
      if outcome == .failed, $0.error == nil {
        $0.error = GantryError("swap.failed", "\(request.node) was not swapped: \(reason ?? "no reason")", exit: .failed)
      }
      if outcome == .committed { $0.error = nil }
    }
    ring()
  }
}
