import CGantry
import CLinux
import GantryBase
import GantryGraph

/// The code of one node, as the loader hands it over.
public struct PluginCode: @unchecked Sendable {  // the table is constant while the code is loaded
  public var raw: UnsafePointer<gantry_plugin>
  public var description: PluginDescription
  public var sha256: String
  /// Number of the loaded copy.
  public var generation: UInt32
  /// What it may open at run time; nil: nothing.
  public var libraries: (any PluginLibraries)?

  public init(
    raw: UnsafePointer<gantry_plugin>, description: PluginDescription, sha256: String, generation: UInt32, libraries: (any PluginLibraries)? = nil
  ) {
    self.libraries = libraries
    self.raw = raw
    self.description = description
    self.sha256 = sha256
    self.generation = generation
  }
}

/// One generation created with one set of parameters: the life of an instance from `create` to
/// `destroy`, on the control thread. Calls out of order are a bug and stop the process.
final class Instance: @unchecked Sendable {  // used by the control thread; the lane has its pointers
  enum State { case created, configured, running, stopped, destroyed }

  let node: Int
  let name: String
  let code: PluginCode
  let context: UnsafeMutablePointer<NodeContext>
  private(set) var raw: OpaquePointer?
  private(set) var state = State.created
  /// Set by configure: one for each output port.
  private(set) var schemas: [PortSchema] = []
  /// What configure was told about the node's edges: port by port, in the order of `from`.
  private(set) var edges: [InputEdge] = []
  private let place: Place?
  /// The models it was configured with, as `momentum@3`.
  private(set) var modelTitle: String?
  /// What the instance may ask of its artifacts.
  private var models: ModelTable?
  private let libraries: LibraryAccess

  init(graph: Graph, node: Int, code: PluginCode, context: UnsafeMutablePointer<NodeContext>) throws(GantryError) {
    self.node = node
    self.code = code
    self.context = context
    name = graph.nodes[node].name
    place = graph.nodes[node].place
    libraries = LibraryAccess(graph.nodes[node], code.libraries)
    context.pointee.libraries = .passUnretained(libraries)
    var instance: OpaquePointer?
    let status = control("create") { code.raw.pointee.create(code.raw, hostTable, OpaquePointer(context), &instance) }
    guard status == GANTRY_OK, instance != nil else {
      state = .destroyed
      defer { retireContext() }
      throw failure("runtime.create-failed", "cannot create an instance of \(code.description.id)", status)
    }
    raw = instance
  }

  /// Runs a [control] call: the thread check of the host's functions knows about it.
  private func control(_ phase: StaticString, _ body: () -> gantry_status) -> gantry_status {
    context.pointee.inControl = true
    context.pointee.failLength = 0
    libraries.forget()
    CrashRecord.name(context.pointee.node, name, plugin: "\(code.description.id)@\(code.description.version)")
    clinux_crash_on_node(context.pointee.node, code.generation, crashPhase(phase))
    defer {
      context.pointee.inControl = false
      clinux_crash_on_nothing()
    }
    return body()
  }

  func configure(_ graph: Graph, inputs: [PortSchema], artifacts: inout [ArtifactUse]) throws(GantryError) {
    precondition(state == .created)
    let memory = try ConfigMemory(graph: graph, node: node, inputs: inputs, artifacts: &artifacts)
    defer { memory.deallocate() }
    models = ModelTable(graph.nodes[node].models, parameters: graph.nodes[node].parameters.count)
    modelTitle = graph.nodes[node].modelTitle
    context.pointee.models = models?.rows
    context.pointee.modelCount = models?.count ?? 0
    let status = control("configure") { code.raw.pointee.configure(raw, memory.config) }
    guard status == GANTRY_OK else { throw failure("runtime.configure-failed", "\(name) refused its configuration", status, memory) }
    edges = InputEdge.list(graph, node, inputs)
    schemas = []
    for (index, port) in code.description.outputs.enumerated() {
      let columns = memory.columns[index]
      if port.type == .features, columns == nil {
        throw GantryError(
          "runtime.no-columns", "PLUGIN: \(name) did not name the columns of its output \(port.name)", at: place,
          help: ["\(code.description.id) must call set_columns in configure"], exit: .badInput)
      }
      schemas.append(PortSchema(type: port.type, columns: columns ?? []))
    }
    state = .configured
  }

  func start() throws(GantryError) {
    precondition(state == .configured)
    if let start = code.raw.pointee.start {
      let status = control("start") { start(raw) }
      guard status == GANTRY_OK else { throw failure("runtime.start-failed", "\(name) did not start", status) }
    }
    state = .running
  }

  /// Stops a running instance. Its handle is dead afterwards. Returns what the plugin reported.
  func stop() -> GantryError? {
    guard state == .running else { return nil }
    state = .stopped
    defer { context.pointee.isAlive = false }
    guard let stop = code.raw.pointee.stop else { return nil }
    let status = control("stop") { stop(raw) }
    return status == GANTRY_OK ? nil : failure("runtime.stop-failed", "\(name) did not stop cleanly", status)
  }

