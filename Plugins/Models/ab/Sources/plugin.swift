import CGantry
import GantrySDK

/// `ab`: splits the instruments between models and keeps score of all of them.
///
/// Guarantees: an instrument's predictions come from one arm, chosen by a hash of its symbol, so from the same arm in every
/// run, after every swap and on every machine. Every arm is scored on every outcome, whether its prediction went on
/// or not, so arms are compared on the same outcomes. Outcomes of an instrument do not overlap: a prediction is
/// scored by the first quote at or after its horizon, and the next one begins after that.
struct ABSplit: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "ab", version: "1.0.0", kind: .model,
      summary: "splits instruments between models and says which one is better",
      inputs: [
        Port("arms", .prediction, many: true, help: "the models; the first is what the others are compared with"),
        Port("ticks", .tick, help: "the quotes that score predictions; before the arms in `from`"),
        Port("executions", .execution, optional: true, many: true, help: "feedback: realised profit is counted for the arm that has the instrument"),
      ],
      outputs: [
        Port("predictions", .prediction, help: "those of the arm that has the instrument, as they are"),
        Port("statistics", .features, help: "the score of all arms, after every report_every outcomes"),
        Port("alerts", .alert, help: "when the sequential test tells an arm from the first"),
      ],
      parameters: [
        Parameter("shares", .numbers, help: "how much of the instruments each arm gets; left out: the same for all"),
        Parameter("salt", .text, default: "gantry", help: "another one splits the instruments in another way"),
        Parameter("horizon", .duration, default: "1m", minimum: 0, aboveMinimum: true, help: "when a prediction is scored that does not say how far it looks ahead"),
        Parameter("compare", .choice, default: "brier", choices: ["brier", "log_loss", "hits", "return"], help: "what the sequential test compares"),
        Parameter("effect", .number, default: "0.01", minimum: 0, aboveMinimum: true, help: "the size of difference that is looked for, in the unit of `compare`"),
        Parameter("alpha", .number, default: "0.05", minimum: 0, aboveMinimum: true, maximum: 0.5, help: "alert below this always-valid p-value, divided by the number of comparisons"),
        Parameter("min_outcomes", .integer, default: "100", minimum: 2, unit: "outcomes", help: "the test begins after as many"),
        Parameter("report_every", .integer, default: "100", minimum: 1, unit: "outcomes", help: "how often statistics are given out"),
      ])
  }

  static var abilities: Abilities { .state }
  static var stateSchema: (name: StaticString, version: UInt32) { ("gantry.ab", 1) }

  static var armsMax: Int { 4 }

  private let host: Host
  private var arms: Arms?
  private var outcomes: Outcomes?
  private var gauges: Gauges?
  /// The arm of each instrument.
  private var assignment: UnsafeMutablePointer<Int>?
  private var names: [Text] = []
  private var compare = Arms.Measure.brier
  private var horizonNs: Int64 = 0
  private var alpha = 0.05
  private var reportEvery: UInt64 = 100
  private var text: LaneText?

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    for index in 0..<configuration.inputCount where configuration.input(index).port == 0 {
      var name = Text(TextView(configuration.input(index).from_node))
      for other in names where other == name { name = "\(name)_\(names.count)" }
      names.append(name)
    }
    guard names.count >= 2, names.count <= ABSplit.armsMax else {
      throw Failure.invalid("\(names.count) arms; a split wants 2 to \(ABSplit.armsMax) models in `from`")
    }
    guard configuration.schema(ofPort: 1) != nil else { throw Failure.invalid("nothing is connected to ticks; add the quotes that score predictions to `from`, before the arms") }
    try assign(configuration)
    compare = Arms.Measure(rawValue: configuration.integer(3)) ?? .brier
    horizonNs = configuration.integer(2)
    alpha = configuration.number(5) / Double(names.count - 1)
    reportEvery = UInt64(configuration.integer(7))
    arms = Arms(count: names.count, effect: configuration.number(4), minOutcomes: UInt64(configuration.integer(6)))
    outcomes = Outcomes(instruments: configuration.instrumentCount, arms: names.count)
    gauges = Gauges(host, arms: names.count)
    text = LaneText(capacity: 512)
    try configuration.setColumns(1, Arms.columns(names))
  }

  /// Gives each instrument to the arm on whose part of 0..<1 its hash falls: a share that grows takes
  /// instruments and gives none away (of two arms).
  private mutating func assign(_ configuration: borrowing Configuration) throws(Failure) {
    let given = configuration.count(0)
    if given > 0, given != names.count { throw Failure.invalid("shares has \(given) numbers for \(names.count) arms (\(ABSplit.list(names)))") }
    var ends: [Double] = []
    var sum = 0.0
    for index in 0..<names.count {
      let share = given > 0 ? configuration.number(0, at: index) : 1
      guard share >= 0, share.isFinite else { throw Failure.invalid("shares must be numbers of at least 0") }
      sum += share
      ends.append(sum)
    }
    guard sum > 0 else { throw Failure.invalid("the shares add up to nothing") }
    let salt = Text(configuration.text(1))
    let assignment = UnsafeMutablePointer<Int>.allocate(capacity: configuration.instrumentCount + 1)
    self.assignment = assignment
    assignment.initialize(repeating: 0, count: configuration.instrumentCount + 1)
    guard configuration.instrumentCount > 0 else { return }
    for id in 1...configuration.instrumentCount {
      guard let instrument = host.instrument(UInt32(id)) else { continue }
      let place = ABSplit.place(of: TextView(instrument.symbol), salt: salt) * sum
      var arm = 0
      while arm < names.count - 1, place >= ends[arm] { arm += 1 }
      assignment[id] = arm
    }
  }

  /// A number in 0..<1 from a symbol: FNV-1a of 64 bits over salt, a zero and the symbol, its bits spread by the
  /// last step of splitmix64.
  static func place(of symbol: TextView, salt: Text) -> Double {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in salt.bytes + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    symbol.forEach { hash = (hash ^ UInt64($0)) &* 0x100_0000_01B3 }
    hash = (hash ^ (hash &>> 30)) &* 0xBF58_476D_1CE4_E5B9
    hash = (hash ^ (hash &>> 27)) &* 0x94D0_49BB_1331_11EB
    hash ^= hash &>> 31
    return Double(hash &>> 11) * 0x1p-53
  }

  private static func list(_ names: [Text]) -> Text {
    var text: Text = ""
    for name in names { text = text.bytes.isEmpty ? name : "\(text), \(name)" }
    return text
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    guard let arms, let outcomes, let assignment else { throw Failure.bug("the node is not configured") }
    for index in 0..<batch.count {
      let instrument = outcomes.slot(batch.header(index).pointee.instrument)
      switch batch.port {
      case 0:
        let prediction = batch.event(index, as: gantry_prediction.self)
        if assignment[instrument] == batch.edge { try passOn(prediction, index, outputs) }
        outcomes.predicted(instrument, arm: batch.edge, prediction, horizonNs: horizonNs)
      case 1:
        let tick = batch.event(index, as: gantry_tick.self)
        guard outcomes.isDue(instrument, tick) else {
          outcomes.quoted(instrument, tick)
          continue
        }
        // Room for both before anything is counted: a tick may be offered again.
        let row = outputs.reserveColumns(1, cause: index)
        let alert = outputs.reserve(2, cause: index, as: gantry_alert.self)
        guard let row, let alert else {
          outputs.setConsumed(index)
          throw Failure.full
        }
        try score(arms, outcomes, instrument, tick, row, alert, outputs)
        outcomes.quoted(instrument, tick)
      default:
        let execution = batch.event(index, as: gantry_execution.self)
        if execution.pointee.kind == 3 { arms.realised(assignment[instrument], execution) }
      }
    }
  }

  private func passOn(_ prediction: UnsafePointer<gantry_prediction>, _ index: Int, _ outputs: borrowing Outputs) throws(Failure) {
    guard let target = outputs.reserve(0, cause: index, as: gantry_prediction.self) else {
      outputs.setConsumed(index)
      throw Failure.full
    }
    target.pointee.value = prediction.pointee.value
    target.pointee.probability = prediction.pointee.probability
    target.pointee.horizon_ns = prediction.pointee.horizon_ns
    target.pointee.model = prediction.pointee.model
    target.pointee.label = prediction.pointee.label
    outputs.commit(0)
  }

  private mutating func score(
    _ arms: Arms, _ outcomes: Outcomes, _ instrument: Int, _ tick: UnsafePointer<gantry_tick>, _ row: UnsafeMutablePointer<Double>,
    _ alert: UnsafeMutablePointer<gantry_alert>, _ outputs: borrowing Outputs
  ) throws(Failure) {
    let change = outcomes.close(instrument, tick)
    guard arms.score(outcomes.said(instrument), change: change, owner: assignment.unsafelyUnwrapped[instrument], compare: compare) else { return }
    if arms.outcomeCount % reportEvery == 0 {
      arms.write(to: row)
      outputs.commit(1)
      gauges?.update(host, arms)
    }
    for arm in 1..<arms.count where arms.crosses(arm, alpha: alpha) {
      // One alert an outcome; another arm's comes with the next.
      arms.markCrossed(arm)
      gauges?.update(host, arms)
      compose(arms, arm)
      guard let text, let offset = outputs.append(text.bytes, to: 2) else { return }
      alert.pointee.offset = offset
      alert.pointee.length = UInt32(text.count)
      alert.pointee.code = 1
      alert.pointee.severity = 2
      outputs.commit(2)
      return
    }
  }

  private mutating func compose(_ arms: Arms, _ arm: Int) {
    text?.clear()
    names[arm].bytes.withUnsafeBytes { text?.append(bytes: $0) }
    text?.append(arms.difference(arm) > 0 ? " is better than " : " is worse than ")
    names[0].bytes.withUnsafeBytes { text?.append(bytes: $0) }
    text?.append(": ")
    // Of scores less is better, of hits and returns more.
    let isBetter = arms.difference(arm) > 0
    switch compare {
    case .brier: text?.append(isBetter ? "Brier score lower by " : "Brier score higher by ")
    case .logLoss: text?.append(isBetter ? "log loss lower by " : "log loss higher by ")
    case .hits: text?.append(isBetter ? "hit rate higher by " : "hit rate lower by ")
    case .price: text?.append(isBetter ? "mean return higher by " : "mean return lower by ")
    }
    text?.append(arms.difference(arm).magnitude, decimals: 6)
    text?.append(" over ")
    text?.append(arms.pairCount(arm))
    text?.append(" outcomes, always-valid p ")
    text?.append(arms.pValue(arm), decimals: 6)
  }

  mutating func destroy() {
    arms?.destroy()
    outcomes?.destroy()
    gauges?.destroy()
    assignment?.deallocate()
    text?.destroy()
    arms = nil
    outcomes = nil
    gauges = nil
    assignment = nil
    text = nil
  }

  // MARK: gantry.state/1

  func stateBound() -> Int { 8 + (arms?.stateBound ?? 0) + (outcomes?.stateBound ?? 0) }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(UInt64(compare.rawValue))
    try arms?.save(writer)
    try outcomes?.save(writer)
  }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("the saved state has version \(version); this plugin reads 1") }
    guard try reader.read(as: UInt64.self) == UInt64(compare.rawValue) else { throw Failure.unsupported("the saved state compares something else") }
    try arms?.load(&reader)
    try outcomes?.load(&reader)
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(ABSplit.self, request)
}
