import CGantry
import PluginHarness
import Testing

@testable import GantryRuntime

/// Which orders a broker may have, against an oracle that keeps them in a dictionary.
@Suite struct OpenOrdersTests {
  private struct Known: Equatable {
    var action: UInt8
    var target: UInt64
  }

  @Test func `random orders and executions leave open what a dictionary says is open`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = Seeded(seed)
    let open = OpenOrders()
    var known: [UInt64: Known] = [:]
    var oldestFirst: [UInt64] = []
    for step in 0..<6_000 {
      // Ids that lie close together and far apart, so that the table has runs and wraps.
      let id = 1 + (random.next() % 2 == 0 ? random.next() % 300 : (random.next() % 300) << 40)
      if random.next() % 3 > 0 {
        var order = gantry_order()
        order.order_id = id
        order.action = UInt8(1 + random.next() % 3)
        order.target_id = known.isEmpty ? 1 : known.keys.sorted()[Int(random.next() % UInt64(known.count))]
        let isNew = UInt32(order.action) == GANTRY_ORDER_NEW
        let isKept = isNew || known[order.target_id] != nil
        #expect(open.insert(order) == (!isKept || known[id] == nil))
        if isKept, known[id] == nil {
          known[id] = Known(action: order.action, target: isNew ? 0 : order.target_id)
          oldestFirst.append(id)
        }
      } else {
        var execution = gantry_execution()
        execution.order_id = known.isEmpty || random.next() % 4 == 0 ? id : known.keys.sorted()[Int(random.next() % UInt64(known.count))]
        execution.kind = UInt8(1 + random.next() % 8)
        execution.leaves = random.next() % 2 == 0 ? 0 : 5
        open.saw(execution)
        guard let order = known[execution.order_id] else { continue }
        let kind = UInt32(execution.kind)
        let ends = [GANTRY_EXEC_REJECTED, GANTRY_EXEC_CANCELLED, GANTRY_EXEC_EXPIRED].contains(kind) || kind == GANTRY_EXEC_FILL && execution.leaves == 0
        if UInt32(order.action) != GANTRY_ORDER_NEW || ends { known[execution.order_id] = nil }
        if UInt32(order.action) == GANTRY_ORDER_NEW, ends || kind == GANTRY_EXEC_MODIFIED {
          known = known.filter { $0.value.target != execution.order_id || !ends && UInt32($0.value.action) != GANTRY_ORDER_MODIFY }
        }
      }
      oldestFirst.removeAll { known[$0] == nil }
      guard step % 50 == 0 else { continue }
      let ids = open.inOrder.map(\.order_id)
      guard ids == oldestFirst else {
        Issue.record("step \(step), seed \(seed): \(ids.count) are open and not \(oldestFirst.count)")
        return
      }
    }
  }

  @Test func `more than there is room for is refused, and room comes back`() {
    let open = OpenOrders()
    var order = gantry_order()
    order.action = UInt8(GANTRY_ORDER_NEW)
    for id in 1...UInt64(OpenOrders.usualCapacity) {
      order.order_id = id
      guard open.insert(order) else {
        Issue.record("no room for \(id)")
        return
      }
    }
    order.order_id = 1 << 50
    #expect(open.isFull && !open.insert(order))
    var end = gantry_execution()
    end.order_id = 77
    end.kind = UInt8(GANTRY_EXEC_CANCELLED)
    #expect(open.saw(end) && open.insert(order) && !open.contains(77))
  }

  @Test func `room that is asked for is made, and nothing that was there is lost`() {
    let open = OpenOrders()
    var order = gantry_order()
    order.action = UInt8(GANTRY_ORDER_NEW)
    let ids = (1...UInt64(3 * OpenOrders.usualCapacity)).map { $0 &* 0x9E37_79B9_7F4A_7C15 }
    for id in ids {
      order.order_id = id
      open.reserve(1)
      guard open.insert(order) else {
        Issue.record("no room for \(id)")
        return
      }
    }
    #expect(open.inOrder.map(\.order_id) == ids)
    #expect(ids.allSatisfy { open.contains($0) } && !open.contains(7))
  }
}
