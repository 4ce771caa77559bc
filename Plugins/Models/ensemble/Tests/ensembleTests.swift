import CGantry
import Foundation
import PluginHarness
import Testing

/// Rounds of predictions, combined; the expected numbers are written out here.
@Suite struct EnsembleTests {
  /// One round: what each input says, nil for silence.
  struct Said {
    var value: Double
    var probability: Double
    var label: Int32
    init(_ value: Double, _ probability: Double = .nan, _ label: Int32 = -1) {
      self.value = value
      self.probability = probability
      self.label = label
    }
  }

  final class Driver {
    let harness: PluginHarness
    private(set) var chain: UInt64
    private let count: Int

    init(inputs: Int, featuresAt: Int? = nil, _ parameters: [String: ParameterText], chain: UInt64 = 0, starts: Bool = true) throws {
      var edges = (0..<inputs).map { PluginHarness.Input(port: "predictions", fromNode: "m\($0)") }
      if let featuresAt { edges.insert(.init(port: "features", columns: ["x", "regime"]), at: featuresAt) }
      harness = try PluginHarness("ensemble", parameters: parameters, instruments: [.eurusd, .usdjpy], inputs: edges, starts: starts)
      count = inputs
      self.chain = chain
    }

    func advance() { chain += 1 }

    func header(_ instrument: UInt32) -> gantry_header {
      var header = gantry_header(eventNs: Int64(chain) * 1_000_000_000, instrument: instrument)
      header.chain = chain
      return header
    }

    /// Sends one chain; the regime comes last.
    func round(_ said: [Said?], regime: Double? = nil, instrument: UInt32 = 1) throws -> [gantry_prediction] {
      chain += 1
      var outputs: [gantry_prediction] = []
      for (edge, said) in said.enumerated() {
        guard let said else { continue }
        let prediction = gantry_prediction(
          header: header(instrument), value: said.value, probability: said.probability, horizon_ns: 60, model: 3, label: said.label)
        outputs += try harness.send(prediction, edge: edge).map(\.prediction)
      }
      if let regime {
        var row = FeatureRow([0, regime])
        row.header = header(instrument)
        outputs += try harness.send(features: [row]).map(\.prediction)
      }
      return outputs
    }
  }

  @Test func `a mean waits for all inputs of the chain`() throws {
    let d = try Driver(inputs: 3, [:])
    let one = try d.round([Said(1, 0.2), Said(2, 0.9), Said(6, 0.7)])
    #expect(one.count == 1 && one[0].value == 3 && abs(one[0].probability - 0.6) < 1e-15 && one[0].label == 1)
    #expect(one[0].horizon_ns == 60 && one[0].model == 1 && one[0].header.chain == 1)
    #expect(d.harness.models.count == 1 && d.harness.models[0].hasSuffix("@ensemble-1.0.0"))
    // No probability where one has none.
    let two = try d.round([Said(1, 0.2), Said(2), Said(6, 0.7)])
    #expect(two[0].probability.isNaN && two[0].label == -1 && two[0].value == 3)
  }

  @Test func `weights are normalised, and those of silent inputs go to the rest`() throws {
    let d = try Driver(inputs: 3, ["method": "weighted", "weights": [1, 3, 4], "on_missing": "rest", "min_inputs": 2])
    #expect(try d.round([Said(8, 0.1), Said(8, 0.5), Said(16, 0.9)]).map(\.value) == [12])
    // The last edge ends the round, so the silence of another is known.
    #expect(try d.round([nil, Said(1), Said(8)]).map(\.value) == [5])
    #expect(try d.round([nil, nil, Said(8)]).isEmpty)
    // NaN is silence.
    #expect(try d.round([Said(.nan), Said(1), Said(8)]).map(\.value) == [5])
    #expect(d.harness.metrics["missing_inputs"] == 4 && d.harness.metrics["skipped_rounds"] == 1)
  }

  @Test func `a silent last input skips the round, unless features end it`() throws {
    let plain = try Driver(inputs: 2, ["on_missing": "rest"])
    #expect(try plain.round([Said(1), nil]).isEmpty)
    #expect(try plain.round([Said(1), Said(3)]).map(\.value) == [2])
    #expect(plain.harness.metrics["skipped_rounds"] == 1)
    let ended = try Driver(inputs: 2, featuresAt: 2, ["on_missing": "rest"])
    #expect(try ended.round([Said(1), nil], regime: 0).map(\.value) == [1])
    #expect(try ended.round([Said(1), Said(3)], regime: 0).map(\.value) == [2])
  }

