import CGantry
import Glibc

/// Drives one instance of a built plugin over the C ABI, the way a lane would, and checks the
/// contract as it goes: causes in order and in range, rows within their capacity, nothing written
/// beside a reservation, after return, or into the inputs.
///
///     let p = try PluginHarness("paper", parameters: ["commission": "0.5"], inputs: [.init(port: "ticks"), .init(port: "orders")])
///     try p.send(gantry_tick(bid: 1.1, ask: 1.2))
///     let fills = try p.send(order)
///
/// A status that is not GANTRY_OK is thrown as `PluginFailure`, a broken contract as
/// `ContractViolation`. Used by one thread at a time.
public final class PluginHarness {
  /// One edge into the instance.
  public struct Input {
    public var port: String
    /// The names of the columns, for FEATURES.
    public var columns: [String]
    /// What the edge carries; only ports of type ANY need it said.
    public var type: UInt32?
    public var isFeedback: Bool
    public var fromNode: String
    public var fromPort: String
    public init(port: String, columns: [String] = [], type: UInt32? = nil, isFeedback: Bool = false, fromNode: String = "source", fromPort: String = "out") {
      self.port = port
      self.columns = columns
      self.type = type
      self.isFeedback = isFeedback
      self.fromNode = fromNode
      self.fromPort = fromPort
    }
  }

  /// The plugin's own table.
  public let plugin: UnsafePointer<gantry_plugin>
  let host: HostSide
  let instance: OpaquePointer
  let edges: [Edge]
  let inputPorts: [gantry_port]
  private(set) var outputs: OutputBuffers
  private let converter: ParameterConverter
  private var chainsBegun: UInt64 = 0
  /// Asks the plugin to end each call after the event that made it commit a row, and offers it the rest
  /// again: for plugins with GANTRY_PLUGIN_STOPS.
  public var asksToStop = false

  /// How many inputs the last call handled.
  private var lastConsumed = 0

  private var lastEventNs: Int64 = 0
  private var lastPulledNs = Int64.min

  struct Edge {
    var port: Int
    var index: Int
    var type: UInt32
    var stride: Int
    var schema: UnsafeMutablePointer<gantry_schema>
    var input: Input
  }

  /// Loads `lib<id>.so` from the products' folder, creates an instance, configures it and, unless
  /// `starts` is false, starts it.
  ///
  /// - Parameters:
  ///   - parameters: as in a graph file; the declared type says how the text is read
  ///   - inputs: the edges, in the order of `from`; nil gives every input port one
  ///   - rowCapacity: rows per port before the plugin has to `grow`; pulls get at least their `max`
  ///   - isLive: the graph's clock
  ///   - file: another `.so` than the one in the products' folder
  ///   - models: by artifact parameter, the model of the models folder that it comes from
  public init(
    _ id: String, parameters: [String: ParameterText] = [:], instruments: [HarnessInstrument] = [.eurusd],
    inputs: [Input]? = nil, secrets: [String: String] = [:], seed: UInt64 = 1, isLive: Bool = false,
    rowCapacity: Int = 256, arenaCapacity: Int = 4096, baseDirectory: String = "", nowNs: Int64 = 0, starts: Bool = true,
    file: String? = nil, models: [String: HarnessModel] = [:]
  ) throws {
    plugin = try PluginFile.plugin(id, file: file)
    let table = plugin.pointee
    host = HostSide(
      instruments: instruments, secrets: secrets, seed: seed, allowsTimers: table.flags & UInt32(GANTRY_PLUGIN_TIMERS) != 0)
    host.nowNs = nowNs
    converter = ParameterConverter(keep: host.keep, symbols: instruments.map(\.symbol), baseDirectory: baseDirectory)
    inputPorts = (0..<Int(table.input_count)).map { table.inputs[$0] }
    edges = try Self.edges(inputs ?? inputPorts.map { Input(port: String($0.name)) }, inputPorts, host.keep)
    outputs = OutputBuffers(ports: [], columns: [], rowCapacity: 0, arenaCapacity: 0)
    for (index, parameter) in (0..<Int(table.param_count)).map({ String(table.params[$0].name) }).enumerated() {
      if let model = models[parameter] { host.take(model, parameter: UInt32(index)) }
    }

    var made: OpaquePointer?
    let status = table.create(plugin, host.table, host.node, &made)
    guard status == 0, let made else { throw Self.failure(host, "create", status) }
    instance = made
    try configure(parameters, isLive: isLive, rowCapacity: rowCapacity, arenaCapacity: arenaCapacity)
    if starts { try start() }
  }

