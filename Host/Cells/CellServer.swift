import CGantry
import CLinux
import GantryBase
import GantryLoader
import GantryRuntime
import Glibc

/// The child's whole life: takes the host's calls one after another and makes them of the plugin. One
/// thread serves; a second one runs the feed of a source that has one.
final class CellServer: @unchecked Sendable {  // the serving thread's, but for `side`, which has a lock
  let memory: CellMemory
  let calls: CellSide
  let side: CellOthers
  private var boot = CellBoot()
  private var plugin: LoadedPlugin?
  private var table = gantry_plugin()
  private(set) var instance: OpaquePointer?
  private var node: UnsafeMutablePointer<CellNode>
  private let host: UnsafePointer<gantry_host>
  private var payload: [UInt8] = []
  private var structures: [CellStructures] = []
  private var batches: [UnsafeMutablePointer<gantry_batch>] = []
  /// By port and edge: an index into `batches`.
  private var edges: [[Int]] = []
  private let outputs: UnsafeMutablePointer<gantry_outputs>
  private let ports: UnsafeMutablePointer<gantry_output>
  private var schemas: [PortSchema] = []
  private var arenaPorts: [Int] = []
  private var columns: [Int: [String]] = [:]
  private var state: UnsafePointer<gantry_state>?
  private var pull: UnsafePointer<gantry_pull>?
  private var feed: UnsafePointer<gantry_feed_source>?
  private var live: UnsafePointer<gantry_params_live>?
  private var rowCapacity: [UInt32] = []
  /// Rows and arena that a port has to begin with; the memory is there, so growing costs nothing.
  private static let rowsAtFirst: UInt32 = 1024
  private static let arenaAtFirst: UInt64 = 64 << 10

  init(memory: CellMemory) {
    self.memory = memory
    calls = CellSide(channel: memory.calls, payload: memory.payload, payloadBytes: CellMemory.Area.payload, spins: memory.page.pointee.spins)
    side = CellOthers(memory)
    node = .allocate(capacity: 1)
    node.initialize(to: CellNode())
    host = CellHost.table
    outputs = .allocate(capacity: 1)
    outputs.initialize(to: gantry_outputs())
    ports = .allocate(capacity: max(memory.portCount, 1))
    ports.initialize(repeating: gantry_output(), count: max(memory.portCount, 1))
  }

  /// Serves until the host says destroy. Returns the exit code.
  func run() -> Int32 {
    node.pointee.server = .passUnretained(self)
    CellHost.enter(calls)
    let request = calls.request
    while true {
      calls.await()
      guard let call = CellCall(rawValue: request.pointee.op) else { return ExitCode.bug.rawValue }
      if call == .batch {
        serveBatch(request)
        continue
      }
      guard serve(call, request) else { return 0 }
    }
  }

  // MARK: the hot path

  private func serveBatch(_ request: UnsafeMutablePointer<clinux_cell_request>) {
    let count = request.pointee.count
    let port = Int(request.pointee.a)
    let edge = Int(request.pointee.b)
    guard port < edges.count, edge < edges[port].count else { return done(GANTRY_MISUSE) }
    let batch = batches[edges[port][edge]]
    batch.pointee.count = count
    batch.pointee.stride = UInt32(truncatingIfNeeded: request.pointee.x)
    batch.pointee.arena.length = request.pointee.bytes
    node.pointee.nowNs = request.pointee.now_ns
    openOutputs(consumed: count)
    let wantsSnapshot = request.pointee.flags & CellFlag.snapshot != 0
    let slot = request.pointee.input
    let number = request.pointee.y
    let status = table.on_batch?(instance, batch, outputs) ?? GANTRY_MISUSE
    closeOutputs(status)
    if wantsSnapshot { saveSnapshot(slot, number) }
  }

  @inline(__always)
  private func openOutputs(consumed: UInt32, capacity: UInt32? = nil) {
    outputs.pointee.consumed = consumed
    outputs.pointee.committed = 0
    node.pointee.isOnLane = true
    for port in 0..<schemas.count {
      ports[port].count = 0
      ports[port].connected = memory.ports[port].reserved
      if let capacity { ports[port].capacity = capacity } else { ports[port].capacity = rowCapacity[port] }
    }
    for port in arenaPorts { ports[port].arena_count = min(memory.ports[port].arena_count, UInt64(CellMemory.Area.portArena)) }
  }

  /// Tells the host what was written.
  @inline(__always)
  private func closeOutputs(_ status: gantry_status) {
    node.pointee.isOnLane = false
    let reply = calls.reply
    reply.pointee.status = status
    reply.pointee.consumed = outputs.pointee.consumed
    reply.pointee.committed = outputs.pointee.committed
    if outputs.pointee.committed != 0 {
      for port in 0..<schemas.count { memory.ports[port].count = ports[port].count }
      for port in arenaPorts { memory.ports[port].arena_count = ports[port].arena_count }
    }
    calls.post(.done)
  }

