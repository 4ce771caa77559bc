/// The circuit breaker of one node: a value without I/O or clock. Time is the chain's time, so
/// that a replay, and any block size, trips and closes it at the same events.
///
/// closed: events go through; three failures in a row open it.
/// open: events are dropped until `retryAtNs`; each further opening doubles the wait, up to a minute.
/// half-open: one event goes through; success closes the breaker, failure opens it again.
public struct Breaker: Sendable, Equatable {
  public enum State: UInt8, Sendable { case closed, open, halfOpen }

  public private(set) var state = State.closed
  public private(set) var consecutiveFailures: UInt32 = 0
  public private(set) var trips: UInt32 = 0
  public private(set) var retryAtNs: Int64 = 0
  private var waitNs: Int64 = Breaker.firstWaitNs

  public static let failuresToOpen: UInt32 = 3
  public static let firstWaitNs: Int64 = 1_000_000_000
  public static let longestWaitNs: Int64 = 60_000_000_000

  public init() {}

  /// Whether an event of this time goes through. An open breaker whose wait is over becomes half-open.
  @inline(__always)
  public mutating func admits(_ nowNs: Int64) -> Bool {
    if state == .closed { return true }
    return admitsSlowly(nowNs)
  }

  private mutating func admitsSlowly(_ nowNs: Int64) -> Bool {
    if state == .open, nowNs >= retryAtNs { state = .halfOpen }
    return state == .halfOpen
  }

  /// Returns true when the breaker has just closed again.
  public mutating func succeeded() -> Bool {
    consecutiveFailures = 0
    guard state != .closed else { return false }
    state = .closed
    waitNs = Breaker.firstWaitNs
    return true
  }

  /// Returns true when the breaker has just opened.
  public mutating func failed(_ nowNs: Int64) -> Bool {
    consecutiveFailures &+= 1
    guard state == .halfOpen || consecutiveFailures >= Breaker.failuresToOpen else { return false }
    if state == .halfOpen { waitNs = min(waitNs * 2, Breaker.longestWaitNs) }
    state = .open
    trips &+= 1
    retryAtNs = nowNs &+ waitNs
    return true
  }
}
