import ArgumentParser
import GantryBase
import GantryModels

/// `gantry model list`.
struct ModelListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List models, their versions, aliases and metrics.",
    discussion: """
      EXAMPLES
        gantry model list
        gantry model list momentum --models manifests/models --json
      """)

  @Argument(help: ArgumentHelp("Only this model.", valueName: "name"))
  var name: String?
  @OptionGroup var models: ModelArguments
  @OptionGroup var output: OutputOptions

  struct Version: Encodable {
    var version: Int
    var aliases: [String]
    var card: ModelCard?
    /// What is wrong with it.
    var diagnostics: [Diagnostic]?
  }
  struct Entry: Encodable {
    var name: String
    var folder: String
    var versions: [Version]
  }

  mutating func run() throws {
    let folders = models.folders
    if let name { try ModelReference.check(name: name) }
    let names = folders.names().filter { name == nil || $0 == name }
    if let name, names.isEmpty { _ = try models.find("\(name)@\(ModelReference.latest)") }
    let entries = names.map { entry($0, folders) }
    let terminal = output.terminal
    if terminal.json { return try terminal.object(["models": entries]) }
    if entries.isEmpty {
      return terminal.error("no models in \(models.paths.joined(separator: ", ")); `gantry model add FILE --name NAME` adds one")
    }
    for entry in entries {
      terminal.out("  " + terminal.paint(entry.name, .cyan, bold: true) + terminal.paint("  \(entry.folder)", .grey))
      for version in entry.versions.reversed() {
        var line = "    @" + "\(version.version)".padded(5) + version.aliases.joined(separator: ", ").padded(14)
        if let card = version.card {
          line += card.format.padded(18) + (card.created ?? "").padded(22) + ModelText.metrics(card)
        } else {
          line += terminal.paint(version.diagnostics?.first?.text ?? "", .red)
        }
        terminal.out(line)
      }
    }
  }

  private func entry(_ name: String, _ folders: ModelFolders) -> Entry {
    let aliases = folders.aliasesByVersion(of: name)
    let versions = folders.versions(of: name).map { number -> Version in
      do throws(GantryError) {
        let model = try models.find("\(name)@\(number)", verifies: false)
        return Version(version: number, aliases: aliases[number] ?? [], card: model.card, diagnostics: nil)
      } catch {
        return Version(version: number, aliases: aliases[number] ?? [], card: nil, diagnostics: error.diagnostics)
      }
    }
    return Entry(name: name, folder: folders.folder(of: name) ?? "", versions: versions)
  }
}
