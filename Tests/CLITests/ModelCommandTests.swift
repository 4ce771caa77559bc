import GantryBase
import Glibc
import PluginHarness
import Testing

/// `gantry model` and graphs that name models, by the real executable.
@Suite struct ModelCommandTests {
  private struct Added: Decodable {
    struct Model: Decodable {
      struct Card: Decodable {
        var format: String
        var columns: [String]
        var sha256: String
      }
      var name: String
      var version: Int
      var path: String
      var card: Card
    }
    var model: Model
  }
  private struct Listed: Decodable {
    struct Entry: Decodable {
      struct Version: Decodable {
        var version: Int
        var aliases: [String]
        var diagnostics: [Diagnostic]?
      }
      var name: String
      var versions: [Version]
    }
    var models: [Entry]
  }
  private struct Difference: Decodable {
    struct Field: Decodable {
      var field: String
      var first: String?
      var second: String?
    }
    var fields: [Field]
    var columnsOnlyInSecond: [String]
    var sameBytes: Bool
  }

  private static let artifact = """
    { "format": "gantry.linear/1", "name": "m", "version": "1", "kind": "linear", "intercept": 0, "columns": ["ema_10", "ema_20"], "coefficients": [1, -1] }
    """

  private func folder() throws -> String {
    let folder = try Files.folder()
    try Files.write(Self.artifact, "\(folder)/m.json")
    try Files.write(Self.artifact.replacing("\"ema_20\"", with: "\"rsi_14\""), "\(folder)/other.json")
    return folder
  }

  private func graph(_ folder: String, artifact: String, head: String = "") throws -> String {
    let path = "\(folder)/graph.yaml"
    try Files.write(
      """
      graph: test
      clock: replay
      \(head)
      instruments: { EURUSD: { tick: 0.00001 } }
      nodes:
        ticks: { plugin: synthetic, params: { count: 1000 } }
        features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20] } }
        model: { plugin: linear, from: features, params: { artifact: "\(artifact)" } }
        tell: { plugin: log, from: model, params: { every: 500 } }

      """, path)
    return path
  }

  @Test func `add, list, inspect, diff and alias`() throws {
    let folder = try folder()
    let first = try Gantry.run(["model", "add", "m.json", "--name", "momentum", "--metrics", "auc=0.58,brier=0.25", "--alias", "champion", "--json"], in: folder)
    #expect(first.code == 0, "\(first.error)")
    let added = try first.decode(Added.self).model
    #expect(added.version == 1 && added.card.format == "gantry.linear/1" && added.card.columns == ["ema_10", "ema_20"])
    let second = try Gantry.run(["model", "add", "other.json", "--name", "momentum", "--metrics", "auc=0.61", "--library", "gantry 0.1", "--training-data", "sha256:12"], in: folder)
    #expect(second.code == 0 && second.out.hasPrefix("added momentum@2"), "\(second.out)\(second.error)")
    let listed = try Gantry.run(["model", "list", "--json"], in: folder).decode(Listed.self).models
    #expect(listed.map(\.name) == ["momentum"])
    #expect(listed[0].versions.map(\.version) == [1, 2] && listed[0].versions[0].aliases == ["champion"])
    let shown = try Gantry.run(["model", "inspect", "momentum@latest"], in: folder)
    #expect(shown.code == 0 && shown.out.contains("ema_10, rsi_14") && shown.out.contains("sha256:12") && shown.out.contains("every file has the bytes"))
    let differs = try Gantry.run(["model", "diff", "momentum@champion", "momentum@2", "--json"], in: folder).decode(Difference.self)
    #expect(!differs.sameBytes && differs.columnsOnlyInSecond == ["rsi_14"])
    #expect(differs.fields.contains { $0.field == "auc" && $0.first == "0.58" && $0.second == "0.61" })
    #expect(differs.fields.contains { $0.field == "brier" && $0.first == "0.25" && $0.second == nil })
    let moved = try Gantry.run(["model", "alias", "momentum", "champion", "2"], in: folder)
    #expect(moved.code == 0 && moved.out.contains("@1 -> @2"), "\(moved.out)\(moved.error)")
    #expect(try Gantry.run(["model", "alias", "momentum", "fallback", "champion"], in: folder).out.contains("@2"))
    #expect(try Gantry.run(["model", "list"], in: folder).out.contains("champion, fallback"))
  }

