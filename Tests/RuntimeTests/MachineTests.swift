import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Testing

/// The value types a lane decides with.
struct BreakerTests {
  @Test func `a closed breaker opens at the third failure in a row`() {
    var breaker = Breaker()
    let opened = [breaker.failed(10), breaker.failed(20)]
    #expect(opened == [false, false])
    let closed = breaker.succeeded()
    #expect(!closed)
    let again = [breaker.failed(30), breaker.failed(40), breaker.failed(50)]
    #expect(again == [false, false, true])
    #expect(breaker.state == .open)
    #expect(breaker.retryAtNs == 50 + Breaker.firstWaitNs)
    #expect(breaker.trips == 1)
  }

  @Test func `an open breaker lets one event through after its wait`() {
    var breaker = Breaker()
    for time in 0..<3 { _ = breaker.failed(Int64(time)) }
    let before = breaker.admits(breaker.retryAtNs - 1)
    #expect(!before)
    #expect(breaker.state == .open)
    let after = breaker.admits(breaker.retryAtNs)
    #expect(after)
    #expect(breaker.state == .halfOpen)
    let closed = breaker.succeeded()
    #expect(closed)
    #expect(breaker.state == .closed)
    #expect(breaker.consecutiveFailures == 0)
  }

  @Test func `each failure in the half-open state doubles the wait, up to a minute`() {
    var breaker = Breaker()
    for time in 0..<3 { _ = breaker.failed(Int64(time)) }
    var waits: [Int64] = []
    for _ in 0..<8 {
      let now = breaker.retryAtNs
      _ = breaker.admits(now)
      _ = breaker.failed(now)
      waits.append((breaker.retryAtNs - now) / 1_000_000_000)
    }
    #expect(waits == [2, 4, 8, 16, 32, 60, 60, 60])
    _ = breaker.admits(breaker.retryAtNs)
    _ = breaker.succeeded()
    for _ in 0..<3 { _ = breaker.failed(0) }
    #expect(breaker.retryAtNs == Breaker.firstWaitNs)
  }
}

struct TimerHeapTests {
  @Test(arguments: Seeded.seeds(5))
  func `the heap fires what a sorted list would`(seed: UInt64) {
    var random = Seeded(seed)
    var heap = TimerHeap(nodes: 4)
    defer { heap.deallocate() }
    var list: [(due: Int64, order: Int, tag: UInt64, slot: Int32)] = []
    for order in 0..<4000 {
      let slot = Int32.random(in: 0..<4, using: &random)
      let tag = UInt64.random(in: 0..<80, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<6:
        let due = Int64.random(in: 0..<500, using: &random)
        let isMove = list.contains { $0.slot == slot && $0.tag == tag }
        let expected = isMove || list.count { $0.slot == slot } < TimerHeap.perNode
        list.removeAll { $0.slot == slot && $0.tag == tag }
        if expected { list.append((due, order, tag, slot)) }
        #expect(heap.set(slot: slot, tag: tag, dueNs: due) == expected, "seed \(seed)")
      case 6, 7:
        let expected = list.contains { $0.slot == slot && $0.tag == tag }
        list.removeAll { $0.slot == slot && $0.tag == tag }
        #expect(heap.cancel(slot: slot, tag: tag) == expected, "seed \(seed)")
      default:
        let now = Int64.random(in: 0..<500, using: &random)
        list.sort { ($0.due, $0.order) < ($1.due, $1.order) }
        let entry = heap.popDue(now)
        let first = list.first.flatMap { $0.due <= now ? $0 : nil }
        if first != nil { list.removeFirst() }
        #expect(entry?.tag == first?.tag && entry?.slot == first?.slot && entry?.dueNs == first?.due, "seed \(seed)")
      }
      #expect(heap.count == list.count, "seed \(seed)")
      #expect(heap.nextDueNs == list.map(\.due).min() ?? .max, "seed \(seed)")
    }
  }
}

struct RandomStateTests {
  @Test func `the sequence is xoshiro256** seeded by splitmix64`() {
    var state = RandomState(seed: 42)
    let first = (0..<5).map { _ in state.next() }
    #expect(first == [0x15780B2E0C2EC716, 0x6104D9866D113A7E, 0xAE17533239E499A1, 0xECB8AD4703B360A1, 0xFDE6DC7FE2EC5E64])
  }

  @Test func `equal seeds give equal sequences, others do not`() {
    var a = RandomState(seed: 7)
    var b = RandomState(seed: 7)
    var c = RandomState(seed: 8)
    let (x, y, z) = ((0..<100).map { _ in a.next() }, (0..<100).map { _ in b.next() }, (0..<100).map { _ in c.next() })
    #expect(x == y)
    #expect(Set(x).isDisjoint(with: z))
  }
}

