import BrokenPlugins
import GantryBase
import Glibc
import PluginHarness
import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The real `gantry` executable as a child process, and what it said.
struct Gantry {
  var code: Int32 = -1
  /// The signal that ended it; 0 for none.
  var signal: Int32 = 0
  var out = ""
  var error = ""

  static var executable: String { PluginHarness.productsFolder + "/gantry" }
  /// What a run may take on a busy machine before it is killed.
  static let deadlineNs: Int64 = 120_000_000_000

  /// Runs the verb to its end.
  static func run(
    _ arguments: [String], in folder: String? = nil, environment: [String: String]? = nil, closesOut: Bool = false,
    onError: (String, pid_t) -> Void = { _, _ in }
  ) throws -> Gantry {
    let child = try GantryChild(arguments, folder: folder, environment: environment, closesOut: closesOut)
    return child.finish(onError)
  }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let last = out.split(separator: "\n").last ?? ""
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(last.utf8))
  }

  var diagnostics: [Diagnostic] { (try? decode(Diagnostics.self).diagnostics) ?? [] }
  struct Diagnostics: Decodable { var diagnostics: [Diagnostic] }
}

/// A started child: its pipes, and its end.
final class GantryChild {
  let pid: pid_t
  private var ends: [Int32]

  init(_ arguments: [String], folder: String?, environment: [String: String]?, closesOut: Bool) throws {
    // The shell enters the folder and becomes the executable.
    let script = "cd \"$1\" && shift && exec \"$@\""
    let line = folder.map { ["/bin/sh", "-c", script, "sh", $0, Gantry.executable] } ?? [Gantry.executable]
    var words = (line + arguments).map { strdup($0) } + [nil]
    var variables = environment.map { $0.map { strdup("\($0.key)=\($0.value)") } + [nil] }
    defer {
      for word in words { free(word) }
      for variable in variables ?? [] { free(variable) }
    }
    // One at a time: no other child inherits the ends that this one's pipes are read to.
    (pid, ends) = try GantryChild.starting.withLock { _ in
      try GantryChild.start(line[0], &words, &variables, closesOut: closesOut)
    }
  }

  private static let starting = Mutex(())

  private static func start(
    _ path: String, _ words: inout [UnsafeMutablePointer<CChar>?], _ variables: inout [UnsafeMutablePointer<CChar>?]?, closesOut: Bool
  ) throws -> (pid_t, [Int32]) {
    var out: [Int32] = [0, 0]
    var error: [Int32] = [0, 0]
    pipe(&out)
    pipe(&error)
    for end in out + error { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, out[1], 1)
    posix_spawn_file_actions_adddup2(&actions, error[1], 2)
    // A pipe that nobody reads, from the first byte on.
    if closesOut { close(out[0]) }
    var child: pid_t = 0
    let failed =
      variables == nil ? posix_spawn(&child, path, &actions, nil, &words, environ) : posix_spawn(&child, path, &actions, nil, &words, &variables!)
    close(out[1])
    close(error[1])
    guard failed == 0 else { throw Trouble(text: "cannot start \(path): \(String(cString: strerror(failed)))") }
    return (child, [closesOut ? -1 : out[0], error[0]])
  }

  /// Reads both pipes to their ends and waits. `onError` is given each line of standard error.
  func finish(_ onError: (String, pid_t) -> Void) -> Gantry {
    var result = Gantry()
    var bytes: [[UInt8]] = [[], []]
    var told = 0
    let began = GantryChild.monotonicNs()
    var isKilled = false
    while ends.contains(where: { $0 >= 0 }) {
      var polls = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      poll(&polls, 2, 1000)
      if !isKilled, GantryChild.monotonicNs() - began > Gantry.deadlineNs {
        isKilled = true
        kill(pid, SIGKILL)
      }
      for index in 0..<2 where polls[index].revents != 0 {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(ends[index], &buffer, buffer.count)
        if count <= 0 {
          close(ends[index])
          ends[index] = -1
        } else {
          bytes[index] += buffer[..<count]
        }
      }
      while let end = bytes[1][told...].firstIndex(of: 10) {
        onError(String(decoding: bytes[1][told..<end], as: UTF8.self), pid)
        told = end + 1
      }
    }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    if status & 0x7F == 0 { result.code = status >> 8 & 0xFF } else { result.signal = status & 0x7F }
    result.out = String(decoding: bytes[0], as: UTF8.self)
    result.error = String(decoding: bytes[1], as: UTF8.self)
    return result
  }

  private static func monotonicNs() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
  }
}

/// Files for one test.
enum Files {
  /// The test plugins, one file for each id, as `--plugins` wants them.
  private static let plugins = Result {
    let path = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/LanePlugins/plugins.c", as: "liblane.so")
    let folder = String(path.dropLast("/liblane.so".count))
    for id in ["beat", "beat-fresh", "fan", "fan-single", "trail", "decider", "guard", "ill", "echo"] { link(path, "\(folder)/lib\(id).so") }
    return folder
  }
  static func pluginFolder() throws -> String { try plugins.get() }

  static func folder() throws -> String { try Fixture.temporaryFolder() }

  static func write(_ text: String, _ path: String) throws {
    guard let file = fopen(path, "w") else { throw Trouble(text: "cannot write \(path)") }
    fputs(text, file)
    fclose(file)
  }

  static func copy(_ from: String, _ to: String, change: (inout [UInt8]) -> Void = { _ in }) throws {
    guard let file = fopen(from, "rb") else { throw Trouble(text: "cannot read \(from)") }
    fseek(file, 0, SEEK_END)
    var bytes = [UInt8](repeating: 0, count: ftell(file))
    rewind(file)
    fread(&bytes, 1, bytes.count, file)
    fclose(file)
    change(&bytes)
    guard let target = fopen(to, "wb") else { throw Trouble(text: "cannot write \(to)") }
    fwrite(bytes, 1, bytes.count, target)
    fclose(target)
  }

  /// A graph file in a folder of its own.
  static func graph(_ nodes: String, head: String = "clock: replay", tail: String = "") throws -> String {
    let path = try folder() + "/graph.yaml"
    try write(
      """
      graph: test
      \(head)
      instruments:
        EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
      nodes:
      \(nodes.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
      \(tail)

      """, path)
    return path
  }
}

/// What `run --json` prints last.
struct Summary: Decodable {
  struct Node: Decodable {
    var name: String
    var plugin: String
    var events: UInt64
    var errors: UInt64
  }
  var events: UInt64
  var orders: UInt64
  var fills: UInt64
  var orderHash: String
  var netProfit: String?
  var journal: String?
  var wasStopped: Bool
  var nodes: [Node]
}

struct Trouble: Error { var text: String }
