import ArgumentParser
import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// `gantry check`: everything that can be known of a graph before it runs.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Report every mistake of graph files without running them.",
    discussion: """
      Loads the plugins and configures every node in a throwaway child, so that columns, artifacts
      and parameters are checked against each other and a crashing plugin harms nothing.

      EXAMPLES
        gantry check manifests/*.yaml
        gantry check trading.yaml --profile live --json
      """)

  @Argument(help: ArgumentHelp("Graph files.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var files: [String]
  @OptionGroup var graph: GraphArguments
  @OptionGroup var output: OutputOptions

  mutating func run() throws {
    let terminal = output.terminal
    var all: [Diagnostic] = []
    for file in files {
      let found = try CheckChild.check(file, graph)
      all += found
      if !terminal.json {
        try terminal.report(found)
        if !found.contains(where: { $0.severity == .error }) { terminal.out("\(file): " + terminal.paint("ok", .green)) }
      }
    }
    let errors = all.count { $0.severity == .error }
    if terminal.json {
      try terminal.object(CheckResult(files: files, errors: errors, diagnostics: all))
    } else if errors > 0 {
      terminal.error(errors == 1 ? "1 mistake" : "\(errors) mistakes")
    }
    if errors > 0 { throw VerbFailed(exitCode: .badInput) }
  }

  struct CheckResult: Encodable {
    var files: [String]
    var errors: Int
    var diagnostics: [Diagnostic]
  }
}

/// The child of `check`: loads and configures the graph, and tells the parent what it is doing so
/// that a crash can be blamed.
enum CheckChild {
  static let verb = "__check"

  /// One line of the child's output.
  struct Line: Codable {
    var phase: String?
    var diagnostics: [Diagnostic]?
  }

  static func check(_ file: String, _ graph: GraphArguments) throws -> [Diagnostic] {
    var arguments = [verb, file]
    if let profile = graph.profile { arguments += ["--profile", profile] }
    for set in graph.sets { arguments += ["--set", set] }
    for folder in graph.pluginFolders { arguments += ["--plugins", folder] }
    var phase = "starting"
    var diagnostics: [Diagnostic]?
    let child = ChildProcess(executable: "/proc/self/exe", arguments: arguments, deadlineNs: 60_000_000_000)
    let (ending, errors) = child.run { text in
      guard let line = try? JSONDecoder().decode(Line.self, from: Data(text)) else { return }
      if let value = line.phase { phase = value }
      if let value = line.diagnostics { diagnostics = value }
    }
    if !errors.isEmpty { Terminal().error(String(decoding: errors, as: UTF8.self)) }
    switch ending {
    case .exited where diagnostics != nil: return diagnostics!
    case .exited(let code):
      return [Diagnostic(.error, "check.child-failed", "the check of \(file) ended with code \(code) while \(phase)")]
    case .signalled(let signal):
      return [
        Diagnostic(
          .error, "check.plugin-crashed", "PLUGIN: \(ChildProcess.describe(signal: signal)) while \(phase), checking \(file)",
          help: ["run `gantry plugin check` on that plugin; nothing of the graph was run"])
      ]
    case .silent:
      return [
        Diagnostic(
          .error, "check.plugin-hangs", "PLUGIN: no answer within 60 s while \(phase), checking \(file)",
          help: ["create and configure must return; run `gantry plugin check` on that plugin"])
      ]
    case .notStarted(let error):
      throw GantryError("check.no-child", "cannot start a child: \(String(cString: strerror(error)))", exit: .failed)
    }
  }

  /// The child's whole life, when the process was started as one.
  static func run(arguments: [String]) -> Int32? {
    guard arguments.first == verb, arguments.count >= 2 else { return nil }
    var options = GraphOptions()
    var folders: [String] = []
    var index = 2
    while index + 1 < arguments.count {
      switch arguments[index] {
      case "--profile": options.profile = arguments[index + 1]
      case "--set": options.sets.append(arguments[index + 1])
      case "--plugins": folders.append(arguments[index + 1])
      default: return GantryBase.ExitCode.usage.rawValue
      }
      index += 2
    }
    let terminal = Terminal(json: true)
    @Sendable func tell(_ line: Line) { try? terminal.object(line) }
    do {
      let session = try GraphSession(file: arguments[1], options: options, pluginFolders: folders) { tell(Line(phase: $0)) }
      var runOptions = RunOptions()
      runOptions.onPhase = { tell(Line(phase: $0)) }
      do {
        _ = try Run(graph: session.graph, options: runOptions) { node throws(GantryError) in session.code(node) }
        tell(Line(diagnostics: session.warnings))
      } catch {
        tell(Line(diagnostics: session.warnings + error.diagnostics))
      }
    } catch {
      tell(Line(diagnostics: error.diagnostics))
    }
    return 0
  }
}
