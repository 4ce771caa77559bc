import GantryBase
import GantryGraph
import Testing

@Suite struct OverlayTests {
  static let text = """
    graph: overlay
    instruments: { EURUSD: { tick: 0.00001 } }
    nodes:
      ticks: { plugin: synthetic, params: { seed: 1, events: 5 }, trace: all }
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10] } }
      notify: { plugin: log, from: { events: [ticks, features] } }
    profiles:
      short: { nodes: { ticks: { params: { events: 2, seed: null }, trace: null } } }
      other: { nodes: { ticks: { plugin: replay, params: { path: data/eurusd } } } }
      slim: { nodes: { features: null, notify: { from: ticks } }, trace: off }
      more: { nodes: { copy: { plugin: log, from: features } }, instruments: { EURUSD: { lot: 1000 }, USDJPY: { tick: 0.001 } } }

    """

  @Test func `a profile merges params and takes keys away by null`() throws {
    let graph = try graph(Self.text, profile: "short")
    #expect(graph.profile == "short")
    #expect(graph.nodes[0].parameters.prefix(2) == [.integer(1), .integer(2)])
    #expect(graph.nodes[0].parameterPlaces[0] == nil)
    #expect(graph.nodes[0].trace == nil)
  }

  @Test func `another plugin does not inherit params`() throws {
    let graph = try graph(Self.text, profile: "other")
    #expect(graph.nodes[0].parameters == [.path("/house/graphs/data/eurusd"), .choice(index: 0, name: "csv"), .unset])
    #expect(graph.nodes[0].trace == .all)
  }

  @Test func `a profile replaces from whole and removes nodes`() throws {
    let graph = try graph(Self.text, profile: "slim")
    #expect(graph.nodes.map(\.name) == ["ticks", "notify"])
    #expect(edges(graph) == ["ticks.ticks -> notify.events"])
    #expect(graph.trace == .off)
  }

  @Test func `a profile adds nodes and instruments behind the others`() throws {
    let graph = try graph(Self.text, profile: "more")
    #expect(graph.nodes.map(\.name) == ["ticks", "features", "notify", "copy"])
    #expect(graph.instruments.map(\.lotSize) == [1000, 1])
    #expect(graph.instruments.map(\.symbol) == ["EURUSD", "USDJPY"])
    #expect(graph.currencies.map(\.code) == ["USD", "EUR", "JPY"])
    #expect(graph.currencies.map(\.digits) == [2, 2, 0])
  }

  @Test func `mistakes in a profile show whichever is asked for`() {
    let text = Self.text.replacing("events: 2", with: "events: 2 }, lnae: { x: y")
    for profile in [nil, "other", "short"] {
      #expect(Catalog.build(text, profile: profile).diagnostics.map(\.code) == ["graph.unknown-key"])
    }
  }

  @Test func `set replaces a parameter with a text, a number or a list`() throws {
    let graph = try graph(Self.text, sets: ["ticks.seed=7", "features.columns=[rsi_14, spread]", "ticks.events=3"])
    #expect(graph.nodes[0].parameters.prefix(2) == [.integer(7), .integer(3)])
    #expect(graph.nodes[1].parameters[0] == .texts(["rsi_14", "spread"]))
  }

  @Test func `paths of the command line start where the shell is`() throws {
    let graph = try graph(Self.text, profile: "other", sets: ["ticks.path=../data/a=b", "ticks.format=lean"])
    #expect(graph.nodes[0].parameters.prefix(2) == [.path("/house/../data/a=b"), .choice(index: 1, name: "lean")])
    #expect(graph.nodes[0].parameterPlaces[0]?.file == "--set")
  }

  @Test func `set reaches all nodes that for_each made, or one`() throws {
    let text = """
      graph: sets
      nodes:
        ticks: { plugin: synthetic, for_each: [A, B.x] }
        notify: { plugin: log, from: ticks }
      """
    let graph = try graph(text, sets: ["ticks.seed=5", "ticks.B.x.seed=6"])
    #expect(graph.nodes.prefix(2).map { $0.parameters[0] } == [.integer(5), .integer(6)])
  }

  @Test func `an overlay reaches one copy of a repeated node`() throws {
    let text = """
      graph: overlays
      instruments: { A: { tick: 1, base: AAA, quote: USD }, B: { tick: 1, base: BBB, quote: USD } }
      nodes:
        ticks: { plugin: synthetic, for_each: instruments, params: { seed: "1" } }
        notify: { plugin: log, from: ticks }
      """
    var options = GraphOptions(files: Catalog.files)
    options.overlays = ["nodes: { ticks.B: { plugin: replay, params: { path: data/eurusd, instrument: B } }, notify: { params: { level: debug } } }"]
    let (built, diagnostics) = GraphBuilder.build(file: "graphs/test.yaml", text: text, catalog: Catalog.answer, options: options)
    #expect(diagnostics == [])
    let graph = try #require(built)
    #expect(graph.nodes.map(\.plugin.id) == ["synthetic", "replay", "log"])
    #expect(graph.nodes[1].parameters[2] == .instrument(id: 2, symbol: "B"))
    #expect(graph.nodes[2].parameters[1] == .choice(index: 0, name: "debug"))
  }
}