  /// Gives the instance new live parameters, at an event boundary, as its lane. `graph` and `place`
  /// say with which parameters.
  func applyLive(_ graph: Graph, node: Int) throws(GantryError) {
    guard let live = capability("gantry.params-live/1", as: gantry_params_live.self), let apply = live.pointee.apply else {
      throw GantryError("apply.not-live", "PLUGIN: \(name) does not offer gantry.params-live/1, which its parameters ask for", at: place)
    }
    var artifacts: [ArtifactUse] = []
    let memory = try ConfigMemory(graph: graph, node: node, inputs: schemas(of: graph, node), artifacts: &artifacts)
    defer { memory.deallocate() }
    let status = control("apply") { apply(raw, memory.config.pointee.values, memory.config.pointee.value_count) }
    guard status == GANTRY_OK else { throw failure("apply.parameters-refused", "\(name) refused its new parameters", status, memory) }
  }

  /// The schemas of the node's edges in the order of `from`, as it was told.
  func schemas(of graph: Graph, _ node: Int) -> [PortSchema] {
    var taken: [Int: Int] = [:]
    return graph.nodes[node].inputs.map { edge in
      let place = taken[edge.toPort, default: 0]
      taken[edge.toPort] = place + 1
      let mine = edges.filter { $0.port == edge.toPort }
      return place < mine.count ? mine[place].schema : PortSchema(type: .any, columns: [])
    }
  }

  /// Everything the instance remembers, by `gantry.state/1`; nil when it does not offer that. Its lane
  /// stands still.
  func saveState() throws(GantryError) -> (version: UInt32, bytes: [UInt8])? {
    guard let state = capability("gantry.state/1", as: gantry_state.self), let save = state.pointee.save else { return nil }
    var bytes: [UInt8] = []
    let status = control("save") {
      let saved = StateSink.collect { save(raw, $0) }
      bytes = saved.bytes
      return saved.status
    }
    guard status == GANTRY_OK else { throw failure("apply.state-not-saved", "\(name) did not save its state", status) }
    return (state.pointee.version, bytes)
  }

  /// Takes over a state that another instance has saved, before the first event.
  func loadState(_ version: UInt32, _ bytes: [UInt8]) throws(GantryError) {
    guard let state = capability("gantry.state/1", as: gantry_state.self), let load = state.pointee.load else {
      throw GantryError("apply.state-refused", "the new instance of \(name) does not offer gantry.state/1", at: place)
    }
    let status = control("load") {
      bytes.withUnsafeBufferPointer { load(raw, version, gantry_bytes(data: $0.baseAddress, length: UInt64($0.count))) }
    }
    guard status == GANTRY_OK else { throw failure("apply.state-refused", "the new instance of \(name) did not take the state", status) }
  }

  func destroy() {
    guard state != .destroyed else { return }
    if state == .running { _ = stop() }
    state = .destroyed
    context.pointee.isAlive = false
    if let raw { code.raw.pointee.destroy(raw) }
    raw = nil
    context.pointee.models = nil
    models = nil
    context.pointee.libraries = nil
    retireContext()
  }

  /// Nobody is behind the handle any more.
  private func retireContext() {
    context.pointee.isAlive = false
    context.pointee.services._withUnsafeGuaranteedRef { $0.contexts.retire(context) }
  }

  /// Not destroyed.
  var isThere: Bool { state != .destroyed }

  /// What the instance remembers from events. On the control thread, while nobody else calls it.
  func save(_ table: UnsafePointer<gantry_state>) throws(GantryError) -> [UInt8] {
    var bytes: [UInt8] = []
    let status = control("save") {
      let saved = StateSink.collect { table.pointee.save(raw, $0) }
      bytes = saved.bytes
      return saved.status
    }
    guard status == GANTRY_OK else { throw failure("swap.state-not-saved", "\(name) did not save its state", status) }
    return bytes
  }

  /// Takes over what an instance of the same plugin, or of another version, has saved.
  func load(
    _ table: UnsafePointer<gantry_state>, from old: gantry_state, _ bytes: UnsafeBufferPointer<UInt8>, converters: [PluginCode]
  ) throws(GantryError) {
    let sameLayout = swiftText(old.schema) == swiftText(table.pointee.schema)
    if sameLayout {
      let status = control("load") { table.pointee.load(raw, old.version, gantry_bytes(data: bytes.baseAddress, length: UInt64(bytes.count))) }
      if status == GANTRY_OK { return }
      guard status == GANTRY_UNSUPPORTED, !converters.isEmpty else {
        throw failure("swap.state-refused", "\(name) did not take the state", status)
      }
    }
    guard let converted = try StateConversion.convert(bytes, from: old, to: table.pointee, converters) else {
      throw GantryError(
        "swap.state-layout",
        "\(name) cannot take the state: it is \(swiftText(old.schema) ?? "?") version \(old.version), and \(swiftText(table.pointee.schema) ?? "?") version \(table.pointee.version) is wanted",
        help: ["add a plugin with gantry.state-convert/1 for the two, or ask for a cold swap"])
    }
    let status = converted.withUnsafeBufferPointer { bytes in
      control("load") { table.pointee.load(raw, table.pointee.version, gantry_bytes(data: bytes.baseAddress, length: UInt64(bytes.count))) }
    }
    guard status == GANTRY_OK else { throw failure("swap.state-refused", "\(name) did not take the converted state", status) }
  }

