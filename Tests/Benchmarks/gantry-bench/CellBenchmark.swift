import GantryBase
import GantryCells
import GantryGraph
import GantryLoader
import GantryRuntime

/// What a hop into a child process costs: the chain of pass-through nodes with one of them in a cell
/// against the same chain without.
struct CellBenchmark {
  static func run(_ host: BenchmarkHost, _ tape: Tape, into report: inout Report) throws {
    let cells = CellFactory(executable: "\(host.settings.build)/gantry")
    var rounds = Interleaved()
    for (plugin, _) in variants {
      for isCell in [false, true] {
        rounds.add("\(plugin) \(isCell)") {
          let text = Graphs.hops(plugin, count: 2, tape: tape.path)
          let summary = try host.run(text, traceEvery: 0) { graph, node throws(GantryError) in
            guard isCell, graph.nodes[node].name == "pass_1" else { return nil }
            let code = try host.code(plugin)
            let image = try PluginImage(path: "\(host.settings.bench)/lib\(plugin).so")
            return try cells.code(graph: graph, node: node, description: code.description, image: image, generation: code.generation)
          }
          return summary.seconds * 1e9 / Double(summary.events)
        }
      }
    }
    try rounds.run(rounds: min(host.settings.rounds, 5), title: "cells")
    var table = Table(
      title: "A hop into a cell (ns an event of wall time, more than in process)", columns: ["what", "in process", "in a cell", "the hop", "budget", "met"])
    for (plugin, name) in variants {
      let (inside, outside) = (rounds["\(plugin) false"].median, rounds["\(plugin) true"].median)
      table.add([
        name, decimal(inside), decimal(outside), decimal(outside - inside), "under 1000",
        report.judge("a hop into a cell, \(name)", outside - inside < 1000),
      ])
    }
    report.add(table)
  }

  private static let variants = [(plugin: "bench-pass-c", name: "blocks of 256"), (plugin: "bench-pass-c-single", name: "one event a call")]
}