  deinit {
    if !host.isStopped, isRunning, let stop = plugin.pointee.stop { _ = stop(instance) }
    host.isStopped = true
    plugin.pointee.destroy(instance)
  }

  private var isRunning = false

  /// Calls `start`; only needed after `starts: false`.
  public func start() throws {
    try check("start", plugin.pointee.start?(instance) ?? 0)
    isRunning = true
  }

  /// Calls `stop`. Host calls that come later get GANTRY_GONE and are counted in `lateCalls`.
  public func stop() throws {
    let status = plugin.pointee.stop?(instance) ?? 0
    isRunning = false
    defer { host.isStopped = true }
    try check("stop", status)
    try outputs.checkIdle()
  }

  /// Takes over what is the host's and outlives an instance: timers, the random position, the ids
  /// given out and the models named, from the instance that ran before.
  public func takeOver(from other: PluginHarness) {
    host.takeOver(from: other.host)
    lastEventNs = other.lastEventNs
    chainsBegun = other.chainsBegun
  }

  // MARK: what was captured

  public var logLines: [HarnessLogLine] { host.logLines }
  public var notes: [HarnessNote] { host.notes }
  /// Names given to `model_ref`, as `name@version`; number n is at n - 1.
  public var models: [String] { host.models }
  public var metrics: [String: Double] { Dictionary(host.metrics.map { ($0.name, $0.value) }) { $1 } }
  /// The pending timers by tag, with their due times.
  public var timers: [UInt64: Int64] { host.timers }
  public var lateCalls: Int { host.lateCalls }
  /// How often the last call asked the host to grow a port.
  public var growCalls: Int { outputs.grown }
  /// The columns that `configure` named, by output port.
  public func columnNames(_ port: String) -> [String] { outputs.ports.first { $0.name == port }?.columns ?? [] }

  // MARK: events in, outputs out

  /// Sends one event; to the first input port of its type unless `to` names one.
  @discardableResult
  public func send<Event: ABIEvent>(_ event: Event, to port: String? = nil, edge: Int = 0) throws -> [HarnessOutput] {
    try send([event], to: port, edge: edge)
  }

  /// Sends a batch. Headers get chain numbers; a time of 0 becomes one nanosecond after the last.
  @discardableResult
  public func send<Event: ABIEvent>(_ events: [Event], to port: String? = nil, edge: Int = 0, arena: [UInt8] = []) throws -> [HarnessOutput] {
    let rows = events.map { event in
      var event = event
      stamp(&event.header)
      return withUnsafeBytes(of: event) { Array($0) }
    }
    return try deliver(rows, try self.edge(Event.abiType, port, edge), arena)
  }

  /// Sends rows of a FEATURES edge.
  @discardableResult
  public func send(features rows: [FeatureRow], to port: String? = nil, edge: Int = 0) throws -> [HarnessOutput] {
    let target = try self.edge(UInt32(GANTRY_FEATURES), port, edge)
    let packed = try rows.map { row in
      guard row.columns.count == target.input.columns.count else {
        throw HarnessError("a row has \(row.columns.count) columns, the edge \(target.input.columns.count)")
      }
      var header = row.header
      stamp(&header)
      return withUnsafeBytes(of: header) { Array($0) } + row.columns.flatMap { column in withUnsafeBytes(of: column) { Array($0) } }
    }
    return try deliver(packed, target, [])
  }

