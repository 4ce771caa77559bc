import Glibc

/// SplitMix64: a seeded generator, so that a failing sequence can be run again.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }

  /// `count` seeds, or as many as GANTRY_TEST_SEEDS says; GANTRY_TEST_SEED is one that a failing test's
  /// message has named.
  static func seeds(_ count: Int) -> [UInt64] {
    let count = getenv("GANTRY_TEST_SEEDS").flatMap { Int(String(cString: $0)) } ?? count
    if let text = getenv("GANTRY_TEST_SEED"), let seed = UInt64(String(cString: text)) { return [seed] }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let first = UInt64(time.tv_sec) &* 1000
    return (0..<UInt64(count)).map { first + $0 }
  }
}

/// A made-up graph: sources that tick at random times, nodes that fan out, join, fail, answer
/// themselves and set timers, and a broker at the end.
struct RandomGraph {
  struct Options {
    var sources = 1...3
    var nodes = 2...7
    var timers = true
    var failures = true
    var trading = true
    /// Lanes beside the first: on each one node joins edges of the first lane, others follow in a row.
    /// (What lanes share out further is in the order of arrival edge by edge, not node by node.)
    var lanes: [String] = []
    /// Every node runs on any of so many lanes, but for those in feedback loops, which share one. (Each
    /// lane carries its feedback round before another lane sees it.)
    var spread = 1
    var loopsAnywhere = false
    /// `fresh` sources have no cursor: the journal keeps their events.
    var fresh = false
    var events = 150...400
    /// Ticks of several sources at one time.
    var ties = true
  }

  private(set) var lines: [String] = []
  private var random: Seeded
  private let options: Options
  /// Ports that offer ticks, and about how many rows each emits in a chain.
  private var offers: [String] = []
  private var rates: [String: Double] = [:]
  private var laneOf: [String: Int] = [:]

  init(seed: UInt64, _ options: Options = Options()) {
    random = Seeded(seed)
    self.options = options
    for number in 1...Int.random(in: options.sources, using: &random) { addSource(number) }
    for number in 1...Int.random(in: options.nodes, using: &random) { addNode(number) }
    if options.trading { addBroker() }
    for lane in options.lanes { addTail(lane) }
  }

