import CGantry
import CLinux
import GantryBase
import Synchronization

/// The host's end of the durable edge into one broker outside: whether orders may pass, and which are open.
///
/// Belongs to the broker's place in the run, whatever instance stands there.
final class DurableBroker: @unchecked Sendable {  // the atomics are for all; the rest is the broker's lane's, or of whoever holds it
  /// The node's number.
  let number: Int32
  /// What was emitted could not be appended to the journal: it must not be sent, nor anything after it.
  let isUnsynced = Atomic<Bool>(false)
  /// The broker has said how things stand, or cannot be asked and nothing is open.
  let isSettled = Atomic<Bool>(false)
  let open = OpenOrders()
  private let edges: DurableEdges
  private(set) var table: UnsafePointer<gantry_reconcile>?
  /// It has said how things stand; orders pass once that is on the disk up to here.
  var toldAt: UInt64?
  /// When the broker is asked again, of the monotonic clock.
  var nextTryNs: Int64 = 0
  var pauseNs: Int64 = 0

  static let firstPauseNs: Int64 = 50_000_000
  static let longestPauseNs: Int64 = 10_000_000_000

  init(number: Int, edges: DurableEdges) {
    self.number = Int32(number)
    self.edges = edges
  }

  /// An instance takes its place: it is asked before any order passes. False when it cannot be asked and
  /// there is something to ask; this edge then lets orders pass, and after a crash the caller closes the gate.
  func begin(with instance: Instance) -> Bool {
    table = instance.capability("gantry.reconcile/1", as: gantry_reconcile.self).flatMap { $0.pointee.reconcile == nil ? nil : $0 }
    nextTryNs = 0
    toldAt = nil
    pauseNs = DurableBroker.firstPauseNs
    isSettled.store(table == nil, ordering: .releasing)
    return table != nil || open.count == 0
  }

  /// Why an order may not pass now; nil when it may, as far as this edge goes. On the broker's lane.
  func refusal(_ order: UnsafePointer<gantry_order>) -> UInt32? {
    if isUnsynced.load(ordering: .acquiring) || edges.hasFailed.load(ordering: .acquiring) { return GANTRY_REASON_NOT_JOURNALED }
    if !isSettled.load(ordering: .acquiring) { return GANTRY_REASON_RECONCILING }
    if open.isFull { return GANTRY_REASON_RISK }
    return nil
  }

  /// The next attempt comes after a pause that grows.
  func askLater() {
    nextTryNs = clinux_monotonic_ns() + pauseNs
    pauseNs = min(pauseNs * 2, DurableBroker.longestPauseNs)
  }
}
