import GantryBase
import GantryManifest

/// `queue:`, `on_error:`, `swap:` and `isolate:` of a node.
extension GraphReader {
  func queue(_ node: ManifestNode) -> QueueDraft? {
    guard let mapping = MappingReader(node, "queue", keys: ["size", "when_full", "lossy"], example: "queue: { size: 1024, when_full: block }", report: report)
    else { return nil }
    var queue = QueueDraft(place: node.place)
    queue.policy.size = mapping.integer("size", in: 2...1_048_576) ?? queue.policy.size
    queue.policy.whenFull = mapping.choice("when_full", QueuePolicy.WhenFull.allCases) ?? .block
    queue.isLossy = mapping.bool("lossy") ?? false
    return queue
  }

  func onError(_ node: ManifestNode) -> OnErrorDraft? {
    let example = "on_error: { fallback: NODE }"
    if node.entries != nil {
      guard let mapping = MappingReader(node, "on_error", keys: ["fallback"], example: example, report: report) else { return nil }
      if let fallback = mapping.word("fallback") { return OnErrorDraft(action: .fallback(fallback), place: node.place) }
      if mapping["fallback"] == nil, mapping.entries.isEmpty {
        report.error(.emptyValue, "on_error has no value", at: node.place, help: ["write skip, halt or { fallback: NODE }"])
      }
      return nil
    }
    guard let word = report.word(node, "on_error") else { return nil }
    switch word.text {
    case "skip": return OnErrorDraft(action: .skip, place: node.place)
    case "halt": return OnErrorDraft(action: .halt, place: node.place)
    default:
      let isFallback = word.text.hasPrefix("fallback")
      report.error(
        .badChoice, "on_error may be skip, halt or { fallback: NODE }, not \(quoted(word.text))", at: word.place,
        help: [isFallback ? "write \(example)" : report.didYouMean(word.text, ["skip", "halt"])])
      return nil
    }
  }

  static let swapKeys = ["warm", "shadow", "probation", "standby", "revert_if", "canary", "when", "timeout"]

  func swap(_ node: ManifestNode, _ draft: inout NodeDraft) {
    guard let mapping = MappingReader(node, "swap", keys: Self.swapKeys, example: "swap: { warm: 500, probation: 5000 }", report: report)
    else { return }
    var swap = SwapPolicy()
    let events: ClosedRange<Int64> = 0...1_000_000_000
    swap.warm = mapping.integer("warm", in: events) ?? 0
    swap.shadow = mapping.integer("shadow", in: events) ?? 0
    swap.probation = mapping.integer("probation", in: events) ?? 0
    swap.standby = mapping.bool("standby") ?? false
    if let limits = mapping.value("revert_if"),
      let inner = MappingReader(limits, "revert_if", keys: ["errors", "p99_us"], example: "revert_if: { errors: 1, p99_us: 50 }", report: report)
    {
      swap.revertIfErrors = inner.integer("errors", in: 1...1_000_000_000)
      swap.revertIfP99Us = inner.number("p99_us", in: 0...1e9, example: "50")
    }
    if let node = mapping["canary"] { canary(node, &swap) }
    if let when = mapping.word("when") {
      swap.whenFlat = when.text == "flat"
      if when.text != "flat" {
        report.error(.badChoice, "when may be flat, not \(quoted(when.text))", at: when.place, help: [report.didYouMean(when.text, ["flat"])])
      }
    }
    if let timeout = mapping.word("timeout") {
      swap.timeoutNs = parseDuration(timeout.text)
      if swap.timeoutNs == nil {
        report.error(.badType, "timeout is a duration, this is \(quoted(timeout.text))", at: timeout.place, help: ["write timeout: 30s"])
      }
    }
    draft.swap = swap
    draft.mutedSwapKeys = mapping.entries
      .filter { ["warm", "shadow", "canary", "standby"].contains($0.key.text) && $0.value.text != "0" && $0.value.text != "false" }
      .map { Word(text: $0.key.text, place: $0.key.place) }
  }

  /// `10%`, or `{ share: 10%, by: chain }`.
  private func canary(_ node: ManifestNode, _ swap: inout SwapPolicy) {
    guard node.entries != nil else { return swap.canary = share(node) }
    guard let mapping = MappingReader(node, "canary", keys: ["share", "by"], example: "canary: { share: 10%, by: chain }", report: report) else { return }
    swap.canaryBy = mapping.choice("by", CanaryBy.allCases) ?? .instrument
    if let text = mapping.value("share") {
      swap.canary = share(text)
    } else if mapping["share"] == nil {
      report.error(.emptyValue, "canary has no share", at: node.place, help: ["write canary: { share: 10%, by: \(swap.canaryBy.rawValue) }"])
    }
  }

  private func share(_ node: ManifestNode) -> Double? {
    guard let text = node.text, let share = parseNumber(text) else {
      report.error(.badType, "canary is a share, this is \(node.said)", at: node.place, help: ["write canary: 10%"])
      return nil
    }
    if share == 0 {
      report.error(.canaryZero, "a canary of 0 selects nothing", at: node.place, help: ["write a share as 10%, or remove canary"])
      return nil
    }
    guard share > 0, share <= 1 else {
      report.error(
        .outOfRange, "canary is \(text); it may be above 0 to 100%", at: node.place, help: [share > 1 && !text.hasSuffix("%") ? "did you mean \(text)%?" : nil])
      return nil
    }
    return share
  }

  /// `none`, `process`, or a mapping of what the process may take.
  func isolate(_ node: ManifestNode, _ mapping: MappingReader, _ draft: inout NodeDraft) {
    guard node.entries != nil else {
      draft.isolation = mapping.choice("isolate", Isolation.allCases) ?? .none
      return
    }
    let example = "isolate: { memory: 512MB, deadline: 100ms }"
    guard let limits = MappingReader(node, "isolate", keys: ["memory", "cpu", "deadline"], example: example, report: report) else { return }
    draft.isolation = .process
    draft.cell.memoryBytes = limits.word("memory").flatMap { word in
      let bytes = parseBytes(word.text)
      if bytes == nil {
        report.error(.badType, "memory is a size, this is \(quoted(word.text))", at: word.place, help: ["write memory: 512MB"])
      } else if let bytes, !(16 << 20...16 << 40).contains(bytes) {
        report.error(.outOfRange, "memory is \(word.text); it may be 16MB to 16TB", at: word.place)
      }
      return bytes
    }
    draft.cell.cpuNs = duration(limits, "cpu", 1_000_000_000...30 * 86_400_000_000_000, "1s to 30d", example: "10m")
    draft.cell.deadlineNs = duration(limits, "deadline", 1_000_000...3_600_000_000_000, "1ms to 1h", example: "100ms")
  }

  private func duration(_ mapping: MappingReader, _ key: String, _ range: ClosedRange<Int64>, _ said: String, example: String) -> Int64? {
    mapping.word(key).flatMap { word in
      guard let ns = parseDuration(word.text) else {
        report.error(.badType, "\(key) is a duration, this is \(quoted(word.text))", at: word.place, help: ["write \(key): \(example)"])
        return nil
      }
      if !range.contains(ns) { report.error(.outOfRange, "\(key) is \(word.text); it may be \(said)", at: word.place) }
      return ns
    }
  }
}
