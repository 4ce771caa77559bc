import ArgumentParser
import CLinux
import GantryBase
import GantryLoader
import GantryModels

#if canImport(Glibc)
  import Glibc
#endif

/// `gantry model add`.
struct ModelAddCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Copy a model's file into a new version of its folder.",
    discussion: """
      The version appears whole or not at all, and is never written over. Format and columns are read
      from the file where it says them (gantry.linear, XGBoost's JSON, LightGBM's text).

      EXAMPLES
        gantry model add momentum.json --name momentum --alias champion
        gantry model add trend.ubj --name trend --format xgboost.ubj --columns ema_10,rsi_14 --metrics auc=0.61,brier=0.24
        gantry model add net.onnx --also net.bin --name net --training-data sha256:9f2c --library "torch 2.9" --lock plugins.lock
      """)

  @Argument(help: ArgumentHelp("The artifact.", valueName: "file"), completion: .file())
  var file: String
  @Option(help: "The model's name.")
  var name: String
  @Option(help: ArgumentHelp("A further file that the artifact needs beside it. May be given more than once.", valueName: "file"), completion: .file())
  var also: [String] = []
  @Option(help: ArgumentHelp("The version's number; default the next free one.", valueName: "number"))
  var version: Int?
  @Option(help: "What kind of file it is, as the plugin that reads it says; default what the file says.")
  var format: String?
  @Option(help: ArgumentHelp("The columns that the model takes, in their order, with commas between.", valueName: "names"))
  var columns: String?
  @Option(help: ArgumentHelp("Numbers to compare versions by: NAME=NUMBER, with commas between.", valueName: "metrics"))
  var metrics: String?
  @Option(name: .customLong("training-data"), help: ArgumentHelp("Hash or name of what it was trained with.", valueName: "hash"))
  var trainingData: String?
  @Option(help: ArgumentHelp("What wrote the file, with its version.", valueName: "library"))
  var library: String?
  @Option(help: "A remark.")
  var note: String?
  @Option(help: ArgumentHelp("Point this alias at the new version.", valueName: "alias"))
  var alias: String?
  @Option(help: ArgumentHelp("Pin the version in this file, for `trust: manifest`.", valueName: "file"), completion: .file(extensions: ["lock"]))
  var lock: String?
  @OptionGroup var models: ModelArguments
  @OptionGroup var output: OutputOptions

  struct Answer: Encodable {
    var model: Model
    var alias: String?
    var lock: String?
  }

  func validate() throws {
    if models.given.count > 1 { throw ValidationError("--models names one folder to add to.") }
    if let version, !(1...ModelLimits.versionMax).contains(version) { throw ValidationError("--version takes a number from 1.") }
  }

  mutating func run() throws {
    let folder = models.paths[0]
    if let alias { try ModelReference.check(alias: alias) }
    // What cannot be read cannot be written either: before anything is copied.
    var pins = LockFile()
    if let lock, access(lock, F_OK) == 0 { pins = try LockFile(path: lock) }
    let facts = ModelFacts(file)
    guard let format = format ?? facts.format else {
      throw GantryError(
        "model.no-format", "\(file) does not say which format it has",
        help: ["name it as the plugin that reads it does: --format gantry.linear/1, xgboost.json, xgboost.ubj, lightgbm.txt, onnx"], exit: .usage)
    }
    var description = ModelWriter.Description(format: format)
    description.columns = columns.map { $0.split(separator: ",").map { String($0.trimmed) } } ?? facts.columns
    description.metrics = try Self.metrics(metrics)
    description.trainingData = trainingData
    description.library = library
    description.note = note
    description.created = String(utcText(clinux_wall_ns()).prefix(19)).replacing(" ", with: "T") + "Z"
    let writer = ModelWriter(folder: folder)
    let model = try writer.add(file, also: also, name: name, version: version, description)
    if let lock {
      pins.pin(model: model.name, version: model.version, digest: model.card.digest, path: model.path)
      try pins.write(to: lock)
    }
    // Last, so that whoever follows the alias finds all of it.
    if let alias { try writer.alias(alias, of: name, to: model.version) }
    let terminal = output.terminal
    if terminal.json { return try terminal.object(Answer(model: model, alias: alias, lock: lock)) }
    terminal.out("added " + terminal.paint(model.title, .green, bold: true) + "  \(model.card.format)  sha256 \(model.card.sha256)")
    if let alias { terminal.out("\(name)@\(alias) is \(model.title) now") }
    if let lock { terminal.out("pinned in \(lock)") }
  }

  static func metrics(_ text: String?) throws -> [ModelCard.Metric] {
    try (text ?? "").split(separator: ",").map { item in
      let parts = item.split(separator: "=", maxSplits: 1).map { String($0.trimmed) }
      guard parts.count == 2, let value = parseNumber(parts[1]) else {
        throw ValidationError("--metrics takes NAME=NUMBER, with commas between, not \(quoted(String(item))).")
      }
      return ModelCard.Metric(parts[0], value)
    }
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return text
  }
}
