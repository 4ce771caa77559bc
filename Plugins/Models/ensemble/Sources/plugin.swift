import CGantry
import GantrySDK

/// `ensemble`: several predictions of a chain become one.
///
/// Guarantees: for each instrument at most one prediction a chain and round of its inputs, made when the last input
/// has come; sums run in the order of `from`, so the bits are the same on every machine. The host delivers a
/// chain's rows in the order of `from`: when the last edge has delivered, what has not come will not come. What
/// is left out then is said by `on_missing`. A prediction that is not finite counts as missing, and what
/// comes of finite ones is finite, or fails.
struct Ensemble: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "ensemble", version: "1.0.0", kind: .model,
      summary: "several predictions become one: mean, weighted, vote, stacking, weights by regime",
      inputs: [
        Port("predictions", .prediction, many: true, help: "the models to combine; weights are in the order of `from`"),
        Port("features", .features, optional: true, help: "has the regime's column; last in `from` it also ends a round in which models were silent"),
      ],
      outputs: [Port("predictions", .prediction, help: "one for each round that was complete, or made so by on_missing")],
      parameters: [
        Parameter("method", .choice, default: "mean", choices: ["mean", "weighted", "vote", "stacking", "regime"], help: "how predictions are combined"),
        Parameter("weights", .numbers, help: "one for each input; with `regime` one row of them after the other, one for each regime"),
        Parameter("intercept", .number, default: "0", help: "stacking: what is added to the sum"),
        Parameter("use", .choice, default: "value", choices: ["value", "probability"], help: "stacking: which field of the inputs"),
        Parameter("link", .choice, default: "identity", choices: ["identity", "logistic"], help: "stacking: what makes a probability of the sum"),
        Parameter("regime_column", .text, help: "regime: the column that chooses the weights"),
        Parameter("regime_bounds", .numbers, help: "regime: where the next regime begins, ascending; one fewer than regimes"),
        Parameter("on_missing", .choice, default: "skip", choices: ["skip", "rest", "last"], help: "an input that is silent: no prediction, that of the others, or its last one"),
        Parameter("max_age", .duration, default: "1m", minimum: 0, help: "how old a last prediction may be"),
        Parameter("min_inputs", .integer, default: "1", minimum: 1, help: "rest: with fewer there is no prediction"),
      ])
  }

  static var abilities: Abilities { .state }
  static var stateSchema: (name: StaticString, version: UInt32) { ("gantry.ensemble", 1) }

  private enum OnMissing: Int64 { case skip, rest, last }

  private let host: Host
  private var combiner: Combiner?
  private var rounds: Rounds?
  /// Where the edges of each port stand among all edges, in the order of `from`.
  private var predictionPlaces: UnsafeMutablePointer<Int>?
  private var featurePlace = 0
  private var inputCount = 0
  private var edgeCount = 0
  private var regimeColumn = -1
  private var onMissing = OnMissing.skip
  private var maxAgeNs: Int64 = 0
  private var minInputs = 1
  private var model: UInt32 = 0
  private var missingInputs: UInt32 = 0
  private var skippedRounds: UInt32 = 0

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    edgeCount = configuration.inputCount
    let places = UnsafeMutablePointer<Int>.allocate(capacity: max(edgeCount, 1))
    predictionPlaces = places
    for index in 0..<edgeCount {
      if configuration.input(index).port == 1 {
        featurePlace = index
      } else {
        places[inputCount] = index
        inputCount += 1
      }
    }
    guard inputCount > 0 else { throw Failure.invalid("nothing is connected to predictions; give the node a `from` with the models to combine") }
    guard inputCount <= Rounds.inputsMax else { throw Failure.invalid("\(inputCount) inputs; at most \(Rounds.inputsMax) can be combined: combine some first, in a node of their own") }
    combiner = try Combiner(configuration, inputs: inputCount)
    onMissing = OnMissing(rawValue: configuration.integer(7)) ?? .skip
    maxAgeNs = configuration.integer(8)
    minInputs = Int(configuration.integer(9))
    if combiner?.method == .stacking, onMissing == .rest {
      throw Failure.invalid("on_missing: rest does not go with method: stacking, whose weights were fitted to all inputs; use skip or last")
    }
    guard minInputs <= inputCount else { throw Failure.invalid("min_inputs is \(minInputs), but there are \(inputCount) inputs") }
    if combiner?.method == .regime { regimeColumn = try Ensemble.regimeColumn(configuration) }
    rounds = Rounds(instruments: configuration.instrumentCount, inputs: inputCount)
    model = host.modelReference(name: Text(configuration.node), version: "ensemble-1.0.0")
    missingInputs = host.defineMetric("missing_inputs", counter: true, unit: "predictions", help: "inputs that were silent or not finite in a round")
    skippedRounds = host.defineMetric("skipped_rounds", counter: true, unit: "rounds", help: "rounds without a prediction")
  }

  private static func regimeColumn(_ configuration: borrowing Configuration) throws(Failure) -> Int {
    guard let schema = configuration.schema(ofPort: 1) else {
      throw Failure.invalid("method: regime reads a column; add the node that offers it to `from`")
    }
    let name = Text(configuration.text(5))
    if name.bytes.isEmpty { throw Failure.invalid("method: regime wants regime_column, the column that chooses the weights") }
    var names: [Text] = []
    for index in 0..<schema.columnCount {
      if schema.column(index) == name { return index }
      names.append(Text(schema.column(index)))
    }
    var hint: Text = ""
    if let near = nearest(to: name, among: names) { hint = "; did you mean \"\(near)\"?" }
    throw Failure.invalid("regime_column: the input has no column \"\(name)\"\(hint)")
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    guard let rounds, let predictionPlaces else { throw Failure.bug("the node is not configured") }
    let place = batch.port == 0 ? predictionPlaces[batch.edge] : featurePlace
    for index in 0..<batch.count {
      let header = batch.header(index)
      let instrument = rounds.slot(header.pointee.instrument)
      // Not before there is room: a row that is offered again must not be known yet.
      guard let target = outputs.reserve(0, cause: index, as: gantry_prediction.self) else {
        outputs.setConsumed(index)
        throw Failure.full
      }
      if rounds.begins(instrument, header, place: place) {
        if rounds.isOpen(instrument) { skip(rounds, instrument) }
        rounds.begin(instrument, header)
      }
      rounds.reached(instrument, place: place)
      if batch.port == 0 {
        rounds.take(instrument, input: batch.edge, batch.event(index, as: gantry_prediction.self))
      } else if regimeColumn >= 0 {
        rounds.takeRegime(instrument, batch.columns(index)[regimeColumn])
      }
      guard rounds.isOpen(instrument) else { continue }
      let isComplete = rounds.freshCount(instrument) == inputCount && (regimeColumn < 0 || rounds.hasRegime(instrument))
      guard isComplete || place == edgeCount &- 1 else { continue }
      do throws(Failure) {
        if try finish(rounds, instrument, nowNs: header.pointee.event_ns, target) { outputs.commit(0) }
      } catch {
        outputs.setConsumed(index)
        throw error
      }
    }
  }

  /// Ends a round; true when it gave a prediction.
  private func finish(_ rounds: Rounds, _ instrument: Int, nowNs: Int64, _ target: UnsafeMutablePointer<gantry_prediction>) throws(Failure) -> Bool {
    let silent = inputCount &- rounds.freshCount(instrument)
    if silent > 0 { host.updateMetric(missingInputs, Double(silent)) }
    rounds.close(instrument)
    let used = rounds.choose(instrument, nowNs: nowNs, maxAgeNs: onMissing == .last ? maxAgeNs : -1)
    guard used == inputCount || onMissing == .rest && used >= minInputs, let combiner,
      try combiner.combine(rounds.chosen, rounds.isChosen, regime: rounds.regime(instrument), into: target)
    else {
      host.updateMetric(skippedRounds, 1)
      return false
    }
    target.pointee.model = model
    return true
  }

  private func skip(_ rounds: Rounds, _ instrument: Int) {
    host.updateMetric(missingInputs, Double(inputCount &- rounds.freshCount(instrument)))
    host.updateMetric(skippedRounds, 1)
  }

  mutating func destroy() {
    rounds?.destroy()
    combiner?.destroy()
    predictionPlaces?.deallocate()
    predictionPlaces = nil
    rounds = nil
    combiner = nil
  }

  // MARK: gantry.state/1

  func stateBound() -> Int { rounds?.stateBound ?? 0 }
  func saveState(_ writer: borrowing StateWriter) throws(Failure) { try rounds?.save(writer) }
  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("the saved state has version \(version); this plugin reads 1") }
    try rounds?.load(&reader)
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Ensemble.self, request)
}
