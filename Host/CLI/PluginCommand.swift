import ArgumentParser
import GantryBase
import GantryLoader

#if canImport(Glibc)
  import Glibc
#endif

/// `gantry plugin`: what is installed, what it says of itself, and what may be loaded.
struct PluginCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plugin", abstract: "List, inspect, check and pin plugins.",
    subcommands: [List.self, Inspect.self, Check.self, Add.self])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the plugins in the plugin path.",
      discussion: """
        EXAMPLES
          gantry plugin list
          gantry plugin list --plugins .build/release --json
        """)
    @Option(name: .customLong("plugins"), help: ArgumentHelp("Folders to look in, before the host's own.", valueName: "folder"))
    var folders: [String] = []
    @OptionGroup var output: OutputOptions

    struct Entry: Encodable {
      var path: String
      var plugin: PluginDescription?
      var diagnostics: [Diagnostic]?
    }

    mutating func run() throws {
      let terminal = output.terminal
      let search = GraphSession.folders(folders, [])
      let paths = GraphSession.installed(search).compactMap { GraphSession.find($0, search) }
      let described = PluginInspector.describe(paths: paths)
      var entries: [Entry] = []
      for path in paths {
        switch described[path] {
        case .success(let plugins): entries += plugins.map { Entry(path: path, plugin: $0, diagnostics: nil) }
        case .failure(let error): entries.append(Entry(path: path, plugin: nil, diagnostics: error.diagnostics))
        case nil: break
        }
      }
      if terminal.json { return try terminal.object(["plugins": entries]) }
      let known = entries.compactMap(\.plugin)
      let width = known.map { $0.id.count + $0.version.count + 1 }.max() ?? 0
      for plugin in known.sorted(by: { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }) {
        terminal.out(
          "  " + terminal.paint(plugin.kind.rawValue.padded(10), .cyan) + " "
            + "\(plugin.id)@\(plugin.version)".padded(width) + "  " + terminal.paint(plugin.summary, .grey))
      }
      for entry in entries { try terminal.report(entry.diagnostics ?? []) }
      if known.isEmpty { terminal.error("no plugins in \(search.joined(separator: ", "))") }
    }
  }

  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a plugin's kind, ports, parameters, effects and needs.",
      discussion: """
        The plugin's code runs in a throwaway child.

        EXAMPLES
          gantry plugin inspect threshold
          gantry plugin inspect ./libmine.so --json
        """)
    @Argument(help: ArgumentHelp("A plugin's id, or a path to its file or bundle.", valueName: "name|path"))
    var plugin: String
    @Option(name: .customLong("plugins"), help: ArgumentHelp("Folders to look in, before the host's own.", valueName: "folder"))
    var folders: [String] = []
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
      let path = try PluginCommand.path(plugin, folders)
      let found = try PluginInspector().describe(path: path)
      if output.json { return try output.terminal.object(["plugins": found]) }
      for description in found { output.terminal.out(PluginText.render(description, paint: output.terminal.paint)) }
    }
  }

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Pin plugins, and the libraries they open, in plugins.lock, for `trust: manifest`.",
      discussion: """
        With a library go those that it finds beside itself ($ORIGIN), as Python's wheels bring them along.

        EXAMPLES
          gantry plugin add threshold
          gantry plugin add ./vendor/libmine.so --lock plugins.lock
          gantry plugin add --library venv/lib/python3.11/site-packages/xgboost/lib/libxgboost.so
        """)
    @Argument(help: ArgumentHelp("Ids or paths.", valueName: "name|path"))
    var plugins: [String] = []
    @Option(
      name: .customLong("library"), help: ArgumentHelp("Shared libraries that plugins such as trees and onnx open.", valueName: "path"),
      completion: .file(extensions: ["so"]))
    var libraries: [String] = []
    @Option(help: ArgumentHelp("The file to write.", valueName: "file"))
    var lock = "plugins.lock"
    @Option(name: .customLong("plugins"), help: ArgumentHelp("Folders to look in, before the host's own.", valueName: "folder"))
    var folders: [String] = []
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
      var file = access(lock, F_OK) == 0 ? try LockFile(path: lock) : LockFile()
      for plugin in plugins {
        let path = try PluginCommand.path(plugin, folders)
        let image = try PluginImage(path: path)
        file.pin(try PluginInspector().describe(path: path), sha256: image.sha256, path: path)
        if !output.json { output.terminal.out("pinned \(path)  sha256 \(image.sha256)") }
      }
      for library in libraries {
        for pinned in try file.pin(library: library) where !output.json {
          output.terminal.out("pinned \(pinned.path)  sha256 \(pinned.sha256)")
        }
      }
      try file.write(to: lock)
      if output.json { try output.terminal.object(Pins(plugins: file.plugins, libraries: file.libraries)) }
    }

    mutating func validate() throws {
      if plugins.isEmpty, libraries.isEmpty { throw ValidationError("name a plugin, or a library with --library") }
    }

    private struct Pins: Encodable {
      var plugins: [LockFile.Pin]
      var libraries: [LockFile.Library]
    }
  }

  /// A path as it is given, or the file of an installed id.
  static func path(_ plugin: String, _ folders: [String]) throws(GantryError) -> String {
    if plugin.contains("/") || plugin.hasSuffix(".so") { return plugin }
    let search = GraphSession.folders(folders, [])
    if let path = GraphSession.find(plugin, search) { return path }
    let installed = GraphSession.installed(search)
    var help = ["installed: \(installed.isEmpty ? "nothing" : installed.joined(separator: ", "))"]
    if let near = nearest(to: plugin, among: installed) { help.insert("did you mean \(near)?", at: 0) }
    throw GantryError("loader.unknown-plugin", "no plugin named \(plugin) in \(search.joined(separator: ", "))", help: help)
  }
}
