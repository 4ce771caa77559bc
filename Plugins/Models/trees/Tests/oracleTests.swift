import CGantry
import Foundation
import PluginHarness
import Testing

/// Random models of XGBoost and LightGBM beside the libraries themselves: the own evaluator's predictions,
/// and those of the C libraries called through this plugin.
///
/// Needs a Python with both (`pip install xgboost-cpu lightgbm`): `python3`, or the one named by GANTRY_PYTHON.
@Suite struct OracleTests {
  private static let python = ProcessInfo.processInfo.environment["GANTRY_PYTHON"] ?? "python3"

  /// One line of what random_models.py prints.
  private struct Model: Decodable {
    var number: Int
    var file: String
    var objective: String
    var columns: [String]
    var rows: Int
  }

  @Test func `random models answer as their libraries do`() throws {
    let environment = run(Self.python, ["-c", "import xgboost, lightgbm, numpy, os; print(os.path.dirname(os.path.dirname(xgboost.__file__)))"])
    guard environment.status == 0 else {
      return print("skipped: \(Self.python) has no xgboost and lightgbm; pip install xgboost-cpu lightgbm numpy, or set GANTRY_PYTHON")
    }
    let packages = String(environment.text.split(separator: "\n").last ?? "")
    let seed = UInt32.random(in: 0...UInt32.max)
    let folder = FileManager.default.temporaryDirectory.appending(path: "gantry-trees-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../../Tests/Support/TreeModels/random_models.py").standardizedFileURL.path
    let made = run(Self.python, [script, folder, "\(seed)", "18"])
    try #require(made.status == 0, "seed \(seed): \(made.text)")
    let models = try made.text.split(separator: "\n").filter { $0.hasPrefix("{") }.map { try JSONDecoder().decode(Model.self, from: Data($0.utf8)) }
    #expect(models.count == 18)
    var worst = 0.0
    for model in models {
      let rows = try doubles("\(folder)/\(model.number).rows").chunked(model.columns.count)
      let answers = try doubles("\(folder)/\(model.number).answers")
      let engines: [[String: ParameterText]] = [["engine": "own"], ["engine": "library", "library": .scalar(packages)]]
      for engine in engines {
        let p = try PluginHarness(
          "trees", parameters: engine.merging(["artifact": .scalar(model.file)]) { $1 }, inputs: [.init(port: "features", columns: model.columns)])
        // A block, then rows by themselves.
        var events = try p.send(features: rows.dropLast(20).map { FeatureRow($0) }).map(\.prediction)
        for row in rows.suffix(20) { events += try p.send(features: [FeatureRow(row)]).map(\.prediction) }
        #expect(events.count == model.rows)
        let difference = self.difference(events, answers, model)
        // XGBoost's own ways of predicting, for a DMatrix and in place, differ by more than 1e-6 from each other.
        let isOwn = engine["library"] == nil
        if isOwn { worst = max(worst, difference) }
        #expect(difference < (isOwn ? 1e-6 : 1e-5), "seed \(seed), model \(model.number) (\(model.objective)), \(engine)")
      }
    }
    print("  \(models.count) random models, seed \(seed): \(worst) at most, relative above 1")
  }

  /// The largest difference between events and the library's raw sums and predictions, relative where they are above 1.
  private func difference(_ events: [gantry_prediction], _ answers: [Double], _ model: Model) -> Double {
    let count = events.count
    let outputs = answers.count / 2 / count
    var worst = 0.0
    func compare(_ own: Double, _ library: Double) {
      if own.isNaN, library.isNaN { return }
      worst = max(worst, own.isNaN || library.isNaN ? .infinity : abs(own - library) / max(1, abs(library)))
    }
    for (index, event) in events.enumerated() {
      let sums = answers[(index * outputs)..<((index + 1) * outputs)]
      let final = Array(answers[(count * outputs + index * outputs)..<(count * outputs + (index + 1) * outputs)])
      if outputs > 1 {
        compare(event.probability, final.max()!)
        compare(final[Int(event.label)], final.max()!)
      } else if event.probability.isNaN {
        compare(event.value, final[0])
      } else {
        compare(event.value, sums.first!)
        compare(event.probability, final[0])
      }
    }
    return worst
  }

  private func doubles(_ path: String) throws -> [Double] {
    try Data(contentsOf: URL(filePath: path)).withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
  }

  private func run(_ command: String, _ arguments: [String]) -> (status: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [command] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    guard (try? process.run()) != nil else { return (-1, "") }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}

extension Array {
  fileprivate func chunked(_ size: Int) -> [[Element]] { stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) } }
}
