import CGantry
import Foundation
import PluginHarness
import Testing

@Suite struct ABTests {
  static func instruments(_ count: Int) -> [HarnessInstrument] { (0..<count).map { HarnessInstrument("S\($0)", base: "EUR", quote: "USD", priceDigits: 5) } }

  /// An instance with `arms` models named m0, m1, ...
  static func split(
    arms: Int = 2, _ parameters: [String: ParameterText] = [:], instruments: Int = 3, executions: Bool = false, starts: Bool = true
  ) throws -> PluginHarness {
    var inputs = [PluginHarness.Input(port: "ticks")] + (0..<arms).map { PluginHarness.Input(port: "arms", fromNode: "m\($0)") }
    if executions { inputs.append(.init(port: "executions", isFeedback: true)) }
    return try PluginHarness("ab", parameters: parameters, instruments: Self.instruments(instruments), inputs: inputs, starts: starts)
  }

  static func header(_ seconds: Double, _ instrument: Int, chain: UInt64) -> gantry_header {
    var header = gantry_header(eventNs: Int64(seconds * 1e9), instrument: UInt32(instrument))
    header.chain = chain
    return header
  }

  static func tick(_ mid: Double, at seconds: Double, _ instrument: Int = 1, chain: UInt64 = 0) -> gantry_tick {
    gantry_tick(header: header(seconds, instrument, chain: chain), bid: mid - 0.5, ask: mid + 0.5, bid_size: 0, ask_size: 0)
  }

  static func said(_ value: Double, _ probability: Double, at seconds: Double, _ instrument: Int = 1, chain: UInt64, model: UInt32 = 9) -> gantry_prediction {
    gantry_prediction(header: header(seconds, instrument, chain: chain), value: value, probability: probability, horizon_ns: 0, model: model, label: 1)
  }

  /// Which arm each instrument has: the one whose prediction goes on.
  static func owners(_ p: PluginHarness, instruments: Int, arms: Int) throws -> [Int] {
    var owners = [Int](repeating: -1, count: instruments)
    for instrument in 1...instruments {
      for arm in 0..<arms where try !p.send(said(1, 0.5, at: 0.001, instrument, chain: UInt64(9_000_000 + instrument)), edge: arm).isEmpty { owners[instrument - 1] = arm }
    }
    return owners
  }

  @Test func `an instrument keeps its arm, and shares are kept among many`() throws {
    let one = try Self.owners(Self.split(["shares": [75, 25]], instruments: 2000), instruments: 2000, arms: 2)
    #expect(try Self.owners(Self.split(["shares": [3, 1]], instruments: 2000), instruments: 2000, arms: 2) == one)
    let second = one.reduce(0, +)
    #expect(second > 420 && second < 580, "\(second) of 2000 at 25 %")
    // A share that grows takes instruments and gives none away.
    let more = try Self.owners(Self.split(["shares": [50, 50]], instruments: 2000), instruments: 2000, arms: 2)
    #expect(zip(one, more).allSatisfy { $0 <= $1 })
    let salted = try Self.owners(Self.split(["shares": [75, 25], "salt": "other"], instruments: 2000), instruments: 2000, arms: 2)
    #expect(zip(one, salted).contains { $0 != $1 })
    #expect(try Self.owners(Self.split(["shares": [0, 1]], instruments: 50), instruments: 50, arms: 2) == [Int](repeating: 1, count: 50))
  }

  @Test func `the arm's prediction goes on as it is`() throws {
    let p = try Self.split(["shares": [1, 0]])
    let outputs = try p.send(Self.said(0.25, 0.75, at: 1, chain: 5, model: 4))
    #expect(outputs.count == 1)
    let prediction = outputs[0].prediction
    #expect(prediction.value == 0.25 && prediction.probability == 0.75 && prediction.model == 4 && prediction.label == 1)
    #expect(try p.send(Self.said(0.5, 0.5, at: 1, chain: 5), edge: 1).isEmpty)
  }

