/// When files that are being changed have come to rest: a value without I/O or clock.
///
/// A change counts once nothing has happened for the settle time and no file is still being
/// written: a file that was written to and not yet closed may be half of what it is to be.
public struct Settling: Sendable {
  public enum Note: Sendable { case writing, changed }

  private let settleNs: Int64
  /// Files that were written to since they were last closed.
  private var writing: Set<String> = []
  private var changed: Set<String> = []
  private var lastNs = Int64.min

  /// A file that is written for longer is taken as it is: its writer may never close it.
  public static let patienceNs: Int64 = 60_000_000_000

  public init(settleNs: Int64) { self.settleNs = settleNs }

  public mutating func note(_ note: Note, _ file: String, nowNs: Int64) {
    changed.insert(file)
    if note == .writing { writing.insert(file) } else { writing.remove(file) }
    lastNs = nowNs
  }

  /// When to ask `take` again; nil when nothing has changed.
  public var dueNs: Int64? {
    changed.isEmpty ? nil : lastNs + (writing.isEmpty ? settleNs : max(settleNs, Self.patienceNs))
  }

  /// The files that have changed and come to rest, once.
  public mutating func take(nowNs: Int64) -> [String] {
    guard let dueNs, nowNs >= dueNs else { return [] }
    defer {
      changed = []
      writing = []
    }
    return changed.sorted()
  }
}
