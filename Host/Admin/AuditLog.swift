import CLinux
import GantryBase
import GantryLoader
import Glibc
import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The append-only audit log of a state folder: lines of JSON, each with the SHA-256 of the line
/// before it, synced to the disk before the call returns where that is asked for.
///
/// Read and checked when it is opened. A log whose chain is broken is put aside under another name
/// and the new one begins by saying so, with the old one's hash; a last line that a crash has torn
/// is cut off, and that is said as well. What it says is not kept in memory. Any thread.
public final class AuditLog: Sendable {
  private struct State {
    var descriptor: Int32 = -1
    var count: UInt64 = 0
    var last = AuditEntry.firstPrevious
    var failure: GantryError?
  }

  static let name = "audit.log"
  static let headName = "audit.head"

  private let state: Mutex<State>
  private let folder: StateFolder?
  /// What opening it has found, when that was not in order.
  public let findings: [Diagnostic]

  /// - Parameters:
  ///   - folder: nil keeps nothing
  ///   - take: told of each entry that is there, oldest first
  init(_ folder: StateFolder?, take: (AuditEntry) -> Void = { _ in }) throws(GantryError) {
    self.folder = folder
    guard let folder else {
      state = Mutex(State())
      findings = []
      return
    }
    let path = "\(folder.path)/\(Self.name)"
    var (check, entries, last) = Self.check(folder)
    var findings: [Diagnostic] = []
    var notes: [AuditEntry] = []
    if let problem = check.problem {
      let aside = "\(Self.name).broken-\(clinux_wall_ns())"
      let hash = FileBytes.sha256(folder.read(Self.name) ?? [])
      guard rename(path, "\(folder.path)/\(aside)") == 0 else { throw StateFolder.failure("cannot put \(path) aside") }
      try folder.remove(Self.headName)
      findings.append(
        Diagnostic(
          .warning, "audit.broken", "\(path): \(problem)",
          help: ["it was put aside as \(aside), and a new log has begun; find out who changed it"]))
      notes.append(AuditEntry(.mended, about: aside, detail: "\(problem); SHA-256 \(hash)"))
      // Ids of changes are never used twice: the next one is above those that could be read.
      notes[0].change = entries.last { $0.change != nil }?.change
      entries = []
      last = AuditEntry.firstPrevious
    } else if check.tornBytes > 0 {
      let size = (folder.read(Self.name)?.count ?? 0) - check.tornBytes
      guard truncate(path, size) == 0 else { throw StateFolder.failure("cannot cut \(path)") }
      findings.append(Diagnostic(.warning, "audit.torn", "\(path): the last line was not finished; \(check.tornBytes) bytes of it were cut off"))
      notes.append(AuditEntry(.mended, detail: "\(check.tornBytes) bytes of an unfinished line were cut off"))
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw StateFolder.failure("cannot open \(path)") }
    self.findings = findings
    state = Mutex(State(descriptor: descriptor, count: UInt64(entries.count), last: last))
    for entry in entries { take(entry) }
    for note in notes { take(try append(note)) }
  }

  deinit {
    let descriptor = state.withLock { $0.descriptor }
    if descriptor >= 0 { close(descriptor) }
  }

  /// All of them, read from the disk, oldest first; none without a folder.
  public var entries: [AuditEntry] {
    guard let folder else { return [] }
    // While nobody writes.
    return state.withLock { _ in Self.check(folder).entries }
  }

  /// Writes one entry, whose number, time and chain are set here.
  ///
  /// - Parameter isSynced: it is on the disk when this returns
  @discardableResult
  func append(_ given: AuditEntry, isSynced: Bool = true) throws(GantryError) -> AuditEntry {
    try state.withLock { state throws(GantryError) in
      var entry = given
      entry.number = state.count + 1
      entry.wallNs = clinux_wall_ns()
      entry.previous = state.last
      let line = Array(entry.line.utf8)
      if let folder {
        // After a line that may stand there in part nothing more is written.
        if let failure = state.failure { throw failure }
        guard StateFolder.writeAll(state.descriptor, line + [0x0A]), !isSynced || fdatasync(state.descriptor) == 0 else {
          let failure = StateFolder.failure("cannot write \(folder.path)/\(Self.name)")
          state.failure = failure
          throw failure
        }
      }
      state.count = entry.number
      state.last = FileBytes.sha256(line)
      if isSynced, let folder {
        let head = AuditCheck.Head(entries: entry.number, sha256: state.last)
        try folder.write(Self.headName, Array((JSONLine.text(head) + "\n").utf8))
      }
      return entry
    }
  }

  /// Reads the log of a folder again, from the disk.
  func check() -> AuditCheck? {
    guard let folder else { return nil }
    // While nobody writes.
    return state.withLock { _ in Self.check(folder).check }
  }

  private static func check(_ folder: StateFolder) -> (check: AuditCheck, entries: [AuditEntry], last: String) {
    check(bytes: folder.read(name) ?? [], head: folder.read(headName), path: "\(folder.path)/\(name)")
  }

  static func check(bytes: [UInt8], head: [UInt8]?, path: String) -> (check: AuditCheck, entries: [AuditEntry], last: String) {
    AuditCheck.read(bytes, head: head.flatMap { try? JSONDecoder().decode(AuditCheck.Head.self, from: Data($0)) }, path: path)
  }
}
