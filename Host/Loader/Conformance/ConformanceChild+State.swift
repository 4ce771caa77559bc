import CGantry
import GantryBase
import PluginHarness

/// `gantry.state/1`: a state goes on where it was saved, and any bytes may come.
extension ConformanceChild {
  func checkState(_ trial: ConformanceTrial, _ alone: [ConformanceTrial.Answer], _ pulls: Bool) {
    check(.state, trial.description.id) {
      let half = pulls ? 100 : trial.feed.items.count / 2
      let old = try trial.instance()
      var answers = pulls ? try trial.pull(old, max: 1, count: half) : try trial.feed(old, to: half)
      let state = try old.saveState()
      let new = try trial.instance(starts: false)
      do {
        try new.loadState(version: state.version, state.bytes, endsAtPage: true)
      } catch let failure as PluginFailure {
        throw ConformanceFailure("it refuses the state it has just saved: \(failure)", "load what save writes")
      }
      guard try new.saveState() == state else {
        throw ConformanceFailure("a state that was loaded and saved again is another one", "load everything that save writes")
      }
      new.takeOver(from: old)
      try new.start()
      answers += pulls ? try trial.pull(new, max: 1, count: 512 - half) : try trial.feed(new, from: half)
      if trial.description.determinism != .none, let difference = ConformanceTrial.difference(alone, answers) {
        throw ConformanceFailure("after a hand-over it answers otherwise: \(difference)", "save everything that later outputs depend on")
      }
      return "\(state.bytes.count) bytes of state go on where they were saved"
    }
  }

  /// Every prefix of a real state, real states with changed bytes, and noise; none may crash.
  func checkDamagedState(_ trial: ConformanceTrial, _ pulls: Bool) {
    check(.damagedState, trial.description.id) {
      let old = try trial.instance()
      _ = pulls ? try trial.pull(old, max: 1, count: 100) : try trial.feed(old, to: 64)
      let state = try old.saveState()
      var random = FeedRandom(options.seed)
      var damaged = stride(from: 0, to: state.bytes.count, by: max(1, state.bytes.count / 64)).map { Array(state.bytes.prefix($0)) }
      for _ in 0..<64 {
        var bytes = state.bytes
        for _ in 0..<(1 + random.next() % 8) where !bytes.isEmpty {
          bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        damaged.append(bytes)
        damaged.append((0..<Int(random.next() % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
      }
      var refused = 0
      for bytes in damaged {
        let harness = try trial.instance(starts: false)
        do {
          try harness.loadState(version: state.version, bytes, endsAtPage: true)
          try harness.start()
          _ = pulls ? try trial.pull(harness, max: 1, count: 16) : try trial.feed(harness, to: 16)
        } catch let failure as PluginFailure {
          try ConformanceTrial.checkReason(failure)
          refused += 1
        }
      }
      let newer = try trial.instance(starts: false)
      do {
        try newer.loadState(version: state.version &+ 1_000, state.bytes, endsAtPage: true)
        throw ConformanceFailure(
          "it takes a state of version \(state.version &+ 1_000), which it cannot know", "refuse unknown versions with GANTRY_UNSUPPORTED")
      } catch let failure as PluginFailure {
        try ConformanceTrial.checkReason(failure)
      }
      return "refused \(refused) of \(damaged.count) damaged states and ran on with the others"
    }
  }
}