  /// Fires every timer due up to `timeNs`, in order of their due times, each as a chain of its own.
  @discardableResult
  public func advance(to timeNs: Int64) throws -> [HarnessOutput] {
    var outputs: [HarnessOutput] = []
    while let next = host.timers.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }), next.value <= timeNs {
      host.timers[next.key] = nil
      outputs += try fire(tag: next.key, dueNs: next.value)
    }
    host.nowNs = max(host.nowNs, timeNs)
    return outputs
  }

  /// Calls `on_timer` once.
  @discardableResult
  public func fire(tag: UInt64, dueNs: Int64) throws -> [HarnessOutput] {
    host.nowNs = dueNs
    var timer = gantry_timer(size: UInt32(MemoryLayout<gantry_timer>.size), reserved: 0, tag: tag, due_ns: dueNs)
    guard let onTimer = plugin.pointee.on_timer else { throw HarnessError("the plugin has no on_timer") }
    return try run("on_timer", inputs: 1) { onTimer(instance, &timer, $0) }
  }

  /// Calls `flush`.
  @discardableResult
  public func flush() throws -> [HarnessOutput] {
    guard let flush = plugin.pointee.flush else { return [] }
    return try run("flush", inputs: 1) { flush(instance, $0) }
  }

  /// What one pull gave.
  public struct Pulled {
    public var outputs: [HarnessOutput]
    /// The source has no more and never will.
    public var isEnd: Bool
  }

  /// Pulls once from a `gantry.pull/1` source.
  public func pull(max: Int = 256) throws -> Pulled {
    let table = try table(GANTRY_EXT_PULL, as: gantry_pull.self)
    var isEnd = false
    let outputs = try run("pull", inputs: 1, rows: max) {
      let status = table.pointee.pull(instance, UInt32(max), $0)
      isEnd = status == 1
      return status == 1 || status == 2 ? 0 : status
    }
    guard outputs.count <= max else { throw ContractViolation("pull gave \(outputs.count) events of at most \(max)") }
    guard Set(outputs.map(\.portIndex)).count <= 1 else { throw ContractViolation("one pull wrote to several ports") }
    for output in outputs {
      if output.header.event_ns < lastPulledNs { throw ContractViolation("a pulled event goes back in time") }
      lastPulledNs = output.header.event_ns
    }
    return Pulled(outputs: outputs, isEnd: isEnd)
  }

  /// Pulls until the end.
  public func pullAll(max: Int = 256) throws -> [HarnessOutput] {
    var all: [HarnessOutput] = []
    while true {
      let pulled = try pull(max: max)
      all += pulled.outputs
      if pulled.isEnd { return all }
    }
  }

  /// Where a pulled source stands.
  public func cursor() throws -> (contentHash: UInt64, row: UInt64) {
    guard let cursor = try table(GANTRY_EXT_PULL, as: gantry_pull.self).pointee.cursor else {
      throw HarnessError("the plugin has no cursor")
    }
    var answer: (contentHash: UInt64, row: UInt64) = (0, 0)
    try check("cursor", cursor(instance, &answer.contentHash, &answer.row))
    return answer
  }

  /// The table of an extension of the plugin.
  public func table<Table>(_ id: String, as type: Table.Type) throws -> UnsafePointer<Table> {
    guard let raw = plugin.pointee.get_extension?(plugin, host.keep.string(id)) else {
      throw HarnessError("the plugin does not offer \(id)")
    }
    return raw.assumingMemoryBound(to: Table.self)
  }

  // MARK: state and live parameters

  /// Saves the state, twice, and checks that both are equal and within the bound.
  public func saveState() throws -> (version: UInt32, bytes: [UInt8]) {
    let state = try table(GANTRY_EXT_STATE, as: gantry_state.self)
    let bound = state.pointee.bound(instance)
    let first = try save(state)
    if UInt64(first.count) > bound { throw ContractViolation("save wrote \(first.count) bytes, bound said \(bound)") }
    guard try save(state) == first else { throw ContractViolation("saving twice wrote different bytes") }
    return (state.pointee.version, first)
  }

  private func save(_ state: UnsafePointer<gantry_state>) throws -> [UInt8] {
    final class Sink { var bytes: [UInt8] = [] }
    let sink = Sink()
    var writer = gantry_state_writer(
      size: UInt32(MemoryLayout<gantry_state_writer>.size), reserved: 0,
      context: Unmanaged.passUnretained(sink).toOpaque(),
      write: { writer, bytes, length in
        let sink = Unmanaged<Sink>.fromOpaque(writer!.pointee.context).takeUnretainedValue()
        sink.bytes += UnsafeRawBufferPointer(start: bytes, count: Int(length))
        return 0
      })
    try withExtendedLifetime(sink) { try check("save", state.pointee.save(instance, &writer)) }
    return sink.bytes
  }

  /// Loads a state; after `starts: false` and before `start`.
  ///
  /// - Parameter endsAtPage: puts the bytes before memory that cannot be read, so that reading too
  ///   far ends the process; for throwaway children
  public func loadState(version: UInt32, _ bytes: [UInt8], endsAtPage: Bool = false) throws {
    let state = try table(GANTRY_EXT_STATE, as: gantry_state.self)
    func load(_ start: UnsafeMutableRawPointer) -> gantry_status {
      bytes.withUnsafeBytes { if let base = $0.baseAddress { memcpy(start, base, bytes.count) } }
      return state.pointee.load(
        instance, version, gantry_bytes(data: start.assumingMemoryBound(to: UInt8.self), length: UInt64(bytes.count)))
    }
    if endsAtPage {
      try check("load", withPageEnd(bytes.count, load))
    } else {
      let block = GuardedBlock(count: bytes.count)
      let status = load(block.start)
      block.setPoison()
      try check("load", status)
    }
  }

  /// Applies new values of all parameters through `gantry.params-live/1`.
  public func apply(_ parameters: [String: ParameterText]) throws {
    let live = try table(GANTRY_EXT_PARAMS_LIVE, as: gantry_params_live.self)
    let values = try self.values(parameters)
    try check("apply", live.pointee.apply(instance, host.keep.array(values), UInt32(values.count)))
  }
}

