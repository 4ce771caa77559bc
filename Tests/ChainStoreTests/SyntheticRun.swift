import CGantry
import GantryBase
import GantryTrace

/// A run folder as a host would leave it: the seven-node quickstart graph, blocks of ticks through
/// the first three nodes, and chains that order from `decide` on.
struct SyntheticRun {
  let directory: String
  let log: HopLog
  var meta: TraceMeta

  static let names = ["ticks", "features", "model", "decide", "risk", "broker", "notify"]
  static let origin: UInt64 = 0x0ABC_DEF0_1234_5678
  /// Of the event with chain 0; one tick a second.
  static let firstEventNs: Int64 = 1_704_461_400_000_000_000

  init(_ directory: String, options: HopLog.Options = HopLog.Options()) throws {
    self.directory = directory
    let plugins: [(String, PluginDescription.Kind)] = [
      ("synthetic", .source), ("indicators", .feature), ("linear", .model), ("threshold", .decision), ("limits", .risk),
      ("paper", .broker), ("log", .notifier),
    ]
    let inputs = [[], ["ticks"], ["features"], ["model", "broker~"], ["decide", "broker~"], ["ticks", "risk"], ["broker"]]
    meta = TraceMeta(
      graph: "quickstart", file: "manifests/quickstart.yaml", run: "quickstart-1", startedWallNs: 1_800_000_000_000_000_000,
      startedMonotonicNs: 1_000_000, traceEvery: 16)
    meta.nodes = plugins.indices.map {
      TraceMeta.Node(name: Self.names[$0], kind: plugins[$0].1, plugin: plugins[$0].0, version: "0.\($0).0", inputs: inputs[$0])
    }
    meta.nodes[1].columns = ["ema_10", "ema_20"]
    meta.origins = [TraceMeta.Origin(index: 1, id: Self.origin, name: "ticks"), TraceMeta.Origin(index: 2, id: 99, name: "timers")]
    meta.instruments = [Instrument(symbol: "EURUSD", base: "EUR", quote: "USD", priceDigits: 5, quantityDigits: 0)]
    meta.currencies = [Currency(code: "USD", digits: 2)]
    meta.models = ["momentum@3"]
    try meta.write(to: directory)
    log = try HopLog(directory: directory, options: options)
  }

  private func node(_ name: String) -> UInt16 { UInt16(Self.names.firstIndex(of: name)!) }

  func startNs(_ chain: UInt64) -> Int64 { 1_000_000 + Int64(chain) * 10_000 }

  func hop(
    _ ring: HopRing, _ chain: UInt64, _ name: String, at offset: Int64, took: UInt32, hop: UInt8, kind: HopKind = .batch,
    status: Int16 = 0, inputs: UInt32 = 1, outputs: UInt32 = 1, parentFirst: UInt64 = 0
  ) {
    ring.append(
      HopRecord(
        chain: chain, startNs: startNs(chain) + offset, durationNs: took, node: node(name), origin: 1, hop: hop, kind: kind,
        status: status, inputs: inputs, outputs: outputs, generation: 1, parentFirst: parentFirst,
        eventNs: Self.firstEventNs + Int64(chain) * 1_000_000_000))
  }

  /// A block of 256 ticks through source, features and model, traced as a block.
  func block(_ first: UInt64) {
    hop(log.hops, first, "ticks", at: 0, took: 0, hop: 0, kind: .source, inputs: 256, outputs: 256)
    hop(log.hops, first, "features", at: 10, took: 2_560, hop: 1, inputs: 256, outputs: 256)
    hop(log.hops, first, "model", at: 2_600, took: 1_280, hop: 2, inputs: 256, outputs: 256)
  }

