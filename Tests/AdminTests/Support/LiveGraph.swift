import CLinux
import GantryAdmin
import GantryBase
import GantryRuntime
import Glibc
import PluginHarness

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A real `gantry run` in a folder of its own, with its control socket at `c.sock` there.
final class LiveGraph {
  let folder: String
  /// Under `folder`.
  let runFolder: String
  let pid: pid_t
  /// Those that this host was given on top.
  let arguments: [String]
  private let isOwner: Bool
  private var ending: Int32?

  var socket: String { folder + "/c.sock" }

  static let root = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
  static var executable: String { PluginHarness.productsFolder + "/gantry" }
  static let deadlineNs: Int64 = 60_000_000_000

  /// Quotes without an end, one a millisecond, down the quickstart's chain.
  static let quickstart = """
    graph: quickstart
    clock: live
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
    nodes:
      ticks: { plugin: synthetic, params: { count: 0, seed: 42, interval: 1ms, speed: real, drift: 0.1 } }
      features: { plugin: indicators, from: ticks, params: { columns: [ema_10, ema_20, rsi_14, spread] } }
      model: { plugin: linear@^1.0, from: features, params: { artifact: \(root)/manifests/models/momentum.json } }
      decide: { plugin: threshold, from: [model, broker.executions~, risk.rejects~], params: { use: probability, upper: 0.6, lower: 0.4, quantity: 10000 } }
      risk: { plugin: limits, from: [ticks, decide, broker.executions~], params: { max_position: 20000, max_order: 20000, orders_per_second: 1000, max_drawdown: 20%, equity: 100000 }, on_error: halt }
      broker: { plugin: paper, from: [ticks, risk], params: { deposit: 100000, commission_percent: 0.001 } }
      notify: { plugin: log, from: [risk.alerts, broker.executions], params: { types: [alert, execution.fill], every: 25 } }

    """

  init(_ graph: String = quickstart, folder given: String? = nil, arguments: [String] = [], environment: [String] = []) throws {
    folder = try given ?? LiveGraph.temporaryFolder()
    isOwner = given == nil
    self.arguments = arguments
    if access("\(folder)/graph.yaml", F_OK) != 0 || given == nil { try LiveGraph.write(graph, "\(folder)/graph.yaml") }
    runFolder = "run-\(clinux_monotonic_ns())"
    pid = try Child.start(["run", "graph.yaml", "--control", "c.sock", "--run-folder", runFolder] + arguments, in: folder, environment: environment)
    try until("the host listens") { self.hasEnded || self.isListening }
    guard !hasEnded else { throw Trouble("the host ended: \(errors)") }
  }

  deinit {
    if !hasEnded { kill(pid, SIGKILL) }
    var ignored: Int32 = 0
    if ending == nil { waitpid(pid, &ignored, 0) }
    if isOwner { _ = Glibc.system("rm -rf '\(folder)'") }
  }

  var errors: String { LiveGraph.read("\(folder)/stderr") }
  var output: String { LiveGraph.read("\(folder)/stdout") }

  private var isListening: Bool {
    let descriptor = clinux_unix_connect(socket)
    guard descriptor >= 0 else { return false }
    close(descriptor)
    return true
  }

  var hasEnded: Bool {
    if ending != nil { return true }
    var value: Int32 = 0
    guard waitpid(pid, &value, WNOHANG) == pid else { return false }
    ending = value
    return true
  }

  /// Waits for the host's end and gives its exit code.
  func end() throws -> Int32 {
    try until("the host ends") { self.hasEnded }
    return ending! & 0x7F == 0 ? ending! >> 8 & 0xFF : -(ending! & 0x7F)
  }

  /// Runs a live verb against this host.
  func gantry(_ arguments: String...) throws -> Verb { try Verb.run(arguments + ["--control", "c.sock"], in: folder) }

  func status() throws -> HostStatus {
    let verb = try gantry("status", "--json")
    guard verb.code == 0 else { throw Trouble("status ended with \(verb.code): \(verb.error)\(verb.out)") }
    return try verb.result(HostStatus.self)
  }

  func node(_ name: String) throws -> RunStatus.Node {
    let status = try status()
    guard let node = status.run.nodes.first(where: { $0.name == name }) else { throw Trouble("no node \(name)") }
    return node
  }

