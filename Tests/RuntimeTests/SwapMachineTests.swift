import GantryGraph
@testable import GantryRuntime
import Testing

/// The swap's state machine without threads: whatever it is shown, its promises hold.
@Suite struct SwapMachineTests {
  /// What a shell that carries out each action would have.
  private struct Model {
    var hasCandidate = false
    var isFollowing = false
    var counts = false
    var letGo = 0
    var flips = 0
    var actions: [SwapMachine.Action] = []
  }

  @Test func `whatever is seen, the candidate is let go once and never while it counts`() {
    for seed in 0..<3000 as Range<UInt64> { walk(seed) }
  }

  private func walk(_ seed: UInt64) {
    var random = RandomState(seed: seed)
    func chance(_ share: UInt64) -> Bool { random.next() % 100 < share }
    var policy = SwapPolicy()
    policy.shadow = chance(50) ? Int(random.next() % 500) : 0
    policy.probation = chance(60) ? Int(random.next() % 500) : 0
    policy.revertIfErrors = chance(50) ? Int(random.next() % 3) : nil
    policy.revertIfP99Us = chance(30) ? 50 : nil
    policy.canary = chance(30) ? 0.5 : nil
    policy.whenFlat = chance(30)
    policy.timeoutNs = chance(50) ? 5 : nil
    let canBeMuted = chance(85)
    var machine = SwapMachine(policy: policy, canBeMuted: canBeMuted, rehearses: chance(50))
    var model = Model()
    var sight = SwapMachine.Sight()
    var ended: SwapReport.Outcome?
    for _ in 0..<20_000 where ended == nil {
      sight.nowNs += 1
      sight.events += random.next() % 20
      sight.isLoaded = sight.isLoaded || chance(20)
      sight.comparedRows = sight.events
      sight.backlogRows = random.next() % 2000
      sight.isFlat = chance(20)
      if chance(1) { sight.mutedErrors += 1 }
      if chance(1) { sight.countedErrors += 1 }
      if sight.mutedFault == nil, random.next() % 2000 == 0 { sight.mutedFault = "broke" }
      sight.mutedP99Us = chance(2) ? 60 : 10
      sight.countedP99Us = chance(2) ? 60 : nil
      if sight.wish == .none, chance(1) { sight.wish = [.revert, .commit, .supersede][Int(random.next() % 3)] }
      if random.next() % 5000 == 0 { sight.runHasEnded = true }
      let action = machine.next(sight)
      let fails = random.next() % 200 == 0
      if action != .wait { model.actions.append(action) }
      switch action {
      case .wait: continue
      case .ended(let outcome):
        ended = outcome
        continue
      case .rehearse: #expect(!model.hasCandidate)
      case .prepare:
        #expect(!model.hasCandidate)
        model.hasCandidate = !fails
      case .follow:
        #expect(model.hasCandidate && !model.isFollowing && canBeMuted)
        model.isFollowing = true
      case .compare, .beginCanary: #expect(model.isFollowing && !model.counts)
      case .flip:
        #expect(model.hasCandidate && !model.counts)
        #expect(model.isFollowing || !canBeMuted)
        if !fails {
          model.counts = true
          model.flips += 1
        }
      case .flipBack:
        #expect(model.counts)
        if !fails { model.counts = false }
      case .letGo: model.letGo += 1
      }
      if fails, action != .letGo { machine.did(action, sight, failure: "failed") } else { machine.did(action, sight) }
    }
    // A policy may wait for ever for a flat book or for events: then the run's end ends it.
    if ended == nil {
      sight.runHasEnded = true
      while ended == nil {
        let action = machine.next(sight)
        if case .ended(let outcome) = action { ended = outcome }
        if action == .letGo { model.letGo += 1 }
        machine.did(action, sight)
      }
    }
    let note: Comment = "seed \(seed): \(model.actions)"
    #expect(model.letGo == 1, note)
    switch ended {
    case .committed: #expect(model.counts, note)
    case .reverted: #expect(!model.counts, note)
    case .failed, .superseded: #expect(!model.counts, note)
    case .unfinished: #expect(model.counts, note)
    case nil: Issue.record(note)
    }
  }

  @Test func `a policy without anything goes from prepare to commit`() {
    var machine = SwapMachine(policy: SwapPolicy(), canBeMuted: true, rehearses: false)
    var sight = SwapMachine.Sight()
    sight.isLoaded = true
    var actions: [SwapMachine.Action] = []
    while true {
      let action = machine.next(sight)
      actions.append(action)
      if case .ended = action { break }
      machine.did(action, sight)
    }
    #expect(actions == [.prepare, .follow, .flip, .letGo, .ended(.committed)])
  }
}
