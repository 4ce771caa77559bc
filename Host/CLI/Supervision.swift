import GantryBase
import GantryRuntime

/// What a supervisor does when the host it watches has ended: a value without I/O or clock.
///
/// A host that ends by itself is not started again, whatever its exit code. One that crashed or hung is,
/// after a pause that doubles from one second to a minute, with the node that it crashed in put into a
/// cell. After the second crash in a row orders are halted. After a first one the host itself knows whether
/// they may pass: it goes on behind its journal and asks the brokers, or begins anew and halts them.
struct Supervision: Equatable {
  enum Ending: Equatable {
    case exited(Int32)
    case signalled(Int32)
  }

  enum Decision: Equatable {
    case end(Int32)
    case restart(pauseNs: Int64, halt: String?)
  }

  static let firstPauseNs: Int64 = 1_000_000_000
  static let longestPauseNs: Int64 = 60_000_000_000
  /// A host that ran for so long is taken to be well: its crash is a first one again.
  static let steadyNs: Int64 = 600_000_000_000
  static let crashesToHalt = 2

  /// Nodes that crashed, and run in cells from then on.
  private(set) var cells: [String] = []
  private(set) var crashesInARow = 0
  private(set) var crashes = 0

  mutating func ended(_ ending: Ending, afterNs: Int64, record: CrashRecord.Report?, stopAsked: Bool) -> Decision {
    let code: Int32
    switch ending {
    case .exited(let own):
      let hung = own == ExitCode.bug.rawValue && record?.what == "hang"
      if stopAsked || !hung { return .end(own) }
      code = own
    case .signalled(let signal):
      if stopAsked { return .end(128 + signal) }
      code = 128 + signal
    }
    _ = code
    if afterNs >= Supervision.steadyNs { crashesInARow = 0 }
    crashesInARow += 1
    crashes += 1
    if let node = record?.node, !cells.contains(node) { cells.append(node) }
    var pauseNs = Supervision.firstPauseNs
    for _ in 1..<max(crashesInARow, 1) where pauseNs < Supervision.longestPauseNs { pauseNs *= 2 }
    return .restart(pauseNs: min(pauseNs, Supervision.longestPauseNs), halt: haltReason(record))
  }

  private func haltReason(_ record: CrashRecord.Report?) -> String? {
    guard crashesInARow >= Supervision.crashesToHalt else { return nil }
    return "\(crashesInARow) crashes in a row, the last: \(record.map(\.text) ?? "it left no record")"
  }
}