  @Test func `what will not do is told with a remedy and an exit code`() throws {
    let folder = try folder()
    try Files.write("PK\u{3}\u{4}", "\(folder)/bomb.onnx")
    try Files.write("what is this", "\(folder)/unknown.bin")
    _ = try Gantry.run(["model", "add", "m.json", "--name", "momentum"], in: folder)
    let cases: [([String], Int32, String)] = [
      (["add", "m.json", "--name", "../up"], 65, "model.bad-reference"), (["add", "m.json", "--name", "a/b"], 65, "model.bad-reference"),
      (["add", "bomb.onnx", "--name", "bomb"], 65, "model.archive"), (["add", "unknown.bin", "--name", "unknown"], 2, "model.no-format"),
      (["add", "none.json", "--name", "none", "--format", "x"], 2, "model.no-file"), (["add", "m.json", "--name", "momentum", "--version", "1"], 2, "model.not-written"),
      (["add", "m.json", "--name", "m", "--alias", "latest"], 65, "model.bad-alias"), (["inspect", "momentum"], 65, "model.bad-reference"),
      (["inspect", "momentum@7"], 65, "model.unknown-version"), (["alias", "momentum", "champion", "7"], 65, "model.unknown-version"),
      (["alias", "momentum", "../x", "1"], 65, "model.bad-reference"), (["diff", "momentum@1", "trend@1"], 65, "model.unknown-model"),
    ]
    for (arguments, code, id) in cases {
      let verb = try Gantry.run(["model"] + arguments, in: folder)
      #expect(verb.code == code, "\(arguments): \(verb.error)")
      #expect(verb.error.contains("[\(id)]") && verb.error.contains("help:"), "\(arguments): \(verb.error)")
    }
    #expect(try Gantry.run(["model", "list", "--json"], in: folder).decode(Listed.self).models.map(\.name) == ["momentum"])
    // A damaged one is listed with what is wrong with it.
    try Files.write("format: [", "\(folder)/models/momentum/1/model.yaml")
    let listed = try Gantry.run(["model", "list", "--json"], in: folder).decode(Listed.self).models
    #expect(listed[0].versions[0].diagnostics?.isEmpty == false)
  }

  @Test func `check tells a model's mistakes at their places in the graph`() throws {
    let folder = try folder()
    for file in ["m.json", "other.json"] { _ = try Gantry.run(["model", "add", file, "--name", "momentum"], in: folder) }
    let wrong = try Gantry.run(["check", try graph(folder, artifact: "models:momentun@1")])
    #expect(wrong.code == 65 && wrong.error.contains("graph.yaml:8:") && wrong.error.contains("did you mean momentum?"), "\(wrong.error)")
    let columns = try Gantry.run(["check", try graph(folder, artifact: "models:momentum@2")])
    #expect(columns.code == 65 && columns.error.contains("needs the column \"rsi_14\""), "\(columns.error)")
    #expect(try Gantry.run(["check", try graph(folder, artifact: "models:momentum@1")]).code == 0)
    let elsewhere = try Gantry.run(["check", try graph(folder, artifact: "models:momentum@1", head: "models: { path: [nowhere, models] }")])
    #expect(elsewhere.code == 0, "\(elsewhere.error)")
    #expect(try Gantry.run(["check", try graph(folder, artifact: "models:momentum@1", head: "models: { path: [nowhere] }")]).code == 65)
    let set = try Gantry.run(["check", try graph(folder, artifact: "m.json"), "--set", "model.artifact=models:momentum@latest"])
    #expect(set.code == 65 && set.error.contains("rsi_14"), "\(set.error)")
  }

  @Test func `a graph that trusts its lock file runs only versions that are pinned there`() throws {
    let folder = try folder()
    _ = try Gantry.run(["model", "add", "m.json", "--name", "momentum", "--lock", "plugins.lock"], in: folder)
    _ = try Gantry.run(["model", "add", "m.json", "--name", "momentum"], in: folder)
    let products = PluginHarness.productsFolder
    let pinned = try Gantry.run(["plugin", "add"] + ["synthetic", "indicators", "linear", "log"].map { "\(products)/lib\($0).so" }, in: folder)
    #expect(pinned.code == 0, "\(pinned.error)")
    let head = "plugins: { path: [\"\(products)\"], trust: manifest, lock: plugins.lock }"
    let good = try Gantry.run(["check", try graph(folder, artifact: "models:momentum@1", head: head)], in: folder)
    #expect(good.code == 0, "\(good.error)")
    let bad = try Gantry.run(["check", try graph(folder, artifact: "models:momentum@2", head: head)], in: folder)
    #expect(bad.code == 65 && bad.error.contains("model.not-pinned") && bad.error.contains("graph.yaml:8:"), "\(bad.code) \(bad.error)")
    let run = try Gantry.run(["run", try graph(folder, artifact: "models:momentum@2", head: head), "--no-run-folder", "--no-control"], in: folder)
    #expect(run.code == 77, "\(run.code) \(run.error)")
  }
}
