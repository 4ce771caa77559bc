import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Glibc
import Testing

@testable import GantryRuntime

/// The flip of a running node to another instance with its state: the ground that swaps stand on.
@Suite struct FlipTests {
  private static let text = """
    graph: flips
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD }
    nodes:
      ticks: { plugin: synthetic, params: { count: 600000, seed: 7, instruments: [EURUSD] } }
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20] } }
      model: { plugin: linear, from: features, params: { artifact: ema_cross.json } }
      decide: { plugin: threshold, from: [model, broker.executions~], params: { quantity: 1000 } }
      risk: { plugin: limits, from: [decide, broker.executions~], params: { max_position: 5000 }, on_error: halt }
      broker: { plugin: paper, from: [ticks, risk], params: { deposit: 100000 } }
    """

  @Test func `thousands of flips under load change nothing that leaves`() throws {
    let kit = try FlipKit(Self.text, files: ["ema_cross.json": FlipKit.emaCross])
    let still = try kit.run()
    #expect(still.orders > 100)

    let run = try kit.makeRun(RunOptions())
    try run.start()
    var flips = 0
    var pauses: [UInt64] = []
    let nodes = ["features", "model", "decide", "risk", "broker"]
    var state = RandomState(seed: 20_260_101)
    while run.eventCount < 590_000 {
      let name = nodes[Int(state.next() % UInt64(nodes.count))]
      do throws(GantryError) {
        pauses.append(try run.flip(node: name, to: kit.code(named: name)).pauseNs)
        flips += 1
      } catch {
        guard error.diagnostics.first?.code == "swap.ended" else { throw error }
        break
      }
    }
    run.wait()
    let summary = try run.finish()
    #expect(flips > 50, "only \(flips) flips fitted into the run")
    #expect(summary.orderHash == still.orderHash)
    #expect(summary.netProfit == still.netProfit)
    #expect(summary.events == still.events)
  }

  @Test func `a candidate of another plugin is refused and the run goes on`() throws {
    let kit = try FlipKit(Self.text, files: ["ema_cross.json": FlipKit.emaCross])
    let run = try kit.makeRun(RunOptions())
    try run.start()
    #expect(throws: GantryError.self) { try run.flip(node: "features", to: kit.code(named: "decide")) }
    run.wait()
    let summary = try run.finish()
    #expect(summary.events == 600_000)
  }
}

/// A graph of built plugins, ready to be run several times.
private final class FlipKit {
  static let emaCross = """
    {"format":"gantry.linear/1","name":"ema-cross","version":"1","kind":"linear","intercept":0,
     "columns":["ema_10","ema_20"],"coefficients":[1,-1]}
    """

  let graph: Graph
  private let loader = Loader()
  private var plugins: [String: PluginCode] = [:]

  init(_ text: String, files: [String: String]) throws {
    var template = Array("/tmp/gantry-flips-XXXXXX".utf8CString)
    let folder = String(cString: try #require(mkdtemp(&template)))
    for (name, content) in files {
      let file = try #require(fopen("\(folder)/\(name)", "w"))
      fputs(content, file)
      fclose(file)
    }
    var loaded: [String: PluginCode] = [:]
    let loader = loader
    let result = GraphBuilder.build(
      file: "\(folder)/flips.yaml", text: text,
      catalog: { id, _ in
        do {
          let generation = try loader.load(path: FlipKit.products + "/lib\(id).so")
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
