import GantryRuntime

/// What one hop through the lane costs: the difference between a row of 12 pass-through nodes and a
/// row of 4, by eight and by the number of events, in the lane's CPU time. What both have alike (the
/// source, the lane's own work for a block) falls out.
struct HopBenchmark {
  static let variants = [
    (plugin: "bench-pass-c", name: "C, blocks of 256"),
    (plugin: "bench-pass-swift", name: "Embedded Swift, blocks of 256"),
    (plugin: "bench-pass-c-single", name: "C, one event a call"),
    (plugin: "bench-pass-swift-single", name: "Embedded Swift, one event a call"),
  ]
  static let traces = [(every: 0, name: "off"), (every: 16, name: "default"), (every: 1, name: "all")]

  static func run(_ host: BenchmarkHost, _ baselines: Baselines, _ tape: Tape, into report: inout Report) throws {
    var rounds = Interleaved()
    rounds.add("pointer") { baselines.localCallNs(tape.count * 10) }
    rounds.add("dlsym") { baselines.openedCallNs(tape.count * 10) }
    for variant in variants {
      for trace in traces {
        rounds.add("\(variant.plugin) \(trace.every)") {
          let few = try host.run(Graphs.hops(variant.plugin, count: 4, tape: tape.path), traceEvery: trace.every)
          let many = try host.run(Graphs.hops(variant.plugin, count: 12, tape: tape.path), traceEvery: trace.every)
          return (many.laneCPUSeconds - few.laneCPUSeconds) * 1e9 / 8 / Double(tape.count)
        }
      }
    }
    try rounds.run(rounds: host.settings.rounds, title: "hops")

    let call = rounds["pointer"].median
    var table = Table(
      title: "A hop: a 64-byte tick in, a 64-byte tick out (ns an event)",
      columns: ["what", "tracing off", "default (1/16)", "all", "default, against a plain call", "budget", "met"])
    table.add(["plain function pointer", decimal(call, 2), "", "", "1.0x", "", ""])
    table.add(["function from dlopen", decimal(rounds["dlsym"].median, 2), "", "", ratio(rounds["dlsym"].median, call), "", ""])
    for variant in variants {
      let medians = traces.map { rounds["\(variant.plugin) \($0.every)"].median }
      let budget = variant.plugin.hasSuffix("single") ? 15.0 : 6.0
      table.add(
        [variant.name] + medians.map { decimal($0, 2) }
          + [ratio(medians[1], call), "under \(decimal(budget, 0))", report.judge(variant.name, medians[1] < budget)])
    }
    report.add(table)
  }
}

func ratio(_ value: Double, _ base: Double) -> String { decimal(value / base, value / base < 10 ? 2 : 0) + "x" }