  func history() throws -> LiveHost.HistoryAnswer { try gantry("history", "--json").result(LiveHost.HistoryAnswer.self) }

  // MARK: files

  static func temporaryFolder() throws -> String {
    var template = Array("/tmp/gantry-admin-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Trouble("no temporary folder") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  static func write(_ text: String, _ path: String) throws {
    guard let file = fopen(path, "we") else { throw Trouble("cannot write \(path)") }
    fputs(text, file)
    fclose(file)
  }

  static func read(_ path: String) -> String {
    guard let file = fopen(path, "re") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }
}

struct Trouble: Error, CustomStringConvertible {
  var description: String
  init(_ text: String) { description = text }
}

/// Waits until a state is reached, and says which one was not.
func until(_ what: String, _ isReached: () throws -> Bool) throws {
  let deadlineNs = clinux_monotonic_ns() + LiveGraph.deadlineNs
  while try !isReached() {
    guard clinux_monotonic_ns() < deadlineNs else { throw Trouble("not in time: \(what)") }
    usleep(1000)
  }
}

/// A verb that ran to its end.
struct Verb {
  var code: Int32
  var out: String
  var error: String

  static func run(_ arguments: [String], in folder: String) throws -> Verb {
    let mark = "\(folder)/verb-\(clinux_monotonic_ns())"
    let pid = try Child.start(arguments, in: folder, out: mark + ".out", error: mark + ".err")
    var status: Int32 = 0
    try until("gantry \(arguments.joined(separator: " ")) ends") { waitpid(pid, &status, WNOHANG) == pid }
    defer {
      unlink(mark + ".out")
      unlink(mark + ".err")
    }
    return Verb(
      code: status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F), out: LiveGraph.read(mark + ".out"), error: LiveGraph.read(mark + ".err"))
  }

  /// The answer that `--json` printed last.
  func result<Value: Decodable>(_ type: Value.Type) throws -> Value {
    guard let last = lines.last else { throw Trouble("no answer: \(error)") }
    return try JSONDecoder().decode(Answer<Value>.self, from: Data(last.utf8)).result
  }

  private struct Answer<Value: Decodable>: Decodable { var result: Value }

  var lines: [String] { out.split(separator: "\n").map(String.init) }
}

enum Child {
  /// Starts `gantry` in a folder, its outputs in files.
  static func start(_ arguments: [String], in folder: String, out: String? = nil, error: String? = nil, environment: [String] = []) throws -> pid_t {
    let script = "cd \"$1\" && shift && exec \"$@\""
    var words = (["/bin/sh", "-c", script, "sh", folder, "env"] + environment + [LiveGraph.executable] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, out ?? "\(folder)/stdout", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, error ?? "\(folder)/stderr", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    var pid: pid_t = 0
    let failed = posix_spawn(&pid, "/bin/sh", &actions, nil, &words, environ)
    guard failed == 0 else { throw Trouble("cannot start gantry: \(String(cString: strerror(failed)))") }
    return pid
  }
}

/// A client without manners: bytes in, bytes out.
final class RawClient {
  let descriptor: Int32
  private var buffer: [UInt8] = []

  init(_ path: String) throws {
    descriptor = clinux_unix_connect(path)
    guard descriptor >= 0 else { throw Trouble("cannot connect: \(descriptor)") }
  }

  deinit { close(descriptor) }

  /// False once the other end takes no more.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { clinux_send(descriptor, $0.baseAddress! + sent, UInt64($0.count - sent)) }
      if count < 0 { return false }
      sent += Int(count)
    }
    return true
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// The next line, or nil at the end.
  func line() throws -> String? {
    while true {
      if let end = buffer.firstIndex(of: 10) {
        defer { buffer.removeFirst(end + 1) }
        return String(decoding: buffer[..<end], as: UTF8.self)
      }
      var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&polled, 1, Int32(LiveGraph.deadlineNs / 1_000_000)) > 0 else { throw Trouble("no answer") }
      var chunk = [UInt8](repeating: 0, count: 65_536)
      let count = read(descriptor, &chunk, chunk.count)
      guard count > 0 else { return nil }
      buffer += chunk[..<count]
    }
  }
}
