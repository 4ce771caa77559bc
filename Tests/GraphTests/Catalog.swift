import GantryBase
import GantryGraph
import GantryManifest

/// Plugins for the graph tests: the ports and parameters of the real ones, as far as the checks
/// care, without loading anything.
enum Catalog {
  typealias Parameter = ParameterDescription

  static let replay = PluginDescription(
    id: "replay", version: "0.1.0", kind: .source,
    outputs: [PortDescription("ticks", .tick), PortDescription("trades", .trade), PortDescription("bars", .bar)],
    parameters: [
      Parameter("path", .path, isRequired: true, help: "a folder or file of rows"),
      Parameter("format", .choice, defaultText: "csv", choices: ["csv", "lean"]),
      Parameter("instrument", .instrument),
    ])
  static let synthetic = PluginDescription(
    id: "synthetic", version: "0.1.0", kind: .source, outputs: [PortDescription("ticks", .tick)],
    parameters: [
      Parameter("seed", .integer, defaultText: "1", minimum: 0),
      Parameter("events", .integer, defaultText: "1000", minimum: 1, maximum: 1e9, unit: "events"),
      Parameter("interval", .duration, defaultText: "100ms", minimum: 0.001, maximum: 3600),
      Parameter("volatility", .number, defaultText: "1%", minimum: 0, isAboveMinimum: true),
      Parameter("instruments", .texts, defaultText: "[EURUSD]", minimum: 1, maximum: 16),
    ])
  static let bars = PluginDescription(
    id: "bars", version: "0.1.0", kind: .transform,
    inputs: [PortDescription("prices", .tick, isOptional: true, takesMany: true), PortDescription("trades", .trade, isOptional: true)],
    outputs: [PortDescription("bars", .bar)])
  static let indicators = PluginDescription(
    id: "indicators", version: "0.1.0", kind: .feature,
    inputs: [PortDescription("ticks", .tick, isOptional: true), PortDescription("bars", .bar, isOptional: true)],
    outputs: [PortDescription("features", .features)],
    parameters: [
      Parameter("columns", .texts, isRequired: true, minimum: 1, help: "names of columns, as ema_10"),
      Parameter("instrument", .instrument),
    ])
  static let linear = PluginDescription(
    id: "linear", version: "1.2.3", kind: .model, inputs: [PortDescription("features", .features)],
    outputs: [PortDescription("predictions", .prediction)],
    parameters: [
      Parameter("artifact", .artifact, isRequired: true, help: "a JSON file of weights"),
      Parameter("bias", .number, defaultText: "0", isLive: true),
    ], extensions: ["gantry.params-live/1"])
  static let threshold = PluginDescription(
    id: "threshold", version: "0.1.0", kind: .decision,
    inputs: [PortDescription("predictions", .prediction), PortDescription("executions", .execution, isOptional: true)],
    outputs: [PortDescription("orders", .order), PortDescription("debug", .signal)],
    parameters: [
      Parameter("quantity", .decimal, defaultText: "10000", minimum: 0, isAboveMinimum: true, unit: "units"),
      Parameter("long_above", .number, defaultText: "0", isLive: true),
      Parameter("weights", .numbers, maximum: 4),
      Parameter("reverse", .bool, defaultText: "false"),
    ], extensions: ["gantry.params-live/1", "gantry.state/1"])
  static let limits = PluginDescription(
    id: "limits", version: "0.1.0", kind: .risk,
    inputs: [
      PortDescription("orders", .order), PortDescription("executions", .execution, isOptional: true),
      PortDescription("ticks", .tick, isOptional: true), PortDescription("account", .account, isOptional: true),
    ],
    outputs: [PortDescription("orders", .order), PortDescription("alerts", .alert)],
    parameters: [
      Parameter("max_position", .decimal, defaultText: "100000", minimum: 0),
      Parameter("max_drawdown", .number, defaultText: "100%", minimum: 0, maximum: 1),
    ], extensions: ["gantry.state/1"])
  static let paper = PluginDescription(
    id: "paper", version: "0.1.0", kind: .broker,
    inputs: [PortDescription("ticks", .tick, takesMany: true), PortDescription("orders", .order, takesMany: true)],
    outputs: [PortDescription("executions", .execution), PortDescription("account", .account)])
  static let market = PluginDescription(
    id: "metatrader-broker", version: "0.3.0", kind: .broker, effects: .external, determinism: .none, needs: [.network, .secrets],
    inputs: [PortDescription("ticks", .tick, isOptional: true, takesMany: true), PortDescription("orders", .order, takesMany: true)],
    outputs: [PortDescription("executions", .execution), PortDescription("account", .account)],
    parameters: [Parameter("password", .secret), Parameter("login", .text)])
  static let feed = PluginDescription(
    id: "metatrader-source", version: "0.3.0", kind: .source, effects: .external, determinism: .none,
    outputs: [PortDescription("ticks", .tick)])
  static let log = PluginDescription(
    id: "log", version: "0.1.0", kind: .notifier, inputs: [PortDescription("events", .any, takesMany: true)],
    parameters: [Parameter("path", .path), Parameter("level", .choice, defaultText: "info", choices: ["debug", "info", "warning"])])
  static let broken = PluginDescription(
    id: "broken-default", version: "not a version", kind: .source, outputs: [PortDescription("ticks", .tick)],
    parameters: [Parameter("period", .integer, defaultText: "0", minimum: 1)])

