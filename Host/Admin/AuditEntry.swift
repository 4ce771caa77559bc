import GantryBase
import GantryLoader

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One line of the audit log: what was asked or what became of it, by whom, when.
public struct AuditEntry: Codable, Sendable, Equatable {
  public enum Event: String, Codable, Sendable {
    /// The host began to run, or ended.
    case started, stopped
    /// A change began, took a step, ended.
    case began, step, ended
    /// The log itself had to be mended.
    case mended
  }

  /// 1, 2, 3 ...
  public var number: UInt64
  public var wallNs: Int64
  public var event: Event
  /// Of the change, `c1`, `c2` ...
  public var change: String?
  public var verb: String?
  /// A node, a file, a level.
  public var about: String?
  public var by: String?
  public var detail: String?
  public var outcome: String?
  /// The version of the graph that was committed with it.
  public var version: Int?
  /// SHA-256 of the line before, without its end; of the first line, 64 zeros.
  public var previous: String = ""

  enum CodingKeys: String, CodingKey {
    case event, change, verb, about, by, detail, outcome, version, previous
    case number = "n"
    case wallNs = "wall_ns"
  }

  static let firstPrevious = String(repeating: "0", count: 64)

  init(_ event: Event, change: String? = nil, verb: String? = nil, about: String? = nil, by: String? = nil, detail: String? = nil, outcome: String? = nil, version: Int? = nil) {
    number = 0
    wallNs = 0
    self.event = event
    self.change = change
    self.verb = verb
    self.about = about
    self.by = by
    self.detail = detail
    self.outcome = outcome
    self.version = version
  }

  var line: String { JSONLine.text(self) }
}

/// What reading an audit log has found.
public struct AuditCheck: Codable, Sendable, Equatable {
  public var path: String
  public var entries: UInt64
  /// Nil when every entry follows from the one before it and the last is the last that was written.
  public var problem: String?
  /// Bytes of a last line that was not finished.
  public var tornBytes: Int

  enum CodingKeys: String, CodingKey {
    case path, entries, problem
    case tornBytes = "torn_bytes"
  }
}

extension AuditCheck {
  /// How far the log had been written, kept beside it: what is missing at the end is missed.
  struct Head: Codable, Equatable {
    var entries: UInt64
    var sha256: String
  }

  /// Reads a log's bytes. Pure.
  ///
  /// - Returns: the check, the entries up to the first problem, and the hash of the last of them
  static func read(_ bytes: [UInt8], head: Head?, path: String) -> (check: AuditCheck, entries: [AuditEntry], last: String) {
    var check = AuditCheck(path: path, entries: 0, problem: nil, tornBytes: 0)
    var entries: [AuditEntry] = []
    var last = AuditEntry.firstPrevious
    var headHash: String?
    var start = 0
    while start < bytes.count {
      guard let end = bytes[start...].firstIndex(of: 0x0A) else {
        check.tornBytes = bytes.count - start
        break
      }
      let line = Array(bytes[start..<end])
      let number = entries.count + 1
      guard let entry = try? JSONDecoder().decode(AuditEntry.self, from: Data(line)) else {
        check.problem = "line \(number) is no entry"
        break
      }
      guard entry.previous == last, entry.number == UInt64(number) else {
        check.problem = "line \(number) does not follow from the line before it: one of them was changed, taken out or put in"
        break
      }
      entries.append(entry)
      last = FileBytes.sha256(line)
      if head?.entries == UInt64(number) { headHash = last }
      start = end + 1
    }
    check.entries = UInt64(entries.count)
    // The head is written after its entry: a host that died in between is one behind.
    if check.problem == nil, let head {
      if head.entries > check.entries {
        check.problem = "\(head.entries) entries were written and \(check.entries) are there"
      } else if head.entries > 0, headHash != head.sha256 {
        check.problem = "line \(head.entries) is not the one that was written"
      }
    }
    return (check, entries, last)
  }
}
