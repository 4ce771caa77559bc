import CGantry
import GantryBase
import Synchronization

/// The orders that a lane writes for one broker outside while the journal of a killed run is followed.
///
/// As many as the journal says were on their way are accounted for there. What the lane writes beyond them
/// was never sent: the host was killed before their records were on the disk.
final class FollowedOrders: @unchecked Sendable {  // the lane's; whoever has parked it may look
  let broker: Int32
  private var left: Int
  private(set) var unsent: [gantry_order] = []

  init(broker: Int32, journaled: Int) {
    self.broker = broker
    left = journaled
  }

  func emitted(_ rows: UnsafeRawPointer, _ count: Int, stride: Int) {
    let known = min(left, count)
    left -= known
    for row in known..<count { unsent.append((rows + row * stride).loadUnaligned(as: gantry_order.self)) }
  }
}

/// Those of a run, by lane and broker; the same for every graph that the journal tells of.
final class FollowedEdges: Sendable {
  private let journaled: [OrderHistory.Way: Int]
  private let edges = Mutex<[OrderHistory.Way: FollowedOrders]>([:])

  init(_ journaled: [OrderHistory.Way: Int]) { self.journaled = journaled }

  func orders(lane: Int, broker: Int) -> FollowedOrders {
    edges.withLock {
      let way = OrderHistory.Way(lane: lane, broker: broker)
      if let orders = $0[way] { return orders }
      let orders = FollowedOrders(broker: Int32(broker), journaled: journaled[way] ?? 0)
      $0[way] = orders
      return orders
    }
  }

  /// By broker's number: what was never sent, and nodes wait for an answer to. While the lanes are parked.
  var unsent: [Int: [gantry_order]] {
    edges.withLock { $0.sorted { $0.key.lane < $1.key.lane }.reduce(into: [:]) { $0[$1.key.broker, default: []] += $1.value.unsent } }
  }
}
