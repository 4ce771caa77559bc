import ArgumentParser
import GantryAdmin
import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// How a run can be asked and changed while it goes on, and what is kept of it.
struct LiveArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("Listen for live verbs at this socket; default GRAPH.sock in $XDG_RUNTIME_DIR/gantry or /run/gantry.", valueName: "path"))
  var control: String?
  @Flag(name: .customLong("no-control"), help: "Listen for no live verbs.")
  var noControl = false
  @Option(
    help: ArgumentHelp("Keep here what outlives a run: the halt flag, the audit log, the graph's versions; default run/state/GRAPH.", valueName: "folder"),
    completion: .directory)
  var state: String?
}

/// The live side of one run in the foreground: its state folder, its control socket, its host.
///
/// Several hosts may run one graph at a time: the second one's socket has its pid in its name. A
/// state folder belongs to one of them; with the replay clock the others keep no state, with the
/// live clock they are refused.
struct LiveRun {
  let state: StateFolder?
  let levels: LogLevels
  private let arguments: LiveArguments
  private let graph: Graph
  private let terminal: Terminal

  /// Before the run is made: what may not run twice is refused here.
  init(_ arguments: LiveArguments, graph: Graph, keepsFiles: Bool, levels: LogLevels, terminal: Terminal) throws(GantryError) {
    self.arguments = arguments
    self.graph = graph
    self.levels = levels
    self.terminal = terminal
    guard keepsFiles || arguments.state != nil else {
      state = nil
      return
    }
    do throws(GantryError) {
      state = try StateFolder(path: arguments.state ?? "run/state/\(graph.name)")
    } catch {
      guard arguments.state == nil, graph.clock == .replay else { throw error }
      state = nil
    }
  }

  /// Trading that was halted stays halted.
  func prepare(_ run: Run) {
    guard let halt = state?.halt else { return }
    run.halt(true)
    terminal.error(
      "warning: trading is halted since \(StatusText.clockTime(halt.sinceNs)) by \(halt.by)\(halt.reason.map { ": \($0)" } ?? ""); `gantry unhalt` lets orders pass")
  }

  /// Opens the socket; nil when there is to be none, or when there is no place for one.
  func openSocket() throws(GantryError) -> OpenSocket? {
    if arguments.noControl { return nil }
    if let path = arguments.control { return OpenSocket(try ControlSocket(path: path)) }
    do throws(GantryError) {
      let folder = try ControlSocket.folder()
      do throws(GantryError) {
        return OpenSocket(try ControlSocket(path: "\(folder)/\(graph.name).sock"))
      } catch {
        guard error.diagnostics.first?.code == "control.in-use" else { throw error }
        return OpenSocket(try ControlSocket(path: "\(folder)/\(graph.name)-\(getpid()).sock"))
      }
    } catch {
      // Live verbs are a convenience then: the run goes on without them, and says so.
      for diagnostic in error.diagnostics {
        var warning = diagnostic
        warning.severity = .warning
        terminal.error(warning.rendered(colour: terminal.errorPaint.enabled))
      }
      return nil
    }
  }

  /// A socket on its way to the server.
  final class OpenSocket {
    private var socket: ControlSocket?
    let path: String
    init(_ socket: consuming ControlSocket) {
      path = socket.path
      self.socket = consume socket
    }
    func serve(_ handler: @escaping ControlServer.Handler) throws(GantryError) -> ControlServer {
      guard let socket = socket.take() else { throw GantryError("control.no-socket", "the socket is served already", exit: .bug) }
      return try ControlServer(socket, handler: handler)
    }
  }
}