extension PluginHarness {
  private func configure(_ parameters: [String: ParameterText], isLive: Bool, rowCapacity: Int, arenaCapacity: Int) throws {
    let ports = (0..<Int(plugin.pointee.output_count)).map { plugin.pointee.outputs[$0] }
    let columns = ColumnSink(types: ports.map(\.type))
    let values = try values(parameters)
    let inputs = edges.map { edge in
      gantry_input(
        size: UInt32(MemoryLayout<gantry_input>.size), port: UInt32(edge.port), edge: UInt32(edge.index),
        is_feedback: edge.input.isFeedback ? 1 : 0, from_node: host.keep.string(edge.input.fromNode),
        from_port: host.keep.string(edge.input.fromPort), schema: UnsafePointer(edge.schema))
    }
    var config = gantry_config(
      size: UInt32(MemoryLayout<gantry_config>.size), clock: isLive ? 2 : 1, value_count: UInt32(values.count),
      input_count: UInt32(inputs.count), values: host.keep.array(values), inputs: host.keep.array(inputs),
      graph: host.keep.string("test"), node: host.keep.string(String(plugin.pointee.id)),
      instrument_count: UInt32(host.instruments.count), reserved: 0, context: Unmanaged.passUnretained(columns).toOpaque(),
      set_columns: { config, port, names, count in
        let sink = Unmanaged<ColumnSink>.fromOpaque(config!.pointee.context).takeUnretainedValue()
        return sink.set(port, names, count)
      })
    try withExtendedLifetime(columns) { try check("configure", plugin.pointee.configure(instance, &config)) }
    outputs = OutputBuffers(
      ports: ports.map { (String($0.name), $0.type) }, columns: columns.names, rowCapacity: rowCapacity, arenaCapacity: arenaCapacity)
  }

