import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Glibc
import FoundationEssentials
import Testing

@testable import GantryRuntime

/// Swaps of running nodes under load, with the project's own plugins.
@Suite struct SwapTests {
  static func text(_ count: UInt64) -> String {
    """
    graph: swaps
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD }
      GBPUSD: { tick: 0.00001, lot: 1, base: GBP, quote: USD }
    nodes:
      ticks: { plugin: synthetic, params: { count: COUNT, seed: 7, instruments: [EURUSD, GBPUSD] } }
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20] } }
      model: { plugin: linear, from: features, params: { artifact: ema_cross.json } }
      decide: { plugin: threshold, from: [model, broker.executions~], params: { quantity: 1000 } }
      risk: { plugin: limits, from: [decide, broker.executions~], params: { max_position: 5000 }, on_error: halt }
      broker: { plugin: paper, from: [ticks, risk], params: { deposit: 100000 } }
    """.replacing("COUNT", with: "\(count)")
  }
  private static let names = ["features", "model", "decide", "risk", "broker"]

  @Test(arguments: [1 as UInt64, 20_260_101])
  func `random swaps, commits and reverts under load change nothing that leaves`(seed: UInt64) throws {
    let kit = try SwapKit(Self.text(1_000_000_000), files: ["ema_cross.json": SwapKit.emaCross])
    let run = try kit.makeRun(RunOptions())
    try run.start()
    var random = RandomState(seed: seed)
    var outcomes: [SwapReport.Outcome: Int] = [:]
    for number in 1...60 {
      let name = Self.names[Int(random.next() % UInt64(Self.names.count))]
      var policy = SwapPolicy()
      policy.shadow = Int(random.next() % 3) * 500
      policy.probation = [0, 500, 1_000_000_000][Int(random.next() % 3)]
      var report = try run.swap(kit.request("c\(number)", name, policy))
      #expect(report.hasFlipped)
      switch random.next() % 3 {
      case 0 where policy.probation > 500: report = try run.revert(node: name, by: "test")
      case 1 where policy.probation > 500: report = try run.commit(node: name, by: "test")
      default: break
      }
      #expect(report.differingRows == 0, "seed \(seed), \(name): \(report)")
      if let outcome = report.outcome { outcomes[outcome, default: 0] += 1 }
    }
    run.requestStop()
    run.wait()
    let summary = try run.finish()
    #expect(outcomes[.committed, default: 0] > 5 && outcomes[.reverted, default: 0] > 2, "\(outcomes)")
    let still = try SwapKit(Self.text(summary.events), files: ["ema_cross.json": SwapKit.emaCross]).run()
    #expect(still.orders > 100)
    #expect(summary.orderHash == still.orderHash, "seed \(seed)")
    #expect(summary.netProfit == still.netProfit)
    #expect(summary.events == still.events)
    #expect(run.swaps.allSatisfy { $0.outcome != nil })
  }

  @Test func `a candidate of another plugin is refused and the run goes on`() throws {
    let kit = try SwapKit(Self.text(50_000), files: ["ema_cross.json": SwapKit.emaCross])
    let run = try kit.makeRun(RunOptions())
    try run.start()
    var request = kit.request("c1", "features", SwapPolicy())
    request.node = "decide"
    #expect(throws: GantryError.self) { try run.swap(request) }
    run.wait()
    let summary = try run.finish()
    #expect(summary.events == 50_000)
  }
}

/// A graph of built plugins, ready to be run several times.
final class SwapKit {
  static let emaCross = """
    {"format":"gantry.linear/1","name":"ema-cross","version":"1","kind":"linear","intercept":0,
     "columns":["ema_10","ema_20"],"coefficients":[1,-1]}
    """

  let graph: Graph
  private let loader = Loader()
  private var plugins: [String: PluginCode] = [:]

  init(_ text: String, files: [String: String]) throws {
    var template = Array("/tmp/gantry-swaps-XXXXXX".utf8CString)
    let folder = String(cString: try #require(mkdtemp(&template)))
    for (name, content) in files {
      let file = try #require(fopen("\(folder)/\(name)", "w"))
      fputs(content, file)
      fclose(file)
    }
    var loaded: [String: PluginCode] = [:]
    let loader = loader
    let result = GraphBuilder.build(
      file: "\(folder)/swaps.yaml", text: text,
      catalog: { id, _ in
        do {
          let generation = try loader.load(path: SwapKit.products + "/lib\(id).so")
          let plugin = generation[id]!
          loaded[id] = PluginCode(
            raw: plugin.raw, description: plugin.description, sha256: generation.sha256,
            generation: UInt32(generation.number))
          return .found(plugin.description)
        } catch {
          return .missing(installed: [])
        }
      })
    graph = try #require(result.graph, "\(result.diagnostics)")
    plugins = loaded
    self.folder = folder
  }

  private let folder: String

  deinit { removeFolder(folder) }

  static var products: String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let path = String(decoding: buffer[..<max(count, 0)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }

  func code(named node: String) -> PluginCode {
    plugins[graph.nodes[graph.node(named: node)!].plugin.id]!
  }

  /// A request for an instance of the same code and parameters.
  func request(_ id: String, _ node: String, _ policy: SwapPolicy) -> SwapRequest {
    SwapRequest(id: id, node: node, graph: graph, code: code(named: node), policy: policy, by: "test")
  }

  func makeRun(_ options: RunOptions) throws -> Run {
    let graph = graph
    let plugins = plugins
    return try Run(graph: graph, options: options) { node throws(GantryError) in plugins[graph.nodes[node].plugin.id]! }
  }

  func run() throws -> RunSummary {
    let run = try makeRun(RunOptions())
    try run.start()
    run.wait()
    return try run.finish()
  }
}