  /// Not installed anywhere that a message would name.
  static let scale = PluginDescription(
    id: "scale", version: "0.1.0", kind: .model, isStateless: true, inputs: [PortDescription("features", .features)],
    outputs: [PortDescription("predictions", .prediction)])

  static let all = [replay, synthetic, bars, indicators, linear, threshold, limits, paper, market, feed, log, broken]

  static func answer(_ id: String, _ requirement: String?) -> CatalogAnswer {
    if id == "refused" {
      return .refused(Diagnostic(.error, "loader.no-entry", "librefused.so exports no gantry_plugin_entry", help: ["is it a gantry plugin?"]))
    }
    if id == "scale" { return .found(scale) }
    return all.first { $0.id == id }.map { .found($0) } ?? .missing(installed: all.map(\.id).sorted())
  }

  /// The files that graphs of the tests name.
  static let files = ManifestFiles.inMemory(
    [
      "/house/graphs/models/momentum.json": [], "/house/graphs/data/eurusd/1.csv": [], "/house/graphs/data/cross_up.csv": [],
      "/house/graphs/pairs.yaml": Array("EURUSD: { tick: 0.00001, session: fx }\nNZDUSD: { tick: 0.00001 }\n".utf8),
      "/house/graphs/notes.yaml": Array("- not\n- a mapping\n".utf8),
    ], workingDirectory: "/house")

  static func build(_ text: String, profile: String? = nil, sets: [String] = [], file: String = "graphs/test.yaml") -> (
    graph: Graph?, diagnostics: [Diagnostic]
  ) {
    GraphBuilder.build(file: file, text: text, catalog: answer, options: GraphOptions(profile: profile, sets: sets, files: files))
  }

  /// The graph of design section 5.
  static let momentum = """
    graph: eurusd-momentum
    clock: replay                       # replay | live
    plugins: { path: [.build/release], trust: manifest }   # manifest | signed | any
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
    nodes:
      ticks:    { plugin: replay, params: { path: data/eurusd, format: lean, instrument: EURUSD } }
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20, rsi_14, spread] } }
      model:
        plugin: linear@^1.2
        from: features
        params: { artifact: models/momentum.json }
        swap: { warm: 500, shadow: 1000, probation: 5000, revert_if: { errors: 1, p99_us: 50 } }
        isolate: none                   # none | process
        on_error: skip                  # skip | halt | fallback: <node>
      decide:   { plugin: threshold, from: [model, broker.executions~] }   # ~ marks a feedback edge
      risk:     { plugin: limits, from: [decide, broker.executions~], params: { max_position: 100000, max_drawdown: 5% } }
      broker:   { plugin: paper, from: [ticks, risk] }
      notify:   { plugin: log, from: [risk.alerts, broker.executions], queue: { size: 1024, when_full: drop_oldest } }
    profiles:
      live:     { clock: live, nodes: { ticks: { plugin: metatrader-source }, broker: { plugin: metatrader-broker, grant: [network, secrets] } } }
    tests:
      - name: a cross upwards buys once
        given: { ticks: data/cross_up.csv }
        expect: { risk.orders: [ { side: buy, quantity: 10000 } ] }

    """
}
