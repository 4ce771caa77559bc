import ArgumentParser
import GantryBase
import GantryModels

/// `gantry model`: the models folder, whose versions graphs name as `models:NAME@VERSION`. None of its
/// verbs runs a plugin's code.
struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "List, inspect, add and compare versions of models, and move their aliases.",
    discussion: """
      A models folder has a folder for each model, and in it one for each version: the artifact with
      model.yaml beside it. Aliases are names that move: a graph that asks for models:momentum@champion
      gets the version that champion names, and `gantry run --watch` swaps when it moves.

      EXAMPLES
        gantry model add momentum.json --name momentum --alias champion
        gantry model list
        gantry model diff momentum@2 momentum@3
        gantry model alias momentum champion 3
      """,
    subcommands: [
      ModelListCommand.self, ModelInspectCommand.self, ModelAddCommand.self, ModelDiffCommand.self, ModelAliasCommand.self,
    ])
}

/// Where the models are.
struct ModelArguments: ParsableArguments {
  @Option(
    name: .customLong("models"), help: ArgumentHelp("The models folder; default models in this folder. May be given more than once.", valueName: "folder"),
    completion: .directory)
  var given: [String] = []

  /// Absolute.
  var paths: [String] {
    (given.isEmpty ? ["models"] : given).map { path in
      path.hasPrefix("/") ? path : JournalHeads.workingDirectory() + "/" + path
    }
  }

  var folders: ModelFolders { ModelFolders(paths) }

  /// Finds a version as a graph would.
  func find(_ text: String, verifies: Bool = true) throws(GantryError) -> Model { try folders.resolve(ModelReference(text), verifies: verifies) }
}

/// Models for people.
enum ModelText {
  static func metrics(_ card: ModelCard) -> String { card.metrics.map { "\($0.name) \(rounded($0.value))" }.joined(separator: ", ") }

  /// Everything that is known of one version, a line each.
  static func lines(_ model: Model, aliases: [String]) -> [(String, String)] {
    let card = model.card
    var lines = [("model", model.title), ("format", card.format), ("file", model.path), ("sha256", card.sha256)]
    for (file, hash) in card.also.sorted(by: { $0.key < $1.key }) { lines.append(("also", "\(file) \(hash)")) }
    if !aliases.isEmpty { lines.append(("aliases", aliases.joined(separator: ", "))) }
    if !card.columns.isEmpty { lines.append(("columns", card.columns.joined(separator: ", "))) }
    if let data = card.trainingData { lines.append(("training data", data)) }
    for metric in card.metrics { lines.append((metric.name, "\(metric.value)")) }
    if let library = card.library { lines.append(("library", library)) }
    if let created = card.created { lines.append(("created", created)) }
    if let note = card.note { lines.append(("note", note)) }
    return lines
  }
}

extension ModelFolders {
  /// Aliases of a model by the version that each leads to; those that lead nowhere are left out.
  func aliasesByVersion(of name: String) -> [Int: [String]] {
    var found: [Int: [String]] = [:]
    for alias in aliases(of: name) {
      if let version = try? version(of: alias, model: name) { found[version, default: []].append(alias) }
    }
    return found
  }
}
