import CLinux
import GantryBase
import Glibc
import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What was running when a process died: written by a signal handler into a mapped file of the run
/// folder, and read by whoever comes after.
///
/// A lane stores which node it calls and a thread knows its lane, so the handler needs plain loads
/// only; every thread that runs plugins has a stack of its own for it. One record a process.
public enum CrashRecord {
  public static let fileName = "crash.json"
  /// Node numbers are their own for a whole run; a run that makes more nodes than this leaves the
  /// later ones unnamed.
  private static let nodesMax = 4096

  private struct State: @unchecked Sendable {  // the handler reads the table; entries are whole pointers
    var table: UnsafeMutablePointer<clinux_crash_node>?
    var path: String?
  }
  private static let state = Mutex(State())
  private static let isInstalled = Atomic<Bool>(false)

  /// Installs the handlers and begins a record in `folder`, which is made. From here on every instance
  /// that is made is known to it by its node's name.
  public static func begin(in folder: String) throws(GantryError) {
    try makeFolder(folder)
    let path = "\(folder)/\(fileName)"
    let table = state.withLock { state -> UnsafeMutablePointer<clinux_crash_node> in
      state.path = path
      if let table = state.table { return table }
      let table = UnsafeMutablePointer<clinux_crash_node>.allocate(capacity: nodesMax)
      table.initialize(repeating: clinux_crash_node(name: nil, plugin: nil), count: nodesMax)
      state.table = table
      return table
    }
    let shape = clinux_crash_shape(
      index_offset: UInt32(MemoryLayout<LaneNode>.offset(of: \.index)!),
      generation_offset: UInt32(MemoryLayout<LaneNode>.offset(of: \.generation)!),
      single_offset: UInt32(MemoryLayout<LaneNode>.offset(of: \.isSingle)!))
    let error = clinux_crash_install(path, table, UInt32(nodesMax), shape)
    guard error == 0 else {
      throw GantryError("runtime.no-crash-record", "cannot map \(path): \(String(cString: strerror(error)))", exit: .failed)
    }
    isInstalled.store(true, ordering: .releasing)
    clinux_crash_thread_begin()
  }

  /// The run came to its end: no record is needed. One that was written stays.
  public static func end() {
    guard isInstalled.exchange(false, ordering: .acquiringAndReleasing) else { return }
    clinux_crash_forget()
    let path = state.withLock { $0.path }
    if let path, read(path) == nil { unlink(path) }
  }

  /// How node `number` is called from now on.
  static func name(_ number: Int32, _ name: String, plugin: String) {
    guard isInstalled.load(ordering: .acquiring), number >= 0, Int(number) < nodesMax else { return }
    state.withLock { state in
      guard let entry = state.table.map({ $0 + Int(number) }) else { return }
      // A text that a handler may be reading is never freed; the same one is not made twice.
      if entry.pointee.name.map({ String(cString: $0) }) != name { entry.pointee.name = UnsafePointer(strdup(name)) }
      if entry.pointee.plugin.map({ String(cString: $0) }) != plugin { entry.pointee.plugin = UnsafePointer(strdup(plugin)) }
    }
  }

  /// What a record says.
  public struct Report: Codable, Sendable, Equatable {
    /// `signal` or `hang`.
    public var what: String
    public var signal: Int32
    public var node: String?
    /// Plugin and version.
    public var plugin: String?
    public var generation: UInt32?
    public var lane: String?
    /// What was being done: `event`, `configure`, ...
    public var phase: String?
    /// Of an event: the chain's number, of a block its first.
    public var chain: UInt64?
    /// Where memory was touched, and the instruction that did.
    public var address: String?
    public var code: String?
    public var wallNs: Int64

    enum CodingKeys: String, CodingKey {
      case what, signal, node, plugin, generation, lane, phase, chain, address, code
      case wallNs = "wall_ns"
    }

    /// One sentence.
    public var text: String {
      let who = node.map { "node \($0) (\(plugin ?? "?"), generation \(generation ?? 0))" } ?? "no node"
      let place = [phase.map { "in \($0)" }, chain.map { "of chain \($0)" }, lane.map { "on lane \($0)" }].compactMap { $0 }.joined(separator: " ")
      return what == "signal" ? "\(signalName) while \(who) ran \(place)" : "\(who) hung \(place)"
    }

    public var signalName: String {
      let names = [SIGSEGV: "SIGSEGV", SIGBUS: "SIGBUS", SIGILL: "SIGILL", SIGFPE: "SIGFPE", SIGTRAP: "SIGTRAP", SIGABRT: "SIGABRT"]
      return names[signal] ?? "signal \(signal)"
    }
  }

  /// The record at `path`; nil when nothing was written.
  public static func read(_ path: String) -> Report? {
    guard let bytes = try? readFile(path, limit: 1 << 16), bytes.first == UInt8(ascii: "{") else { return nil }
    let line = bytes.prefix { $0 != 10 && $0 != 0 }
    return try? JSONDecoder().decode(Report.self, from: Data(line))
  }
}

/// A phase in the form that the handler reads.
func crashPhase(_ text: StaticString) -> UnsafePointer<CChar> { UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self) }

/// Which lane does not come back from a call: a value, looked at now and then.
struct Watchdog {
  struct Sighting: Equatable {
    var row: Int64
    var chain: Int64
    var events: UInt64
    var time: Int64
  }

  /// How long a call may last before it is called a hang.
  var limitNs: Int64
  private var seen: [Int: (sighting: Sighting, sinceNs: Int64, isTold: Bool)] = [:]

  init(limitNs: Int64) { self.limitNs = limitNs }

  /// True once for a lane that has been in one and the same call for longer than the limit. A lane
  /// between two events (`row` 0) is at rest, however long.
  mutating func hangs(lane: Int, _ now: Sighting, atNs nowNs: Int64) -> Bool {
    guard now.row != 0, let last = seen[lane], last.sighting == now else {
      seen[lane] = (now, nowNs, false)
      return false
    }
    guard !last.isTold, nowNs - last.sinceNs >= limitNs else { return false }
    seen[lane]!.isTold = true
    return true
  }
}
