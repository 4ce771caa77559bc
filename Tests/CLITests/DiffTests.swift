import BrokenPlugins
import GantryBase
import Glibc
import PluginHarness
import Testing

/// `gantry diff`, with the real executable and a real journal of the moving-average cross.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct DiffTests {
  private static let manifest = "\(Fixture.root)/manifests/ema-cross.yaml"
  /// Made once: the journal of the graph's own sample.
  private static let recorded = Result {
    let folder = try Files.folder()
    let result = try Gantry.run(["backtest", manifest, "--run-folder", "r", "--json"], in: folder)
    return (folder: folder, summary: try result.decode(Summary.self))
  }

  private struct Report: Decodable {
    struct Outputs: Decodable {
      struct Place: Decodable {
        var port: String
        var chain: String
        var eventNs: Int64
        var before: [String: String]
        var with: [String: String]
        var fields: [String]
      }
      struct Field: Decodable {
        var port: String
        var name: String
        var count: UInt64
        var largest: Double?
        var mean: Double?
      }
      var compared: UInt64
      var differing: UInt64
      var onlyBefore: UInt64
      var onlyWith: UInt64
      var first: Place?
      var fields: [Field]
    }
    struct Orders: Decodable {
      struct Order: Decodable {
        var chain: String
        var before: String?
        var with: String?
      }
      var before: UInt64
      var with: UInt64
      var changed: UInt64
      var onlyBefore: UInt64
      var onlyWith: UInt64
      var first: [Order]
    }
    var node: String
    var before: String
    var with: String
    var events: UInt64
    var outputs: Outputs
    var orders: Orders
  }

  private func diff(_ arguments: String...) throws -> Gantry {
    try Gantry.run(["diff", "--journal", "r/journal"] + arguments, in: Self.recorded.get().folder)
  }

  private func report(_ arguments: String...) throws -> Report {
    let result = try Gantry.run(["diff", "--journal", "r/journal", "--json"] + arguments, in: Self.recorded.get().folder)
    #expect(result.code == 0, "\(result.error)")
    return try result.decode(Report.self)
  }

  /// The model of the cross with another intercept and coefficients.
  private func model(_ intercept: String, _ coefficients: String = "[1, -1]") throws -> String {
    let path = try Files.folder() + "/other.json"
    try Files.write(
      """
      { "format": "gantry.linear/1", "name": "ema_cross", "version": "1.1.0", "kind": "linear", "intercept": \(intercept),
        "columns": ["ema_10", "ema_20"], "coefficients": \(coefficients) }
      """, path)
    return path
  }

  @Test func `a candidate that is the same differs nowhere`() throws {
    let (_, summary) = try Self.recorded.get()
    let report = try report("--node", "model", "--with", "\(Fixture.root)/manifests/models/ema_cross.json")
    #expect(report.events == summary.events)
    #expect(report.outputs.compared > 0)
    #expect((report.outputs.differing, report.outputs.onlyBefore, report.outputs.onlyWith) == (0, 0, 0))
    #expect(report.outputs.first == nil)
    #expect(report.orders.before == summary.orders)
    #expect((report.orders.changed, report.orders.onlyBefore, report.orders.onlyWith) == (0, 0, 0))
    #expect(try diff("--node", "model", "--with", "\(Fixture.root)/manifests/models/ema_cross.json").out.contains("outputs   the same"))
  }

  @Test func `a changed artifact shows where, how far, how often, and which orders change`() throws {
    let shift = 0.00002
    let report = try report("--node", "model", "--with", model("\(shift)"))
    #expect(report.node == "model")
    // Every prediction is the intercept away.
    #expect(report.outputs.differing == report.outputs.compared)
    #expect((report.outputs.onlyBefore, report.outputs.onlyWith) == (0, 0))
    let field = try #require(report.outputs.fields.first { $0.name == "value" })
    #expect(report.outputs.fields.map(\.name) == ["value"])
    #expect(field.count == report.outputs.compared)
    #expect(abs(try #require(field.largest) - shift) < 1e-12)
    #expect(abs(try #require(field.mean) - shift) < 1e-12)
    let first = try #require(report.outputs.first)
    #expect(first.fields == ["value"])
    #expect(first.chain.hasPrefix("ticks:"))
    #expect(first.eventNs > 0)
    let (before, with) = (try #require(Double(first.before["value"] ?? "")), try #require(Double(first.with["value"] ?? "")))
    #expect(abs(with - before - shift) < 1e-12)
    // A wish to be long for longer changes where positions turn.
    let orders = report.orders
    #expect(orders.changed + orders.onlyBefore + orders.onlyWith > 0)
    #expect(orders.before - orders.onlyBefore == orders.with - orders.onlyWith)
    #expect(!orders.first.isEmpty)
    #expect(orders.first.allSatisfy { $0.before != $0.with })
    // The orders with the candidate are those of a run with it.
    let run = try Gantry.run(["backtest", Self.manifest, "--no-run-folder", "--json", "--set", "model.artifact=\(model("\(shift)"))"], in: Files.folder())
    #expect(try run.decode(Summary.self).orders == orders.with)
  }

  @Test func `the text names the first difference and the orders`() throws {
    let result = try diff("--node", "model", "--with", model("0", "[-1, 1]"))
    #expect(result.code == 0, "\(result.error)")
    #expect(result.out.contains("model.predictions, chain ticks:"))
    #expect(result.out.contains(" times, at most "))
    #expect(result.out.contains("with the candidate: "))
    #expect(result.out.contains("-> "))
  }

  @Test func `other code for a node is named by its file`() throws {
    let library = "\(PluginHarness.productsFolder)/libthreshold-c.so"
    guard access(library, R_OK) == 0 else { return }
    // The same rule in C: the same orders.
    let report = try report("--node", "decide", "--with", library)
    #expect(report.with.hasPrefix("threshold-c@"))
    #expect(report.outputs.compared > 0)
    #expect((report.outputs.differing, report.outputs.onlyBefore, report.outputs.onlyWith) == (0, 0, 0))
    #expect((report.orders.changed, report.orders.onlyBefore, report.orders.onlyWith) == (0, 0, 0))
  }

  @Test func `a parameter alone is a candidate`() throws {
    let report = try report("--node", "decide", "--set", "quantity=20000")
    #expect(report.outputs.fields.contains { $0.name == "quantity" && $0.largest == 10_000 })
    #expect(report.orders.changed == report.orders.before)
    #expect(report.orders.first.first?.with?.contains("20000") == true)
  }

  @Test func `nodes that cannot be compared, and wrong candidates, are refused with a reason`() throws {
    #expect(try diff("--node", "broker", "--set", "deposit=1").error.contains("is a broker: orders end there"))
    #expect(try diff("--node", "ticks", "--set", "instrument=EURUSD").error.contains("is a source"))
    #expect(try diff("--node", "nobody", "--set", "a=1").code == 2)
    #expect(try diff("--node", "model").code == 2)
    #expect(try diff("--node", "features", "--with", "x.json").error.contains("reads no artifact"))
    #expect(try diff("--node", "model", "--with", model("0", "[1]")).code == 65)
    #expect(try diff("--node", "decide", "--set", "quantitty=1").error.contains("did you mean"))
    #expect(try Gantry.run(["diff", "--journal", "/nowhere", "--node", "model", "--set", "a=1"]).code == 65)
  }

  @Test func `edges from other lanes feed both instances`() throws {
    let folder = try Files.folder()
    let graph = try Files.graph(
      """
      s: { plugin: beat, params: { count: 3000 } }
      a: { plugin: fan, from: s, params: { rows_max: 2 }, lane: a, queue: { size: 8 } }
      n: { plugin: fan, from: [a, s], params: { rows_min: 1, rows_max: 1, seed: 3 }, lane: b, queue: { size: 8 } }
      t: { plugin: trail, from: n, lane: b }
      """)
    let plugins = try Files.pluginFolder()
    #expect(try Gantry.run(["backtest", graph, "--plugins", plugins, "--run-folder", "r"], in: folder).code == 0)
    func report(_ set: String) throws -> Report {
      let result = try Gantry.run(
        ["diff", "--journal", "r", "--plugins", plugins, "--node", "n", "--set", set, "--json"], in: folder)
      #expect(result.code == 0, "\(result.error)")
      return try result.decode(Report.self)
    }
    let same = try report("seed=3")
    #expect(same.outputs.compared >= 3000)
    #expect((same.outputs.differing, same.outputs.onlyBefore, same.outputs.onlyWith) == (0, 0, 0))
    let more = try report("rows_max=2")
    #expect(more.outputs.onlyWith > 0)
    #expect(more.outputs.onlyBefore == 0)
    let failing = try report("fail_from=100")
    #expect(failing.outputs.onlyBefore == 0, "fail_to says until where")
    let silent = try Gantry.run(
      ["diff", "--journal", "r", "--plugins", plugins, "--node", "n", "--set", "fail_from=100", "--set", "fail_to=110", "--json"], in: folder)
    let missing = try silent.decode(Report.self)
    #expect(missing.outputs.onlyBefore >= 10)
    #expect(missing.outputs.first?.chain == "s:100")
  }
}
