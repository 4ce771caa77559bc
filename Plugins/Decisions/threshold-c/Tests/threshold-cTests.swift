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

/// The plugin in Swift and the plugin in C, fed the same events.
final class Twins {
  let parameters: [String: ParameterText]
  let ports: [String]
  private(set) var swift: PluginHarness
  private(set) var c: PluginHarness

  static let instruments: [HarnessInstrument] = [
    .eurusd, HarnessInstrument("XAUUSD", base: "XAU", quote: "USD", priceDigits: 2, quantityDigits: 2, tickSize: 5, lotSize: 50, contractUnits: 100), .usdjpy,
  ]

  init(_ parameters: [String: ParameterText], ports: [String]) throws {
    self.parameters = parameters
    self.ports = ports
    swift = try Self.make("threshold", parameters, ports)
    c = try Self.make("threshold-c", parameters, ports)
  }

  private static func make(_ id: String, _ parameters: [String: ParameterText], _ ports: [String], starts: Bool = true) throws -> PluginHarness {
    try PluginHarness(id, parameters: parameters, instruments: instruments, inputs: ports.map { .init(port: $0) }, rowCapacity: 4, starts: starts)
  }

  /// What both say to the same events; nil when it differs in any byte.
  func send<Event: ABIEvent>(_ events: [Event]) throws -> [HarnessOutput]? {
    let (left, right) = (try swift.send(events), try c.send(events))
    let isSame = left.count == right.count && zip(left, right).allSatisfy { $0.port == $1.port && $0.cause == $1.cause && $0.bytes == $1.bytes }
    return isSame ? left : nil
  }

  var saysTheSame: Bool { swift.notes == c.notes && swift.metrics == c.metrics && swift.logLines == c.logLines }

  /// Each goes on with the other one's state.
  func exchange() throws -> Bool {
    let (left, right) = (try swift.saveState(), try c.saveState())
    guard left.version == right.version, left.bytes == right.bytes else { return false }
    let (nextSwift, nextC) = (try Self.make("threshold", parameters, ports, starts: false), try Self.make("threshold-c", parameters, ports, starts: false))
    try nextSwift.loadState(version: right.version, right.bytes)
    try nextC.loadState(version: left.version, left.bytes)
    try nextSwift.start()
    try nextC.start()
    (swift, c) = (nextSwift, nextC)
    return true
  }
}

@Suite struct ThresholdCTests {
  @Test(arguments: 1...30)
  func `the plugin in C and the plugin in Swift say the same, bit for bit`(_ seed: UInt64) throws {
    var random = SeededNumbers(seed: seed)
    let isLimit = random.chance(0.5)
    let isConfirmed = isLimit || random.chance(0.7)
    let parameters: [String: ParameterText] = [
      "upper": "0.25", "lower": "-0.25", "quantity": "3", "use": random.chance(0.5) ? "value" : "probability",
      "mode": ["reverse", "long_only", "short_only"].randomElement(using: &random)!, "flat_between": .init("\(random.chance(0.5))"),
      "cooldown": random.chance(0.5) ? "0" : "30ms", "retry_after": "20ms", "order_type": isLimit ? "limit" : "market",
      "limit_offset_points": .init("\(Int.random(in: -3...3, using: &random))"), "limit_max_age": random.chance(0.5) ? "0" : "100ms",
    ]
    let twins = try Twins(parameters, ports: ["predictions"] + (isConfirmed ? ["executions"] : []) + (isLimit ? ["ticks"] : []))
    var now: Int64 = 1_000_000_000
    var orders: [gantry_order] = []
    var count = 0
    for step in 0..<500 {
      now += Int64.random(in: 0...20, using: &random) * 1_000_000
      let outputs: [HarnessOutput]?
      switch Int.random(in: 0..<6, using: &random) {
      case 0 where isLimit: outputs = try twins.send([tick(now, &random)])
      case 1...2 where isConfirmed && !orders.isEmpty: outputs = try twins.send([execution(now, &orders, &random)])
      case 3 where step % 50 == 0 && orders.isEmpty:
        #expect(try twins.exchange(), "seed \(seed), step \(step)")
        outputs = []
      default:
        outputs = try twins.send((0..<Int.random(in: 1...6, using: &random)).map { _ in prediction(now, &random) })
      }
      guard let outputs else {
        Issue.record("seed \(seed): step \(step) differs")
        return
      }
      orders += outputs.filter { $0.port == "orders" }.map(\.order)
      count += outputs.count
    }
    #expect(twins.saysTheSame && count > 20, "seed \(seed)")
  }

