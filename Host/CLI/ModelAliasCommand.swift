import ArgumentParser
import GantryBase
import GantryModels

/// `gantry model alias`.
struct ModelAliasCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alias", abstract: "Point an alias of a model at a version.",
    discussion: """
      The alias moves at once: a reader sees the one version or the other. The version's files are
      checked before. `gantry run --watch` swaps the nodes of graphs that ask for the alias.

      EXAMPLES
        gantry model alias momentum champion 3
        gantry model alias momentum champion challenger
      """)

  @Argument(help: ArgumentHelp("The model.", valueName: "name"))
  var name: String
  @Argument(help: ArgumentHelp("The alias.", valueName: "alias"))
  var alias: String
  @Argument(help: ArgumentHelp("A version, latest, or an alias whose version it is.", valueName: "version"))
  var version: String
  @OptionGroup var models: ModelArguments
  @OptionGroup var output: OutputOptions

  struct Answer: Encodable {
    var model: String
    var alias: String
    var version: Int
    var before: Int?
  }

  mutating func run() throws {
    try ModelReference.check(alias: alias)
    let model = try models.find("\(name)@\(version)")
    let folders = models.folders
    let before = try? folders.version(of: alias, model: name)
    guard let folder = folders.folder(of: name) else { throw GantryError("model.unknown-model", "there is no model \(name)") }
    try ModelWriter(folder: String(folder.dropLast(name.count + 1))).alias(alias, of: name, to: model.version)
    let answer = Answer(model: name, alias: alias, version: model.version, before: before)
    let terminal = output.terminal
    if terminal.json { return try terminal.object(answer) }
    terminal.out("\(name)@\(alias): " + (before.map { "@\($0) -> " } ?? "") + terminal.paint("@\(model.version)", .green, bold: true))
  }
}
