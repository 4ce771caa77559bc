import ArgumentParser
import GantryBase
import GantryGraph
import GantryLoader

/// `gantry schema`: the JSON Schema of graph files, for editors.
struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of graph files, with the installed plugins' parameters.",
    discussion: """
      EXAMPLES
        gantry schema > manifests/schema/graph.schema.json
      """)

  @Option(name: .customLong("plugins"), help: ArgumentHelp("Folders to look in, before the host's own.", valueName: "folder"))
  var folders: [String] = []
  @OptionGroup var output: OutputOptions

  mutating func run() throws {
    let search = GraphSession.folders(folders, [])
    let paths = GraphSession.installed(search).compactMap { GraphSession.find($0, search) }
    var plugins: [PluginDescription] = []
    for (_, answer) in PluginInspector.describe(paths: paths) {
      if case .success(let found) = answer { plugins += found }
    }
    output.terminal.out(GraphSchema.json(plugins.sorted { $0.id < $1.id }))
  }
}