  /// Room for more: the area is there already.
  private static let grow: @convention(c) (UnsafeMutablePointer<gantry_outputs>?, UInt32, UInt32, UInt64) -> gantry_status = {
    outputs, port, rows, arena in
    guard let outputs, let context = outputs.pointee.context else { return GANTRY_MISUSE }
    return Unmanaged<CellServer>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.growPort(Int(port), rows, arena) }
  }
  private var isPulling = false

  private func growPort(_ port: Int, _ rows: UInt32, _ arena: UInt64) -> gantry_status {
    guard port < schemas.count else { return GANTRY_MISUSE }
    if isPulling { return GANTRY_FULL }
    let output = ports + port
    if rows > 0, output.pointee.count &+ rows > output.pointee.capacity {
      let most = UInt32(min(CellMemory.rowsMax, CellMemory.Area.portRows / max(schemas[port].stride, 1)))
      let wanted = max(output.pointee.capacity &* 2, output.pointee.count &+ rows)
      guard output.pointee.count &+ rows <= most else { return GANTRY_FULL }
      output.pointee.capacity = min(wanted, most)
      rowCapacity[port] = output.pointee.capacity
    }
    let needed = output.pointee.arena_count &+ min(arena, 1 << 30)
    if needed > output.pointee.arena_capacity {
      guard needed <= UInt64(CellMemory.Area.portArena) else { return GANTRY_FULL }
      output.pointee.arena_capacity = min(max(output.pointee.arena_capacity * 2, needed), UInt64(CellMemory.Area.portArena))
    }
    return GANTRY_OK
  }

  // MARK: the other calls

  private func done(_ status: gantry_status) {
    calls.reply.pointee.status = status
    calls.reply.pointee.consumed = 0
    calls.reply.pointee.committed = 0
    calls.post(.done)
  }

  /// False when the life of this process is over.
  private func serve(_ call: CellCall, _ request: UnsafeMutablePointer<clinux_cell_request>) -> Bool {
    node.pointee.nowNs = request.pointee.now_ns
    switch call {
    case .boot: load(request)
    case .put:
      if request.pointee.x != 0 { payload = [] }
      payload += UnsafeRawBufferPointer(start: memory.payload, count: Int(min(request.pointee.bytes, UInt64(CellMemory.Area.payload))))
      done(GANTRY_OK)
    case .create: create()
    case .configure: configure()
    case .start: done(table.start.map { $0(instance) } ?? GANTRY_OK)
    case .timer:
      var timer = gantry_timer(
        size: UInt32(MemoryLayout<gantry_timer>.size), reserved: 0, tag: request.pointee.x, due_ns: Int64(bitPattern: request.pointee.y))
      openOutputs(consumed: 1)
      closeOutputs(table.on_timer?(instance, &timer, outputs) ?? GANTRY_MISUSE)
    case .flush:
      openOutputs(consumed: 1)
      closeOutputs(table.flush?(instance, outputs) ?? GANTRY_OK)
    case .pull: servePull(request)
    case .cursor:
      var hash: UInt64 = 0
      var row: UInt64 = 0
      let status = pull?.pointee.cursor?(instance, &hash, &row) ?? GANTRY_UNSUPPORTED
      calls.reply.pointee.x = hash
      calls.reply.pointee.y = row
      done(status)
    case .bound:
      calls.reply.pointee.x = state?.pointee.bound(instance) ?? 0
      done(GANTRY_OK)
    case .save: done(state.map { CellStates.save($0, instance, through: calls) } ?? GANTRY_UNSUPPORTED)
    case .load:
      let bytes = payload.withUnsafeBufferPointer { raw in
        state?.pointee.load(instance, request.pointee.a, gantry_bytes(data: raw.baseAddress, length: UInt64(raw.count))) ?? GANTRY_UNSUPPORTED
      }
      payload = []
      done(bytes)
    case .apply: apply()
    case .stop:
      let status = table.stop.map { $0(instance) } ?? GANTRY_OK
      node.pointee.isAlive = false
      done(status)
    case .destroy:
      if let instance { table.destroy?(instance) }
      done(GANTRY_OK)
      return false
    case .batch, .feed, .answer: done(GANTRY_MISUSE)
    }
    return true
  }

  private func servePull(_ request: UnsafeMutablePointer<clinux_cell_request>) {
    let max = request.pointee.count
    let wantsSnapshot = request.pointee.flags & CellFlag.snapshot != 0
    let slot = request.pointee.input
    let number = request.pointee.y
    isPulling = true
    openOutputs(consumed: 0, capacity: max)
    let status = pull?.pointee.pull(instance, max, outputs) ?? GANTRY_UNSUPPORTED
    isPulling = false
    closeOutputs(status)
    if wantsSnapshot { saveSnapshot(slot, number) }
  }

  /// Loads the plugin, behind walls, and says what it is. A refusal is a text.
  private func load(_ request: UnsafeMutablePointer<clinux_cell_request>) {
    let bytes = Array(UnsafeRawBufferPointer(start: memory.payload, count: Int(min(request.pointee.bytes, UInt64(CellMemory.Area.payload)))))
    var facts = CellFacts()
    var refusal = ""
    if let boot = CellBoot(bytes) {
      self.boot = boot
      facts.landlock = UInt32(clinux_landlock_version())
      facts.walls = CellChild.confine(boot)
      do throws(GantryError) {
        let generation = try Loader.loadInCell(path: boot.path, sha256: boot.sha256)
        plugin = generation[boot.plugin]
        if plugin == nil { refusal = "\(boot.path) offers no plugin \(boot.plugin)" }
      } catch {
        refusal = error.diagnostics.map(\.text).joined(separator: "; ")
      }
    } else {
      refusal = "the host's boot message is damaged"
    }
    if let plugin {
      table = plugin.table
      state = plugin.table("gantry.state/1", as: gantry_state.self)
      pull = plugin.table("gantry.pull/1", as: gantry_pull.self)
      feed = plugin.table("gantry.feed/1", as: gantry_feed_source.self)
      live = plugin.table("gantry.params-live/1", as: gantry_params_live.self)
      facts.functions = functions()
      if let state {
        facts.stateVersion = state.pointee.version
        facts.stateSchema = String(decoding: [UInt8](state.pointee.schema), as: UTF8.self)
      }
    }
    let answer = plugin == nil ? Array(refusal.utf8.prefix(4096)) : facts.encoded
    answer.withUnsafeBytes { if $0.count > 0 { memory.payload.copyMemory(from: $0.baseAddress!, byteCount: $0.count) } }
    calls.reply.pointee.bytes = UInt64(answer.count)
    done(plugin == nil ? GANTRY_INVALID : GANTRY_OK)
  }

  private func functions() -> CellFacts.Functions {
    var list: CellFacts.Functions = []
    if table.start != nil { list.insert(.start) }
    if table.flush != nil { list.insert(.flush) }
    if table.on_timer != nil { list.insert(.onTimer) }
    if table.stop != nil { list.insert(.stop) }
    if table.on_batch != nil { list.insert(.onBatch) }
    if state != nil { list.insert(.state) }
    if let pull, pull.pointee.pull != nil {
      list.insert(.pull)
      if pull.pointee.cursor != nil { list.insert(.cursor) }
    }
    if let feed, feed.pointee.run != nil { list.insert(.feed) }
    if live != nil { list.insert(.live) }
    return list
  }

  private func create() {
    guard let plugin else { return done(GANTRY_MISUSE) }
    var made: OpaquePointer?
    let status = table.create(plugin.raw, host, OpaquePointer(node), &made)
    instance = made
    if status == GANTRY_OK, made != nil, feed?.pointee.run != nil { serveFeed() }
    done(status == GANTRY_OK && made == nil ? GANTRY_BUG : status)
  }

  private func configure() {
    let structures = CellStructures()
    guard let config = structures.config(payload), let plugin else { return done(GANTRY_INVALID) }
    payload = []
    config.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    config.pointee.set_columns = { config, port, names, count in
      guard let context = config?.pointee.context else { return GANTRY_MISUSE }
      return Unmanaged<CellServer>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.setColumns(port, names, count) }
    }
    let status = table.configure(instance, config)
    if status == GANTRY_OK {
      layOutInputs(config, structures)
      layOutOutputs(plugin.description.outputs)
    }
    // Schemas of the inputs live on; the values are gone with this call, as the ABI says.
    self.structures = [structures]
    done(status)
  }

  private func setColumns(_ port: UInt32, _ names: UnsafePointer<gantry_string>?, _ count: UInt64) -> gantry_status {
    guard count <= 4096 else { return GANTRY_FULL }
    var writer = CellWriter()
    var list: [String] = []
    writer.add(UInt32(count))
    for index in 0..<Int(count) {
      guard let name = names?[index] else { return GANTRY_INVALID }
      list.append(String(decoding: [UInt8](name), as: UTF8.self))
      writer.add(name)
    }
    let bytes = writer.bytes
    guard bytes.count <= CellMemory.Area.payload else { return GANTRY_FULL }
    bytes.withUnsafeBytes { memory.payload.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    calls.reply.pointee.a = port
    calls.reply.pointee.bytes = UInt64(bytes.count)
    calls.ask(.setColumns)
    let status = calls.request.pointee.status
    if status == GANTRY_OK { columns[Int(port)] = list }
    return status
  }

  private func layOutInputs(_ config: UnsafePointer<gantry_config>, _ structures: CellStructures) {
    batches = []
    edges = []
    for index in 0..<Int(config.pointee.input_count) {
      let input = config.pointee.inputs[index]
      let batch = structures.array(1, of: gantry_batch.self)
      batch.pointee.size = UInt32(MemoryLayout<gantry_batch>.size)
      batch.pointee.port = input.port
      batch.pointee.edge = input.edge
      batch.pointee.type = input.schema.pointee.type
      batch.pointee.stride = input.schema.pointee.stride
      batch.pointee.schema = input.schema
      batch.pointee.base = UnsafeRawPointer(memory.rows).assumingMemoryBound(to: UInt8.self)
      batch.pointee.arena.data = UnsafeRawPointer(memory.arena).assumingMemoryBound(to: UInt8.self)
      while edges.count <= Int(input.port) { edges.append([]) }
      edges[Int(input.port)].append(batches.count)
      batches.append(batch)
    }
  }

  private func layOutOutputs(_ descriptions: [PortDescription]) {
    schemas = descriptions.enumerated().map { PortSchema(type: $1.type, columns: columns[$0] ?? []) }
    arenaPorts = schemas.indices.filter { PortSchema.hasArena(schemas[$0].type) }
    rowCapacity = schemas.map { UInt32(min(Int(Self.rowsAtFirst), CellMemory.Area.portRows / max($0.stride, 1))) }
    for (index, schema) in schemas.enumerated() {
      ports[index].size = UInt32(MemoryLayout<gantry_output>.size)
      ports[index].type = schema.type.rawValue
      ports[index].stride = UInt32(schema.stride)
      ports[index].base = memory.portRows(index).assumingMemoryBound(to: UInt8.self)
      ports[index].cause = memory.portCauses(index).assumingMemoryBound(to: UInt32.self)
      ports[index].arena = memory.portArena(index).assumingMemoryBound(to: UInt8.self)
      ports[index].arena_capacity = PortSchema.hasArena(schema.type) ? Self.arenaAtFirst : 0
    }
    outputs.pointee.size = UInt32(MemoryLayout<gantry_outputs>.size)
    outputs.pointee.port_count = UInt32(schemas.count)
    outputs.pointee.ports = ports
    outputs.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    outputs.pointee.grow = Self.grow
  }

  private func apply() {
    let structures = CellStructures()
    var reader = CellReader(payload)
    payload = []
    guard let values = structures.values(&reader) else { return done(GANTRY_INVALID) }
    let status = withExtendedLifetime(structures) { live?.pointee.apply(instance, values.pointer, values.count) ?? GANTRY_UNSUPPORTED }
    done(status)
  }

  /// Saves the state into one of the two slots, beside the lane: the call before has been answered.
  private func saveSnapshot(_ slot: UInt32, _ number: UInt64) {
    guard let state, slot == 1 || slot == 2 else { return }
    let began = clinux_monotonic_ns()
    guard let length = CellStates.save(state, instance, into: memory.snapshot(Int(slot) - 1), capacity: CellMemory.Area.snapshot) else { return }
    memory.snapshots[Int(slot) - 1] = clinux_cell_snapshot(
      calls: number, length: UInt64(length), cost_ns: UInt64(clinux_monotonic_ns() - began), version: state.pointee.version, is_whole: 1)
    clinux_store32(memory.newestSnapshot, slot)
  }

  /// The thread that runs the feed, whenever the host asks for it.
  private func serveFeed() {
    guard let feed else { return }
    let feedSide = CellSide(
      channel: memory.feed, payload: memory.feedPayload, payloadBytes: CellMemory.Area.feed, spins: memory.page.pointee.spins)
    let table = CellFeed(feedSide, stride: { [self] port in port < schemas.count ? schemas[port].stride : 0 })
    let run = feed.pointee.run
    nonisolated(unsafe) let instance = instance
    try? LaneThread().start(name: "feed") {
      CellHost.enter(feedSide)
      while true {
        feedSide.await()
        let status = table.run { run?(instance, $0) ?? GANTRY_UNSUPPORTED }
        feedSide.reply.pointee.status = status
        feedSide.post(.done)
      }
    }
  }
}

extension [UInt8] {
  init(_ text: gantry_string) {
    guard let data = text.data, text.length > 0 else {
      self = []
      return
    }
    self = Array(UnsafeRawBufferPointer(start: data, count: Int(text.length)))
  }
}
