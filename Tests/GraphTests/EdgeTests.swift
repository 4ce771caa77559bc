import GantryBase
import GantryGraph
import Testing

@Suite struct EdgeTests {
  /// A graph with these lines under `nodes:`.
  static func nodes(_ lines: String) -> String {
    "graph: edges\ninstruments: { EURUSD: { tick: 0.00001 }, NZDUSD: { tick: 0.00001 } }\nnodes:\n" + lines.split(separator: "\n").map { "  \($0)\n" }.joined()
  }

  @Test func `a name alone takes the first output that fits the first input that fits`() throws {
    let graph = try graph(
      Self.nodes(
        """
        ticks: { plugin: replay, params: { path: data/eurusd } }
        features: { plugin: indicators, from: ticks, params: { columns: [ema_10] } }
        frombars: { plugin: indicators, from: ticks.bars, params: { columns: [ema_10] } }
        notify: { plugin: log, from: [ticks, frombars, features.features] }
        """))
    #expect(
      edges(graph) == [
        "ticks.ticks -> features.ticks", "ticks.bars -> frombars.bars", "ticks.ticks -> notify.events", "frombars.features -> notify.events",
        "features.features -> notify.events",
      ])
  }

  @Test func `a second edge of one type takes the next free input`() throws {
    let graph = try graph(
      Self.nodes(
        """
        ticks: { plugin: replay, params: { path: data/eurusd } }
        features: { plugin: indicators, from: [ticks, ticks.bars], params: { columns: [ema_10] } }
        notify: { plugin: log, from: features }
        """))
    #expect(edges(graph).prefix(2) == ["ticks.ticks -> features.ticks", "ticks.bars -> features.bars"])
  }

  @Test func `the mapping form names inputs and takes lists`() throws {
    let graph = try graph(
      Self.nodes(
        """
        ticks: { plugin: synthetic }
        more: { plugin: synthetic }
        risk: { plugin: limits, from: { orders: broker.executions~, ticks: ticks } }
        broker: { plugin: paper, from: { ticks: [ticks, more], orders: risk } }
        """
      ).replacing("orders: broker.executions~", with: "orders: risk.orders~, executions: broker~"))
    #expect(
      edges(graph) == [
        "risk.orders -> risk.orders ~", "broker.executions -> risk.executions ~", "ticks.ticks -> risk.ticks", "ticks.ticks -> broker.ticks",
        "more.ticks -> broker.ticks", "risk.orders -> broker.orders",
      ])
  }

  @Test func `for_each makes a node per item and joins what shares the item`() throws {
    let graph = try graph(
      Self.nodes(
        """
        ticks: { plugin: replay, for_each: &pairs [EURUSD, NZDUSD], params: { path: "data/${each}", instrument: "${each}" } }
        features: { plugin: indicators, for_each: *pairs, from: ticks, lane: "lane-${each}", params: { columns: ["ema_10", "spread_${each}"] } }
        one: { plugin: log, from: features.NZDUSD.features }
        all: { plugin: log, from: features }
        """))
    #expect(graph.nodes.map(\.name) == ["ticks.EURUSD", "ticks.NZDUSD", "features.EURUSD", "features.NZDUSD", "one", "all"])
    #expect(graph.nodes.map(\.each) == ["EURUSD", "NZDUSD", "EURUSD", "NZDUSD", nil, nil])
    #expect(
      edges(graph) == [
        "ticks.EURUSD.ticks -> features.EURUSD.ticks", "ticks.NZDUSD.ticks -> features.NZDUSD.ticks", "features.NZDUSD.features -> one.events",
        "features.EURUSD.features -> all.events", "features.NZDUSD.features -> all.events",
      ])
    #expect(graph.nodes[1].parameters[0] == .path("/house/graphs/data/NZDUSD"))
    #expect(graph.nodes[1].parameters[2] == .instrument(id: 2, symbol: "NZDUSD"))
    #expect(graph.nodes[2].parameters[0] == .texts(["ema_10", "spread_EURUSD"]))
    #expect(graph.lanes == ["main", "lane-EURUSD", "lane-NZDUSD"])
  }

  @Test func `for_each of instruments means all of them`() throws {
    let graph = try graph(Self.nodes("ticks: { plugin: synthetic, for_each: instruments }\nnotify: { plugin: log, from: ticks }"))
    #expect(graph.nodes.map(\.name) == ["ticks.EURUSD", "ticks.NZDUSD", "notify"])
  }

  @Test func `nodes are ordered by their edges and then by the file`() throws {
    let graph = try graph(
      Self.nodes(
        """
        notify: { plugin: log, from: [features, other] }
        features: { plugin: indicators, from: ticks, params: { columns: [ema_10] } }
        other: { plugin: synthetic }
        ticks: { plugin: synthetic }
        """))
    #expect(graph.order.map { graph.nodes[$0].name } == ["other", "ticks", "features", "notify"])
  }

  @Test func `an edge between lanes has a queue and one within a lane has none`() throws {
    let graph = try graph(
      Self.nodes(
        """
        ticks: { plugin: synthetic, lane: feed }
        features: { plugin: indicators, from: ticks, params: { columns: [ema_10] }, queue: { size: 64 } }
        notify: { plugin: log, from: features }
        slow: { plugin: log, from: features, queue: { when_full: conflate } }
        far: { plugin: log, from: features, lane: feed }
        """))
    #expect(graph.lanes == ["main", "feed"])
    #expect(graph.nodes.map(\.lane) == [1, 0, 0, 0, 1])
    #expect(graph.nodes[1].inputs[0].queue == QueuePolicy(size: 64, whenFull: .block))
    #expect(graph.nodes[2].inputs[0].queue == nil)
    #expect(graph.nodes[3].inputs[0].queue == QueuePolicy(size: 1024, whenFull: .conflate))
    #expect(graph.nodes[4].inputs[0].queue == QueuePolicy())
  }

  @Test func `a fallback is the node of the same item`() throws {
    let graph = try graph(
      Self.nodes(
        """
        ticks: { plugin: synthetic }
        plain: { plugin: indicators, for_each: instruments, from: ticks, params: { columns: [ema_10] } }
        features: { plugin: indicators, for_each: instruments, from: ticks, params: { columns: [ema_10] }, on_error: { fallback: plain } }
        notify: { plugin: log, from: features }
        """))
    #expect(graph.nodes[4].name == "features.NZDUSD")
    #expect(graph.nodes[4].onError == .fallback(2))
  }

  @Test func `losing orders must be said`() throws {
    let text = Self.nodes(
      """
      ticks: { plugin: synthetic, lane: feed }
      broker: { plugin: paper, from: { ticks: ticks, orders: risk }, queue: { when_full: conflate, lossy: true } }
      risk: { plugin: limits, from: { orders: risk.orders~, ticks: ticks } }
      """)
    #expect(try graph(text).nodes[1].inputs[0].queue?.whenFull == .conflate)
  }
}
