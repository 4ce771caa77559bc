import ArgumentParser
import CLinux
import GantryAdmin
import GantryBase
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// `gantry supervise`: `gantry run`, and again after a crash.
struct SuperviseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "supervise", abstract: "Run a graph, and run it again when the host crashes or hangs.",
    discussion: """
      Starts `gantry run` with the same arguments. When it crashes, the node that the crash record names runs in a cell from then on. The \
      graph that was committed last is resumed: its nodes go on from what the journal of the run before has taught them, and orders pass once \
      each broker outside has said what became of those before. Where that cannot be, the nodes begin anew and orders are halted until \
      `gantry unhalt`, as they are after two crashes in a row. A host that ends by itself, well or not, is not started again.

      EXAMPLES
        gantry supervise trading.yaml --profile live
        gantry supervise manifests/quickstart.yaml --block 64
      """)

  @Argument(parsing: .captureForPassthrough, help: ArgumentHelp("The graph file, and options of `gantry run`.", valueName: "file and options"))
  var words: [String]

  func validate() throws {
    guard words.contains(where: { !$0.hasPrefix("-") }) else { throw ValidationError("supervise takes the graph file, as `gantry run` does.") }
  }

  mutating func run() throws {
    let supervisor = try Supervisor(arguments: words)
    let code = supervisor.run()
    if code != 0 { throw VerbFailed(exitCode: GantryBase.ExitCode(rawValue: code) ?? .failed) }
  }
}

/// What a supervised host tells of itself, in a file that its supervisor named.
struct SupervisedHost: Codable {
  /// Where its crash record is to be found.
  var folder: String
  var state: String?

  static let variable = "GANTRY_SUPERVISED"
  static var file: String? { getenv(variable).map { String(cString: $0) } }

  /// Told once the host knows its folders. Dies with its supervisor from here on, cleanly.
  func tell() {
    guard let file = SupervisedHost.file, let bytes = try? JSONEncoder().encode(self), let stream = fopen(file, "w") else { return }
    _ = Array(bytes).withUnsafeBytes { fwrite($0.baseAddress!, 1, $0.count, stream) }
    fclose(stream)
  }
}

/// Starts the host, waits for its end and does what `Supervision` decides. Leaves no child behind.
final class Supervisor {
  private let arguments: [String]
  private var supervision = Supervision()
  private let terminal = Terminal()
  private let signals = StopSignals()
  private let bell: Int32
  private let folder: String
  private let stop = StopFlag()

  init(arguments: [String]) throws(GantryError) {
    self.arguments = arguments
    bell = clinux_make_bell()
    var template = Array("/tmp/gantry-supervise-XXXXXX".utf8CString)
    guard bell >= 0, mkdtemp(&template) != nil else {
      throw GantryError("supervise.no-folder", "cannot make a folder in /tmp: \(String(cString: strerror(errno)))", exit: .failed)
    }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    unlink(note)
    rmdir(folder)
    close(bell)
  }

  private var note: String { "\(folder)/host.json" }

  func run() -> Int32 {
    signals.onStop { [stop, bell] in
      stop.ask()
      clinux_ring_bell(bell)
    }
    while true {
      unlink(note)
      let began = clinux_monotonic_ns()
      guard let pid = spawn() else {
        terminal.error("supervise: cannot start the host: \(String(cString: strerror(errno)))")
        return GantryBase.ExitCode.failed.rawValue
      }
      stop.child = pid
      let ending = wait(pid)
      stop.child = 0
      let host = (try? readFile(note, limit: 1 << 16)).flatMap { try? JSONDecoder().decode(SupervisedHost.self, from: Data($0)) }
      let record = host.flatMap { CrashRecord.read("\($0.folder)/\(CrashRecord.fileName)") }
      let decision = supervision.ended(
        ending, afterNs: clinux_monotonic_ns() - began, record: record, stopAsked: stop.isAsked)
      switch decision {
      case .end(let code): return code
      case .restart(let pauseNs, let reason):
        say(ending, record, pauseNs)
        if let reason { halt(reason, host) }
        if !rest(pauseNs) { return 0 }
      }
    }
  }

  private func say(_ ending: Supervision.Ending, _ record: CrashRecord.Report?, _ pauseNs: Int64) {
    var how = "ended"
    if case .signalled(let signal) = ending { how = "was ended by signal \(signal)" }
    if case .exited(let code) = ending { how = "ended with code \(code)" }
    terminal.error("supervise: the host \(how); \(record?.text ?? "it left no crash record")")
    let cells = supervision.cells.isEmpty ? "" : ", with \(supervision.cells.joined(separator: ", ")) in a cell"
    terminal.error("supervise: starting it again in \(pauseNs / 1_000_000_000) s\(cells)")
  }

  /// Written where the next host looks for it. When that cannot be, the next host is not started trading.
  private func halt(_ reason: String, _ host: SupervisedHost?) {
    terminal.error("supervise: orders are halted: \(reason); `gantry unhalt` lets them pass")
    guard let path = host?.state else {
      terminal.error("supervise: the host keeps no state, so it is started with orders halted")
      isHalted = true
      return
    }
    do throws(GantryError) {
      try StateFolder(path: path).setHalt(StateFolder.Halt(sinceNs: clinux_wall_ns(), by: "gantry supervise", reason: reason))
    } catch {
      terminal.error("supervise: \(error.diagnostics.first?.text ?? "the halt could not be written down"); the host is started with orders halted")
      isHalted = true
    }
  }
  private var isHalted = false

  private func spawn() -> pid_t? {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    // A group of its own: what a terminal sends comes to us, and goes on once.
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    var words = ["gantry", "run"] + arguments
    // After a crash the graph as it was committed last, where one was.
    if supervision.crashes > 0, !arguments.contains("--resume") { words += ["--resume"] }
    for node in supervision.cells { words += ["--isolate", node] }
    if isHalted { words += ["--start-halted"] }
    var argv = words.map { strdup($0) } + [nil]
    var list = ProcessInfo.processInfo.environment
    list[SupervisedHost.variable] = note
    var environment = list.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in argv + environment { free(text) } }
    var pid: pid_t = 0
    let status = posix_spawn(&pid, "/proc/self/exe", nil, &attributes, &argv, &environment)
    errno = status
    return status == 0 ? pid : nil
  }

  private func wait(_ pid: pid_t) -> Supervision.Ending {
    // A signal that came before the child was known.
    if stop.isAsked { kill(pid, SIGTERM) }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7F
    return signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
  }

  /// False when asked to stop meanwhile.
  private func rest(_ ns: Int64) -> Bool {
    let untilNs = clinux_monotonic_ns() + ns
    while !stop.isAsked {
      let leftNs = untilNs - clinux_monotonic_ns()
      if leftNs <= 0 { return true }
      var polled = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
      poll(&polled, 1, Int32(clamping: leftNs / 1_000_000 + 1))
    }
    return false
  }
}