  /// An extension of the plugin whose struct is at least as large as this host needs.
  func capability<Table>(_ id: StaticString, as type: Table.Type) -> UnsafePointer<Table>? {
    guard let get = code.raw.pointee.get_extension, let table = get(code.raw, id.abiText) else { return nil }
    guard table.load(as: UInt32.self) >= 8 else { return nil }
    return table.assumingMemoryBound(to: Table.self)
  }

  private func failure(_ id: String, _ what: String, _ status: gantry_status, _ memory: ConfigMemory? = nil) -> GantryError {
    var reason = "and PLUGIN gave no reason"
    if context.pointee.failLength > 0 {
      let bytes = UnsafeBufferPointer(start: context.pointee.failText, count: context.pointee.failLength)
      reason = String(decoding: bytes, as: UTF8.self)
      context.pointee.failLength = 0
    }
    // What the host itself refused keeps its code and its remedies.
    if status == GANTRY_DENIED, let refusal = libraries.refusal {
      let diagnostics = refusal.diagnostics.map { Diagnostic($0.severity, $0.code, "\(what): \($0.text)", at: place, help: $0.help) }
      return GantryError(diagnostics, refusal.exitCode)
    }
    return GantryError(id, "\(what): \(reason) (\(statusName(status)))", at: place, exit: .badInput)
  }
}

/// One edge into a node, as its instance was told in configure: what it may rely on.
struct InputEdge: Equatable, Sendable {
  var port: Int
  var isFeedback: Bool
  var schema: PortSchema

  /// Whether an instance that was told `told` can go on with these edges.
  static func extend(_ told: [InputEdge], _ now: [InputEdge]) -> Bool {
    told.count == now.count
      && zip(told, now).allSatisfy { $0.port == $1.port && $0.isFeedback == $1.isFeedback && $1.schema.extends($0.schema) }
  }

  static func list(_ graph: Graph, _ node: Int, _ schemas: [PortSchema]) -> [InputEdge] {
    let edges = zip(graph.nodes[node].inputs, schemas).map { InputEdge(port: $0.toPort, isFeedback: $0.isFeedback, schema: $1) }
    return edges.enumerated().sorted { ($0.element.port, $0.offset) < ($1.element.port, $1.offset) }.map(\.element)
  }
}

/// The schema of one port, as a value.
package struct PortSchema: Equatable, Sendable {
  package var type: EventType
  package var columns: [String]

  package init(type: EventType, columns: [String]) {
    self.type = type
    self.columns = columns
  }

  /// Bytes of one event.
  package var stride: Int {
    switch type {
    case .any: MemoryLayout<gantry_header>.stride
    case .tick: MemoryLayout<gantry_tick>.stride
    case .trade: MemoryLayout<gantry_trade>.stride
    case .bar: MemoryLayout<gantry_bar>.stride
    case .book: MemoryLayout<gantry_book>.stride
    case .features: MemoryLayout<gantry_header>.stride + 8 * columns.count
    case .prediction: MemoryLayout<gantry_prediction>.stride
    case .signal: MemoryLayout<gantry_signal>.stride
    case .order: MemoryLayout<gantry_order>.stride
    case .execution: MemoryLayout<gantry_execution>.stride
    case .account: MemoryLayout<gantry_account>.stride
    case .news: MemoryLayout<gantry_news>.stride
    case .calendar: MemoryLayout<gantry_calendar>.stride
    case .alert: MemoryLayout<gantry_alert>.stride
    case .blob: MemoryLayout<gantry_blob>.stride
    }
  }

  /// Whether whoever reads rows of `other` can read these: the same columns first, at the same offsets.
  package func extends(_ other: PortSchema) -> Bool { type == other.type && columns.starts(with: other.columns) }

  /// FNV-1a over the type and the column names.
  var fingerprint: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    add(UInt8(truncatingIfNeeded: type.rawValue))
    for column in columns {
      for byte in column.utf8 { add(byte) }
      add(0)
    }
    return hash
  }

  /// The ABI's form, in memory that lives as long as the run.
  func permanent() -> UnsafeMutablePointer<gantry_schema> {
    let names = UnsafeMutablePointer<gantry_string>.allocate(capacity: max(columns.count, 1))
    for (index, column) in columns.enumerated() { (names + index).initialize(to: permanentText(column)) }
    let schema = UnsafeMutablePointer<gantry_schema>.allocate(capacity: 1)
    schema.initialize(
      to: gantry_schema(
        size: UInt32(MemoryLayout<gantry_schema>.size), type: type.rawValue, stride: UInt32(stride),
        column_count: UInt32(columns.count), columns: UnsafePointer(names), fingerprint: fingerprint))
    return schema
  }

  static func deallocate(_ schema: UnsafeMutablePointer<gantry_schema>) {
    for index in 0..<Int(schema.pointee.column_count) { schema.pointee.columns[index].data?.deallocate() }
    schema.pointee.columns.deallocate()
    schema.deallocate()
  }
}
