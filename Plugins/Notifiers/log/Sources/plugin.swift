import CGantry
import CPosix
import GantrySDK

/// Writes events as lines, for people or as JSON, to stderr, stdout or a file.
///
/// Guarantees: one line an event, in the order of their arrival; exact numbers are written exactly;
/// a line is never torn by another one of the same node; what was written before `stop` is on its
/// way to the file when `stop` returns. A broken pipe or a full disk fails the node, and the graph's
/// policy decides.
struct Log: Plugin {
  /// Parameters, in the order of the descriptor.
  enum P {
    static var format: Int { 0 }
    static var to: Int { 1 }
    static var path: Int { 2 }
    static var every: Int { 3 }
    static var types: Int { 4 }
    static var minSeverity: Int { 5 }
    static var flushEvery: Int { 6 }
  }

  static var descriptor: Descriptor {
    Descriptor(
      id: "log", version: "1.0.0", kind: .notifier,
      summary: "Writes events as lines of text or JSON to stderr, stdout or a file",
      // External: a second instance that ran beside the first would write every line twice.
      effects: .external, flags: .timers,
      inputs: [Port("events", .any, many: true, help: "events of any type")],
      parameters: [
        Parameter("format", .choice, default: "human", choices: ["human", "json"], help: "human: columns for reading; json: one object a line"),
        Parameter("to", .choice, default: "stderr", choices: ["stderr", "stdout"], help: "where the lines go, unless `path` is set"),
        Parameter("path", .path, help: "a file that the lines are appended to"),
        Parameter("every", .integer, default: "1", minimum: 1, help: "write the first and then every n-th event of each type"),
        Parameter("types", .texts, help: "write these types only, such as execution and alert; unset, all"),
        Parameter("min_severity", .choice, default: "trace", choices: ["trace", "debug", "info", "warning", "error"], help: "leave out alerts below it"),
        Parameter(
          "flush_every", .duration, default: "250ms", minimum: 0.001,
          help: "a line waits at most this long on a live clock; in a replay lines are written when the buffer is full, and at the end"),
      ])
  }

  let host: Host
  var sink = Sink()
  var line = LaneText(capacity: 1 << 17)
  var names = Names()
  var isJSON = false
  var isLive = false
  var flushEveryNs: Int64 = 0
  var every: UInt64 = 1
  var minSeverity: UInt32 = 0
  /// One bit for each event type.
  var wantedTypes: UInt32 = ~0
  /// Events seen of each type.
  var seen: UnsafeMutablePointer<UInt64>
  var isTimerSet = false
  var linesMetric: UInt32 = 0

  init(host: Host) {
    self.host = host
    seen = UnsafeMutablePointer<UInt64>.allocate(capacity: Log.typeCount)
    seen.initialize(repeating: 0, count: Log.typeCount)
  }

  static var typeCount: Int { Int(GANTRY_TYPE_COUNT) }

  func destroy() {
    seen.deallocate()
    line.destroy()
    sink.destroy()
    names.destroy()
  }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    isJSON = configuration.integer(P.format) == 1
    isLive = configuration.isLive
    every = UInt64(configuration.integer(P.every))
    minSeverity = UInt32(configuration.integer(P.minSeverity))
    flushEveryNs = configuration.integer(P.flushEvery)
    let count = configuration.count(P.types)
    if count > 0 { wantedTypes = 0 }
    for position in 0..<count {
      let name = configuration.text(P.types, at: position)
      guard let type = EventName.type(name) else {
        throw Failure.invalid(
          "types: there are no events called \(name); there are tick, trade, bar, book, features, prediction, signal, order, execution, account, news, calendar, alert and blob"
        )
      }
      wantedTypes |= 1 << type
    }
    if configuration.isSet(P.path) {
      sink.target = .file(configuration.text(P.path).copy() + [0])
    } else {
      sink.target = configuration.integer(P.to) == 1 ? .descriptor(1) : .descriptor(2)
    }
    try names.read(configuration, host)
    linesMetric = host.defineMetric("lines", counter: true, help: "lines written")
  }

  mutating func start() throws(Failure) { try sink.open() }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    let type = Int(batch.type)
    guard type < Log.typeCount, wantedTypes >> UInt32(type) & 1 != 0 else { return }
    for index in 0..<batch.count {
      if batch.type == GANTRY_ALERT && batch.event(index, as: gantry_alert.self).pointee.severity < minSeverity { continue }
      let number = seen[type]
      seen[type] = number &+ 1
      if number % every != 0 { continue }
      line.clear()
      if isJSON { json(batch, index) } else { human(batch, index) }
      line.end(byte: 10)
      do { try sink.write(line.bytes) } catch {
        outputs.setConsumed(index)
        throw error
      }
      host.updateMetric(linesMetric, 1)
    }
    if isLive && !isTimerSet && sink.isDirty {
      try host.setTimer(at: host.now + flushEveryNs, tag: 1)
      isTimerSet = true
    }
  }

  mutating func onTimer(tag: UInt64, dueNs: Int64, _ outputs: borrowing Outputs) throws(Failure) {
    isTimerSet = false
    try sink.flush()
  }

  mutating func flush(_ outputs: borrowing Outputs) throws(Failure) { try sink.flush() }

  mutating func stop() throws(Failure) { try sink.close() }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Log.self, request)
}