  private func values(_ parameters: [String: ParameterText]) throws -> [gantry_value] {
    let declared = (0..<Int(plugin.pointee.param_count)).map { plugin.pointee.params[$0] }
    let names = declared.map { String($0.name) }
    for name in parameters.keys where !names.contains(name) {
      throw HarnessError("\(String(plugin.pointee.id)) has no parameter \(name); it has \(names.joined(separator: ", "))")
    }
    return try zip(names, declared).map { try converter.value($1, parameters[$0]) }
  }

  private static func edges(_ inputs: [Input], _ ports: [gantry_port], _ keep: Keep) throws -> [Edge] {
    var counts: [Int: Int] = [:]
    return try inputs.map { input in
      guard let port = ports.firstIndex(where: { String($0.name) == input.port }) else {
        throw HarnessError("no input port \(input.port); there are \(ports.map { String($0.name) })")
      }
      let type = input.type ?? (ports[port].type == 0 ? UInt32(GANTRY_TICK) : ports[port].type)
      let stride = stride(ofType: type) ?? (32 + 8 * input.columns.count)
      let names = keep.array(input.columns.map { keep.string($0) })
      var fingerprint: UInt64 = 0xCBF2_9CE4_8422_2325
      for byte in "\(type):\(input.columns)".utf8 { fingerprint = (fingerprint ^ UInt64(byte)) &* 0x100_0000_01B3 }
      let schema = keep.array([
        gantry_schema(
          size: UInt32(MemoryLayout<gantry_schema>.size), type: type, stride: UInt32(stride),
          column_count: UInt32(input.columns.count), columns: names, fingerprint: fingerprint)
      ])
      let index = counts[port, default: 0]
      counts[port] = index + 1
      return Edge(port: port, index: index, type: type, stride: stride, schema: schema, input: input)
    }
  }

  private func edge(_ type: UInt32, _ port: String?, _ index: Int) throws -> Edge {
    guard let edge = edges.first(where: { $0.type == type && $0.index == index && (port == nil || $0.input.port == port) }) else {
      throw HarnessError("no edge of type \(type) into \(port ?? "any port"); edges go to \(edges.map(\.input.port))")
    }
    return edge
  }

  private func stamp(_ header: inout gantry_header) {
    if header.event_ns == 0 { header.event_ns = lastEventNs + 1 }
    lastEventNs = header.event_ns
    if header.receive_ns == 0 { header.receive_ns = header.event_ns }
    chainsBegun += 1
    if header.chain == 0 { header.chain = chainsBegun }
    if header.origin == 0 { header.origin = 1 }
  }

  private func deliver(_ rows: [[UInt8]], _ edge: Edge, _ arena: [UInt8]) throws -> [HarnessOutput] {
    guard asksToStop else { return try deliverOnce(rows, edge, arena).outputs }
    var all: [HarnessOutput] = []
    var first = 0
    while first < rows.count {
      var (outputs, consumed) = try deliverOnce(Array(rows[first...]), edge, arena)
      guard consumed > 0 else { throw ContractViolation("on_batch handled none of its events and did not fail") }
      guard outputs.allSatisfy({ $0.cause == consumed - 1 }) else {
        throw ContractViolation("on_batch was asked to return after the event that made it commit a row, and went on")
      }
      for index in outputs.indices { outputs[index].cause += first }
      all += outputs
      first += consumed
    }
    return all
  }

