import GantryRuntime

/// The EMA cross from ticks to paper fills: the host's chain against the same arithmetic in C. All of
/// them must turn the position at the same quotes and end with the same money.
struct ChainBenchmark {
  static func run(_ host: BenchmarkHost, _ baselines: Baselines, _ tape: Tape, into report: inout Report) throws {
    let graph = Graphs.preloadedChain(host.settings)
    let zipped = Graphs.zippedChain(host.settings)
    let expected = baselines.fused(tape)
    try agree("six dlopened C functions", baselines.sixHops(tape), expected)
    try agree("the chain", try host.run(graph), expected)
    try agree("the chain from zipped files", try host.run(zipped), expected)

    var last: RunSummary?
    var lane = Series()
    var helpers = Series()
    var rounds = Interleaved()
    let events = Double(tape.count)
    rounds.add("fused") { timed { _ = baselines.fused(tape) } / events }
    rounds.add("hops") { timed { _ = baselines.sixHops(tape) } / events }
    rounds.add("chain") {
      let summary = try host.run(graph, journal: true)
      lane.values.append(summary.laneCPUSeconds * 1e9 / events)
      helpers.values.append(summary.helperCPUSeconds * 1e9 / events)
      last = summary
      return summary.seconds * 1e9 / events
    }
    rounds.add("chain, all traced") { try host.run(graph, traceEvery: 1, journal: true).seconds * 1e9 / events }
    rounds.add("chain, bare") { try host.run(graph, traceEvery: 0).seconds * 1e9 / events }
    rounds.add("zipped") { try host.run(zipped, journal: true).seconds * 1e9 / events }
    try rounds.run(rounds: host.settings.rounds, title: "chain")
    if let last { try agree("the chain with its journal", last, expected) }

    let hops = rounds["hops"].median
    var table = Table(
      title: "Six nodes, \(tape.count) real quotes to paper fills (ns an event)",
      columns: ["what", "median", "10-90 %", "M events/s", "against six C functions"])
    for (key, name) in [
      ("fused", "one fused C loop"), ("hops", "six dlopened C functions"),
      ("chain", "gantry: default tracing, journal on"), ("chain, all traced", "gantry: every hop traced, journal on"),
      ("chain, bare", "gantry: no tracing, no journal"), ("zipped", "gantry: from zipped CSV on disk, journal on"),
    ] {
      let series = rounds[key]
      table.add([
        name, decimal(series.median), "\(decimal(series.low)) - \(decimal(series.high))", decimal(1000 / series.median, 2),
        ratio(series.median, hops),
      ])
    }
    report.add(table)
    report.note(
      "All turn \(expected.flips) times (\(expected.orders) orders with the first) and end with \(exactText(expected.profit, digits: 2)) USD. "
        + "In the journaled chain the lane's own CPU is \(decimal(lane.median)) ns an event; the helper threads (source reader, journal) "
        + "use \(decimal(helpers.median)) ns an event beside it.")

    let chain = rounds["chain"].median
    var budgets = Table(title: "Budgets of the chain", columns: ["what", "budget", "measured", "met"])
    budgets.add(["against six plain C hops", "within 3x", ratio(chain, hops), report.judge("chain within 3x of six C hops", chain <= 3 * hops)])
    budgets.add(["moonshot", "1.5x", ratio(chain, hops), chain <= 1.5 * hops ? "yes" : "no"])
    let rate = 1000 / rounds["zipped"].median
    budgets.add(["from zipped CSV", "over 4 M events/s", "\(decimal(rate, 2)) M/s", report.judge("zipped over 4 M events/s", rate > 4)])
    report.add(budgets)
  }

  private static func agree(_ name: String, _ outcome: Baselines.Outcome, _ expected: Baselines.Outcome) throws {
    guard outcome == expected else { throw BenchmarkError("\(name) came to \(outcome), the fused loop to \(expected)") }
  }

  private static func agree(_ name: String, _ summary: RunSummary, _ expected: Baselines.Outcome) throws {
    let profit = exactText(expected.profit, digits: 2)
    guard summary.events == expected.events, summary.orders == expected.orders, summary.fills == expected.fills,
      summary.netProfit == profit
    else {
      throw BenchmarkError(
        "\(name) came to \(summary.events) events, \(summary.orders) orders, \(summary.fills) fills, \(summary.netProfit ?? "no") profit; "
          + "the fused loop to \(expected.events), \(expected.orders), \(expected.fills), \(profit)")
    }
  }
}
