import GantryBase
import GantryGraph
import Testing

@Suite struct ValueTests {
  @Test func `every kind of parameter is read`() throws {
    let graph = try graph(
      """
      graph: values
      nodes:
        ticks: { plugin: synthetic, params: { seed: 1_000, events: 50, interval: 1.5s, volatility: 2.5%, instruments: EURUSD } }
        features: { plugin: indicators, from: ticks, params: { columns: ema_10 } }
        model: { plugin: linear, from: features, params: { artifact: models/momentum.json, bias: -1e-3 } }
        decide: { plugin: threshold, from: model, params: { quantity: 0.10, weights: [1, 50%], reverse: true } }
        risk: { plugin: limits, from: decide }
        broker: { plugin: metatrader-broker, from: risk, grant: [secrets, network], params: { password: "${env:MT5_PASSWORD}", login: 0123 } }
        notify: { plugin: log, from: broker, params: { path: /house/graphs/x.log } }
      """)
    #expect(graph.nodes[0].parameters == [.integer(1000), .integer(50), .durationNs(1_500_000_000), .number(0.025), .texts(["EURUSD"])])
    #expect(graph.nodes[2].parameters == [.artifact(path: "/house/graphs/models/momentum.json"), .number(-0.001)])
    #expect(graph.nodes[3].parameters == [.decimal(mantissa: 1, digits: 1), .number(0), .numbers([1, 0.5]), .bool(true)])
    #expect(graph.nodes[5].parameters == [.secret(name: "env:MT5_PASSWORD"), .text("0123")])
    #expect(graph.nodes[6].parameters == [.path("/house/graphs/x.log"), .choice(index: 1, name: "info")])
    #expect(graph.nodes[0].parameterPlaces[2]?.column == 76)
  }

  @Test func `values print as one would write them`() {
    #expect(ParameterValue.decimal(mantissa: -5, digits: 3).text == "-0.005")
    #expect(ParameterValue.decimal(mantissa: 12345, digits: 2).text == "123.45")
    #expect(ParameterValue.durationNs(90_000_000_000).text == "90s")
    #expect(ParameterValue.durationNs(1).text == "1ns")
    #expect(ParameterValue.secret(name: "env:A").text == "${env:A}")
    #expect(ParameterValue.numbers([1, 0.5]).text == "[1, 0.5]")
  }

  @Test func `instruments come from a file and are overridden inline`() throws {
    let graph = try graph(
      """
      graph: pairs
      instruments: { file: pairs.yaml, NZDUSD: { lot: 0.01 }, XAUUSD: { tick: 0.25, contract: 100 }, DE40: { tick: 0.5, base: DAX, quote: EUR } }
      currencies: { DAX: 0 }
      nodes:
        ticks: { plugin: synthetic }
        notify: { plugin: log, from: ticks }
      """)
    #expect(
      graph.instruments == [
        Instrument(symbol: "EURUSD", base: "EUR", quote: "USD", priceDigits: 5, quantityDigits: 0, session: "fx"),
        Instrument(symbol: "NZDUSD", base: "NZD", quote: "USD", priceDigits: 5, quantityDigits: 2),
        Instrument(symbol: "XAUUSD", base: "XAU", quote: "USD", priceDigits: 2, quantityDigits: 0, tickSize: 25, contractUnits: 100),
        Instrument(symbol: "DE40", base: "DAX", quote: "EUR", priceDigits: 1, quantityDigits: 0, tickSize: 5),
      ])
    #expect(graph.currencies.map(\.code) == ["USD", "EUR", "NZD", "XAU", "DAX"])
    #expect(graph.currencies.last?.digits == 0)
  }

  @Test(arguments: [
    ("^1.2", "1.2.0", true), ("^1.2", "1.9.9", true), ("^1.2", "2.0.0", false), ("^1.2", "1.1.9", false), ("^0.2", "0.2.9", true),
    ("^0.2", "0.3.0", false), ("^0.0.3", "0.0.4", false), ("^0.0.3", "0.0.3", true), ("^1", "1.9.0", true), ("^0", "0.9.0", true),
    ("~1.2", "1.2.7", true), ("~1.2", "1.3.0", false), ("~1.2.3", "1.2.2", false), ("~1", "1.9.0", true), ("1.2.3", "1.2.3", true),
    ("1.2.3", "1.2.4", false), ("1.2", "1.2.9", true), ("^1.2", "1.3.0-beta.1", false), ("1.3.0-beta.1", "1.3.0-beta.1", true),
    ("1.3.0", "1.3.0-beta.1", false), ("^1.3.0-beta.1", "1.3.0", true), ("^1.3.0-beta.2", "1.3.0-beta.1", false),
  ])
  func `a requirement is met by the versions it says`(requirement: String, version: String, isMet: Bool) throws {
    let requirement = try #require(VersionRequirement(requirement))
    #expect(try requirement.isMet(by: #require(SemanticVersion(version))) == isMet)
  }

  @Test(arguments: ["", "^", "1.2.3.4", "a", ">=1", "1..2", "^^1", "1.2.3-", "9999999999"]) func `what is no requirement is refused`(text: String) {
    #expect(VersionRequirement(text) == nil)
  }

  @Test func `pre-releases come before their release, numbers before words`() throws {
    let versions = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0", "1.0.1"].compactMap { SemanticVersion($0) }
    #expect(versions.count == 7)
    #expect(versions.shuffled().sorted() == versions)
  }

  @Test func `the header is read without a catalog`() throws {
    let header = try #require(
      GraphBuilder.header(file: "graphs/test.yaml", bytes: Array(Catalog.momentum.utf8), options: GraphOptions(profile: "live", files: Catalog.files)))
    #expect(header.name == "eurusd-momentum")
    #expect(header.clock == .live)
    #expect(header.trust == .manifest)
    #expect(header.pluginPath == ["/house/graphs/.build/release"])
    #expect(header.profiles == ["live"])
    #expect(header.plugins.contains(GraphBuilder.PluginReference(id: "linear", requirement: "^1.2")))
    #expect(header.plugins.first?.id == "metatrader-source")
  }
}
