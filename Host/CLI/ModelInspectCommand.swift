import ArgumentParser
import GantryBase
import GantryModels

/// `gantry model inspect`.
struct ModelInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show everything about one version of a model, and check its files' hashes.",
    discussion: """
      EXAMPLES
        gantry model inspect momentum@champion
        gantry model inspect momentum@3 --json
      """)

  @Argument(help: ArgumentHelp("The version: NAME@3, NAME@ALIAS or NAME@latest.", valueName: "model"))
  var reference: String
  @OptionGroup var models: ModelArguments
  @OptionGroup var output: OutputOptions

  struct Answer: Encodable {
    var model: Model
    var aliases: [String]
    var digest: String
  }

  mutating func run() throws {
    let model = try models.find(reference)
    let aliases = models.folders.aliasesByVersion(of: model.name)[model.version] ?? []
    let terminal = output.terminal
    if terminal.json { return try terminal.object(Answer(model: model, aliases: aliases, digest: model.card.digest)) }
    for (key, value) in ModelText.lines(model, aliases: aliases) { terminal.out("  " + terminal.paint(key.padded(14), .grey) + "  " + value) }
    terminal.out("  " + "".padded(14) + "  " + terminal.paint("every file has the bytes that model.yaml says", .green))
  }
}
