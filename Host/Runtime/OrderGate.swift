import CGantry
import GantryBase
import Synchronization

/// The host's own check on every edge into a broker, and its count of what passed.
///
/// Closed by `halt` and while a risk node in front is quarantined; cancels and reduce-only orders
/// pass even then. `halt` may be called from any thread and takes effect within one event; the
/// rest belongs to the lane that runs the broker.
final class OrderGate: @unchecked Sendable {  // the atomic is for all; the counters are the lane's
  private let halted = Atomic<Bool>(false)
  private struct Risk {
    /// Numbers of risk nodes that stand in front of a broker.
    var nodes: Set<Int32>
    /// Those of them that are quarantined now.
    var ill: Set<Int32> = []
  }
  private let risk: Mutex<Risk>
  /// How many of them are quarantined now.
  private let illCount = Atomic<Int>(0)
  /// When a journal is followed: the orders that were refused then, and why. Nothing else is.
  private var script: [UInt64: UInt32]?

  private(set) var orders: UInt64 = 0
  private(set) var refused: UInt64 = 0
  private(set) var fills: UInt64 = 0
  private(set) var rejections: UInt64 = 0
  private(set) var lastAccount = gantry_account()
  private(set) var hasAccount = false
  private var hash = OrderHash()
  /// Signed, by instrument; the lane's.
  private let positions: UnsafeMutablePointer<Int64>
  private let instruments: Int
  private var workingOrders = 0
  private var openPositions = 0
  /// Orders refused here whose rejection has not been seen yet: they never worked.
  private var refusalsUnseen = 0
  /// The sum of both, for other threads.
  private let exposure = Atomic<Int>(0)

  init(riskNodes: [Int32], instruments: Int = 0, script: [UInt64: UInt32]? = nil) {
    risk = Mutex(Risk(nodes: Set(riskNodes)))
    self.script = script
    self.instruments = instruments + 1
    positions = .allocate(capacity: instruments + 1)
    positions.initialize(repeating: 0, count: instruments + 1)
  }

  deinit { positions.deallocate() }

  /// No open position and no working order, as far as the brokers have said. Any thread.
  var isFlat: Bool { exposure.load(ordering: .acquiring) == 0 }

  /// The risk nodes of a changed graph; `fresh` ones have new instances, which are not ill.
  func take(riskNodes: [Int32], fresh: Set<Int32>) {
    risk.withLock { risk in
      risk.nodes = Set(riskNodes)
      risk.ill = risk.ill.intersection(risk.nodes).subtracting(fresh)
      illCount.store(risk.ill.count, ordering: .releasing)
    }
  }

  /// The journal has ended: the gate decides by itself. While the lanes stand.
  func goOn() { script = nil }

  func halt(_ on: Bool) { halted.store(on, ordering: .releasing) }
  var isHalted: Bool { halted.load(ordering: .acquiring) }

  /// Numbers of risk nodes that are quarantined now, in order.
  var illRiskNodes: [Int32] { risk.withLock { $0.ill.sorted() } }

  /// A lane reports that a node's breaker opened, or opened again, or closed.
  func riskIsClosed(node: Int32, _ closed: Bool) {
    risk.withLock { risk in
      guard risk.nodes.contains(node) else { return }
      if closed { risk.ill.insert(node) } else { risk.ill.remove(node) }
      illCount.store(risk.ill.count, ordering: .releasing)
    }
  }

  /// Nil when the order may pass, otherwise the reason for its rejection.
  ///
  /// - Parameter isMuted: while a journal is followed, the broker is outside and hears of nothing
  func check(_ order: UnsafePointer<gantry_order>, isMuted: Bool = false) -> UInt32? {
    if let script {
      if let reason = script[order.pointee.order_id] {
        refused += 1
        refusalsUnseen += 1
        return reason
      }
      count(order, works: !isMuted)
      return nil
    }
    if !halted.load(ordering: .relaxed), illCount.load(ordering: .relaxed) == 0 {
      count(order)
      return nil
    }
    let passes =
      UInt32(order.pointee.action) == GANTRY_ORDER_CANCEL || order.pointee.flags & GANTRY_ORDER_REDUCE_ONLY != 0
    guard passes else {
      refused += 1
      refusalsUnseen += 1
      return halted.load(ordering: .relaxed) ? GANTRY_REASON_HALTED : GANTRY_REASON_RISK
    }
    count(order)
    return nil
  }

