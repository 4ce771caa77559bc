import CGantry
import PluginHarness
import Testing

/// splitmix64: the same numbers from the same seed everywhere.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }
}

/// A broker that fills what it has in any order, in any part, and never lets a reduce-only order
/// pass zero; and a decision that asks for anything.
struct WildMarket {
  struct Open {
    var order: gantry_order
    var filled: Int64 = 0
    var change: gantry_order?
    var leaves: Int64 { order.quantity - filled }
  }

  static let maxPosition: Int64 = 100
  static let maxOrder: Int64 = 60
  static let maxOpen = 6
  static let ordersPerSecond = 5

  var random: SeededNumbers
  var limits: LimitsDriver
  var open: [Open] = []
  var position: Int64 = 0
  var passedTimes: [Int64] = []
  var faults: [String] = []
  var passed = 0
  var refused = 0
  private var movesState: Bool

  static let parameters: [String: ParameterText] = [
    "max_position": 100, "max_order": 60, "max_open_orders": 6, "orders_per_second": 5, "allow_reduce": false,
  ]

  init(seed: UInt64, movesState: Bool) throws {
    random = SeededNumbers(seed: seed)
    limits = try LimitsDriver(Self.parameters)
    self.movesState = movesState
  }

  mutating func step() throws {
    limits.now += Int64.random(in: 0...400, using: &random) * 1_000_000
    switch Int.random(in: 0..<10, using: &random) {
    case 0..<4: try place()
    case 4: try change()
    case 5: try cancel()
    case 6 where movesState: try move()
    default: try answer()
    }
    check()
  }

  private mutating func place() throws {
    let order = limits.order(
      UInt32.random(in: 1...2, using: &random), Int64.random(in: 1...70, using: &random), flags: random.chance(0.25) ? reduceOnly : 0)
    guard try note(limits.send(order)) else { return }
    open.append(Open(order: order))
    if order.quantity > Self.maxOrder { faults.append("an order of \(order.quantity) passed") }
  }

  private mutating func change() throws {
    guard let index = open.indices.randomElement(using: &random) else { return }
    let change = limits.change(open[index].order, to: Int64.random(in: 1...70, using: &random))
    guard try note(limits.send(change)) else { return }
    if open[index].change != nil { faults.append("a second change passed while one was on its way") }
    open[index].change = change
  }

  private mutating func cancel() throws {
    guard let index = open.indices.randomElement(using: &random) else { return }
    let passed = try limits.passes(limits.cancel(open[index].order))
    if !passed { faults.append("a cancel did not pass") }
  }

  private mutating func note(_ outputs: [HarnessOutput]) throws -> Bool {
    let isPassed = !outputs.passed.isEmpty
    if isPassed == (outputs.rejects.count == 1 && outputs.alerts.count == 1) { faults.append("an order left neither or both ways") }
    if isPassed { passedTimes.append(limits.now) }
    passed += isPassed ? 1 : 0
    refused += isPassed ? 0 : 1
    return isPassed
  }

  /// The broker does something with one of its orders.
  private mutating func answer() throws {
    guard let index = open.indices.randomElement(using: &random) else { return }
    let item = open[index]
    let order = item.order
    switch Int.random(in: 0..<8, using: &random) {
    case 0:
      try limits.say(random.chance(0.5) ? GANTRY_EXEC_CANCELLED : GANTRY_EXEC_EXPIRED, order, cumulative: item.filled, position: position)
      open.remove(at: index)
    case 1 where item.filled == 0:
      try limits.say(GANTRY_EXEC_REJECTED, order, position: position)
      open.remove(at: index)
    case 2: try limits.say(GANTRY_EXEC_ACCEPTED, order, leaves: item.leaves, cumulative: item.filled, position: position)
    case 3:
      guard let change = item.change else { return }
      open[index].change = nil
      guard change.quantity > item.filled, random.chance(0.7) else {
        try limits.say(GANTRY_EXEC_REJECTED, change, position: position)
        return
      }
      open[index].order.quantity = change.quantity
      try limits.say(GANTRY_EXEC_MODIFIED, order, leaves: change.quantity - item.filled, cumulative: item.filled, position: position)
    default: try fill(index)
    }
  }

