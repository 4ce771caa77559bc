import GantryBase
import GantryRuntime
import Synchronization

/// One change of a host's graph: asked by whom, its steps with times, what became of it.
public struct Change: Codable, Sendable, Equatable {
  public struct Step: Codable, Sendable, Equatable {
    public var wallNs: Int64
    public var step: String
    public var detail: String?

    enum CodingKeys: String, CodingKey {
      case step, detail
      case wallNs = "wall_ns"
    }
  }

  public var id: String
  public var verb: String
  public var about: String?
  public var by: String
  public var beganNs: Int64
  public var endedNs: Int64?
  public var steps: [Step] = []
  /// Nil while it goes on. `interrupted` when the host ended before the change did.
  public var outcome: String?
  public var detail: String?
  /// The graph's version that it made.
  public var version: Int?

  enum CodingKeys: String, CodingKey {
    case id, verb, about, by, steps, outcome, detail, version
    case beganNs = "began_ns"
    case endedNs = "ended_ns"
  }
}

/// The changes of a host, the audit log behind them, and the graph's versions. Any thread.
///
/// Read from the audit log, which is all that is kept of them, and continued there. The newest are in
/// memory; one that is older is read from the log again.
public final class History: Sendable {
  struct State {
    var changes: [Change] = []
    /// Those before them that are not in memory any more.
    var earlier = 0
    var keptMax = Int.max
    var lastNumber = 0
  }

  public let log: AuditLog
  public let versions: GraphVersions?
  private let state: Mutex<State>

  /// - Parameter folder: nil keeps the newest changes in memory, for this run
  public convenience init(_ folder: StateFolder?) throws(GantryError) { try self.init(folder, keptMax: 1000) }

  /// - Parameter keptMax: how many changes stay in memory; half as many again at most, and those that go on
  init(_ folder: StateFolder?, keptMax: Int) throws(GantryError) {
    var state = State()
    state.keptMax = keptMax
    log = try AuditLog(folder) { state.take($0) }
    versions = try folder.map { (folder) throws(GantryError) in try GraphVersions(folder) }
    self.state = Mutex(state)
  }

  /// All of them, oldest first; without a folder the newest.
  public var changes: [Change] { newest(.max).changes }

  /// The newest so many, oldest first, and how many there are in all.
  func newest(_ limit: Int) -> (changes: [Change], count: Int) {
    let (kept, count) = state.withLock { ($0.changes, $0.earlier + $0.changes.count) }
    let list = limit > kept.count && count > kept.count && versions != nil ? State.read(log.entries) : kept
    return (Array(list.suffix(limit)), count)
  }

  public func started(by: String, about: String) throws(GantryError) {
    try note(AuditEntry(.started, about: about, by: by))
  }

  public func stopped(outcome: String) throws(GantryError) { try note(AuditEntry(.stopped, outcome: outcome)) }

  /// Begins a change and gives its id. What cannot be written down is not done.
  public func begin(_ verb: String, about: String?, by: String, detail: String? = nil) throws(GantryError) -> String {
    let id = state.withLock { state in
      state.lastNumber += 1
      return "c\(state.lastNumber)"
    }
    try note(AuditEntry(.began, change: id, verb: verb, about: about, by: by, detail: detail))
    return id
  }

  /// A step of a change. It is on the disk with the next entry that is synced.
  public func step(_ id: String, _ step: String, _ detail: String?) {
    _ = try? note(AuditEntry(.step, change: id, verb: step, detail: detail), isSynced: false)
  }

  public func end(_ id: String, outcome: String, detail: String? = nil, version: Int? = nil) throws(GantryError) {
    try note(AuditEntry(.ended, change: id, detail: detail, outcome: outcome, version: version))
  }

  /// One change by its id.
  public func change(_ id: String) -> Change? {
    let (found, isWhole) = state.withLock { state in (state.changes.last { $0.id == id }, state.earlier == 0) }
    return found ?? (isWhole ? nil : changes.first { $0.id == id })
  }

  /// How many are in memory.
  var keptCount: Int { state.withLock { $0.changes.count } }

  private func note(_ entry: AuditEntry, isSynced: Bool = true) throws(GantryError) {
    let written = try log.append(entry, isSynced: isSynced)
    state.withLock { $0.take(written) }
  }
}

extension History.State {
  /// Continues with one entry.
  mutating func take(_ entry: AuditEntry) {
    if let id = entry.change, let number = Int(id.dropFirst()) { lastNumber = max(lastNumber, number) }
    let index = entry.change.flatMap { id in changes.lastIndex { $0.id == id } }
    switch entry.event {
    case .began:
      changes.append(
        Change(
          id: entry.change ?? "", verb: entry.verb ?? "", about: entry.about, by: entry.by ?? "", beganNs: entry.wallNs, detail: entry.detail))
      if keptMax < .max, changes.count > keptMax / 2 * 3 { forget(changes.count - keptMax) }
    case .step:
      guard let index else { return }
      changes[index].steps.append(.init(wallNs: entry.wallNs, step: entry.verb ?? "", detail: entry.detail))
    case .ended:
      guard let index else { return }
      changes[index].endedNs = entry.wallNs
      changes[index].outcome = entry.outcome
      changes[index].detail = entry.detail ?? changes[index].detail
      changes[index].version = entry.version
    case .started:
      // Whatever was under way when the last host ended is under way no more.
      for index in changes.indices where changes[index].outcome == nil { changes[index].outcome = "interrupted" }
    case .stopped, .mended: break
    }
  }

  /// Those of the oldest `count` that have ended are in the log alone from here on.
  private mutating func forget(_ count: Int) {
    let kept = changes.prefix(count).filter { $0.outcome == nil }
    earlier += count - kept.count
    changes.replaceSubrange(..<count, with: kept)
  }

  static func read(_ entries: [AuditEntry]) -> [Change] {
    var state = Self()
    for entry in entries { state.take(entry) }
    return state.changes
  }
}

extension LiveHost.HistoryAnswer {
  /// Reads a state folder that may be in use; nothing is changed there.
  public init(state path: String, limit: Int, verify: Bool) throws(GantryError) {
    let bytes = try readFile("\(path)/\(AuditLog.name)", limit: 1 << 28)
    let head = try? readFile("\(path)/\(AuditLog.headName)", limit: 4096)
    let (check, entries, _) = AuditLog.check(bytes: bytes, head: head, path: "\(path)/\(AuditLog.name)")
    let changes = History.State.read(entries)
    let committed = try? readFile("\(path)/committed", limit: 64)
    self.init(
      changes: Array(changes.suffix(limit)), count: changes.count,
      version: committed.flatMap { Int(String(decoding: $0, as: UTF8.self).filter { $0 != "\n" }) }, findings: [],
      check: verify ? check : nil)
  }
}
