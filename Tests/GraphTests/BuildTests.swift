import GantryBase
import GantryGraph
import Testing

/// Fails with the rendered diagnostics when there is no graph.
func graph(_ text: String, profile: String? = nil, sets: [String] = [], sourceLocation: SourceLocation = #_sourceLocation) throws -> Graph {
  let (graph, diagnostics) = Catalog.build(text, profile: profile, sets: sets)
  return try #require(graph, Comment(rawValue: diagnostics.map { $0.rendered() }.joined(separator: "\n")), sourceLocation: sourceLocation)
}

func edges(_ graph: Graph) -> [String] {
  graph.nodes.flatMap { node in
    node.inputs.map { edge in
      let from = graph.nodes[edge.fromNode]
      return "\(from.name).\(from.plugin.outputs[edge.fromPort].name) -> \(node.name).\(node.plugin.inputs[edge.toPort].name)" + (edge.isFeedback ? " ~" : "")
    }
  }
}

@Suite struct BuildTests {
  @Test func `the graph of the design is built without a remark`() throws {
    let (built, diagnostics) = Catalog.build(Catalog.momentum)
    #expect(diagnostics.map { $0.rendered() } == [])
    let graph = try #require(built)
    #expect(graph.name == "eurusd-momentum")
    #expect(graph.clock == .replay)
    #expect(graph.trust == .manifest)
    #expect(graph.pluginPath == ["/house/graphs/.build/release"])
    #expect(
      graph.instruments == [
        Instrument(symbol: "EURUSD", base: "EUR", quote: "USD", priceDigits: 5, quantityDigits: 0, tickSize: 1, lotSize: 1, contractUnits: 1, session: "fx")
      ])
    #expect(graph.currencies == [Currency(code: "USD", digits: 2), Currency(code: "EUR", digits: 2)])
    #expect(graph.nodes.map(\.name) == ["ticks", "features", "model", "decide", "risk", "broker", "notify"])
    #expect(graph.order == [0, 1, 2, 3, 4, 5, 6])
    #expect(
      edges(graph) == [
        "ticks.ticks -> features.ticks", "features.features -> model.features", "model.predictions -> decide.predictions",
        "broker.executions -> decide.executions ~", "decide.orders -> risk.orders", "broker.executions -> risk.executions ~",
        "ticks.ticks -> broker.ticks", "risk.orders -> broker.orders", "risk.alerts -> notify.events", "broker.executions -> notify.events",
      ])
    #expect(graph.nodes[0].parameters == [.path("/house/graphs/data/eurusd"), .choice(index: 1, name: "lean"), .instrument(id: 1, symbol: "EURUSD")])
    #expect(graph.nodes[2].parameters == [.artifact(path: "/house/graphs/models/momentum.json"), .number(0)])
    #expect(graph.nodes[4].parameters == [.decimal(mantissa: 100000, digits: 0), .number(0.05)])
    #expect(graph.nodes[6].inputs.allSatisfy { $0.queue == QueuePolicy(size: 1024, whenFull: .dropOldest) })
    #expect(graph.nodes[2].swap.revertIfP99Us == 50)
    #expect(graph.tests[0].expect[0].events == [["side": "buy", "quantity": "10000"]])
    #expect(graph.tests[0].given[0].path == "/house/graphs/data/cross_up.csv")
  }

  @Test func `a profile changes plugins and drops their params`() throws {
    let graph = try graph(Catalog.momentum, profile: "live")
    #expect(graph.clock == .live)
    #expect(graph.nodes[0].plugin.id == "metatrader-source")
    #expect(graph.nodes[5].grants == [.network, .secrets])
    // The risk node before a broker outside halts unless told so already.
    #expect(graph.nodes[4].onError == .halt)
  }
}