struct OrderGateTests {
  private func order(_ id: UInt64, action: UInt32 = GANTRY_ORDER_NEW, flags: UInt32 = 0) -> gantry_order {
    var order = gantry_order()
    order.order_id = id
    order.action = UInt8(action)
    order.flags = flags
    order.quantity = 1
    return order
  }

  private func check(_ gate: OrderGate, _ order: gantry_order) -> UInt32? { withUnsafePointer(to: order) { gate.check($0) } }

  @Test func `a halt closes the gate for all but cancels and orders that only reduce`() {
    let gate = OrderGate(riskNodes: [])
    #expect(check(gate, order(1)) == nil)
    gate.halt(true)
    #expect(check(gate, order(2)) == GANTRY_REASON_HALTED)
    #expect(check(gate, order(3, action: GANTRY_ORDER_MODIFY)) == GANTRY_REASON_HALTED)
    #expect(check(gate, order(4, action: GANTRY_ORDER_CANCEL)) == nil)
    #expect(check(gate, order(5, flags: GANTRY_ORDER_REDUCE_ONLY)) == nil)
    gate.halt(false)
    #expect(check(gate, order(6)) == nil)
    #expect(gate.orders == 4)
    #expect(gate.refused == 2)
  }

  @Test func `the gate is closed while a risk node is ill, however often it is reported`() {
    let gate = OrderGate(riskNodes: [2, 5])
    gate.riskIsClosed(node: 1, true)
    #expect(check(gate, order(1)) == nil)
    gate.riskIsClosed(node: 2, true)
    gate.riskIsClosed(node: 2, true)
    gate.riskIsClosed(node: 5, true)
    #expect(check(gate, order(2)) == GANTRY_REASON_RISK)
    #expect(check(gate, order(3, action: GANTRY_ORDER_CANCEL)) == nil)
    gate.riskIsClosed(node: 5, false)
    #expect(check(gate, order(4)) == GANTRY_REASON_RISK)
    gate.riskIsClosed(node: 2, false)
    #expect(check(gate, order(5)) == nil)
    gate.riskIsClosed(node: 2, false)
    gate.riskIsClosed(node: 2, true)
    #expect(check(gate, order(6)) == GANTRY_REASON_RISK)
  }

  @Test func `the gate of a replay refuses what the journal says and nothing else`() {
    let gate = OrderGate(riskNodes: [1], script: [7: GANTRY_REASON_HALTED])
    gate.halt(true)
    gate.riskIsClosed(node: 1, true)
    #expect(check(gate, order(6)) == nil)
    #expect(check(gate, order(7)) == GANTRY_REASON_HALTED)
  }

  @Test func `the hash of the orders tells runs apart by what is in them and by their order`() {
    func hash(_ orders: [gantry_order]) -> String {
      let gate = OrderGate(riskNodes: [])
      for order in orders { _ = check(gate, order) }
      return gate.orderHash
    }
    var other = order(2)
    other.price = 1
    let hashes = [hash([]), hash([order(1)]), hash([order(1), order(2)]), hash([order(2), order(1)]), hash([order(1), other])]
    #expect(Set(hashes).count == hashes.count)
    #expect(hash([order(1), order(2)]) == hashes[2])
    #expect(hashes.allSatisfy { $0.count == 32 })
  }
}

struct BlockPlanTests {
  @Test func `nodes upstream of all feedback, timers and brokers get blocks`() throws {
    let graph = try Bench.load(
      Bench.yaml(
        """
        s: { plugin: beat }
        up: { plugin: fan, from: s }
        side: { plugin: fan, from: up }
        single: { plugin: fan-single, from: s }
        after: { plugin: fan, from: [single, up] }
        alarm: { plugin: alarm, from: s }
        decide: { plugin: decider, from: [up, broker.executions~] }
        broker: { plugin: paper, from: [s, decide] }
        """)
    ).graph
    let single = BlockPlan.singles(graph)
    #expect(graph.nodes.indices.filter { !single[$0] }.map { graph.nodes[$0].name } == ["s", "up", "side"])
  }

  @Test func `a sink with a queue has a lane of its own`() throws {
    let graph = try Bench.load(
      Bench.yaml(
        """
        s: { plugin: beat }
        a: { plugin: fan, from: s }
        far: { plugin: fan, from: a, lane: other, queue: { size: 8 } }
        notify: { plugin: log, from: [a], queue: { size: 8, when_full: drop_oldest } }
        """)
    ).graph
    let lanes = BlockPlan.lanes(graph)
    #expect(lanes.names == ["main", "other", "notify"])
    #expect(lanes.of == [0, 0, 1, 2])
  }
}
