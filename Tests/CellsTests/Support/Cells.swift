import BrokenPlugins
import GantryBase
import GantryCells
import GantryGraph
import GantryLoader
@testable import GantryRuntime
import Glibc
import PluginHarness
import Synchronization

/// Graphs of which some nodes run in cells.
enum Cells {
  static let gantry = PluginHarness.productsFolder + "/gantry"
  private static let library = Result { try Fixture.compile("\(Fixture.root)/Tests/Fixtures/CellPlugins/plugins.c", as: "libcell.so") }

  /// By plugin id: the fixtures' file.
  static func files() throws -> [String: String] {
    let path = try library.get()
    return Dictionary(
      uniqueKeysWithValues: ["tally", "tally-block", "tally-timed", "tally-plain", "doomed", "stillborn", "prowler"].map { ($0, path) })
  }

  /// A graph whose nodes in `isolated` are in cells.
  static func load(
    _ yaml: String, isolated: [String], factory: CellFactory, limits: CellLimits = CellLimits()
  ) throws -> Bench.Loaded {
    var loaded = try Bench.load(yaml, files: files())
    for name in isolated {
      let node = loaded.graph.node(named: name)!
      let code = loaded.code[node]
      loaded.code[node] = try factory.code(
        graph: loaded.graph, node: node, description: code.description, image: PluginImage(path: code.description.path),
        generation: code.generation, limits: limits)
    }
    return loaded
  }

  /// Runs it to its end.
  static func run(
    _ yaml: String, isolated: [String], limits: CellLimits = CellLimits(), factory: CellFactory = CellFactory(executable: gantry),
    options change: (inout RunOptions) -> Void = { _ in }, during: (Run) -> Void = { _ in }
  ) throws -> Outcome {
    try Bench.run(load(yaml, isolated: isolated, factory: factory, limits: limits), options: change, during: during)
  }

  static func isAlive(_ pid: Int32) -> Bool { kill(pid, 0) == 0 }

  /// Waits for `condition`; false when it does not come within `seconds`.
  static func wait(_ seconds: Int = 30, for condition: () -> Bool) -> Bool {
    let untilNs = Bench.monotonicNs() + Int64(seconds) * 1_000_000_000
    while Bench.monotonicNs() < untilNs {
      if condition() { return true }
      usleep(500)
    }
    return condition()
  }
}