  @Test func `both describe themselves alike but for the name`() throws {
    let twins = try Twins(["quantity": 1], ports: ["predictions"])
    let (left, right) = (twins.swift.plugin.pointee, twins.c.plugin.pointee)
    func text(_ string: gantry_string) -> String {
      String(decoding: UnsafeRawBufferPointer(start: string.data, count: Int(string.length)), as: UTF8.self)
    }
    func parameter(_ p: gantry_param) -> String {
      let choices = (0..<Int(p.choice_count)).map { text(p.choices[$0]) }
      return "\(text(p.name)) \(p.type) \(p.flags) \(choices) \(text(p.default_text)) \(p.minimum) \(p.maximum) \(text(p.unit)) \(text(p.help))"
    }
    func port(_ p: gantry_port) -> String { "\(text(p.name)) \(p.type) \(p.flags) \(text(p.help))" }
    func describe(_ p: gantry_plugin) -> [String] {
      ["\(p.kind) \(text(p.version)) \(text(p.summary)) \(p.effects) \(p.determinism) \(p.flags) \(p.needs)"]
        + (0..<Int(p.input_count)).map { port(p.inputs[$0]) } + (0..<Int(p.output_count)).map { port(p.outputs[$0]) }
        + (0..<Int(p.param_count)).map { parameter(p.params[$0]) }
    }
    #expect(describe(left) == describe(right))
    #expect(text(left.id) == "threshold" && text(right.id) == "threshold-c")
  }

  @Test(
    arguments: [
      ["upper": "-1", "lower": "1"], ["quantity": "0.003"], ["quantity": "0.25"], ["order_type": "limit"],
    ] as [[String: ParameterText]])
  func `both refuse the same parameters with the same words`(_ parameters: [String: ParameterText]) throws {
    let failures = try ["threshold", "threshold-c"].map { id in
      try #require(throws: PluginFailure.self) {
        try PluginHarness(id, parameters: parameters, instruments: Twins.instruments, inputs: [.init(port: "predictions")])
      }
    }
    #expect(failures[0].status == failures[1].status && failures[0].text == failures[1].text)
  }

  private func prediction(_ now: Int64, _ random: inout SeededNumbers) -> gantry_prediction {
    let number = random.chance(0.05) ? .nan : random.chance(0.1) ? [0.25, -0.25].randomElement(using: &random)! : Double.random(in: -1...1, using: &random)
    return gantry_prediction(value: number, probability: -number, at: now, instrument: UInt32.random(in: random.chance(0.95) ? 1...3 : 0...5, using: &random))
  }

  private func tick(_ now: Int64, _ random: inout SeededNumbers) -> gantry_tick {
    let number = Int.random(in: 0..<3, using: &random)
    let bid = [1.1, 2345.6, 101.5][number] * Double.random(in: 0.99...1.01, using: &random)
    let ask = random.chance(0.05) ? .nan : bid * Double.random(in: 0.9999...1.001, using: &random)
    return gantry_tick(bid: bid, ask: ask, at: now, instrument: UInt32(number + 1))
  }

  /// Something that a broker might say of one of the orders, sensible or not.
  private func execution(_ now: Int64, _ orders: inout [gantry_order], _ random: inout SeededNumbers) -> gantry_execution {
    let index = orders.indices.randomElement(using: &random)!
    let order = orders[index]
    var execution = gantry_execution()
    execution.header = gantry_header(eventNs: now, instrument: order.header.instrument)
    execution.order_id = random.chance(0.05) ? 0 : order.order_id
    execution.kind = UInt8.random(in: 1...7, using: &random)
    execution.side = order.side
    execution.reason = UInt32.random(in: 0...12, using: &random)
    execution.quantity = max(order.quantity / 2, 1)
    execution.leaves = random.chance(0.5) ? 0 : order.quantity / 2
    if execution.leaves == 0 || random.chance(0.3) { orders.remove(at: index) }
    return execution
  }
}