  @Test func `a prediction is scored by the first quote at its horizon, and outcomes do not overlap`() throws {
    let p = try Self.split(["horizon": "10s", "report_every": 1, "shares": [1, 0]])
    try p.send(Self.said(1, 0.9, at: 0, chain: 1))  // no price yet: nothing to score
    try p.send(Self.tick(100, at: 1))
    try p.send(Self.said(1, 0.8, at: 1, chain: 2))
    try p.send(Self.said(-1, 0.4, at: 1, chain: 2), edge: 1)
    try p.send(Self.said(1, 0.1, at: 5, chain: 3))  // within the open outcome
    #expect(try p.send(Self.tick(50, at: 10.9)).isEmpty)
    let outputs = try p.send(Self.tick(110, at: 11))
    let row = try #require(outputs.first { $0.port == "statistics" })
    #expect(row.column("outcomes") == 1 && row.column("m0_scored") == 1)
    #expect(abs(row.column("m0_brier")! - 0.04) < 1e-12 && abs(row.column("m1_brier")! - 0.36) < 1e-12)
    #expect(abs(row.column("m0_log_loss")! + log(0.8)) < 1e-12)
    #expect(row.column("m0_hit_rate") == 1 && row.column("m1_hit_rate") == 0)
    #expect(abs(row.column("m0_mean_return")! - 0.1) < 1e-12 && row.column("m1_mean_return")!.isNaN)
    #expect(row.column("m0_bin_8_count") == 1 && row.column("m0_bin_8_observed") == 1 && row.column("m1_bin_4_count") == 1)
    #expect(p.metrics["arm_0_scored"] == 1 && abs(p.metrics["arm_1_brier"]! - 0.36) < 1e-12)
    // An unchanged price is no outcome.
    try p.send(Self.said(1, 0.8, at: 12, chain: 4))
    #expect(try p.send(Self.tick(110, at: 30)).isEmpty)
  }

  @Test func `realised profit goes to the arm that has the instrument`() throws {
    let p = try Self.split(["horizon": "1s", "report_every": 1, "shares": [0, 1]], executions: true)
    func fill(_ profit: Int64, kind: UInt8 = 3) -> gantry_execution {
      var execution = gantry_execution()
      execution.header = Self.header(1, 2, chain: 1)
      execution.profit = profit
      execution.commission = 5
      execution.kind = kind
      return execution
    }
    try p.send([fill(100), fill(-30), fill(1000, kind: 1)])
    try p.send(Self.tick(100, at: 1))
    try p.send(Self.said(1, 0.8, at: 1, chain: 2))
    let row = try #require(try p.send(Self.tick(101, at: 3)).first { $0.port == "statistics" })
    #expect(row.column("m1_realised") == 60 && row.column("m0_realised") == 0)
  }

