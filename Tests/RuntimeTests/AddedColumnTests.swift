import CGantry
import BrokenPlugins
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Synchronization
import Testing

/// A candidate may write further columns behind those that are there: whoever reads them goes on.
@Suite(.serialized, .enabled(if: Fixture.hasCompiler, "no C compiler"))
struct AddedColumnTests {
  /// - Parameter parts: of the nodes, in place of the usual ones
  private func yaml(
    _ columns: String = "", plugin: String = "columns", wants: Int = 0, count: UInt64 = 1_000_000_000, lane: String = "", policy: String = "",
    reader: String = ""
  ) -> String {
    Bench.yaml(
      """
      beat: { plugin: beat, params: { count: \(count), instruments: 2 } }
      features: { plugin: \(plugin), from: beat\(columns.isEmpty ? "" : ", params: { \(columns) }")\(policy) }
      reader: { plugin: reader, from: features, params: { wants: \(wants) }\(lane)\(reader) }
      rows: { plugin: last-rows, from: features, swap: { warm: 60 } }
      """)
  }

  private func still(_ plugin: String = "columns", like outcome: Outcome) throws -> Outcome {
    try Bench.run(SwapBench.load(yaml(plugin: plugin, count: #require(outcome.summary?.events))))
  }

  private func columns(_ row: Row) -> [UInt64] {
    (0..<(row.bytes.count - 32) / 8).map { column in row.bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 32 + column * 8, as: UInt64.self) } }
  }

  /// The rows' first two columns, and of whoever reads them what depends on no others, are as without a swap.
  private func expectSame(_ outcome: Outcome, _ plugin: String = "columns", _ place: SourceLocation = #_sourceLocation) throws {
    let still = try still(plugin, like: outcome)
    let (mine, others) = (outcome.rows("features.out"), still.rows("features.out"))
    let isSame = mine.count == others.count && zip(mine, others).allSatisfy { columns($0).prefix(2) == columns($1)[...] && $0.bytes[..<32] == $1.bytes[..<32] }
    #expect(isSame, "features differ", sourceLocation: place)
    for port in ["reader.out", "rows.out"] {
      let (mine, others) = (outcome.ticks(port), still.ticks(port))
      let isSame = mine.count == others.count && zip(mine, others).allSatisfy { $0.ask == $1.ask && $0.header.chain == $1.header.chain }
      #expect(isSame, "\(port) differs", sourceLocation: place)
    }
  }

  @Test(arguments: [("columns", ""), ("columns", ", lane: b, queue: { size: 64 }"), ("columns-single", ""), ("columns-outlet", "")])
  func `rows get wider at the flip and narrow at a revert, and readers notice nothing`(plugin: String, lane: String) throws {
    let text = yaml(plugin: plugin, lane: lane)
    let folder = try Fixture.temporaryFolder() + "/run"
    let (outcome, error) = try SwapBench.run(text, folder: folder) { run in
      func wide(_ count: Int) throws -> SwapRequest {
        try SwapBench.request("features", yaml("columns: \(count)", plugin: plugin, lane: lane)) {
          $0.policy.shadow = 300
          $0.policy.probation = 1_000_000_000
        }
      }
      for _ in 0..<2 {
        let report = try run.swap(wide(5))
        #expect(report.differingRows == 0)
        SwapBench.pass(400, run)
        #expect(try run.revert(node: "features", by: "test").outcome == .reverted)
        SwapBench.pass(400, run)
      }
      _ = try run.swap(wide(3))
      #expect(try run.commit(node: "features", by: "test").outcome == .committed)
      SwapBench.pass(400, run)
      _ = try run.swap(wide(6))
      SwapBench.pass(400, run)
      // A node that keeps rows for its candidate has kept those of both widths.
      let rows = try SwapBench.request("rows", text) { $0.policy.warm = 60 }
      #expect(try run.swap(rows, waits: true).outcome == .committed)
      #expect(try run.commit(node: "features", by: "test").outcome == .committed)
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty, "\(outcome.diagnostics)")
    let widths = outcome.rows("features.out").map { columns($0).count }
    let turns = zip(widths, widths.dropFirst()).filter { $0 != $1 }.map { "\($0)-\($1)" }
    #expect(turns == ["2-5", "5-2", "2-5", "5-2", "2-3", "3-6"])
    try expectSame(outcome, plugin)
    // What acts on the outside does not run in a replay.
    if plugin != "columns-outlet" { try SwapBench.expectReplayed(folder, text, like: outcome) }
  }

  @Test func `who reads may ask for a new column once the swap that brought it is committed`() throws {
    let text = yaml()
    let folder = try Fixture.temporaryFolder() + "/run"
    let early = Mutex<GantryError?>(nil)
    let (outcome, error) = try SwapBench.run(text, folder: folder) { run in
      let wide = yaml("columns: 4")
      _ = try run.swap(SwapBench.request("features", wide) { $0.policy.probation = 1_000_000_000 })
      let asks = try SwapBench.request("reader", yaml("columns: 4", wants: 3))
      do { _ = try run.swap(asks) } catch let error as GantryError { early.withLock { $0 = error } }
      #expect(try run.commit(node: "features", by: "test").outcome == .committed)
      SwapBench.pass(500, run)
      #expect(try run.swap(asks, waits: true).outcome == .committed)
      SwapBench.pass(500, run)
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(early.withLock { $0 }?.diagnostics.first?.code == "runtime.configure-failed")
    #expect(outcome.diagnostics.isEmpty)
    try expectSame(outcome)
    let rows = zip(outcome.rows("features.out"), outcome.ticks("reader.out"))
    let fourth = rows.filter { columns($0).count == 4 && Double(bitPattern: columns($0)[3]) == $1.bid }.count
    #expect(fourth >= 500)
    #expect(outcome.ticks("reader.out").last.map(\.bid) == outcome.rows("features.out").last.map { Double(bitPattern: columns($0)[3]) })
    try SwapBench.expectReplayed(folder, text, like: outcome)
  }

  @Test func `a reader on probation is fed rows of either width`() throws {
    let (outcome, error) = try SwapBench.run(yaml()) { run in
      _ = try run.swap(SwapBench.request("reader", yaml()) { $0.policy.probation = 1_000_000_000 })
      _ = try run.swap(SwapBench.request("features", yaml("columns: 7")) { $0.policy.probation = 1_000_000_000 })
      SwapBench.pass(400, run)
      #expect(try run.revert(node: "features", by: "test").outcome == .reverted)
      SwapBench.pass(400, run)
      #expect(try run.revert(node: "reader", by: "test").outcome == .reverted)
      SwapBench.pass(400, run)
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
    try expectSame(outcome)
  }

  @Test func `a standby hands over to rows that are wider`() throws {
    let (outcome, error) = try SwapBench.run(yaml(policy: ", swap: { standby: true }")) { run in
      for (number, count) in [4, 4, 6, 6].enumerated() {
        _ = try run.swap(SwapBench.request("features", yaml("columns: \(count)")) { $0.policy.probation = 1_000_000_000 })
        SwapBench.pass(500, run)
        if number % 2 == 0 {
          #expect(try run.revert(node: "features", by: "test").outcome == .reverted)
        } else {
          #expect(try run.commit(node: "features", by: "test").outcome == .committed)
        }
      }
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
    try expectSame(outcome)
  }

  @Test(arguments: ["columns: 1", "columns: 3, first: 1"])
  func `columns that go or move are refused`(columns: String) throws {
    let (outcome, error) = try SwapBench.run(yaml()) { run in _ = try run.swap(SwapBench.request("features", yaml(columns))) }
    #expect(error?.diagnostics.first?.code == "swap.other-schema")
    #expect(error?.diagnostics.first?.help.first?.contains("apply") == true)
    try expectSame(outcome)
  }

  @Test func `a canary of further columns is refused`() throws {
    let share = try #require(
      (1..<100).map { Double($0) / 100 }.first { share in
        (try? Run.canaryInstruments(SwapBench.load(yaml()).graph, share: share).count) == 1
      })
    let (_, error) = try SwapBench.run(yaml()) { run in
      _ = try run.swap(SwapBench.request("features", yaml("columns: 3")) { $0.policy.canary = share })
    }
    #expect(error?.diagnostics.first?.code == "swap.canary-columns")
  }

  @Test func `an apply keeps who reads rows that have become wider`() throws {
    let (outcome, error) = try SwapBench.run(yaml()) { run in
      let wide = try SwapBench.load(yaml("columns: 4"))
      #expect(try run.swap(SwapBench.request("features", yaml("columns: 4")), waits: true).outcome == .committed)
      let more = try SwapBench.load(yaml("columns: 4", reader: ", swap: { probation: 5 }"))
      let report = try run.apply(
        graph: more.graph, code: { node throws(GantryError) in more.code[node] },
        changes: GraphDiff.diff(old: wide.graph, new: more.graph, changed: GraphDiff.Changed()), id: "a1", by: "a test")
      #expect(report.nodes.allSatisfy { $0.action < .swapWithState }, "\(report.nodes)")
      SwapBench.pass(400, run)
    }
    #expect(error == nil, "\(String(describing: error))")
    #expect(outcome.diagnostics.isEmpty)
    try expectSame(outcome)
  }
}
