import CGantry
import GantryBase
import PluginHarness

/// Instances of one plugin under trial, and what they answered to a feed.
struct ConformanceTrial {
  let path: String
  let description: PluginDescription
  let options: ConformanceOptions
  /// The inputs that are connected.
  let ports: [PortDescription]
  let feed: ConformanceFeed

  init(path: String, description: PluginDescription, options: ConformanceOptions, ports: [PortDescription]) {
    self.path = path
    self.description = description
    self.options = options
    self.ports = ports
    feed = ConformanceFeed(ports, seed: options.seed, columns: options.columns)
  }

  /// Ways to connect a plugin's inputs, the fullest first: all, the required ones with each of the
  /// others, the required ones alone. Some inputs exclude each other.
  static func wirings(_ inputs: [PortDescription]) -> [[PortDescription]] {
    let optional = inputs.filter(\.isOptional)
    guard !optional.isEmpty else { return [inputs] }
    let one = optional.map { chosen in inputs.filter { !$0.isOptional || $0.name == chosen.name } }
    let required = inputs.filter { !$0.isOptional }
    return ([inputs] + one + (required.isEmpty ? [] : [required])).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  func instance(starts: Bool = true, rowCapacity: Int = 256) throws -> PluginHarness {
    try PluginHarness(
      description.id, parameters: parameters, instruments: [.eurusd], inputs: inputs, seed: options.seed, rowCapacity: rowCapacity,
      arenaCapacity: 64, starts: starts, file: path)
  }

  var parameters: [String: ParameterText] { options.parameters.mapValues { .scalar($0) } }

  private var inputs: [PluginHarness.Input] {
    ports.filter { !feed.leftOut.contains($0.name) }.map { port in
      PluginHarness.Input(port: port.name, columns: port.type == .features ? options.columns : [])
    }
  }

  /// One thing that came of a feed, in a form that can be compared.
  struct Answer: Equatable {
    /// Which event of the feed caused it; 0 for pulled ones.
    var event: Int
    var port: String
    var bytes: [UInt8]
    /// A failure's or an alert's.
    var text: String

    /// For people.
    var words: String {
      let digits = bytes.dropFirst(32).prefix(32).map { byte in
        let pair = String(byte, radix: 16)
        return pair.count == 1 ? "0" + pair : pair
      }.joined()
      return "event \(event)" + (port.isEmpty ? "" : " on \(port)") + (digits.isEmpty ? "" : " \(digits)") + (text.isEmpty ? "" : " \(text.printable)")
    }
  }

  /// Feeds items from `first` on, at most `block` of one port at a time, and skips what fails, as
  /// `on_error: skip` does. Timers fire when they are due.
  func feed(_ harness: PluginHarness, from first: Int = 0, to end: Int? = nil, block: Int = 1) throws -> [Answer] {
    var answers: [Answer] = []
    var next = first
    let end = end ?? feed.items.count
    while next < end {
      var last = next + 1
      while last < end, last - next < block, feed.items[last].port == feed.items[next].port { last += 1 }
      do {
        answers += Self.answers(try feed.send(feed.items[next..<last], to: harness), from: next)
        next = last
      } catch let failure as PluginFailure {
        try Self.checkReason(failure)
        answers += Self.answers(failure.outputs, from: next)
        answers.append(Answer(event: next + failure.consumed, port: "", bytes: [], text: failure.description))
        next += min(failure.consumed, last - next - 1) + 1
      }
      answers += try timers(harness, of: next)
    }
    return answers
  }

  /// At most 64 timers, so that one that sets itself again comes to an end.
  private func timers(_ harness: PluginHarness, of item: Int) throws -> [Answer] {
    var answers: [Answer] = []
    let now = 1_700_000_000_000_000_000 + Int64(item) * 250_000_000
    for _ in 0..<64 {
      guard let due = harness.timers.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }), due.value <= now else { break }
      answers += Self.answers(try harness.advance(to: due.value), from: item)
    }
    return answers
  }

  /// Pulls up to `count` events, `max` at a time.
  func pull(_ harness: PluginHarness, max: Int, count: Int = 512) throws -> [Answer] {
    var answers: [Answer] = []
    // A source that has nothing yet answers so; asking a bounded number of times keeps this finite.
    for _ in 0..<(4 * count / max + 16) where answers.count < count {
      let pulled = try harness.pull(max: max)
      answers += Self.answers(pulled.outputs, from: 0, keepsCause: false)
      if pulled.isEnd { break }
    }
    return Array(answers.prefix(count))
  }

  static func answers(_ outputs: [HarnessOutput], from first: Int, keepsCause: Bool = true) -> [Answer] {
    outputs.map { output in
      var bytes = output.bytes
      var text = ""
      // Offsets depend on what else the call wrote; what they point to is compared instead.
      if [UInt32(GANTRY_BOOK), UInt32(GANTRY_NEWS), UInt32(GANTRY_CALENDAR), UInt32(GANTRY_ALERT), UInt32(GANTRY_BLOB)].contains(output.type) {
        for index in 32..<40 { bytes[index] = 0 }
        if output.type == UInt32(GANTRY_ALERT) { text = output.text }
      }
      return Answer(event: keepsCause ? first + output.cause : 0, port: output.port, bytes: bytes, text: text)
    }
  }

  static func checkReason(_ failure: PluginFailure) throws {
    if failure.text.isEmpty {
      throw ConformanceFailure("\(failure.call) answered \(failure.status) without saying why", "call host->fail with a sentence before returning a status")
    }
    let known: ClosedRange<gantry_status> = -11 ... -1
    if !known.contains(failure.status) {
      throw ConformanceFailure("\(failure.call) answered \(failure.status), which is no failure of gantry/abi.h", "return one of GANTRY_INVALID to GANTRY_BUG")
    }
  }

  /// The first difference between two lists of answers, in words; nil when there is none.
  static func difference(_ left: [Answer], _ right: [Answer]) -> String? {
    for index in 0..<max(left.count, right.count) where index >= left.count || index >= right.count || left[index] != right[index] {
      let a = index < left.count ? left[index].words : "nothing"
      let b = index < right.count ? right[index].words : "nothing"
      return "answer \(index): \(a); and \(b)"
    }
    return nil
  }
}

/// Why a check failed, with the remedy.
struct ConformanceFailure: Error {
  var text: String
  var help: String
  init(_ text: String, _ help: String) {
    self.text = text
    self.help = help
  }
}
