import BrokenPlugins
import GantryBase
import GantryLoader
import PluginHarness
import Testing

/// `gantry plugin check` finds what each broken plugin breaks, and nothing in the correct one.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ConformanceTests {
  private var conformance: PluginConformance {
    var conformance = PluginConformance(executable: PluginHarness.productsFolder + "/LoaderChild")
    conformance.deadlineNs = 120_000_000_000
    return conformance
  }

  /// Hides all symbols but the entry, as a plugin's build does.
  private var flags: String { "-Wl,--version-script='\(Fixture.root)/SDK/C/plugin.map'" }

  private func failures(_ fixture: String, flags extra: String = "") throws -> [String] {
    let report = try conformance.check(path: Fixture.plugin(fixture, flags: flags + " " + extra))
    return report.checks.filter { $0.outcome == .failed }.map { "\($0.name): \($0.text)" }
  }

  @Test func `the plugin that breaks nothing passes every check`() throws {
    let report = try conformance.check(path: Fixture.plugin("Correct", flags: flags))
    #expect(report.isPassed)
    #expect(
      report.checks.map { "\($0.name): \($0.text)" } == [
        "loads: offers broken 1.0.0",
        "unloads: its code is gone after an unload",
        "exports: exports gantry_plugin_entry and nothing else",
        "exactness: takes no inexact function from libm",
        "configures: takes its parameters",
        "runs: answered 256 events with 256 and a flush with 0",
        "blocks: blocks of 2, 7 and 64 give what single events give",
        "instances: two instances at once answer as one alone",
      ])
  }

  @Test func `a plugin that fails now and then as the contract says passes`() throws {
    #expect(try failures("FailsEveryThird") == [])
  }

  @Test(arguments: [
    ("WritesBeyondReservation", "runs: PLUGIN broke the contract: port out: bytes outside the reservation were written"),
    ("CommitsBeyondCapacity", "runs: PLUGIN broke the contract: port out: 2 rows committed, but there is room for 1"),
    ("ArenaBeyondCapacity", "runs: PLUGIN broke the contract: port out: 65 arena bytes used of 64"),
    ("CauseOutOfRange", "runs: PLUGIN broke the contract: port out: cause 1 of row 0, but the batch has 1 events"),
    ("CausesDecrease", "blocks: PLUGIN broke the contract: port out: cause 0 of row 1 comes after cause 1"),
    ("ConsumesTooMuch", "runs: PLUGIN broke the contract: consumed is 2, but the batch has 1 events"),
    ("StatusWithoutReason", "runs: on_batch answered -1 without saying why"),
    ("UnknownStatus", "runs: on_batch answered 12345, which is no failure of gantry/abi.h"),
    ("WritesInput", "runs: PLUGIN broke the contract: on_batch wrote to its input"),
    ("NoColumns", "configures: configure named no columns for its output 0, out"),
    ("ColumnsOnTickPort", "configures: configure answered -2: the host refused the columns"),
    ("TrapsInCreate", "configures: ended its process by SIGILL (a trap, or an illegal instruction)"),
    ("TrapsInConfigure", "configures: ended its process by SIGILL (a trap, or an illegal instruction)"),
    ("TrapsInBatch", "runs: ended its process by SIGILL (a trap, or an illegal instruction)"),
    ("StateDoesNotLoad", "state: it refuses the state it has just saved: load answered -1: the state is damaged"),
    ("StateBeyondBound", "state: PLUGIN broke the contract: save wrote 8 bytes, bound said 4"),
    ("BadID", "loads: loader.name: library.plugins[0]: id is \"Bad Id\""),
  ])
  func `the check names what is broken`(fixture: String, expected: String) throws {
    let path = try Fixture.plugin(fixture, flags: flags)
    let report = try conformance.check(path: path)
    let found = report.checks.filter { $0.outcome == .failed }.map { "\($0.name): \($0.text)".replacing(path + ": ", with: "") }
    #expect(found.first == expected)
  }

  @Test func `instances that share a global see each other`() throws {
    let found = try failures("SharedGlobal")
    #expect(found.contains { $0.hasPrefix("instances: an instance answers otherwise when there is a second one: answer 0: ") })
  }

  @Test func `a state that is read too far is laid to the state`() throws {
    #expect(
      try failures("StateReadsTooFar").contains { $0 == "damaged-state: ended its process by SIGSEGV (bad memory access)" || $0.hasPrefix("state: ") })
  }

  @Test func `libm in an exact plugin is refused by the functions' names`() throws {
    #expect(
      try failures("UsesLibm", flags: "-lm") == [
        "exactness: promises exact results, but takes exp from libm, which differs between machines"
      ])
  }

  @Test func `symbols beside the entry are named`() throws {
    let report = try conformance.check(path: Fixture.plugin("MissingEntry"))
    #expect(report.checks.map(\.name) == ["loads"])
    let path = try Fixture.plugin("Correct", flags: "-fvisibility=default")
    #expect(try conformance.check(path: path).checks.first { $0.name == "exports" }?.outcome == .passed)
  }

  @Test(arguments: [
    ("bars", ["every=1s"]), ("indicators", ["columns=[ema_10, rsi_14, spread]"]), ("limits", []), ("paper", []), ("synthetic", []),
    ("threshold", []),
  ])
  func `the project's own plugins pass`(id: String, settings: [String]) throws {
    var options = ConformanceOptions()
    for setting in settings { try options.set(setting) }
    let report = try conformance.check(path: "\(PluginHarness.productsFolder)/lib\(id).so", options: options)
    for check in report.checks where check.outcome == .failed {
      Issue.record("\(id): \(check.name): \(check.text) \(check.help)")
    }
    #expect(report.checks.contains { $0.name == "runs" && $0.outcome == .passed })
  }
}
