import GantryBase

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a state folder keeps of the run that has it now, or had it last: how it ended, and the journal from
/// which what its nodes had learnt can be had again.
public struct LastRun: Codable, Sendable, Equatable {
  public enum State: String, Codable, Sendable {
    /// It goes on, or was killed.
    case running
    /// A later run follows its journal, or was killed while it did.
    case recovering
    case ended
  }

  public var state: State
  /// An absolute path; nil when it kept none.
  public var journal: String?

  public init(state: State, journal: String?) {
    self.state = state
    self.journal = journal
  }

  static let file = "run"

  /// What the folder says; nil when it says nothing that can be read.
  public init?(_ folder: StateFolder) {
    guard let bytes = folder.read(LastRun.file), let kept = try? JSONDecoder().decode(LastRun.self, from: Data(bytes)) else { return nil }
    self = kept
  }

  public func keep(in folder: StateFolder) throws(GantryError) {
    try folder.write(LastRun.file, Array((JSONLine.text(self) + "\n").utf8))
  }
}
