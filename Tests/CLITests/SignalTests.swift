import BrokenPlugins
import GantryBase
import Glibc
import PluginHarness
import Synchronization
import Testing

/// Runs that are ended from outside.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct SignalTests {
  @Test(arguments: [SIGINT, SIGTERM])
  func `a signal ends a live run with a summary and a whole journal`(signal: Int32) throws {
    // `tell` logs a line for each event: the run is under way when the first one comes.
    let graph = try Files.graph(
      """
      ticks: { plugin: synthetic, params: { count: 0, interval: 1ms, speed: real } }
      tell: { plugin: trail, from: ticks, params: { log: 1 } }
      """, head: "clock: live")
    let folder = String(graph.dropLast("/graph.yaml".count))
    var isSent = false
    let result = try Gantry.run(["run", "graph.yaml", "--plugins", Files.pluginFolder(), "--run-folder", "r", "--json"], in: folder) { line, pid in
      guard !isSent, line.contains("tell: called") else { return }
      isSent = true
      kill(pid, signal)
    }
    #expect(isSent)
    #expect(result.signal == 0)
    #expect(result.code == 0, "\(result.error)")
    let summary = try result.decode(Summary.self)
    #expect(summary.wasStopped)
    #expect(summary.events > 0)
    #expect(summary.nodes.allSatisfy { $0.events == summary.events })
    let replay = try Gantry.run(["replay", "r/journal", "--plugins", Files.pluginFolder()], in: folder)
    #expect(replay.code == 0, "\(replay.error)\(replay.out)")
    #expect(replay.out.contains("identical"))
  }

  @Test func `a second signal ends a run that cannot stop`() throws {
    let graph = try Files.graph("s: { plugin: beat }\nb: { plugin: ill, from: s, params: { in: 8 } }")
    var sent = 0
    let result = try Gantry.run(["run", graph, "--plugins", Files.pluginFolder(), "--no-run-folder"]) { line, pid in
      guard sent == 0, line.contains("it hangs") else { return }
      sent = 2
      kill(pid, SIGINT)
      // The first is taken before the second is sent: a pending signal is one, however often sent.
      while isPending(SIGINT, pid) { sched_yield() }
      kill(pid, SIGINT)
    }
    #expect(sent == 2)
    #expect(result.signal == 0)
    #expect(result.code == 1)
  }

  /// Whether a signal waits for the process.
  private func isPending(_ signal: Int32, _ pid: pid_t) -> Bool {
    guard let file = fopen("/proc/\(pid)/status", "r") else { return false }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    while fgets(&line, 512, file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix("ShdPnd:"), let mask = UInt64(text.dropFirst(7).filter { !$0.isWhitespace }, radix: 16) else { continue }
      return mask >> UInt64(signal - 1) & 1 == 1
    }
    return false
  }
}
