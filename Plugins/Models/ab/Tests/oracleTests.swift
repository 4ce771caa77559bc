import Foundation
import PluginHarness
import Testing

/// The statistics against `Oracle/statistics.py`, which groups outcomes in another way, takes logarithms and bins from scipy
/// and numpy, and integrates the mixture of likelihood ratios numerically.
@Suite struct ABOracleTests {
  @Test(arguments: [2, 3])
  func `statistics equal those of numpy and scipy`(arms: Int) throws {
    let python = ProcessInfo.processInfo.environment["GANTRY_PYTHON"] ?? "python3"
    guard run(python, ["-c", "import numpy, scipy"]).status == 0 else {
      return print("skipped: \(python) has no numpy and scipy; pip install numpy scipy, or set GANTRY_PYTHON")
    }
    let seed = UInt64.random(in: 0...UInt64.max)
    print("ab oracle: seed \(seed)")
    let story = Story(seed: seed, arms: arms, instruments: 3, count: 1500)
    let p = try ABTests.split(arms: arms, ["horizon": "5s", "report_every": 1, "min_outcomes": 20, "effect": 0.05])
    let owners = try ABTests.owners(try ABTests.split(arms: arms), instruments: 3, arms: arms)
    let last = try #require(try story.play(p, 0..<story.events.count).last { $0.port == "statistics" })

    let task: [String: Any] = ["arms": arms, "horizon": 5_000_000_000, "effect": 0.05, "min_outcomes": 20, "owner": owners, "events": story.json]
    let file = FileManager.default.temporaryDirectory.appending(path: "gantry-ab-\(UUID().uuidString).json")
    try JSONSerialization.data(withJSONObject: task).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Oracle/statistics.py").standardizedFileURL.path
    let result = run(python, [script, file.path])
    try #require(result.status == 0, "\(result.text)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let answer = try decoder.decode(Answer.self, from: Data(result.text.utf8))
    #expect(last.column("outcomes") == Double(answer.outcomes) && answer.outcomes > 150, "seed \(seed)")
    for (index, arm) in answer.arms.enumerated() {
      func compare(_ name: String, _ expected: Double?) {
        let value = last.column("m\(index)_\(name)")!
        let isEqual = expected.map { abs(value - $0) <= 1e-9 * max(1, abs($0)) } ?? value.isNaN
        #expect(isEqual, "m\(index)_\(name): \(value), expected \(expected ?? .nan), seed \(seed)")
      }
      compare("scored", Double(arm.scored))
      compare("brier", arm.brier)
      compare("log_loss", arm.logLoss)
      compare("hit_rate", arm.hitRate)
      compare("mean_return", arm.meanReturn)
      compare("difference", arm.difference)
      compare("p_value", arm.pValue)
      for (number, bin) in arm.bins.enumerated() {
        compare("bin_\(number)_count", bin[0])
        compare("bin_\(number)_predicted", bin[1])
        compare("bin_\(number)_observed", bin[2])
      }
    }
  }

  struct Answer: Decodable {
    struct Arm: Decodable {
      var scored: Int
      var brier: Double?
      var logLoss: Double?
      var hitRate: Double?
      var meanReturn: Double?
      var difference: Double?
      var pValue: Double?
      var bins: [[Double?]]
    }
    var outcomes: Int
    var arms: [Arm]
  }

  private func run(_ command: String, _ arguments: [String]) -> (status: Int32, text: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [command] + arguments
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return (127, "\(error)") }
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}
