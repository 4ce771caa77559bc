import CGantry
import GantryBase
import PluginHarness

/// Made-up events for a plugin's inputs: the same seed makes the same feed.
struct ConformanceFeed {
  /// One event for one input port.
  struct Item {
    var port: String
    var type: UInt32
    var index: Int
  }

  let seed: UInt64
  let columns: [String]
  private(set) var items: [Item] = []
  /// Ports that carry something this feed cannot make up.
  private(set) var leftOut: [String] = []

  static let length = 256

  /// - Parameter ports: the inputs that are connected
  init(_ ports: [PortDescription], seed: UInt64, columns: [String]) {
    self.seed = seed
    self.columns = columns
    var open: [(name: String, type: UInt32)] = []
    for port in ports {
      switch port.type {
      case .any, .tick: open.append((port.name, UInt32(GANTRY_TICK)))
      case .trade, .bar, .features, .prediction, .signal, .order, .execution, .account: open.append((port.name, port.type.rawValue))
      default: leftOut.append(port.name)
      }
    }
    guard !open.isEmpty else { return }
    var random = FeedRandom(seed)
    for index in 0..<Self.length {
      // Runs of one port, so that blocks are worth the name.
      let port = index % 16 < 12 ? open[0] : open[Int(random.next() % UInt64(open.count))]
      items.append(Item(port: port.name, type: port.type, index: index))
    }
  }

  /// Sends items of one port as one batch.
  func send(_ items: ArraySlice<Item>, to harness: PluginHarness) throws -> [HarnessOutput] {
    guard let first = items.first else { return [] }
    switch first.type {
    case UInt32(GANTRY_TICK): return try harness.send(items.map { tick($0.index) }, to: first.port)
    case UInt32(GANTRY_TRADE): return try harness.send(items.map { trade($0.index) }, to: first.port)
    case UInt32(GANTRY_BAR): return try harness.send(items.map { bar($0.index) }, to: first.port)
    case UInt32(GANTRY_FEATURES): return try harness.send(features: items.map { row($0.index) }, to: first.port)
    case UInt32(GANTRY_PREDICTION): return try harness.send(items.map { prediction($0.index) }, to: first.port)
    case UInt32(GANTRY_SIGNAL): return try harness.send(items.map { signal($0.index) }, to: first.port)
    case UInt32(GANTRY_ORDER): return try harness.send(items.map { order($0.index) }, to: first.port)
    case UInt32(GANTRY_EXECUTION): return try harness.send(items.map { execution($0.index) }, to: first.port)
    default: return try harness.send(items.map { account($0.index) }, to: first.port)
    }
  }

  private func random(_ index: Int) -> FeedRandom { FeedRandom(seed &* 0x9E37_79B9 &+ UInt64(index)) }
  private func header(_ index: Int) -> gantry_header {
    var header = gantry_header(eventNs: 1_700_000_000_000_000_000 + Int64(index) * 250_000_000, instrument: 1)
    // The same event has the same chain, also when it is offered again.
    header.chain = UInt64(index) + 1
    return header
  }
  /// A price near 1.1, on a grid of five digits.
  private func price(_ index: Int) -> Double {
    var random = random(index)
    return Double(109_000 + random.next() % 2_000) / 100_000
  }

  private func tick(_ index: Int) -> gantry_tick {
    let bid = price(index)
    return gantry_tick(header: header(index), bid: bid, ask: bid + 0.0001, bid_size: 100_000, ask_size: 100_000)
  }

  private func trade(_ index: Int) -> gantry_trade {
    gantry_trade(
      header: header(index), price: price(index), size: Double(1 + index % 7), trade_id: UInt64(index + 1),
      aggressor: UInt32(1 + index % 2), reserved: 0)
  }

  private func bar(_ index: Int) -> gantry_bar {
    let open = price(index)
    let close = price(index + 1)
    return gantry_bar(
      header: header(index), start_ns: header(index).event_ns - 250_000_000, open: open, high: max(open, close) + 0.0001,
      low: min(open, close) - 0.0001, close: close, volume: Double(index % 50), ticks: 10, spread: 0.0001)
  }

  private func row(_ index: Int) -> FeatureRow {
    var row = FeatureRow(columns.indices.map { price(index + $0 * 1_000) })
    row.header = header(index)
    return row
  }

  private func prediction(_ index: Int) -> gantry_prediction {
    let value = price(index) - 1.1
    return gantry_prediction(header: header(index), value: value, probability: 0.5 + value, horizon_ns: 0, model: 0, label: -1)
  }

  private func signal(_ index: Int) -> gantry_signal {
    gantry_signal(header: header(index), strength: index % 2 == 0 ? 1 : -1, price: .nan, stop: .nan, target: .nan)
  }

  private func order(_ index: Int) -> gantry_order {
    var order = gantry_order()
    order.header = header(index)
    order.order_id = 1_000_000 + UInt64(index)
    order.quantity = Int64(1_000 + index)
    order.action = UInt8(GANTRY_ORDER_NEW)
    order.side = UInt8(1 + index % 2)
    order.order_type = index % 3 == 0 ? UInt8(GANTRY_ORDER_LIMIT) : UInt8(GANTRY_ORDER_MARKET)
    order.price = index % 3 == 0 ? Int64(price(index) * 100_000) : 0
    order.time_in_force = UInt8(GANTRY_GTC)
    return order
  }

  private func execution(_ index: Int) -> gantry_execution {
    var execution = gantry_execution()
    execution.header = header(index)
    execution.order_id = 1_000_000 + UInt64(index)
    execution.execution_id = UInt64(index + 1)
    execution.kind = UInt8(GANTRY_EXEC_FILL)
    execution.side = UInt8(1 + index % 2)
    execution.quantity = 1_000
    execution.cumulative = 1_000
    execution.price = Int64(price(index) * 100_000)
    execution.position = index % 2 == 0 ? 1_000 : 0
    return execution
  }

  private func account(_ index: Int) -> gantry_account {
    var account = gantry_account()
    account.header = header(index)
    account.initial = 10_000_000
    account.balance = 10_000_000
    account.equity = 10_000_000
    return account
  }
}

/// splitmix64
struct FeedRandom {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