  @Test func `the last prediction of a silent input serves until it is too old`() throws {
    let d = try Driver(inputs: 2, ["on_missing": "last", "max_age": "2s"])
    #expect(try d.round([nil, Said(5)]).isEmpty)
    #expect(try d.round([Said(1), Said(5)]).map(\.value) == [3])
    #expect(try d.round([nil, Said(7)]).map(\.value) == [4])
    #expect(try d.round([nil, Said(7)]).map(\.value) == [4])
    #expect(try d.round([nil, Said(7)]).isEmpty)
  }

  @Test func `votes are counted by label, or by the value's sign`() throws {
    let d = try Driver(inputs: 3, ["method": "vote"])
    let up = try d.round([Said(0, 0.5, 1), Said(2), Said(-9, 0.1, 0)])[0]
    #expect(up.label == 1 && abs(up.probability - 2.0 / 3) < 1e-15 && abs(up.value - 1.0 / 3) < 1e-15)
    let third = try d.round([Said(0, 0.5, 2), Said(0, 0.5, 2), Said(0, 0.5, 1)])[0]
    #expect(third.label == 2 && abs(third.probability - 1.0 / 3) < 1e-15)
    let tie = try Driver(inputs: 2, ["method": "vote"]).round([Said(1), Said(-1)])[0]
    #expect(tie.label == -1 && tie.value == 0 && tie.probability == 0.5)
    let weighted = try Driver(inputs: 2, ["method": "vote", "weights": [1, 3]]).round([Said(1), Said(-1)])[0]
    #expect(weighted.label == 0 && weighted.value == -0.5 && weighted.probability == 0.25)
  }

  @Test func `stacking is a linear model over the inputs`() throws {
    let d = try Driver(inputs: 2, ["method": "stacking", "weights": [2, -1], "intercept": 0.5, "use": "probability", "link": "logistic"])
    let one = try d.round([Said(9, 0.75), Said(9, 0.25)])[0]
    #expect(one.value == 1.75 && abs(one.probability - 1 / (1 + exp(-1.75))) < 1e-15 && one.label == 1)
    #expect(try d.round([Said(9), Said(9, 0.25)]).isEmpty)
    let plain = try Driver(inputs: 2, ["method": "stacking", "weights": [2, -1]]).round([Said(3), Said(1)])[0]
    #expect(plain.value == 5 && plain.probability.isNaN && plain.label == -1)
  }

  @Test func `an infinite prediction is silence, and what comes of finite ones is finite or fails`() throws {
    let mean = try Driver(inputs: 2, ["on_missing": "rest"])
    #expect(try mean.round([Said(.infinity), Said(4)]).map(\.value) == [4])
    func text(_ d: Driver, _ said: [Said]) -> String {
      do {
        _ = try d.round(said)
        return "taken"
      } catch { return "\(error)" }
    }
    #expect(text(mean, [Said(1.7e308), Said(1.7e308)]).contains("the weighted mean of the predictions is beyond the range of a double"))
    // The next round knows nothing of it.
    #expect(try mean.round([Said(1), Said(3)]).map(\.value) == [2])
    let sum = try Driver(inputs: 2, ["method": "stacking", "weights": [1e10, 1]])
    #expect(text(sum, [Said(1e300), Said(1)]).contains("the weighted sum of the predictions is beyond the range of a double"))
  }

  @Test(arguments: [0, 1, 2])
  func `a column chooses the weights`(featuresAt: Int) throws {
    let d = try Driver(
      inputs: 2, featuresAt: featuresAt,
      ["method": "regime", "regime_column": "regime", "regime_bounds": [0, 10], "weights": [1, 0, 1, 1, 0, 1]])
    func value(_ regime: Double) throws -> [Double] {
      // The harness delivers in its own order; rows of the features come where `from` has them.
      guard featuresAt < 2 else { return try d.round([Said(2), Said(4)], regime: regime).map(\.value) }
      return try d.ordered(featuresAt, regime).map(\.value)
    }
    #expect(try value(-5) == [2])
    #expect(try value(0) == [3])
    #expect(try value(10) == [4])
    #expect(try value(.nan).isEmpty)
  }

