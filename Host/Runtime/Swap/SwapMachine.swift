import GantryGraph

/// The protocol of a swap as a value: told what is to be seen, it says what to do next. No I/O, no
/// clock, no threads; the shell (`SwapDriver`) looks, does and reports.
///
///     rehearse -> prepare -> warm -> shadow -> gate -> canary -> flip -> probation -> commit
///
/// Guarantees: before `flip` every failure ends with `.letGo` of the candidate and the old instance
/// untouched; after it every breach ends with `.flipBack`; the candidate is let go exactly once, and
/// never while it counts.
struct SwapMachine: Sendable, Equatable {
  enum Phase: Int, Sendable, Comparable {
    case rehearse, prepare, warm, shadow, gate, canary, flip, probation, ended
    static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
  }

  enum Action: Sendable, Equatable {
    case rehearse
    case prepare
    /// The candidate takes the state or the tail, and is fed from here on.
    case follow
    /// Outputs are compared from here on.
    case compare
    case beginCanary
    case flip
    /// The old instance counts again.
    case flipBack
    /// Feeding ends and the muted instance is destroyed: the candidate before a flip, the old one after.
    case letGo
    case wait
    case ended(SwapReport.Outcome)
  }

  /// What somebody has asked of a swap under way.
  enum Wish: Sendable, Equatable { case none, revert, commit, supersede }

  /// What the shell sees. Counts of the phases before are not subtracted: the machine remembers them.
  struct Sight: Sendable, Equatable {
    var nowNs: Int64 = 0
    var wish = Wish.none
    var runHasEnded = false
    /// Rows that the muted instance has still to handle.
    var backlogRows: UInt64 = 0
    /// Rows for which the outputs of both were compared.
    var comparedRows: UInt64 = 0
    /// The muted instance has taken its state.
    var isLoaded = false
    /// Why the muted instance cannot go on (it broke the contract, refused the state, fell behind).
    var mutedFault: String?
    /// Events the node has handled, and what failed of them in the counted instance.
    var events: UInt64 = 0
    var countedErrors: UInt64 = 0
    var mutedErrors: UInt64 = 0
    /// Of the counted instance after a flip, of the muted one before; nil until enough was measured.
    var countedP99Us: Double?
    var mutedP99Us: Double?
    var isFlat = true
  }

  let policy: SwapPolicy
  /// `effects: none`: it may run muted. Otherwise it is handed over at the flip.
  let canBeMuted: Bool
  private(set) var phase: Phase
  private(set) var reason: String?
  private var phaseBeganNs: Int64 = .min
  private var phaseEvents: UInt64 = 0
  private var phaseErrors: UInt64 = 0
  private var outcome: SwapReport.Outcome?
  private var isFollowing = false
  private var isComparing = false
  private var isCanary = false
  private var hasFlipped = false

  /// Rows in which a candidate that has caught up may still be behind.
  static let caughtUpRows: UInt64 = 1024

  init(policy: SwapPolicy, canBeMuted: Bool, rehearses: Bool) {
    self.policy = policy
    self.canBeMuted = canBeMuted
    phase = rehearses ? .rehearse : .prepare
  }

  /// What to do now. The shell does it and reports with `did` before it asks again; `.wait` and
  /// `.ended` need no report.
  mutating func next(_ sight: Sight) -> Action {
    if let outcome { return end(outcome) }
    if phase > .prepare, let action = stopped(sight) { return action }
    switch phase {
    case .rehearse: return sight.wish == .none ? .rehearse : give(up: sight)
    case .prepare: return sight.wish == .none ? .prepare : give(up: sight)
    case .warm:
      guard canBeMuted else { return enter(.gate, sight) }
      if !isFollowing { return .follow }
      if let action = troubled(sight) { return action }
      guard sight.isLoaded, sight.backlogRows <= SwapMachine.caughtUpRows else { return .wait }
      return enter(policy.shadow > 0 ? .shadow : .gate, sight)
    case .shadow:
      if let action = troubled(sight) { return action }
      if !isComparing { return .compare }
      guard sight.comparedRows >= UInt64(policy.shadow) else { return .wait }
      return enter(.gate, sight)
    case .gate:
      if let action = troubled(sight) { return action }
      if policy.whenFlat, !sight.isFlat {
        if let timeout = policy.timeoutNs, sight.nowNs - phaseBeganNs > timeout {
          return fail("there was an open position or a working order for all of the \(timeout / 1_000_000_000) s that `when: flat` may wait", .failed)
        }
        return .wait
      }
      return enter(policy.canary != nil && canBeMuted ? .canary : .flip, sight)
    case .canary:
      if let action = troubled(sight) { return action }
      if !isCanary { return .beginCanary }
      if sight.wish == .commit { return enter(.flip, sight) }
      if let breach = breach(errors: sight.countedErrors &- phaseErrors, p99Us: sight.mutedP99Us) { return fail(breach, .reverted) }
      guard sight.events &- phaseEvents >= UInt64(max(policy.probation, 1)) else { return .wait }
      return enter(.flip, sight)
    case .flip: return .flip
    case .probation:
      if sight.wish == .revert { return back("asked for") }
      if sight.wish == .commit || sight.wish == .supersede { return keep() }
      if let breach = breach(errors: sight.countedErrors &- phaseErrors, p99Us: sight.countedP99Us) { return back(breach) }
      if let fault = sight.mutedFault {
        reason = "the old instance can no longer take over: \(fault)"
        return keep()
      }
      guard sight.events &- phaseEvents >= UInt64(policy.probation) else { return .wait }
      return keep()
    case .ended: return .ended(outcome ?? .failed)
    }
  }