  /// What came before an order, written down when the chain ordered: no times, but the events.
  func earlier(_ chain: UInt64) {
    var tick = gantry_tick()
    tick.bid = 1.09213
    tick.ask = 1.09221
    hop(log.orders, chain, "ticks", at: 100, took: 0, hop: 0, kind: .source)
    put(log.orders, chain, tick, type: GANTRY_TICK, isOutput: true)
    hop(log.orders, chain, "features", at: 100, took: 0, hop: 1)
    put(log.orders, chain, (gantry_features(), 1.0915, 1.25), type: GANTRY_FEATURES, isOutput: true)
    hop(log.orders, chain, "model", at: 100, took: 0, hop: 2)
    var prediction = gantry_prediction()
    prediction.value = 0.000123456789
    prediction.probability = 0.61
    prediction.label = -1
    prediction.model = 1
    put(log.orders, chain, prediction, type: GANTRY_PREDICTION, isOutput: true)
  }

  /// A chain that buys 10,000 and is filled at once, or only by a later quote.
  func order(_ chain: UInt64, id: UInt64, filledBy later: UInt64? = nil, fails: Bool = false) {
    let orders = log.orders
    hop(orders, chain, "decide", at: 100, took: 40, hop: 3)
    note(orders, chain, "rule", "cross up")
    put(orders, chain, order(id), type: GANTRY_ORDER, isOutput: true)
    hop(orders, chain, "risk", at: 150, took: 30, hop: 4, status: fails ? -5 : 0, outputs: fails ? 0 : 1)
    guard !fails else { return }
    put(orders, chain, order(id), type: GANTRY_ORDER, isOutput: true)
    hop(orders, chain, "broker", at: 190, took: 60, hop: 5, outputs: later == nil ? 2 : 1)
    put(orders, chain, execution(id, kind: UInt8(GANTRY_EXEC_ACCEPTED), chain, execution: id * 10), type: GANTRY_EXECUTION, isOutput: true)
    if later == nil {
      put(orders, chain, execution(id, kind: UInt8(GANTRY_EXEC_FILL), chain, execution: id * 10 + 1), type: GANTRY_EXECUTION, isOutput: true)
    }
    Array("MT5-\(id)".utf8).withUnsafeBytes { orders.appendAlias(chain: chain, orderID: id, outside: $0) }
    hop(orders, chain, "notify", at: 260, took: 20, hop: 6, outputs: 0)
    if let later {
      hop(orders, later, "broker", at: 30, took: 50, hop: 1)
      put(orders, later, execution(id, kind: UInt8(GANTRY_EXEC_FILL), chain, execution: id * 10 + 1), type: GANTRY_EXECUTION, isOutput: true)
      hop(orders, later, "notify", at: 90, took: 20, hop: 2, outputs: 0)
    }
  }

  private func note(_ ring: HopRing, _ chain: UInt64, _ key: String, _ text: String) {
    Array(key.utf8).withUnsafeBytes { key in
      Array(text.utf8).withUnsafeBytes { ring.appendNote(chain: chain, key: key, text: $0) }
    }
  }

  private func order(_ id: UInt64) -> gantry_order {
    var order = gantry_order()
    order.order_id = id
    order.quantity = 10_000
    order.price = 109_221
    order.action = UInt8(GANTRY_ORDER_NEW)
    order.side = UInt8(GANTRY_BUY)
    order.order_type = UInt8(GANTRY_ORDER_LIMIT)
    order.time_in_force = UInt8(GANTRY_GTC)
    return order
  }

  private func execution(_ id: UInt64, kind: UInt8, _ chain: UInt64, execution number: UInt64) -> gantry_execution {
    var execution = gantry_execution()
    execution.order_id = id
    execution.execution_id = number
    execution.order_chain = chain
    execution.order_origin = 1
    execution.kind = kind
    execution.side = UInt8(GANTRY_BUY)
    if kind == UInt8(GANTRY_EXEC_FILL) {
      execution.quantity = 10_000
      execution.price = 109_219
      execution.commission = 20
      execution.profit = -105
      execution.position = 10_000
    }
    return execution
  }

  private func put<Event>(_ ring: HopRing, _ chain: UInt64, _ event: Event, type: UInt32, isOutput: Bool) {
    withUnsafeBytes(of: event) {
      ring.appendEvent(
        chain: chain, type: UInt8(type), isOutput: isOutput, instrument: 1, event: $0.baseAddress!, stride: $0.count)
    }
  }
}
