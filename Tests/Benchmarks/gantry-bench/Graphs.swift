/// The graphs that are measured.
enum Graphs {
  private static let head = """
    clock: replay
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
    nodes:

    """

  /// The chain of manifests/ema-cross.yaml behind a source of our choice; the averages begin as TA-Lib's.
  private static let chain = """
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20], ema_seed: sma } }
      model: { plugin: linear, from: features, params: { artifact: manifests/models/ema_cross.json } }
      decide: { plugin: threshold, from: [model, broker.executions~], params: { quantity: 10000 } }
      risk: { plugin: limits, from: [decide, broker.executions~], params: { max_position: 100000 } }
      broker: { plugin: paper, from: [ticks, risk] }

    """

  /// Quotes that were decoded into memory before the first one is handed out.
  static func preloadedChain(_ settings: Settings) -> String {
    "graph: bench-chain\n" + head + replay(settings, ", preload: true") + chain
  }

  static func zippedChain(_ settings: Settings) -> String { "graph: bench-zipped\n" + head + replay(settings) + chain }

  static func realQuotes(_ settings: Settings) -> String { "graph: bench-quotes\n" + head + replay(settings) }

  /// The real Oanda quotes, again from the start with later times when they are used up.
  private static func replay(_ settings: Settings, _ more: String = "") -> String {
    let path = "\(settings.data)/lean/forex/oanda/tick/eurusd"
    return "  ticks: { plugin: replay, params: { path: \(path), format: lean, instrument: EURUSD, repeat: 1000, limit: \(settings.events)\(more) } }\n"
  }

  /// The tape's quotes, handed out `rounds` times, about a million a second when they are paced; nodes are
  /// to follow.
  static func quotes(tape: String, rounds: Int, isPaced: Bool) -> String {
    "graph: bench-swaps\n" + head
      + "  ticks: { plugin: bench-tape, params: { path: \(tape), instrument: EURUSD, repeat: \(rounds), paced: \(isPaced) } }\n"
  }

  /// `count` pass-through nodes in a row.
  static func hops(_ plugin: String, count: Int, tape: String) -> String {
    var text = "graph: bench-hops\n" + head + "  ticks: { plugin: bench-tape, params: { path: \(tape), instrument: EURUSD } }\n"
    for index in 1...count {
      text += "  pass_\(index): { plugin: \(plugin), from: \(index == 1 ? "ticks" : "pass_\(index - 1)") }\n"
    }
    return text
  }
}
