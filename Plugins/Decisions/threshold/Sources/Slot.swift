import CGantry
import GantrySDK

/// What is fixed for one instrument.
struct Rule: BitwiseCopyable {
  var terms: InstrumentTerms
  /// Size of a full position in quantity units.
  var quantity: Int64
  var isTraded: Bool
}

/// What one instrument remembers. The saved state is this layout, and `threshold-c` shares it:
/// eight bytes a field.
struct Slot: BitwiseCopyable {
  /// -1 short, 0 flat, 1 long: what the last prediction asked for.
  var wish: Int64 = 0
  /// What the fills of this node's orders made.
  var position: Int64 = 0
  /// Where the position is when the wish is fulfilled, and nothing is in flight; else unequal to
  /// `position`. Kept so that the usual case is one comparison.
  var goal: Int64 = 0
  /// Signed, what the order in flight may still fill.
  var inFlight: Int64 = 0
  /// 0 = none in flight.
  var orderID: UInt64 = 0
  /// The cancel that was sent for it, 0 = none.
  var cancelID: UInt64 = 0
  var sentNs: Int64 = Int64.min
  /// No new order before this moment.
  var notBeforeNs: Int64 = Int64.min
  var bid = 0.0
  var ask = 0.0

  @inline(__always)
  var isSettled: Bool { orderID == 0 && position == goal }

  /// Takes what a broker or a risk node says of an order. What is said of others' orders is ignored.
  mutating func take(_ execution: UnsafePointer<gantry_execution>, retryAfterNs: Int64) throws(Failure) {
    let id = execution.pointee.order_id
    if id == 0 { return }
    let kind = UInt32(execution.pointee.kind)
    if id == cancelID {
      // The cancel was refused: the order was filled, or works on and may be cancelled again.
      if kind == GANTRY_EXEC_REJECTED { cancelID = 0 }
      return
    }
    guard id == orderID else { return }
    switch kind {
    case GANTRY_EXEC_FILL:
      let isBuy = inFlight > 0
      position = isBuy ? try Exact.add(position, execution.pointee.quantity) : try Exact.subtract(position, execution.pointee.quantity)
      setLeaves(execution.pointee.leaves, isBuy: isBuy)
    case GANTRY_EXEC_MODIFIED:
      setLeaves(execution.pointee.leaves, isBuy: inFlight > 0)
    case GANTRY_EXEC_REJECTED, GANTRY_EXEC_CANCELLED:
      setLeaves(0, isBuy: false)
      if execution.pointee.reason != GANTRY_REASON_REQUESTED {
        notBeforeNs = Slot.later(execution.pointee.header.receive_ns, by: retryAfterNs)
      }
    case GANTRY_EXEC_EXPIRED:
      setLeaves(0, isBuy: false)
    default:
      break
    }
  }

  private mutating func setLeaves(_ leaves: Int64, isBuy: Bool) {
    if leaves > 0 {
      inFlight = isBuy ? leaves : 0 - leaves
    } else {
      inFlight = 0
      orderID = 0
      cancelID = 0
    }
  }

  static func later(_ time: Int64, by duration: Int64) -> Int64 {
    let (sum, overflow) = time.addingReportingOverflow(duration)
    return overflow ? Int64.max : sum
  }
}