  var yaml: String { Bench.yaml(lines.joined(separator: "\n"), more: "feedback_max: 4096") }
  /// The same graph with all of it on one lane.
  var yamlOnOneLane: String { yaml.replacing(/, lane: \w+/, with: "").replacing(/, queue: \{[^}]*\}/, with: "") }

  /// A lane of its own: one node that takes from the first lane, and up to two behind it.
  private mutating func addTail(_ lane: String) {
    let first = offers.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
    let queue = [2, 3, 64, 1024].randomElement(using: &random)!
    var from = first.joined(separator: ", ")
    for number in 1...Int.random(in: 1...3, using: &random) {
      let name = "\(lane)\(number)"
      let plugin = ["fan", "fan-single", "trail", "trail-single"].randomElement(using: &random)!
      let params = plugin.hasPrefix("fan") ? ", params: \(fanParameters(number + 50, 2))" : ""
      let edge = number == 1 ? ", queue: { size: \(queue) }" : ""
      lines.append("\(name): { plugin: \(plugin), from: [\(from)]\(params), lane: \(lane)\(edge) }")
      from = "\(name).out"
    }
  }

  /// The words that place a node on a lane, and give its edges from other lanes a queue.
  private mutating func place(_ name: String, from inputs: [String], inLoop: Bool = false) -> String {
    guard options.spread > 1 else { return "" }
    let lane = inLoop && !options.loopsAnywhere ? 0 : Int.random(in: 0..<options.spread, using: &random)
    laneOf[name] = lane
    var text = lane == 0 ? "" : ", lane: l\(lane)"
    let nodes = inputs.map { String($0.prefix { $0 != "." && $0 != "~" }) }
    if random.chance(0.7), nodes.contains(where: { laneOf[$0, default: lane] != lane }) {
      text += ", queue: { size: \([2, 3, 64, 1024].randomElement(using: &random)!) }"
    }
    return text
  }

  private mutating func addSource(_ number: Int) {
    let step = options.ties ? 100_000_000 : 100_000_007
    let jitter = options.ties ? [0, 1, 30_000_000].randomElement(using: &random)! : 90_000_000
    lines.append(
      "s\(number): { plugin: \(options.fresh ? "beat-fresh" : "beat"), params: { count: \(Int.random(in: options.events, using: &random)), "
        + "start: \(1_000_000_000 + Int.random(in: 0...3, using: &random) * 100_000_000), step: \(step), jitter: \(jitter), seed: \(number), "
        + "chunk: \([0, 0, 7, 100].randomElement(using: &random)!), ending: \(Int.random(in: 0...1, using: &random)), price: \(100_000 + number), "
        + "instruments: 2 }\(place("s\(number)", from: [])) }")
    offer("s\(number)", 1)
  }

  private mutating func offer(_ name: String, _ rate: Double) {
    offers.append(name)
    rates[name] = rate
  }

  private mutating func addNode(_ number: Int) {
    var inputs: [String] = []
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let offer = offers.randomElement(using: &random)!
      if !inputs.contains(offer) { inputs.append(offer) }
    }
    let from = inputs.joined(separator: ", ")
    let name = "n\(number)"
    // Neither rows nor time grow without bounds from node to node.
    let rate = inputs.reduce(0) { $0 + rates[$1]! }
    let rowsMax = rate > 5 ? 1 : Int.random(in: 0...3, using: &random)
    let (depth, copies) = (Int.random(in: 0...4, using: &random), Int.random(in: 1...2, using: &random))
    let kind = Int.random(in: 0..<10, using: &random)
    let place = place(name, from: kind == 7 ? [inputs[0]] : inputs, inLoop: kind == 7)
    switch kind {
    case 0..<4:
      lines.append("\(name): { plugin: fan, from: [\(from)], params: \(fanParameters(number, rowsMax))\(place) }")
      offer("\(name).out", rate * Double(rowsMax) / 2)
    case 4, 5:
      lines.append("\(name): { plugin: fan-single, from: [\(from)], params: \(fanParameters(number, rowsMax))\(place) }")
      offer("\(name).out", rate * Double(rowsMax) / 2)
    case 6 where options.timers:
      let delay = Int.random(in: 0...400_000_000, using: &random)
      let repeats = [0, 70_000_000].randomElement(using: &random)!
      let every = Int.random(in: 1...40, using: &random)
      lines.append("\(name): { plugin: alarm, from: [\(from)], params: { delay: \(delay), every: \(every), repeat: \(repeats), cancel: 3 }\(place) }")
      offer("\(name).out", rate)
    case 7 where rates[inputs[0]]! * Double((depth + 1) * copies) < 10:
      lines.append("\(name): { plugin: echo, from: [\(inputs[0]), \(name).out~], params: { depth: \(depth), copies: \(copies) }\(place) }")
      offer("\(name).out", rates[inputs[0]]! * Double((depth + 1) * copies))
    case 8:
      lines.append("\(name): { plugin: trail, from: [\(from)]\(place) }")
      offer("\(name).out", rate)
    default:
      lines.append("\(name): { plugin: trail-single, from: [\(from)]\(place) }")
      offer("\(name).out", rate)
    }
  }

  private mutating func fanParameters(_ number: Int, _ rowsMax: Int) -> String {
    var text = "{ seed: \(number), rows_max: \(rowsMax)"
    if options.lanes.isEmpty, options.spread == 1, random.chance(0.2) { text += ", flush: 2" }
    if random.chance(0.3) { text += ", take: \(Int.random(in: 1...50, using: &random))" }
    if options.failures, random.chance(0.3) { text += ", fail_one_in: \([2, 3, 20, 100].randomElement(using: &random)!)" }
    if options.failures, random.chance(0.3) {
      let first = Int.random(in: 1...200, using: &random)
      text += ", fail_from: \(first), fail_to: \(first + Int.random(in: 1...90, using: &random))"
    }
    return text + " }"
  }

  /// Decisions on a source's quotes and the last node's rows, a risk node, a broker that answers.
  private mutating func addBroker() {
    let failures = options.failures && random.chance(0.4) ? "fail_from: 50, fail_to: 80" : "fail_from: 0"
    lines.append(
      "decide: { plugin: decider, from: [s1, \(offers.last!), broker.executions~], params: { one_in: \(Int.random(in: 2...9, using: &random)), "
        + "answers: \(Int.random(in: 0...1, using: &random)) }\(place("decide", from: ["s1", offers.last!], inLoop: true)) }")
    lines.append("risk: { plugin: guard, from: [s1, decide.orders], params: { \(failures) }, on_error: skip\(place("risk", from: ["s1", "decide"], inLoop: true)) }")
    let from = random.chance(0.8) ? "s1, risk" : "risk, s1"
    lines.append("broker: { plugin: paper, from: [\(from)], params: { deposit: 1000000 }\(place("broker", from: ["s1", "risk"], inLoop: true)) }")
  }
}
