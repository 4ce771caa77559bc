import Foundation
import PluginHarness
import Testing

@Suite struct OnnxOracleTests {
  @Test func `where the modules are, the oracle's models can be made`() {
    if !Oracle.isHere, Oracle.failure == nil { print("skipped: \(Oracle.missing)") }
    #expect(Oracle.failure == nil)
  }
}

/// What `gantry check` says of models that cannot be run here.
@Suite(.enabled(if: Oracle.isHere, "\(Oracle.missing)")) struct OnnxCheckTests {
  let oracle = Oracle.shared!

  @Test func `a damaged file is a diagnostic, wherever it is cut`() throws {
    let model = oracle.model("trees")
    for bytes in [[], Array(model[..<1]), Array(model[..<(model.count / 2)]), Array(model.dropLast(5)), Array("not a model".utf8), [UInt8](repeating: 0xFF, count: 4096)] {
      let text = refusal("trees", columns: ["a", "b", "c", "d"], bytes: bytes)
      #expect(text.hasPrefix("(test): ") && text.contains("export") && text != "accepted", "\(bytes.count) bytes: \(text)")
    }
    // Always the same ones: what a damaged model makes of the library itself is not ours to find here.
    let seed: UInt64 = 20
    var random = SplitMix(seed)
    let small = oracle.model("named")
    for _ in 0..<100 {
      var bytes = small
      for _ in 0...(random.next() % 3) { bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next()) }
      #expect(!refusal("named", columns: ["a", "c"], bytes: bytes).isEmpty, "seed \(seed)")
    }
  }

  @Test func `operators of its own and newer formats are named with the remedy`() {
    #expect(refusal("custom").contains("it has operators of its own"))
    #expect(refusal("future", columns: ["a"]).contains("it was written for a newer ONNX: update with `python3 -m pip install --upgrade onnxruntime`"))
  }

  @Test func `columns that the input does not have are named, with what there is`() {
    #expect(
      refusal("named", columns: ["a", "b"])
        == "(test): the model needs the column \"c\", which its input does not have; did you mean \"a\"? the input's columns are a, b")
    #expect(refusal("frame", columns: ["a", "b"]).contains("no column is named like the model's input \"c\"; write inputs: [c=COLUMN, ...]"))
    #expect(refusal("frame", ["inputs": ["a=bb"]]).contains("the column \"bb\", which its input does not have; did you mean"))
    #expect(refusal("frame", ["inputs": ["x=b"]]).contains("the model has no input \"x\""))
    #expect(refusal("frame", ["inputs": ["a"]]).contains("\"a\" is not INPUT=COLUMN"))
    #expect(refusal("frame", ["columns": ["a", "b", "c"]]).contains("`columns` is for a model with one input"))
  }

  @Test func `counts of columns that do not fit are refused`() {
    #expect(
      refusal("trees").contains(
        "the model's input \"X\" is float [?, 4], but 3 columns, all of the node's input, go into it (a, b, c); name the columns it was trained on"))
    #expect(refusal("flat", ["columns": ["a", "b", "c"]]).contains("or set window: 8 if it looks at as many rows"))
    #expect(refusal("frame", ["inputs": ["a=a", "a=b"]]).contains("give it one"))
  }

  @Test func `dimensions that cannot be settled are refused`() {
    #expect(refusal("dynamic").contains("does not say how many columns it was trained on; name them in their order with columns: [a, b, c]"))
    #expect(refusal("dynamic", ["columns": ["a", "b"]]) == "accepted")
    #expect(refusal("batch").contains("it takes 8 rows at once"))
    #expect(refusal("deep").contains("at most [1, window, columns]"))
    #expect(refusal("square", ["window": 3]).contains("say which with layout: window_first or layout: columns_first"))
    #expect(refusal("square", ["window": 3, "layout": "columns_first"]) == "accepted")
    #expect(refusal("window_first").contains("set window: 8"))
    #expect(refusal("columns_first").contains("set window: 8"))
    #expect(refusal("window_first", ["window": 9]).contains("does not fit a window of 9 rows of 3 columns"))
    #expect(refusal("trees", columns: ["a", "b", "c", "d"], ["window": 4]).contains("no input of the model takes rows over time"))
    #expect(refusal("open", ["window": 65_536, "layout": "window_first"]).contains("failed") || refusal("open", ["window": 65_536, "layout": "window_first"]).contains("cannot be run"))
  }

  @Test func `inputs and outputs that are no numbers are refused with the way to export them`() {
    #expect(refusal("integers").contains("export it with float or double inputs"))
    #expect(refusal("zipmap", columns: ["a", "b", "c", "d"]).contains("export with options={'zipmap': False}"))
    #expect(refusal("texts", columns: ["a", "b", "c", "d"]).contains("train with classes 0, 1, ..."))
    #expect(refusal("texts", columns: ["a", "b", "c", "d"], ["probability": "probabilities[1]"]) == "accepted")
  }

  @Test func `outputs are asked for where it is not plain which is meant`() {
    let columns = ["a", "b", "c", "d"]
    #expect(refusal("three", columns: columns).contains("which of the model's outputs is meant?"))
    #expect(refusal("three", columns: columns, ["probability": "probabilities"]).contains("has 3 elements for one row; say which: probabilities[0] ... probabilities[2]"))
    #expect(refusal("three", columns: columns, ["probability": "probabilities[3]"]).contains("so its indices end with 2"))
    #expect(refusal("three", columns: columns, ["probability": "probabilites[1]"]).contains("did you mean \"probabilities\"?"))
    #expect(refusal("three", columns: columns, ["label": "probabilities[0]"]).contains("a label is an integer"))
    #expect(refusal("window_first", ["window": 8, "cache": 8]).contains("leave out `cache`"))
  }

  @Test func `a library that is not there or is none is named with the command that installs it`() {
    let install = "`python3 -m pip install onnxruntime`"
    let missing = refusal("trees", ["library": "/nonexistent/venv"])
    #expect(missing.contains("no ONNX Runtime at library: /nonexistent/venv") && missing.contains(install), "\(missing)")
    // Beside another one that a test has loaded, or without.
    let text = refusal("trees", ["library": .scalar("\(oracle.folder)/cases.json")])
    #expect(text.contains("in use in this process") || text.contains("cannot be loaded: ") && text.contains(install), "\(text)")
    let other = refusal("trees", ["library": .scalar(PluginHarness.productsFolder + "/liblinear.so")])
    #expect(other.contains("in use in this process") || other.contains("is not ONNX Runtime"), "\(other)")
  }

  @Test func `an environment leads to its library`() throws {
    let environment = URL(filePath: oracle.library + "/../../../../..").standardizedFileURL.path
    let p = try onnx("trees", columns: ["a", "b", "c", "d"], ["library": .scalar(environment)])
    #expect(try p.send(features: [FeatureRow([1, 2, 3, 4])]).count == 1)
  }
}