  /// An order was refused elsewhere, before the gate was asked.
  func refuse() {
    refused += 1
    refusalsUnseen += 1
  }

  /// Orders of an earlier run work at a broker.
  func inherit(_ orders: Int) {
    workingOrders += orders
    exposure.store(workingOrders + openPositions, ordering: .releasing)
  }

  private func count(_ order: UnsafePointer<gantry_order>, works: Bool = true) {
    orders += 1
    hash.add(order)
    if works, UInt32(order.pointee.action) == GANTRY_ORDER_NEW {
      workingOrders += 1
      exposure.store(workingOrders + openPositions, ordering: .releasing)
    }
  }

  func sawExecutions(_ rows: UnsafeRawPointer, _ count: Int, _ stride: Int) {
    for index in 0..<count {
      let execution = (rows + index * stride).assumingMemoryBound(to: gantry_execution.self)
      let kind = UInt32(execution.pointee.kind)
      if kind == GANTRY_EXEC_REJECTED { rejections += 1 }
      if kind == GANTRY_EXEC_FILL { fills += 1 }
      if kind == GANTRY_EXEC_FILL || kind == GANTRY_EXEC_POSITION {
        let place = min(Int(execution.pointee.header.instrument), instruments - 1)
        openPositions += (execution.pointee.position != 0 ? 1 : 0) - (positions[place] != 0 ? 1 : 0)
        positions[place] = execution.pointee.position
      }
      let isDone =
        kind == GANTRY_EXEC_FILL && execution.pointee.leaves == 0 || kind == GANTRY_EXEC_REJECTED || kind == GANTRY_EXEC_CANCELLED
        || kind == GANTRY_EXEC_EXPIRED
      if kind == GANTRY_EXEC_REJECTED, refusalsUnseen > 0 {
        refusalsUnseen -= 1
      } else if isDone, workingOrders > 0 {
        workingOrders -= 1
      }
      exposure.store(workingOrders + openPositions, ordering: .releasing)
    }
  }

  func sawAccount(_ row: UnsafeRawPointer) {
    lastAccount = row.load(as: gantry_account.self)
    hasAccount = true
  }

  /// A hash of all orders that passed, in order: equal for equal runs.
  var orderHash: String { hash.text }
}

/// FNV-1a over the decisive fields of each order, twice with different offsets: 128 bits. It tells
/// runs apart; it is no protection against somebody who wants two runs to look alike.
struct OrderHash {
  private var low: UInt64 = 0xCBF2_9CE4_8422_2325
  private var high: UInt64 = 0x6C62_272E_07BB_0142

  private mutating func mix(_ value: UInt64) {
    low = (low ^ value) &* 0x0000_0100_0000_01B3
    low ^= low >> 29
    high = (high ^ (value &+ 0x9E37_79B9_7F4A_7C15)) &* 0x0000_0100_0000_01B3
    high ^= high >> 31
  }

  mutating func add(_ order: UnsafePointer<gantry_order>) {
    let value = order.pointee
    mix(UInt64(bitPattern: value.header.event_ns))
    mix(UInt64(value.header.instrument))
    mix(value.order_id)
    mix(value.target_id)
    mix(UInt64(bitPattern: value.quantity))
    mix(UInt64(bitPattern: value.price))
    mix(UInt64(bitPattern: value.stop_price))
    mix(UInt64(bitPattern: value.expire_ns))
    mix(
      UInt64(value.action) | UInt64(value.side) << 8 | UInt64(value.order_type) << 16
        | UInt64(value.time_in_force) << 24 | UInt64(value.flags) << 32)
  }

  var text: String { hex(high) + hex(low) }
}
