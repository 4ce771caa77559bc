import CGantry
import GantryBase
import PluginHarness

/// What an instance does, and what two of them do to each other.
extension ConformanceChild {
  func checkBehaviour(_ description: PluginDescription, _ image: PluginImage) {
    let file = image.isBundle ? image.path + "/" + image.main : image.path
    guard let trial = configured(description, file) else { return }
    guard description.effects == .none else {
      report(.init(description.id, .runs, .skipped, "its effects are external: it is not started here"))
      return
    }
    let pulls = description.extensions.contains(GANTRY_EXT_PULL)
    guard pulls || !trial.feed.items.isEmpty else {
      report(.init(description.id, .runs, .skipped, "there is nothing to feed it with"))
      return
    }
    var alone: [ConformanceTrial.Answer] = []
    var hasRun = false
    check(.runs, description.id) {
      let harness = try trial.instance(rowCapacity: 1)
      alone = pulls ? try trial.pull(harness, max: 1) : try trial.feed(harness)
      let flushed = pulls ? 0 : try harness.flush().count
      try harness.stop()
      if harness.lateCalls > 0 { throw ConformanceFailure("it called the host \(harness.lateCalls) times after stop", "end every thread and task in stop") }
      hasRun = true
      let left = trial.feed.leftOut.isEmpty ? "" : "; nothing was sent to \(trial.feed.leftOut.joined(separator: ", "))"
      return pulls ? "gave \(alone.count) events" : "answered \(trial.feed.items.count) events with \(alone.count) and a flush with \(flushed)" + left
    }
    guard hasRun else { return }
    checkBlocks(trial, alone, pulls)
    checkInstances(trial, alone, pulls)
    if description.extensions.contains(GANTRY_EXT_STATE) {
      checkState(trial, alone, pulls)
      checkDamagedState(trial, pulls)
    }
    if description.extensions.contains(GANTRY_EXT_PARAMS_LIVE), !pulls { checkLive(trial, alone) }
  }

  /// The fullest wiring with which an instance can be made of the parameters at hand; nil when
  /// there is none, and the report says why.
  private func configured(_ description: PluginDescription, _ file: String) -> ConformanceTrial? {
    let id = description.id
    let missing = description.parameters.filter { $0.isRequired && options.parameters[$0.name] == nil }.map(\.name)
    guard missing.isEmpty else {
      let remedy = "gantry plugin check \(path) " + missing.map { "--set \($0)=..." }.joined(separator: " ")
      report(.init(id, .configures, .skipped, "\(missing.joined(separator: ", ")) must be given", help: [remedy]))
      return nil
    }
    begin(.configures, id)
    var first: ConformanceReport.Check?
    for ports in ConformanceTrial.wirings(description.inputs) {
      let trial = ConformanceTrial(path: file, description: description, options: options, ports: ports)
      guard let problem = configure(trial) else {
        let wiring = ports.count == description.inputs.count ? "" : ", connected to \(ports.map(\.name).joined(separator: ", "))"
        report(.init(id, .configures, .passed, "takes its parameters" + wiring))
        return trial
      }
      first = first ?? problem
      if problem.outcome == .failed { break }
    }
    if let first { report(first) }
    return nil
  }

  /// Makes an instance and lets it go; nil, or what is wrong. A refusal with a reason is no fault.
  private func configure(_ trial: ConformanceTrial) -> ConformanceReport.Check? {
    let id = trial.description.id
    do {
      let harness = try trial.instance(starts: false)
      for (index, port) in trial.description.outputs.enumerated() where port.type == .features && harness.columnNames(port.name).isEmpty {
        throw ConformanceFailure("configure named no columns for its output \(index), \(port.name)", "call config->set_columns for every FEATURES output")
      }
      return nil
    } catch let failure as PluginFailure where failure.status == -1 && !failure.text.isEmpty && failure.call == "configure" {
      return .init(
        id, .configures, .skipped, "it refuses these parameters and inputs: \(failure.text)", help: ["give others with --set NAME=VALUE"])
    } catch let failure as PluginFailure {
      let reason = failure.text.isEmpty ? "PLUGIN gave no reason: \(failure.call) answered \(failure.status)" : "\(failure)"
      return .init(id, .configures, .failed, reason, help: ["say why with host->fail, and answer GANTRY_INVALID for wrong parameters"])
    } catch let failure as ConformanceFailure {
      return .init(id, .configures, .failed, failure.text, help: [failure.help])
    } catch {
      return .init(id, .configures, .failed, "\(error)")
    }
  }

  private func checkBlocks(_ trial: ConformanceTrial, _ alone: [ConformanceTrial.Answer], _ pulls: Bool) {
    guard !trial.description.wantsSingle, trial.description.determinism != .none else { return }
    check(.blocks, trial.description.id) {
      for block in [2, 7, 64] {
        let harness = try trial.instance(rowCapacity: 64)
        let together = pulls ? try trial.pull(harness, max: block) : try trial.feed(harness, block: block)
        try harness.stop()
        if let difference = ConformanceTrial.difference(alone, together) {
          throw ConformanceFailure("blocks of \(block) give other outputs than single events: \(difference)", "let no output depend on how events are batched")
        }
      }
      guard trial.description.stopsAtOutput else { return "blocks of 2, 7 and 64 give what single events give" }
      let harness = try trial.instance(rowCapacity: 64)
      harness.asksToStop = true
      let together = try trial.feed(harness, block: 64)
      try harness.stop()
      if let difference = ConformanceTrial.difference(alone, together) {
        throw ConformanceFailure(
          "blocks that end at the first output give other outputs than single events: \(difference)",
          "after the event that made it commit a row set `consumed` to what was handled and return")
      }
      return "blocks of 2, 7 and 64, and blocks that end at the first output, give what single events give"
    }
  }

  private func checkInstances(_ trial: ConformanceTrial, _ alone: [ConformanceTrial.Answer], _ pulls: Bool) {
    guard trial.description.determinism != .none else { return }
    check(.instances, trial.description.id) {
      let first = try trial.instance()
      let second = try trial.instance()
      var answers: (first: [ConformanceTrial.Answer], second: [ConformanceTrial.Answer]) = ([], [])
      if pulls {
        answers = (try trial.pull(first, max: 1), try trial.pull(second, max: 1))
      } else {
        for index in trial.feed.items.indices {
          answers.first += try trial.feed(first, from: index, to: index + 1)
          answers.second += try trial.feed(second, from: index, to: index + 1)
        }
      }
      try first.stop()
      try second.stop()
      for found in [answers.first, answers.second] {
        if let difference = ConformanceTrial.difference(alone, found) {
          throw ConformanceFailure(
            "an instance answers otherwise when there is a second one: \(difference)", "keep nothing in globals: all generations and instances share them")
        }
      }
      return "two instances at once answer as one alone"
    }
  }

  private func checkLive(_ trial: ConformanceTrial, _ alone: [ConformanceTrial.Answer]) {
    check(.liveParameters, trial.description.id) {
      let harness = try trial.instance()
      let half = trial.feed.items.count / 2
      var answers = try trial.feed(harness, to: half)
      try harness.apply(trial.parameters)
      answers += try trial.feed(harness, from: half)
      if let difference = ConformanceTrial.difference(alone, answers) {
        throw ConformanceFailure("taking the same values again changes the outputs: \(difference)", "change what the new values say and nothing else")
      }
      return "taking the same values again changes nothing"
    }
  }
}