  @Test func `a better arm is told once, and an equal one never`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    let p = try Self.split(arms: 3, ["horizon": "1s", "min_outcomes": 30, "effect": 0.1])
    var alerts: [HarnessOutput] = []
    var price = 100.0
    for round in 0..<400 {
      let time = Double(round) * 2 + 1
      alerts += try p.send(Self.tick(price, at: time)).filter { $0.port == "alerts" }
      let rises = random.uniform() < 0.5
      // The second arm knows, the third says what the first says.
      let known = random.uniform() < 0.8 ? rises : !rises
      for (edge, probability) in [0.5, known ? 0.8 : 0.2, 0.5].enumerated() {
        try p.send(Self.said(probability - 0.5, probability, at: time, chain: UInt64(round + 1)), edge: edge)
      }
      price *= rises ? 1.001 : 0.999
    }
    #expect(alerts.count == 1, "seed \(seed)")
    #expect(alerts.first?.text.hasPrefix("m1 is better than m0: Brier score lower by 0.") == true, "seed \(seed): \(alerts.first?.text ?? "")")
    #expect(p.metrics["arm_2_p_value"] == 1 && p.metrics["arm_1_p_value"]! < 0.025, "seed \(seed)")
  }

  @Test func `its state goes on at any event, and a damaged one is refused`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    let story = Story(seed: seed, arms: 2, instruments: 3, count: 800)
    let parameters: [String: ParameterText] = ["horizon": "5s", "report_every": 1, "min_outcomes": 10]
    let whole = try Self.split(parameters)
    let expected = try story.play(whole, 0..<story.events.count)
    let cut = Int(seed % UInt64(story.events.count))
    let before = try Self.split(parameters)
    let head = try story.play(before, 0..<cut)
    let state = try before.saveState()
    let after = try Self.split(parameters, starts: false)
    try after.loadState(version: state.version, state.bytes)
    try after.start()
    let tail = try story.play(after, cut..<story.events.count)
    let same = (head + tail).map { $0.bytes[32...] } == expected.map { $0.bytes[32...] }
    #expect(same, "seed \(seed), cut at \(cut)")
    for bytes in [[], Array(state.bytes.dropLast()), state.bytes + [0]] {
      #expect(throws: PluginFailure.self) { try Self.split(parameters, starts: false).loadState(version: 1, bytes) }
    }
    #expect(throws: PluginFailure.self) { try Self.split(arms: 3, starts: false).loadState(version: 1, state.bytes) }
    #expect(throws: PluginFailure.self) { try Self.split(["compare": "hits"], starts: false).loadState(version: 1, state.bytes) }
  }

  @Test func `parameters that do not fit are refused`() {
    func refusal(arms: Int = 2, _ parameters: [String: ParameterText] = [:]) -> String {
      do {
        _ = try Self.split(arms: arms, parameters)
        return "accepted"
      } catch { return (error as? PluginFailure)?.text ?? "\(error)" }
    }
    #expect(refusal(arms: 1).contains("a split wants 2 to 4 models"))
    #expect(refusal(arms: 5).contains("a split wants 2 to 4 models"))
    #expect(refusal(["shares": [1]]) == "shares has 1 numbers for 2 arms (m0, m1)")
    #expect(refusal(["shares": [0, 0]]).contains("add up to nothing"))
    #expect(refusal(["shares": [2, -1]]).contains("at least 0"))
  }
}

/// A seeded sequence of quotes and predictions of several instruments.
struct Story {
  enum Event {
    case tick(gantry_tick)
    case said(gantry_prediction, arm: Int)
  }

  private(set) var events: [Event] = []

  init(seed: UInt64, arms: Int, instruments: Int, count: Int) {
    var random = Seeded(seed)
    var prices = [Double](repeating: 10_000, count: instruments)
    for step in 0..<count {
      let instrument = Int(random.next() % UInt64(instruments))
      let time = Double(step + 1)
      let chain = UInt64(step + 1)
      if random.next() % 4 > 0 { prices[instrument] += Double(Int(random.next() % 9)) - 4 }
      events.append(.tick(ABTests.tick(prices[instrument], at: time, instrument + 1, chain: chain)))
      guard random.next() % 3 > 0 else { continue }
      for arm in 0..<arms where random.next() % 8 > 0 {
        let value = random.next() % 16 == 0 ? Double.nan : random.uniform() * 2 - 1
        let probability = random.next() % 10 == 0 ? Double.nan : random.uniform()
        events.append(.said(ABTests.said(value, probability, at: time, instrument + 1, chain: chain), arm: arm))
      }
    }
  }

  func play(_ harness: PluginHarness, _ range: Range<Int>) throws -> [HarnessOutput] {
    try events[range].flatMap { event in
      switch event {
      case .tick(let tick): try harness.send(tick)
      case .said(let prediction, let arm): try harness.send(prediction, edge: arm)
      }
    }
  }

  /// The events as the oracle reads them.
  var json: [[String: Any]] {
    func number(_ x: Double) -> Any { x.isNaN ? NSNull() : x }
    return events.map { event in
      switch event {
      case .tick(let tick): ["kind": "tick", "t": tick.header.event_ns, "i": Int(tick.header.instrument), "mid": (tick.bid + tick.ask) / 2]
      case .said(let p, let arm):
        ["kind": "said", "t": p.header.event_ns, "i": Int(p.header.instrument), "arm": arm, "value": number(p.value), "p": number(p.probability), "chain": Int(p.header.chain)]
      }
    }
  }
}

/// splitmix64
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }
}
