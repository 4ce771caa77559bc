import CGantry
import Foundation
import PluginHarness
import Testing

/// Predictions against Python's onnxruntime, row by row.
@Suite(.enabled(if: Oracle.isHere, "\(Oracle.missing)")) struct OnnxTests {
  let oracle = Oracle.shared!

  /// Sends all rows, alone or in one block, and compares value, probability and label with outputs of the oracle.
  private func compare(
    _ name: String, _ parameters: [String: ParameterText] = [:], value: (String, Int)? = nil, probability: (String, Int)? = nil, label: String? = nil,
    skipping: Int = 0
  ) throws {
    let known = try #require(oracle.cases[name])
    let rows = known.rows.map { FeatureRow($0) }
    let block = try onnx(name, columns: known.columns, parameters).send(features: rows)
    let single = try onnx(name, columns: known.columns, parameters)
    let singles = try rows.flatMap { try single.send(features: [$0]) }
    #expect(block.map { $0.bytes[32...] } == singles.map { $0.bytes[32...] }, "\(name), seed \(oracle.seed)")
    #expect(block.count == rows.count)
    var worst = 0.0
    for (index, output) in block.enumerated() {
      let prediction = output.prediction
      guard index >= skipping else {
        #expect(prediction.value.isNaN && prediction.label == -1)
        continue
      }
      func expected(_ place: (String, Int)) -> Double { known.outputs[place.0]![index - skipping][place.1] }
      if let value { worst = max(worst, abs(prediction.value - expected(value)) / max(1, abs(expected(value)))) }
      if let probability { worst = max(worst, abs(prediction.probability - expected(probability))) } else { #expect(prediction.probability.isNaN) }
      if let label { #expect(prediction.label == Int32(expected((label, 0)))) } else { #expect(prediction.label == -1) }
    }
    print("  \(name): \(worst) at most")
    #expect(worst < 1e-6, "\(name), seed \(oracle.seed)")
  }

  @Test func `a classifier gives the probability of its second class and the label`() throws {
    try compare("logistic", value: ("probabilities", 1), probability: ("probabilities", 1), label: "label")
  }

  @Test func `a class of several is named by its index`() throws {
    try compare(
      "three", ["value": "probabilities[0]", "probability": "probabilities[2]", "label": "label"], value: ("probabilities", 0),
      probability: ("probabilities", 2), label: "label")
  }

  @Test(arguments: ["doubles", "trees", "network"])
  func `a regressor's only number is the value`(name: String) throws {
    try compare(name, value: ("variable", 0))
  }

  @Test func `inputs of a column each are found by name, or as they are mapped`() throws {
    try compare("frame", value: ("variable", 0))
    // The oracle's rows give "a" the fourth column, "b" the third and "c" the first; here under other names.
    let known = try #require(oracle.cases["frame"])
    let p = try onnx("frame", columns: ["x", "unused", "y", "z"], ["inputs": ["c=x", "a=z", "b=y"]])
    let q = try onnx("frame", columns: known.columns)
    let rows = known.rows.map { FeatureRow($0) }
    #expect(try p.send(features: rows).map { $0.prediction.value } == q.send(features: rows).map { $0.prediction.value })
  }

  @Test(arguments: ["window_first", "columns_first", "flat"])
  func `a window of rows is a tensor in the model's layout`(name: String) throws {
    try compare(name, ["window": 8], value: ("y", 0), skipping: 7)
  }

  @Test func `open dimensions are settled by parameters`() throws {
    try compare("open", ["window": 8, "layout": "window_first"], value: ("y", 0), skipping: 7)
  }

  @Test func `a recurrent network sees its window beside the newest row`() throws {
    try compare("recurrent", ["window": 8, "inputs": ["seq=a", "seq=b", "seq=c", "now=b"]], value: ("y", 0), skipping: 7)
  }

  @Test func `outputs called value, probability and label are those, and metadata names the columns`() throws {
    try compare("named", value: ("value", 0), probability: ("probability", 0), label: "label")
    let p = try PluginHarness(
      "onnx", parameters: ["artifact": .scalar("\(oracle.folder)/named.onnx"), "library": .scalar(oracle.library), "horizon": "5m"],
      inputs: [.init(port: "features", columns: ["a", "c"])])
    #expect(p.models == ["named@7"])
    #expect(try p.send(features: [FeatureRow([1, 2])])[0].prediction.horizon_ns == 300_000_000_000)
    #expect(try onnx("named", columns: ["a", "c"], ["version": "1.2.3"]).models == ["(test)@1.2.3"])
  }

  @Test func `threads change no number to six digits`() throws {
    try compare("network", ["intra_threads": 2, "inter_threads": 2], value: ("variable", 0))
  }

  @Test func `windows are kept apart by instrument`() throws {
    let known = try #require(oracle.cases["window_first"])
    let p = try onnx("window_first", columns: known.columns, ["window": 8, "on_missing": "skip"], instruments: [.eurusd, .usdjpy])
    let mixed = known.rows.flatMap { row in [FeatureRow(row, instrument: 1), FeatureRow(row.map { -$0 }, instrument: 2)] }
    let outputs = try p.send(features: mixed)
    let expected = known.outputs["y"]!.map { $0[0] }
    let first = outputs.filter { $0.header.instrument == 1 }.map { $0.prediction.value }
    let second = outputs.filter { $0.header.instrument == 2 }.map { $0.prediction.value }
    #expect(first.count == expected.count && second.count == expected.count)
    #expect(zip(first, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    // This network is odd: tanh of a sum.
    #expect(zip(second, expected).allSatisfy { abs($0 + $1) < 1e-6 })
    #expect(p.metrics["missing_rows"] == 14)
  }

  @Test func `a window is handed over at any row, to shorter windows too`() throws {
    let known = try #require(oracle.cases["window_first"])
    let rows = known.rows.map { FeatureRow($0) }
    let whole = try onnx("window_first", columns: known.columns, ["window": 8]).send(features: rows)
    for cut in [0, 3, 8, 21] {
      let before = try onnx("window_first", columns: known.columns, ["window": 8])
      let head = cut > 0 ? try before.send(features: Array(rows[..<cut])) : []
      let state = try before.saveState()
      let after = try onnx("window_first", columns: known.columns, ["window": 8], starts: false)
      try after.loadState(version: state.version, state.bytes)
      try after.start()
      let tail = try after.send(features: Array(rows[cut...]))
      #expect((head + tail).map { $0.bytes[32...] } == whole.map { $0.bytes[32...] }, "cut at \(cut)")
      #expect(try before.saveState().bytes == state.bytes)
    }
    // Damaged and foreign states are refused.
    let giver = try onnx("window_first", columns: known.columns, ["window": 8])
    try giver.send(features: rows)
    let state = try giver.saveState()
    func load(_ bytes: [UInt8], columns: [String] = known.columns, _ parameters: [String: ParameterText] = ["window": 8]) -> String {
      do {
        try onnx("window_first", columns: columns, parameters, starts: false).loadState(version: 1, bytes)
        return "accepted"
      } catch { return "\(error)" }
    }
    #expect(load(Array(state.bytes.dropLast())).contains("ends too early"))
    #expect(load(state.bytes + [0]).contains("longer than this version reads"))
    #expect(load([]).contains("without a window"))
    #expect(load(state.bytes, columns: ["c", "b", "a"], ["window": 8, "columns": ["c", "b", "a"]]).contains("other columns"))
  }

  @Test func `a row with a hole gives a prediction of NaN, none, or what the model makes of it`() throws {
    let rows = [[1, 2], [.nan, 1], [2, 3], [.infinity, 1]].map { FeatureRow($0) }
    let emitting = try onnx("named", columns: ["a", "c"])
    let emitted = try emitting.send(features: rows).map(\.prediction)
    #expect(emitted.map { $0.value.isNaN } == [false, true, false, true])
    #expect(emitted[1].label == -1 && emitted[1].probability.isNaN && emitted[1].model == 1)
    #expect(emitting.metrics["missing_rows"] == 2)
    #expect(try onnx("named", columns: ["a", "c"], ["on_missing": "skip"]).send(features: rows).map(\.cause) == [0, 2])
    let passing = try onnx("named", columns: ["a", "c"], ["on_missing": "pass", "on_nan": "emit"])
    #expect(try passing.send(features: rows).map { $0.prediction.value.isNaN } == [false, true, false, true])
    #expect(passing.metrics["nan_rows"] == 2 && passing.metrics["missing_rows"] == 0)
  }

  @Test func `a model that says NaN of finite numbers is an error of that row alone`() throws {
    let p = try onnx("logarithm", columns: ["a"])
    let rows = [1, 2, -1, 3].map { FeatureRow([$0]) }
    do {
      try p.send(features: rows)
      Issue.record("NaN went through")
    } catch let failure as PluginFailure {
      #expect(failure.consumed == 2 && failure.outputs.map { $0.prediction.value }[0] == 0)
      #expect(failure.text.contains("says NaN or infinity of a row of finite numbers"))
    }
    #expect(try p.send(features: [rows[3]]).count == 1)
    #expect(try onnx("logarithm", columns: ["a"], ["on_nan": "skip"]).send(features: rows).map(\.cause) == [0, 1, 3])
    #expect(try onnx("logarithm", columns: ["a"], ["on_nan": "emit"]).send(features: rows)[2].prediction.value.isNaN)
  }

  @Test func `remembered predictions are the bits that would be computed`() throws {
    let known = try #require(oracle.cases["trees"])
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    // Rows that come again, in any order, of two instruments.
    let rows = (0..<600).map { _ in FeatureRow(known.rows[Int(random.next() % 12)], instrument: UInt32(1 + random.next() % 2)) }
    let plain = try onnx("trees", columns: known.columns, instruments: [.eurusd, .usdjpy]).send(features: rows)
    for entries in [1, 8, 1024] {
      let p = try onnx("trees", columns: known.columns, ["cache": .scalar("\(entries)")], instruments: [.eurusd, .usdjpy])
      #expect(try p.send(features: rows).map { $0.bytes[32...] } == plain.map { $0.bytes[32...] }, "seed \(seed)")
      let hits = p.metrics["cache_hits"] ?? 0
      #expect(hits > 0 && hits + (p.metrics["cache_misses"] ?? 0) == 600, "seed \(seed)")
      if entries == 1024 { #expect(hits == 588, "seed \(seed)") }
    }
  }
}

/// splitmix64
struct SplitMix: RandomNumberGenerator {
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
