import GantryAdmin
import GantryBase
import Glibc
import Testing

/// `top` on a real terminal.
@Suite(.enabled(if: Glibc.system("command -v script >/dev/null") == 0, "script(1) is not installed"))
struct TopTests {
  /// Runs `top` under script(1), which gives it a terminal; `keys` is a shell command that types.
  private func top(_ host: LiveGraph, keys: String, size: String = "stty cols 100 rows 24") throws -> String {
    let command = """
      cd '\(host.folder)' && touch screen && timeout 30 sh -c "\(keys)" | TERM=xterm timeout 60 \
      script -qfec "\(size); '\(LiveGraph.executable)' top --control c.sock --interval 0.1; echo code=\\$?; stty -a" screen >/dev/null 2>&1
      """
    #expect(Glibc.system(command) == 0)
    return LiveGraph.read("\(host.folder)/screen")
  }

  @Test func `it draws the graph on its own screen, and q gives the terminal back`() throws {
    let host = try LiveGraph()
    let screen = try top(host, keys: "until grep -aq notify screen; do sleep 0.02; done; printf 's s'; until grep -aq 'sort: p99' screen; do sleep 0.02; done; printf q")
    #expect(screen.contains("code=0"))
    for word in ["\u{1B}[?1049h", "\u{1B}[?1049l", "quickstart", "features", "gate", "sort: rate"] { #expect(screen.contains(word), "\(word.debugDescription)") }
    // Whoever types next is heard and echoed.
    let after = screen.split(separator: "code=0").last.map(String.init) ?? ""
    #expect(after.contains(" icanon") && after.contains(" echo "), "\(after)")
  }

  @Test func `a small terminal shows what fits`() throws {
    let host = try LiveGraph()
    let screen = try top(
      host, keys: "until grep -aq 'more below' screen; do sleep 0.02; done; printf q", size: "stty cols 40 rows 9")
    #expect(screen.contains("code=0"))
    for frame in screen.split(separator: "\u{1B}[?2026h").dropFirst() {
      let picture = frame.split(separator: "\u{1B}[?2026l").first ?? ""
      #expect(picture.split(separator: "\r\n", omittingEmptySubsequences: false).count <= 9)
    }
  }

  @Test func `it ends when the run does`() throws {
    let host = try LiveGraph()
    let screen = try top(
      host,
      keys: "until grep -aq notify screen; do sleep 0.02; done; '\(LiveGraph.executable)' stop --control c.sock > stopped; until grep -aq code= screen; do sleep 0.02; done")
    #expect(screen.contains("the run has ended"))
    #expect(screen.contains("code=0"))
  }

  @Test func `without a terminal it prints one status`() throws {
    let host = try LiveGraph()
    let once = try host.gantry("top")
    #expect(once.code == 0 && once.out.contains("features"))
  }
}