  @Test func `instruments are rounds of their own`() throws {
    let d = try Driver(inputs: 2, [:])
    var first: [gantry_prediction] = []
    // Both instruments' rows of one chain come edge by edge.
    for edge in 0..<2 {
      let rows = [UInt32(1), 2].map { instrument in
        var header = d.header(instrument)
        header.chain = 77
        return gantry_prediction(header: header, value: Double(instrument) * (edge == 0 ? 1 : 3), probability: .nan, horizon_ns: 0, model: 0, label: -1)
      }
      first += try d.harness.send(rows, edge: edge).map(\.prediction)
    }
    #expect(first.map(\.value) == [2, 4] && first.map { $0.header.instrument } == [1, 2])
  }

  @Test func `its state goes on at any round, and a damaged one is refused`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    let parameters: [String: ParameterText] = ["method": "weighted", "weights": [1, 2, 3], "on_missing": "last", "max_age": "3s"]
    let rounds: [[Said?]] = (0..<60).map { _ in (0..<3).map { _ in random.next() % 3 == 0 ? nil : Said(Double(random.next() % 100), Double(random.next() % 100) / 100) } }
    let whole = try Driver(inputs: 3, parameters)
    let expected = try rounds.flatMap { try whole.round($0) }.map(\.value)
    let cut = Int(random.next() % 60)
    let before = try Driver(inputs: 3, parameters)
    var values = try rounds[..<cut].flatMap { try before.round($0) }.map(\.value)
    let state = try before.harness.saveState()
    let after = try Driver(inputs: 3, parameters, chain: before.chain, starts: false)
    try after.harness.loadState(version: state.version, state.bytes)
    try after.harness.start()
    values += try rounds[cut...].flatMap { try after.round($0) }.map(\.value)
    #expect(values == expected, "seed \(seed), cut at \(cut)")
    for bytes in [[], Array(state.bytes.dropLast()), state.bytes + [0]] {
      let fresh = try Driver(inputs: 3, parameters, starts: false)
      #expect(throws: PluginFailure.self) { try fresh.harness.loadState(version: 1, bytes) }
    }
    let other = try Driver(inputs: 2, [:], starts: false)
    #expect(throws: PluginFailure.self) { try other.harness.loadState(version: 1, state.bytes) }
  }

  @Test func `parameters that do not fit are refused`() {
    func refusal(_ parameters: [String: ParameterText], featuresAt: Int? = nil) -> String {
      do {
        _ = try Driver(inputs: 2, featuresAt: featuresAt, parameters)
        return "accepted"
      } catch { return (error as? PluginFailure)?.text ?? "\(error)" }
    }
    #expect(refusal(["method": "weighted"]).contains("wants weights: 2 numbers"))
    #expect(refusal(["method": "weighted", "weights": [1]]).contains("weights has 1 numbers, but 2 inputs want 2"))
    #expect(refusal(["method": "weighted", "weights": [0, 0]]).contains("add up to nothing"))
    #expect(refusal(["method": "weighted", "weights": [2, -1]]).contains("only stacking takes negative ones"))
    #expect(refusal(["weights": [1, 1]]).contains("mean takes no weights"))
    #expect(refusal(["method": "stacking", "weights": [1, 1], "on_missing": "rest"]).contains("whose weights were fitted to all inputs"))
    #expect(refusal(["method": "regime", "weights": [1, 1]]).contains("add the node that offers it to `from`"))
    #expect(refusal(["method": "regime", "weights": [1, 1], "regime_column": "regimes"], featuresAt: 0).contains("did you mean \"regime\"?"))
    #expect(refusal(["method": "regime", "weights": [1, 1, 1, 1, 1, 1], "regime_column": "x", "regime_bounds": [2, 1]], featuresAt: 0).contains("must ascend"))
    #expect(refusal(["on_missing": "rest", "min_inputs": 3]).contains("there are 2 inputs"))
  }
}

extension EnsembleTests.Driver {
  /// One chain whose features come first or between the two inputs.
  func ordered(_ featuresAt: Int, _ regime: Double) throws -> [gantry_prediction] {
    var outputs: [gantry_prediction] = []
    advance()
    func features() throws {
      var row = FeatureRow([0, regime])
      row.header = header(1)
      outputs += try harness.send(features: [row]).map(\.prediction)
    }
    for edge in 0..<2 {
      if edge == featuresAt { try features() }
      let prediction = gantry_prediction(header: header(1), value: edge == 0 ? 2 : 4, probability: .nan, horizon_ns: 0, model: 0, label: -1)
      outputs += try harness.send(prediction, edge: edge).map(\.prediction)
    }
    return outputs
  }
}

/// splitmix64
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
