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
    help: ArgumentHelp("Listen for live verbs at this socket; default GRAPH.sock in $GANTRY_RUNTIME_DIR, $XDG_RUNTIME_DIR/gantry or /run/gantry.", valueName: "path"))
  var control: String?
  @Flag(name: .customLong("no-control"), help: "Listen for no live verbs.")
  var noControl = false
  @Option(
    help: ArgumentHelp("Keep here what outlives a run: the halt flag, the audit log, the graph's versions; default run/state/GRAPH.", valueName: "folder"),
    completion: .directory)
  var state: String?
  @Flag(
    help: """
      Run the last committed graph of the state folder instead of the file, with the very code and artifacts it had. Where there is none yet, the \
      file is run.
      """)
  var resume = false
  @Flag(
    help: """
      Apply the file again whenever it, a plugin's file or an artifact has changed and come to rest. What cannot be applied changes nothing.
      """)
  var watch = false

  func validate() throws {
    if watch, noControl { throw ValidationError("--watch needs the live side of the run; leave --no-control out.") }
    if watch, resume { throw ValidationError("--watch follows the file and --resume does not: choose one.") }
  }
}

/// The live side of one run in the foreground: its state folder, its control socket, its host.
///
/// Several hosts may run one graph at a time: the second one's socket has its pid in its name. A
/// state folder belongs to one of them; with the replay clock the others keep no state, with the
/// live clock they are refused.
struct LiveRun {
  let state: StateFolder?
  private let arguments: LiveArguments
  private let name: String
  private let terminal: Terminal

  /// Before the graph is loaded: what may not run twice is refused here.
  init(_ arguments: LiveArguments, name: String, clock: Graph.Clock, keepsFiles: Bool, terminal: Terminal) throws(GantryError) {
    self.arguments = arguments
    self.name = name
    self.terminal = terminal
    guard keepsFiles || arguments.state != nil else {
      state = nil
      return
    }
    do throws(GantryError) {
      state = try StateFolder(path: arguments.state ?? "run/state/\(name)")
    } catch {
      guard arguments.state == nil, clock == .replay else { throw error }
      state = nil
    }
  }

  /// Whether a run that was killed is to be gone on with, if there was one. Killed before anything was
  /// committed, the file is what goes on.
  var resumes: Bool { arguments.resume }

  /// The version to resume, where that is asked for and there is one.
  func resumed() throws(GantryError) -> (version: GraphVersion, source: GraphSource)? {
    guard arguments.resume, let state else { return nil }
    let versions = try GraphVersions(state)
    guard let version = try versions.committed() else {
      terminal.error("note: nothing was committed in \(state.path) yet; the file is run")
      return nil
    }
    terminal.error("note: version \(version.number) of the graph is resumed, committed \(StatusText.clockTime(version.wallNs))\(version.change.map { " by \($0)" } ?? "")")
    return (version, try versions.source(of: version))
  }

  // MARK: what the next run is told of this one

  /// The journal of a run that was killed, which is to be followed; nil when the last one ended well, or there
  /// was none. Throws why there is nothing to follow.
  func killedJournal() throws(GantryError) -> String? {
    guard let state, let last = LastRun(state), last.state != .ended else { return nil }
    guard last.state == .running else {
      throw GantryError("recover.failed", "the host was killed while it followed the journal of the run before", exit: .failed)
    }
    guard let journal = last.journal else { throw GantryError("recover.no-journal", "the last run kept no journal", exit: .failed) }
    return journal
  }

  func follows(_ journal: String) throws(GantryError) {
    if let state { try LastRun(state: .recovering, journal: journal).keep(in: state) }
  }

  /// - Parameter journal: of a run that has begun, or of one that is still to be followed
  func runs(_ journal: String?) throws(GantryError) {
    if let state { try LastRun(state: .running, journal: journal).keep(in: state) }
  }

  func ended() throws(GantryError) {
    if let state { try LastRun(state: .ended, journal: nil).keep(in: state) }
  }

  var watches: Bool { arguments.watch }

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
        return OpenSocket(try ControlSocket(path: "\(folder)/\(name).sock"))
      } catch {
        guard error.diagnostics.first?.code == "control.in-use" else { throw error }
        return OpenSocket(try ControlSocket(path: "\(folder)/\(name)-\(getpid()).sock"))
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
