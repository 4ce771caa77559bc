import ArgumentParser
import GantryBase
import GantryCells
import GantryLoader

#if canImport(Glibc)
  import Glibc
#endif

/// The `gantry` command. One file per verb.
public struct GantryCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "gantry",
    abstract: "Runs trading systems as graphs of plugins.",
    discussion: """
      EXAMPLES
        gantry run manifests/quickstart.yaml
        gantry backtest manifests/ema-cross.yaml --set ticks.path=data/eurusd
        gantry check manifests/*.yaml
        gantry plugin inspect threshold
        gantry chain list

      Exit codes: 0 done; 1 the run failed; 2 usage; 65 a graph, plugin or data file is wrong;
      69 no host is running; 70 a bug in gantry; 77 not allowed.
      """,
    version: gantryVersion,
    subcommands: [
      RunCommand.self, SuperviseCommand.self, BacktestCommand.self, CheckCommand.self, GraphCommand.self, TestCommand.self,
      ReplayCommand.self, ChainCommand.self, PluginCommand.self, ModelCommand.self, SchemaCommand.self,
      StatusCommand.self, PauseCommand.self, ResumeCommand.self, HaltCommand.self, UnhaltCommand.self, LogLevelCommand.self,
      DrainCommand.self, StopCommand.self, TapCommand.self, TopCommand.self, HistoryCommand.self, SwapCommand.self,
      CommitCommand.self, RevertCommand.self, PlanCommand.self, ApplyCommand.self,
      DiffCommand.self, CompletionsCommand.self, ManCommand.self,
    ])

  public init() {}

  /// Runs the command line and ends the process with one of the documented exit codes.
  public static func runMain() -> Never {
    let arguments = Array(CommandLine.arguments.dropFirst())
    signal(SIGPIPE, SIG_IGN)
    // A file that may not grow is an error of the write; children have the signal as it was.
    signal(SIGXFSZ) { _ in }
    if let code = CellChild.run(arguments: arguments) { _exit(code) }
    if let code = LoaderChild.run(arguments: arguments) { Glibc.exit(code) }
    if let code = CheckChild.run(arguments: arguments) { Glibc.exit(code) }
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
      Glibc.exit(GantryBase.ExitCode.done.rawValue)
    } catch let error as GantryError {
      let terminal = Terminal(json: arguments.contains("--json"))
      try? terminal.report(error.diagnostics)
      Glibc.exit(error.exitCode.rawValue)
    } catch let error as VerbFailed {
      Glibc.exit(error.exitCode.rawValue)
    } catch {
      let code = exitCode(for: error)
      let text = fullMessage(for: error)
      if code.isSuccess {
        Terminal().out(text)
        Glibc.exit(GantryBase.ExitCode.done.rawValue)
      }
      Terminal().error(text)
      Glibc.exit(GantryBase.ExitCode.usage.rawValue)
    }
  }
}

/// The verb has said what was wrong; only the exit code is left.
struct VerbFailed: Error { var exitCode: GantryBase.ExitCode }

/// `--json`, in every verb.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print JSON for programs; the last line is one object.")
  var json = false
  var terminal: Terminal { Terminal(json: json) }
}

/// What makes a graph of a file.
struct GraphArguments: ParsableArguments {
  @Option(help: "Apply one of the file's profiles.")
  var profile: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("Override a parameter: node.param=value. May be given more than once.", valueName: "node.param=value"))
  var sets: [String] = []
  @Option(name: .customLong("plugins"), help: ArgumentHelp("Look for plugins here first. May be given more than once.", valueName: "folder"))
  var pluginFolders: [String] = []
}