  /// The shell has done what `next` said, or could not.
  mutating func did(_ action: Action, _ sight: Sight, failure: String? = nil) {
    if let failure, outcome == nil {
      reason = failure
      outcome = hasFlipped ? .committed : .failed
      // A candidate that was never made, or that is made and not fed, is let go by the shell.
      return
    }
    switch action {
    case .rehearse: move(.prepare, sight)
    case .prepare: move(.warm, sight)
    case .follow: isFollowing = true
    case .compare:
      isComparing = true
    case .beginCanary:
      isCanary = true
      phaseEvents = sight.events
      phaseErrors = sight.countedErrors
    case .flip:
      hasFlipped = true
      isCanary = false
      move(.probation, sight)
      if policy.probation == 0 { outcome = .committed }
    case .flipBack:
      hasFlipped = false
      outcome = .reverted
    case .letGo: phase = .ended
    case .wait, .ended: break
    }
  }

  private mutating func move(_ next: Phase, _ sight: Sight) {
    phase = next
    phaseBeganNs = sight.nowNs
    phaseEvents = sight.events
    phaseErrors = sight.countedErrors
  }

  private mutating func enter(_ next: Phase, _ sight: Sight) -> Action {
    move(next, sight)
    return self.next(sight)
  }

  private mutating func end(_ outcome: SwapReport.Outcome) -> Action {
    guard phase != .ended else { return .ended(outcome) }
    return .letGo
  }

  private mutating func fail(_ why: String, _ outcome: SwapReport.Outcome) -> Action {
    reason = why
    self.outcome = outcome
    return end(outcome)
  }

  private mutating func back(_ why: String) -> Action {
    reason = why
    return .flipBack
  }

  private mutating func keep() -> Action {
    outcome = .committed
    return end(.committed)
  }

  private mutating func give(up sight: Sight) -> Action {
    switch sight.wish {
    case .supersede: fail("a newer change took its place", .superseded)
    default: fail("asked for", .reverted)
    }
  }

  /// The run has ended, or somebody wants no flip any more.
  private mutating func stopped(_ sight: Sight) -> Action? {
    if sight.runHasEnded { return fail("the run ended", hasFlipped ? .unfinished : .failed) }
    guard phase < .probation, sight.wish == .revert || sight.wish == .supersede else { return nil }
    return give(up: sight)
  }

  /// Before the flip: the candidate has shown what it is not to do.
  private mutating func troubled(_ sight: Sight) -> Action? {
    if let fault = sight.mutedFault { return fail("the candidate \(fault)", isCanary ? .reverted : .failed) }
    let errors = sight.mutedErrors
    if errors >= UInt64(max(policy.revertIfErrors ?? 1, 1)) {
      return fail("the candidate failed on \(errors) events", isCanary ? .reverted : .failed)
    }
    if phase < .gate, let limit = policy.revertIfP99Us, let p99 = sight.mutedP99Us, p99 > limit {
      return fail("the candidate's p99 is \(microseconds(p99)) us, above \(microseconds(limit)) us", .failed)
    }
    return nil
  }

  private func breach(errors: UInt64, p99Us: Double?) -> String? {
    if let limit = policy.revertIfErrors, errors >= UInt64(max(limit, 1)) { return "\(errors) errors in probation, the limit is \(limit)" }
    if let limit = policy.revertIfP99Us, let p99Us, p99Us > limit {
      return "p99 \(microseconds(p99Us)) us in probation, the limit is \(microseconds(limit)) us"
    }
    return nil
  }

  private func microseconds(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
}
