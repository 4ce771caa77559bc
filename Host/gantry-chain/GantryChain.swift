import ArgumentParser
import GantryBase
import GantryChainStore
import GantryTrace
import Glibc

/// `gantry chain`: the chains of a run, from tick to fill. A program of its own, so that the host
/// stays without a database.
struct GantryChain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gantry chain",
    abstract: "List the chains of a run, or show one from tick to fill.",
    discussion: """
      RUN is a run's folder. Without it: $GANTRY_RUN, else the newest run under ./run.

      EXAMPLES
        gantry chain list --with-orders
        gantry chain list --slowest 10
        gantry chain show ticks:4711
        gantry chain show 0192b3c4-7e1f-8a00-8000-000000001267 run/quickstart

      Exit codes: 0 done; 1 the index failed; 2 usage or no such chain; 65 the run's files are wrong.
      """,
    subcommands: [List.self, Show.self])

  /// Runs the command line and ends the process with one of the documented exit codes.
  static func runMain() -> Never {
    let arguments = Array(CommandLine.arguments.dropFirst())
    signal(SIGPIPE, SIG_DFL)
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
      Glibc.exit(GantryBase.ExitCode.done.rawValue)
    } catch let error as GantryError {
      Output(json: arguments.contains("--json")).report(error)
      Glibc.exit(error.exitCode.rawValue)
    } catch {
      let isFine = exitCode(for: error).isSuccess
      Output.write(fullMessage(for: error) + "\n", to: isFine ? STDOUT_FILENO : STDERR_FILENO)
      Glibc.exit(isFine ? GantryBase.ExitCode.done.rawValue : GantryBase.ExitCode.usage.rawValue)
    }
  }
}

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List chains, the newest first.")

  @Argument(help: ArgumentHelp("A run's folder.", valueName: "run"))
  var folder: String?
  @Option(help: ArgumentHelp("Only chains of the last 5m, 2h, ... of the run, or with events from a UTC time on: 2024-01-05T13:30:00.", valueName: "time"))
  var since: String?
  @Option(help: ArgumentHelp("Only chains that reached this node.", valueName: "name"))
  var node: String?
  @Flag(help: "Only chains that ordered.")
  var withOrders = false
  @Flag(help: "Only chains in which a node failed.")
  var errors = false
  @Option(help: ArgumentHelp("The N chains that took longest.", valueName: "n"))
  var slowest: Int?
  @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
  var limit = 20
  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if limit < 1 || (slowest ?? 1) < 1 { throw ValidationError("--limit and --slowest are at least 1.") }
  }

  func run() throws {
    var filter = ChainFilter()
    filter.since = try since.map { try parseSince($0) }
    filter.node = node
    filter.withOrders = withOrders
    filter.withErrors = errors
    filter.slowest = slowest != nil
    filter.limit = slowest ?? limit
    let store = try ChainStore(directory: try RunFolder.find(folder))
    let chains = try store.list(filter)
    let output = Output(json: json)
    if json {
      output.object(ListAnswer(run: store.directory, graph: store.meta.graph, lost: store.lost, chains: chains))
      return
    }
    output.line(output.text.list(chains))
    let every = store.meta.traceEvery
    var remarks = ["\(store.directory): one chain in \(every) is traced at every hop, and each that orders or errs from there on"]
    if store.lost > 0 { remarks.append("\(store.lost) records were overwritten before they could be indexed") }
    for remark in remarks { output.line(output.paint(remark, .grey)) }
  }

  private struct ListAnswer: Encodable {
    var run: String
    var graph: String
    var lost: UInt64
    var chains: [ChainSummary]
  }
}

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show one chain as a tree: node, plugin, offset, time, p50 and p99 of the node, events, orders, fills.")

  @Argument(help: ArgumentHelp("An id, the beginning of one, or source:number.", valueName: "id"))
  var id: String
  @Argument(help: ArgumentHelp("A run's folder.", valueName: "run"))
  var folder: String?
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let store = try ChainStore(directory: try RunFolder.find(folder))
    let tree = try store.tree(try store.find(id))
    let output = Output(json: json)
    if json {
      output.object(tree)
    } else {
      output.line(output.text.tree(tree))
    }
  }
}
