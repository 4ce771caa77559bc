import ArgumentParser
import GantryBase
import GantryLoader

extension PluginCommand {
  /// `gantry plugin check`
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run the conformance checks on anybody's plugin.",
      discussion: """
        The plugin's code runs in a throwaway child, with made-up events.

        EXAMPLES
          gantry plugin check ./libmine.so
          gantry plugin check indicators --set 'columns=[ema_10, rsi_14]'
        """)
    @Argument(help: ArgumentHelp("A plugin's id, or a path to its file or bundle.", valueName: "name|path"))
    var plugin: String
    @Option(help: ArgumentHelp("A parameter, as in a graph file.", valueName: "name=value"))
    var set: [String] = []
    @Option(help: ArgumentHelp("The columns of features inputs, separated by commas.", valueName: "names"))
    var columns: String?
    @Option(help: ArgumentHelp("Makes up other events.", valueName: "number"))
    var seed: UInt64 = 1
    @Option(name: .customLong("plugins"), help: ArgumentHelp("Folders to look in, before the host's own.", valueName: "folder"))
    var folders: [String] = []
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
      var options = ConformanceOptions()
      for text in set { try options.set(text) }
      if let columns { options.columns = columns.split(separator: ",").map(String.init) }
      options.seed = seed
      let path = try PluginCommand.path(plugin, folders)
      try PluginConformance.check(path, options: options, terminal: output.terminal)
    }
  }
}
