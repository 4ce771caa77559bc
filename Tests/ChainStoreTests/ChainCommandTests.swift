import FoundationEssentials
import GantryBase
import GantryTrace
import TestSupport
import Testing

@testable import GantryChainStore

/// The executable itself, as people run it.
@Suite struct ChainCommandTests {
  @Test func `show prints a tree from tick to fill`() throws {
    let scratch = Scratch()
    let synthetic = try SyntheticRun(scratch.path)
    synthetic.block(256)
    synthetic.order(300, id: 7, filledBy: 305)
    let result = run([tool("gantry-chain"), "show", "ticks:300", scratch.path])
    #expect(result.status == 0)
    let wanted = """
      chain abcdef01-2345-8678-8000-00000000012c  ticks:300
      quickstart  EURUSD  2024-01-05 13:35:00.000 UTC  took 440 us  1 order  1 fill
      order #7 is known outside as MT5-7

      ticks synthetic@0.0.0                      +0 ns             block of 256
      └─ features indicators@0.1.0              +10 ns     2.6 us  p50   10 ns p99   10 ns  block of 256, 10 ns an event
         └─ model linear@0.2.0                +2600 ns     1.3 us  p50    5 ns p99    5 ns  block of 256, 5 ns an event
            └─ decide threshold@0.3.0       +440.10 us      40 ns  p50   40 ns p99   40 ns
               │  -> order #7 buy 10000 EURUSD limit 1.09221 gtc
               │  note rule: cross up
               └─ risk limits@0.4.0         +440.15 us      30 ns  p50   30 ns p99   30 ns
                  │  -> order #7 buy 10000 EURUSD limit 1.09221 gtc
                  └─ broker paper@0.5.0     +440.19 us      60 ns  p50   50 ns p99   60 ns
                     │  -> execution #7 accepted
                     └─ notify log@0.6.0    +440.26 us      20 ns  p50   20 ns p99   20 ns

      later: +5.0 s in chain ticks:305 abcdef01-2345-8678-8000-000000000131
      └─ broker paper@0.5.0                      +0 ns      50 ns  p50   50 ns p99   60 ns
            -> execution #7 fill buy 10000 EURUSD at 1.09219 commission 0.20 USD profit -1.05 USD position 10000

      """
    #expect(result.output == wanted, "\(result.output)")
  }

  @Test func `list prints one line a chain and says what is traced`() throws {
    let scratch = Scratch()
    let synthetic = try SyntheticRun(scratch.path)
    synthetic.block(256)
    synthetic.order(300, id: 7)
    let result = run([tool("gantry-chain"), "list", scratch.path])
    #expect(result.status == 0)
    let wanted = """
      CHAIN           ID                                    EVENT TIME (UTC)         INSTRUMENT    TOOK  HOPS  ORDERS  FILLS  ERRORS
      ticks:300       abcdef01-2345-8678-8000-00000000012c  2024-01-05 13:35:00.000  EURUSD      180 ns     4       1      1
      ticks:256 +255  abcdef01-2345-8678-8000-000000000100  2024-01-05 13:34:16.000              3.9 us     3
      RUN: one chain in 16 is traced at every hop, and each that orders or errs from there on

      """
    var text = result.output
    text.replace(scratch.path, with: "RUN")
    #expect(text == wanted, "\(text)")
  }

  @Test func `json is one object with the same facts`() throws {
    let scratch = Scratch()
    let synthetic = try SyntheticRun(scratch.path)
    synthetic.order(300, id: 7)
    let shown = run([tool("gantry-chain"), "show", "ticks:300", scratch.path, "--json"])
    let tree = try JSONDecoder().decode(ChainTree.self, from: Data(shown.output.utf8))
    let store = try ChainStore(directory: scratch.path)
    #expect(try store.tree(ChainKey(origin: 1, sequence: 300)) == tree)
    let listed = run([tool("gantry-chain"), "list", scratch.path, "--json"])
    struct Answer: Decodable { var graph: String; var chains: [ChainSummary] }
    let answer = try JSONDecoder().decode(Answer.self, from: Data(listed.output.utf8))
    #expect(answer.graph == "quickstart")
    #expect(try store.list(ChainFilter()) == answer.chains)
    let failed = run([tool("gantry-chain"), "show", "ticks:1", scratch.path, "--json"])
    #expect(failed.status == 2 && failed.output.contains("\"code\":\"chain.not-found\""))
  }

  @Test func `exit codes tell usage, missing chains and wrong files apart`() throws {
    let scratch = Scratch()
    func status(_ arguments: String...) -> Int32 { run([tool("gantry-chain")] + arguments).status }
    #expect(status("--help") == 0)
    #expect(status("frobnicate") == 2)
    #expect(status("list", scratch.path, "--limit", "0") == 2)
    #expect(status("list", scratch.path) == 65)
    let synthetic = try SyntheticRun(scratch.path)
    synthetic.order(300, id: 7)
    #expect(status("list", scratch.path) == 0)
    #expect(status("list", scratch.path, "--since", "yesterday") == 2)
    #expect(status("list", scratch.path, "--since", "2024-01-05T13:30:00", "--slowest", "3") == 0)
    #expect(status("show", "nothing", scratch.path) == 2)
    writeBytes(Array("{".utf8), to: scratch.path + "/trace.json")
    #expect(status("list", scratch.path) == 65)
  }

  @Test func `the newest run of a folder is taken when none is named`() throws {
    let scratch = Scratch()
    for name in ["old", "new"] {
      #expect(makeFolder(scratch.path + "/" + name))
      let synthetic = try SyntheticRun(scratch.path + "/" + name)
      synthetic.order(name == "old" ? 1 : 2, id: 7)
    }
    let result = run(["/usr/bin/env", "GANTRY_RUN=" + scratch.path, tool("gantry-chain"), "list"])
    #expect(result.status == 0 && result.output.contains("ticks:2") && !result.output.contains("ticks:1"), "\(result.output)")
  }
}
