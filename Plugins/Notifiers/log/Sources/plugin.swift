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
        Parameter(
          "every", .integer, default: "1", minimum: 1,
          help: "write the first and then every n-th event of each type, executions by kind; alerts are all written"),
        Parameter("types", .texts, help: "write these types only, such as alert, order or execution.fill; unset, all"),
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
  /// One bit for each event type, and one for each kind of execution.
  var wantedTypes: UInt32 = ~0
  var wantedKinds: UInt32 = ~0
  /// Events seen of each type; executions have a place for each kind.
  var seen: UnsafeMutablePointer<UInt64>
  var isTimerSet = false
  var linesMetric: UInt32 = 0

  init(host: Host) {
    self.host = host
    seen = UnsafeMutablePointer<UInt64>.allocate(capacity: Log.seenCount)
    seen.initialize(repeating: 0, count: Log.seenCount)
  }

  static var typeCount: Int { Int(GANTRY_TYPE_COUNT) }
  static var kindCount: Int { 32 }
  static var seenCount: Int { typeCount + kindCount }

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
    try readTypes(configuration)
    if configuration.isSet(P.path) {
      sink.target = .file(configuration.text(P.path).copy() + [0])
    } else {
      sink.target = configuration.integer(P.to) == 1 ? .descriptor(1) : .descriptor(2)
    }
    try names.read(configuration, host)
    linesMetric = host.defineMetric("lines", counter: true, help: "lines written")
  }

  private mutating func readTypes(_ configuration: borrowing Configuration) throws(Failure) {
    let count = configuration.count(P.types)
    if count == 0 { return }
    wantedTypes = 0
    wantedKinds = 0
    for position in 0..<count {
      let name = configuration.text(P.types, at: position)
      if let kind = EventName.executionKind(name) {
        wantedTypes |= 1 << GANTRY_EXECUTION
        wantedKinds |= 1 << kind
      } else if let type = EventName.type(name) {
        wantedTypes |= 1 << type
        if type == GANTRY_EXECUTION { wantedKinds = ~0 }
      } else {
        throw Failure.invalid(
          "types: there are no events called \(name); there are tick, trade, bar, book, features, prediction, signal, order, execution, account, news, calendar, alert and blob, and of executions execution.fill, .accepted, .rejected, .cancelled, .modified, .expired and .triggered"
        )
      }
    }
  }

  /// Where the event is counted, or nil when it is not wanted.
  @inline(__always)
  private func place(_ batch: borrowing Batch, _ index: Int) -> Int? {
    let type = Int(batch.type)
    if batch.type == GANTRY_EXECUTION {
      let kind = Int(batch.event(index, as: gantry_execution.self).pointee.kind) & (Log.kindCount - 1)
      return wantedKinds >> UInt32(kind) & 1 != 0 ? Log.typeCount + kind : nil
    }
    if batch.type == GANTRY_ALERT && batch.event(index, as: gantry_alert.self).pointee.severity < minSeverity { return nil }
    return type
  }

  mutating func start() throws(Failure) { try sink.open() }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    let type = Int(batch.type)
    guard type < Log.typeCount, wantedTypes >> UInt32(type) & 1 != 0 else { return }
    for index in 0..<batch.count {
      guard let place = place(batch, index) else { continue }
      let number = seen[place]
      seen[place] = number &+ 1
      if number % every != 0 && batch.type != GANTRY_ALERT { continue }
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