  private mutating func fill(_ index: Int) throws {
    let order = open[index].order
    let isBuy = UInt32(order.side) == buy
    var most = open[index].leaves
    if order.flags & reduceOnly != 0 { most = min(most, isBuy ? max(0, -position) : max(0, position)) }
    guard most > 0 else { return }
    let quantity = random.chance(0.4) ? most : Int64.random(in: 1...most, using: &random)
    position += isBuy ? quantity : -quantity
    open[index].filled += quantity
    try limits.say(
      GANTRY_EXEC_FILL, order, quantity: quantity, price: 110_000, leaves: open[index].leaves, cumulative: open[index].filled, position: position)
    if open[index].leaves == 0 { open.remove(at: index) }
  }

  private mutating func move() throws {
    let (version, bytes) = try limits.plugin.saveState()
    let next = try LimitsDriver(Self.parameters, starts: false)
    try next.plugin.loadState(version: version, bytes)
    try next.plugin.start()
    next.now = limits.now
    next.skipIDs(to: limits)
    limits = next
  }

  private mutating func check() {
    if abs(position) > Self.maxPosition { faults.append("the position is \(position)") }
    if open.count > Self.maxOpen { faults.append("\(open.count) orders are open") }
    let recent = passedTimes.filter { $0 > limits.now - second }
    if recent.count > Self.ordersPerSecond { faults.append("\(recent.count) orders in one second") }
    // Whatever fills next, in any order: one side completely, reductions first.
    for isBuy in [true, false] {
      let signed = isBuy ? 1 : Int64(-1)
      var reached = position * signed
      let side = open.filter { (UInt32($0.order.side) == buy) == isBuy }
      for item in side where item.order.flags & reduceOnly != 0 { reached = max(reached, min(0, reached + item.leaves)) }
      for item in side where item.order.flags & reduceOnly == 0 { reached += item.leaves }
      if reached > Self.maxPosition { faults.append("open orders could lead to \(reached * signed)") }
    }
  }
}

@Suite struct LimitsPropertyTests {
  @Test(arguments: 1...20)
  func `no sequence of orders and fills leads past a limit`(_ seed: UInt64) throws {
    var market = try WildMarket(seed: seed, movesState: seed % 2 == 0)
    for _ in 0..<600 where market.faults.isEmpty { try market.step() }
    #expect(market.faults.isEmpty, "seed \(seed)")
    #expect(market.passed > 20 && market.refused > 20, "seed \(seed): the sequence says little")
  }

  @Test func `damaged states are refused and never taken`() throws {
    var market = try WildMarket(seed: 5, movesState: false)
    for _ in 0..<200 { try market.step() }
    let (version, bytes) = try market.limits.plugin.saveState()
    #expect(throws: PluginFailure.self) { try LimitsDriver(WildMarket.parameters, starts: false).plugin.loadState(version: version + 1, bytes) }
    for length in stride(from: 0, to: bytes.count, by: 7) {
      #expect(throws: PluginFailure.self) {
        try LimitsDriver(WildMarket.parameters, starts: false).plugin.loadState(version: version, Array(bytes[..<length]))
      }
    }
    #expect(throws: PluginFailure.self) { try LimitsDriver(WildMarket.parameters, starts: false).plugin.loadState(version: version, bytes + [0]) }
    var random = SeededNumbers(seed: 9)
    for _ in 0..<300 {
      var damaged = bytes
      damaged[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      let next = try LimitsDriver(WildMarket.parameters, starts: false)
      // Any bytes may come: it takes them or says why not, and goes on either way.
      if (try? next.plugin.loadState(version: version, damaged)) != nil { _ = try? next.send(next.order(buy, 5)) }
    }
  }
}
