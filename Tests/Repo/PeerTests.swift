import Foundation
import Testing

/// `make bench-peers` itself takes minutes and the network; what it is made of is tested here.
@Suite struct PeerTests {
  static let folder = "Tests/Benchmarks/peers"
  static let hasPython = (try? shell("python3 -c 'import dataclasses'"))?.status == 0

  @Test func `every script of the peers parses`() throws {
    guard Self.hasPython else { return print("skipped: there is no python3") }
    let parse = "import ast, sys; [ast.parse(open(name).read(), name) for name in sys.argv[1:]]"
    let result = try shell("python3 -B -c '\(parse)' \(Self.folder)/*.py")
    #expect(result.status == 0, "\(result.output)")
  }

  @Test func `every peer has its script`() throws {
    guard Self.hasPython else { return print("skipped: there is no python3") }
    let result = try python("import os, run; [print(one.script) for one in run.PEERS if one.script and not os.path.exists(one.script)]")
    #expect(result.status == 0 && result.output.isEmpty, "\(result.output)")
  }

  @Test func `plain Python and Gantry come to the same turns and the same money`() throws {
    guard Self.hasPython else { return print("skipped: there is no python3") }
    let data = ProcessInfo.processInfo.environment["GANTRY_DATA"] ?? "\(Repository.root)/../shared/data"
    guard FileManager.default.fileExists(atPath: "\(data)/lean/forex/oanda/tick/eurusd") else {
      return print("skipped: there is no market data in \(data)")
    }
    let folder = try TemporaryFolder()
    // It fails by itself when one of them differs from the rule.
    let result = try shell(
      """
      python3 -B \(Self.folder)/run.py --rounds 1 --events 5000 --only gantry --only 'plain Python' \
        --data '\(data)' --build '\(Repository.build)' --bench '\(folder.path)' --output '\(folder.path)/peers.md'
      """)
    #expect(result.status == 0, "\(result.output)")
    let report = try String(contentsOfFile: "\(folder.path)/peers.md", encoding: .utf8)
    for name in ["gantry", "plain Python"] {
      let row = report.split(separator: "\n").first { $0.hasPrefix("| \(name) ") && $0.contains("| 175 ") }
      #expect(row.map { $0.contains("| -186.50 ") && $0.contains("| yes ") } == true, "\(name)\n\(report)")
    }
  }

  @Test(arguments: [
    (#"{"flips": 7, "orders": 8, "net_profit": "-1.00", "events": 100}"#, "yes True"),
    (#"{"flips": 7, "orders": 8, "net_profit": "-1.10", "events": 100}"#, "NO: must be 7 flips, 8 orders, -1.00 False"),
    (#"{"flips": 7, "orders": 8, "net_profit": "-1.00", "events": 99}"#, "NO: 99 events of 100 False"),
    (
      #"{"flips": 7, "orders": 7, "net_profit": "-2.00", "events": 100, "differs": {"flips": 7, "orders": 7, "net_profit": "-2.00", "why": "no entry"}}"#,
      "yes, on its terms: no entry True"
    ),
    (
      #"{"flips": 7, "orders": 7, "net_profit": "-3.00", "events": 100, "differs": {"flips": 7, "orders": 7, "net_profit": "-2.00", "why": "no entry"}}"#,
      "NO: must be 7 flips, 8 orders, -1.00 False"
    ),
  ])
  func `an engine that comes to something else is found out`(line: String, verdict: String) throws {
    guard Self.hasPython else { return print("skipped: there is no python3") }
    let truth = #"{"flips": 7, "orders": 8, "net_profit": "-1.00", "events": 100}"#
    let result = try python("import run; print(*run.judge(\(line), \(truth)))")
    #expect(result.output == verdict + "\n")
  }

  @Test func `a peer that there is not is named with those that there are`() throws {
    guard Self.hasPython else { return print("skipped: there is no python3") }
    let result = try shell("python3 -B \(Self.folder)/run.py --only zipline")
    #expect(result.status == 2)
    #expect(result.output.contains("no peer is called zipline; there are: one fused C loop,"), "\(result.output)")
  }

  /// Runs a line of Python in the peers' folder.
  private func python(_ code: String) throws -> ShellResult {
    try shell("python3 -B -c '\(code)'", in: "\(Repository.root)/\(Self.folder)")
  }
}
