import Foundation
import Testing

/// The scripts that trained the models of manifests/models still do, and Gantry takes what comes out.
@Suite(.serialized) struct TrainingTests {
  static let models = "manifests/models"
  static let scripts = ((try? FileManager.default.contentsOfDirectory(atPath: "\(Repository.root)/\(models)")) ?? [])
    .filter { $0.hasPrefix("train_") && $0.hasSuffix(".py") }.sorted()

  @Test(arguments: scripts)
  func `a training script makes a model that its graph takes`(script: String) throws {
    let data = ProcessInfo.processInfo.environment["GANTRY_DATA"] ?? "\(Repository.root)/../shared/data"
    guard FileManager.default.fileExists(atPath: "\(data)/lean/forex/oanda/hour/eurusd.zip") else {
      return print("skipped \(script): there are no hour bars in \(data)")
    }
    let text = try Repository.text("\(Self.models)/\(script)")
    let name = try #require(
      text.firstMatch(of: /Trains ([a-z0-9_]+\.[a-z]+)/)?.output.1, "\(script) says in its first line which file it makes: Trains FILE")
    let graph = try #require(
      text.firstMatch(of: /manifests\/([a-z-]+)\.yaml/)?.output.1, "\(script) says which graph uses its model: manifests/NAME.yaml")

    let folder = try TemporaryFolder()
    let model = "\(folder.path)/\(name)"
    let trained = try shell("\(Repository.scripts)/train.sh \(Self.models)/\(script) '\(model)'", environment: ["GANTRY_DATA": data])
    if trained.status == 77 { return print(trained.output.trimmingCharacters(in: .whitespacesAndNewlines)) }
    try #require(trained.status == 0, "\(trained.output)")
    #expect(trained.output.contains(name), "\(trained.output)")

    // Where the graph names this very file it takes the new one too. One that needs a library which is
    // not here is not checked, and the script says so.
    guard try Repository.text("manifests/\(graph).yaml").contains("artifact: models/\(name)") else { return }
    let checked = try shell(
      """
      files=$(\(Repository.scripts)/graphs.sh manifests/\(graph).yaml)
      [[ -z $files ]] || gantry check $files --set 'model.artifact=\(model)'
      """)
    #expect(checked.status == 0, "\(checked.output)")
  }
}
