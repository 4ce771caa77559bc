import GantryBase
import GantryGraph

/// What may be asked of cells.
public struct CellLimits: Sendable, Equatable {
  /// How long one call of a lane may take.
  public var deadlineNs: Int64 = 5_000_000_000
  /// How long create, configure, start, stop and the handing over of a state may take.
  public var controlDeadlineNs: Int64 = 60_000_000_000
  /// Address space that the plugin may take beyond its code and the shared areas.
  public var memoryBytes: UInt64 = 2 << 30
  /// CPU time of one child; 0 = no limit. The next child has as much again.
  public var cpuNs: Int64 = 0
  /// The cell is not brought back when it ends.
  var isThrowaway = false
  /// Events between two snapshots of a plugin that has a state.
  public var snapshotEvery = 4096
  public init() {}

  /// These, with what a node's `isolate:` says in their place.
  func with(_ policy: CellPolicy) -> CellLimits {
    var limits = self
    limits.memoryBytes = policy.memoryBytes ?? memoryBytes
    limits.cpuNs = policy.cpuNs ?? cpuNs
    limits.deadlineNs = policy.deadlineNs ?? deadlineNs
    return limits
  }
}

/// How one node's cell is made; the same at each restart.
struct CellRecipe: Sendable {
  var executable: String
  var boot: CellBoot
  var outputs: [PortDescription]
  var limits: CellLimits
}

/// When a cell that has ended is started again: a value without I/O or clock.
///
/// The pause doubles from 20 ms to 30 s and begins anew once a cell has lived for ten seconds. Two
/// restarts in a row that fail with the old state are followed by one without it.
struct CellRestart: Sendable, Equatable {
  enum Manner: Equatable, Sendable {
    /// From the last snapshot and the calls since.
    case withState
    /// As at the start of the run.
    case cold
  }

  static let firstPauseNs: Int64 = 20_000_000
  static let longestPauseNs: Int64 = 30_000_000_000
  static let steadyNs: Int64 = 10_000_000_000
  static let failuresToForget = 2

  private(set) var restarts = 0
  private var pauseNs = CellRestart.firstPauseNs
  private var failedInARow = 0

  /// The cell has ended after having lived for `ns`: how long to wait.
  mutating func ended(afterNs ns: Int64) -> Int64 {
    if ns >= CellRestart.steadyNs { pauseNs = CellRestart.firstPauseNs }
    return takePause()
  }

  /// A restart did not come to its end: how long to wait.
  mutating func failed() -> Int64 {
    failedInARow += 1
    return takePause()
  }

  /// The cell is back.
  mutating func succeeded() {
    failedInARow = 0
    restarts += 1
  }

  var manner: Manner { failedInARow < CellRestart.failuresToForget ? .withState : .cold }

  private mutating func takePause() -> Int64 {
    defer { pauseNs = min(pauseNs * 2, CellRestart.longestPauseNs) }
    return pauseNs
  }
}