  private func deliverOnce(_ rows: [[UInt8]], _ edge: Edge, _ arena: [UInt8]) throws -> (outputs: [HarnessOutput], consumed: Int) {
    guard let onBatch = plugin.pointee.on_batch else { throw HarnessError("the plugin has no on_batch") }
    let block = GuardedBlock(count: rows.count * edge.stride)
    let text = GuardedBlock(count: arena.count)
    for (index, row) in rows.enumerated() {
      row.withUnsafeBytes { (block.start + index * edge.stride).copyMemory(from: $0.baseAddress!, byteCount: row.count) }
    }
    arena.withUnsafeBytes { if let base = $0.baseAddress { memcpy(text.start, base, arena.count) } }
    var batch = gantry_batch(
      size: UInt32(MemoryLayout<gantry_batch>.size), port: UInt32(edge.port), edge: UInt32(edge.index),
      type: edge.type, count: UInt32(rows.count), stride: UInt32(edge.stride),
      base: block.start.assumingMemoryBound(to: UInt8.self), schema: UnsafePointer(edge.schema),
      arena: gantry_bytes(data: text.start.assumingMemoryBound(to: UInt8.self), length: UInt64(arena.count)),
      flags: asksToStop ? GANTRY_BATCH_UNTIL_OUTPUT : 0, reserved: 0)
    let headers = (0..<rows.count).map { (block.start + $0 * edge.stride).load(as: gantry_header.self) }
    host.nowNs = headers.first?.receive_ns ?? host.nowNs
    let outputs = try run("on_batch", inputs: rows.count, causes: headers) { onBatch(instance, &batch, $0) }
    let unchanged = rows.enumerated().allSatisfy { index, row in memcmp(row, block.start + index * edge.stride, row.count) == 0 }
    guard unchanged, block.hasCanaries, text.hasCanaries else { throw ContractViolation("on_batch wrote to its input") }
    return (outputs, lastConsumed)
  }

  /// One call with outputs: opens the buffers, calls, checks, and stamps headers as the host does.
  private func run(
    _ call: String, inputs: Int, rows: Int = 0, causes: [gantry_header] = [],
    _ body: (UnsafeMutablePointer<gantry_outputs>) -> gantry_status
  ) throws -> [HarnessOutput] {
    host.reason = nil
    let status = body(try outputs.open(inputs: inputs, rows: rows))
    var (rows, consumed) = try outputs.close(inputs: inputs)
    lastConsumed = consumed
    for index in rows.indices {
      var header = rows[index].header
      let cause = causes.isEmpty ? gantry_header(eventNs: host.nowNs, instrument: 0) : causes[rows[index].cause]
      if header.event_ns == 0 { header.event_ns = cause.event_ns }
      if header.instrument == 0 { header.instrument = cause.instrument }
      header.receive_ns = causes.isEmpty ? header.event_ns : cause.receive_ns
      header.chain = cause.chain
      header.origin = cause.origin
      header.flags = cause.flags
      header.hop = causes.isEmpty ? 0 : cause.hop + 1
      withUnsafeBytes(of: header) { rows[index].bytes.replaceSubrange(0..<32, with: $0) }
    }
    guard status == 0 else {
      throw Self.failure(host, call, status, consumed: consumed, rows.filter { $0.cause < consumed })
    }
    return rows
  }

  private func check(_ call: String, _ status: gantry_status) throws {
    defer { host.reason = nil }
    if status != 0 { throw Self.failure(host, call, status) }
  }

  private static func failure(
    _ host: HostSide, _ call: String, _ status: gantry_status, consumed: Int = 0, _ outputs: [HarnessOutput] = []
  ) -> PluginFailure {
    defer { host.reason = nil }
    return PluginFailure(
      call: call, status: status, text: host.reason?.text ?? "", isRetryable: host.reason?.isRetryable ?? false,
      consumed: consumed, outputs: outputs)
  }
}

/// Takes the columns that `configure` names.
private final class ColumnSink {
  let types: [UInt32]
  var names: [[String]]
  init(types: [UInt32]) {
    self.types = types
    names = types.map { _ in [] }
  }

  func set(_ port: UInt32, _ texts: UnsafePointer<gantry_string>?, _ count: UInt64) -> gantry_status {
    guard Int(port) < types.count, types[Int(port)] == UInt32(GANTRY_FEATURES) else { return -2 }
    guard count <= 4096 else { return -3 }
    let names = (0..<Int(count)).map { String(texts![$0]) }
    guard Set(names).count == names.count, !names.contains("") else { return -1 }
    self.names[Int(port)] = names
    return 0
  }
}
