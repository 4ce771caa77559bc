import BrokenPlugins
import GantryBase
@testable import GantryCells
import GantryGraph
import GantryLoader
@testable import GantryRuntime
import Synchronization
import Testing

/// A candidate's rehearsal: whatever it does there costs the candidate only.
@Suite(.enabled(if: Fixture.hasCompiler)) struct RehearsalTests {
  private static func yaml(_ plugin: String, _ params: String = "", count: Int = 200_000_000) -> String {
    Bench.yaml(
      """
      s: { plugin: beat, params: { count: \(count), step: 1000 } }
      t: { plugin: \(plugin), from: s, params: { \(params) } }
      """)
  }

  /// Rehearses `plugin` for the node of a running graph; what it threw.
  private static func rehearse(_ plugin: String, _ params: String, limits: CellLimits = CellLimits()) throws -> GantryError? {
    let running = try Bench.load(yaml("tally"), files: Cells.files())
    let wanted = try Bench.load(yaml(plugin, params), files: Cells.files())
    let node = wanted.graph.node(named: "t")!
    let run = try Run(graph: running.graph, options: RunOptions()) { node throws(GantryError) in running.code[node] }
    try run.start()
    let request = SwapRequest(
      id: "c1", node: "t", graph: wanted.graph, code: wanted.code[node], policy: SwapPolicy(), isCold: plugin != "tally", by: "a test")
    let rehearsal = CellFactory(executable: Cells.gantry).rehearsal(
      of: request, image: try PluginImage(path: wanted.code[node].description.path), run: run, limits: limits)
    var failure: GantryError?
    do throws(GantryError) { try rehearsal() } catch { failure = error }
    // The run goes on, whatever happened there.
    let before = run.eventCount
    #expect(Cells.wait(for: { run.eventCount > before }))
    run.requestStop()
    run.wait()
    _ = try run.finish()
    return failure
  }

  @Test func `a candidate that does well passes`() throws {
    let error = try Self.rehearse("tally", "random: 1")
    #expect(error == nil, "\(error.map { "\($0)" } ?? "")")
  }

  @Test(arguments: [
    ("stillborn", "", "create"), ("doomed", "in: 1", "configure"), ("doomed", "in: 2", "start"), ("tally", "load: 1", "loading a state"),
    ("doomed", "in: 3", "on_batch"), ("doomed", "in: 4", "stop"),
  ])
  func `a trap is named with its phase, in whichever it comes`(_ plugin: String, _ params: String, _ phase: String) throws {
    let error = try #require(try Self.rehearse(plugin, params))
    #expect(error.diagnostics[0].code == "swap.rehearsal-failed")
    #expect(error.diagnostics[0].text.contains("SIGILL") && error.diagnostics[0].text.contains(" in \(phase)"), "\(error.diagnostics[0].text)")
  }

  @Test func `a cell that has gone as it was told to has not failed however late its host looks`() throws {
    var loaded = try Bench.load(Self.yaml("tally", "random: 1", count: 100), files: Cells.files())
    let node = loaded.graph.node(named: "t")!
    let (code, factory) = (loaded.code[node], CellFactory(executable: Cells.gantry))
    let plugin = try factory.makePlugin(loaded.graph.nodes[node], code.description, PluginImage(path: code.description.path), CellLimits(), nil)
    loaded.code[node] = PluginCode(raw: plugin.raw, description: code.description, sha256: code.sha256, generation: code.generation)
    let log = Mutex<[String]>([])
    var options = RunOptions()
    options.onLog = { line in log.withLock { $0.append(line.text) } }
    let run = try Run(graph: loaded.graph, options: options) { node throws(GantryError) in loaded.code[node] }
    try run.start()
    run.wait()
    let cell = try #require(plugin.living.first)
    cell.leave()
    // The watcher sees the process end before the host has come to close the cell.
    #expect(Cells.wait { cell.link?.hasEnded == true })
    cell.shutDown()
    #expect(plugin.firstEnd == nil)
    _ = try run.finish()
    #expect(plugin.firstEnd == nil)
    #expect(!log.withLock { $0 }.contains { $0.contains("its cell") && $0.contains("in destroy") })
  }

  @Test func `a hang is ended at its deadline`() throws {
    var limits = CellLimits()
    limits.deadlineNs = 200_000_000
    let error = try #require(try Self.rehearse("doomed", "in: 3, how: 5", limits: limits))
    #expect(error.diagnostics[0].text.contains("did not return from on_batch within 200 ms"))
  }
}
