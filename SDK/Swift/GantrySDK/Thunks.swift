import CGantry

/// The C functions of every plugin made with this SDK. They are not generic (a C function pointer
/// cannot be), so an instance is a `Box`, whose overridden methods know the author's type.

/// Makes instances of one plugin type.
class Factory {
  var plugin: UnsafePointer<gantry_plugin>?
  var extensions: Extensions?
  func make(_ host: Host) -> Box { preconditionFailure() }
  var stateSchema: (name: StaticString, version: UInt32) { ("", 0) }
}

final class FactoryOf<P: Plugin>: Factory {
  override func make(_ host: Host) -> Box { BoxOf<P>(host) }
  override var stateSchema: (name: StaticString, version: UInt32) { P.stateSchema }
}

/// One instance, without its type.
class Box {
  let host: Host
  init(_ host: Host) { self.host = host }
  func configure(_ configuration: UnsafePointer<gantry_config>) throws(Failure) {}
  func start() throws(Failure) {}
  func onBatch(_ batch: UnsafePointer<gantry_batch>, _ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) {}
  func onTimer(_ timer: UnsafePointer<gantry_timer>, _ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) {}
  func flush(_ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) {}
  func stop() throws(Failure) {}
  func destroy() {}
  func pull(_ max: Int, _ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) -> PullResult { .end }
  func cursor() -> (contentHash: UInt64, row: UInt64) { (0, 0) }
  func stateBound() -> Int { 0 }
  func saveState(_ writer: UnsafeMutablePointer<gantry_state_writer>) throws(Failure) {}
  func loadState(_ version: UInt32, _ bytes: UnsafeRawBufferPointer) throws(Failure) {}
  func apply(_ values: LiveValues) throws(Failure) {}
}

final class BoxOf<P: Plugin>: Box {
  var plugin: P
  override init(_ host: Host) {
    plugin = P(host: host)
    super.init(host)
  }
  override func configure(_ configuration: UnsafePointer<gantry_config>) throws(Failure) {
    try plugin.configure(Configuration(configuration))
  }
  override func start() throws(Failure) { try plugin.start() }
  override func onBatch(_ batch: UnsafePointer<gantry_batch>, _ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) {
    try plugin.onBatch(Batch(batch), Outputs(outputs))
  }
  override func onTimer(_ timer: UnsafePointer<gantry_timer>, _ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) {
    try plugin.onTimer(tag: timer.pointee.tag, dueNs: timer.pointee.due_ns, Outputs(outputs))
  }
  override func flush(_ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) { try plugin.flush(Outputs(outputs)) }
  override func stop() throws(Failure) { try plugin.stop() }
  override func destroy() { plugin.destroy() }
  override func pull(_ max: Int, _ outputs: UnsafeMutablePointer<gantry_outputs>) throws(Failure) -> PullResult {
    try plugin.pull(max: max, Outputs(outputs))
  }
  override func cursor() -> (contentHash: UInt64, row: UInt64) { plugin.cursor() }
  override func stateBound() -> Int { plugin.stateBound() }
  override func saveState(_ writer: UnsafeMutablePointer<gantry_state_writer>) throws(Failure) {
    try plugin.saveState(StateWriter(writer))
  }
  override func loadState(_ version: UInt32, _ bytes: UnsafeRawBufferPointer) throws(Failure) {
    var reader = StateReader(bytes)
    try plugin.loadState(version: version, &reader)
    try reader.finish()
  }
  override func apply(_ values: LiveValues) throws(Failure) { try plugin.apply(values) }
}

/// Calls `body` with the box behind an instance, without touching its reference count, and turns
/// what it throws into `host->fail` and a status. Safe: the host calls nothing after `destroy`.
@inline(__always)
private func call(_ instance: OpaquePointer?, _ body: (Box) throws(Failure) -> Void) -> gantry_status {
  let unmanaged = Unmanaged<Box>.fromOpaque(UnsafeRawPointer(instance.unsafelyUnwrapped))
  return unmanaged._withUnsafeGuaranteedRef { box in
    do throws(Failure) {
      try body(box)
      return 0
    } catch {
      return box.host.fail(error)
    }
  }
}

func installThunks(_ plugin: UnsafeMutablePointer<gantry_plugin>) {
  plugin.pointee.create = { plugin, host, node, result in
    guard let plugin, let host, let node, let result, let export = currentExport else { return -2 }
    for factory in export.factories where factory.plugin == plugin {
      let box = factory.make(Host(host, node))
      result.pointee = OpaquePointer(Unmanaged.passRetained(box).toOpaque())
      return 0
    }
    return -5
  }
  plugin.pointee.configure = { instance, configuration in
    guard let configuration else { return -2 }
    return call(instance) { box throws(Failure) in try box.configure(configuration) }
  }
  plugin.pointee.start = { instance in call(instance) { box throws(Failure) in try box.start() } }
  plugin.pointee.on_batch = { instance, batch, outputs in
    call(instance) { box throws(Failure) in
      try box.onBatch(batch.unsafelyUnwrapped, outputs.unsafelyUnwrapped)
    }
  }
  plugin.pointee.on_timer = { instance, timer, outputs in
    call(instance) { box throws(Failure) in
      try box.onTimer(timer.unsafelyUnwrapped, outputs.unsafelyUnwrapped)
    }
  }
  plugin.pointee.flush = { instance, outputs in
    call(instance) { box throws(Failure) in try box.flush(outputs.unsafelyUnwrapped) }
  }
  plugin.pointee.stop = { instance in call(instance) { box throws(Failure) in try box.stop() } }
  plugin.pointee.destroy = { instance in
    guard let instance else { return }
    let unmanaged = Unmanaged<Box>.fromOpaque(UnsafeRawPointer(instance))
    unmanaged._withUnsafeGuaranteedRef { $0.destroy() }
    unmanaged.release()
  }
  plugin.pointee.get_extension = { plugin, id in
    guard let plugin, let export = currentExport else { return nil }
    for factory in export.factories where factory.plugin == plugin {
      return factory.extensions?.table(TextView(id))
    }
    return nil
  }
}

/// The extension tables of one plugin type.
final class Extensions {
  private let abilities: Abilities
  private let pull: UnsafeMutablePointer<gantry_pull>
  private let state: UnsafeMutablePointer<gantry_state>
  private let live: UnsafeMutablePointer<gantry_params_live>

  func table(_ id: TextView) -> UnsafeRawPointer? {
    if abilities.contains(.pull), id == "gantry.pull/1" { return UnsafeRawPointer(pull) }
    if abilities.contains(.state), id == "gantry.state/1" { return UnsafeRawPointer(state) }
    if abilities.contains(.paramsLive), id == "gantry.params-live/1" { return UnsafeRawPointer(live) }
    return nil
  }

  init(_ abilities: Abilities, _ factory: Factory) {
    self.abilities = abilities
    pull = .allocate(capacity: 1)
    pull.initialize(to: gantry_pull())
    pull.pointee.size = UInt32(MemoryLayout<gantry_pull>.size)
    pull.pointee.pull = { instance, max, outputs in
      var result = PullResult.end
      let status = call(instance) { box throws(Failure) in
        result = try box.pull(Int(max), outputs.unsafelyUnwrapped)
      }
      if status != 0 { return status }
      switch result {
      case .more: return 0
      case .end: return 1
      case .again: return 2
      }
    }
    if abilities.contains(.cursor) {
      pull.pointee.cursor = { instance, hash, row in
        call(instance) { box throws(Failure) in
          let cursor = box.cursor()
          hash?.pointee = cursor.contentHash
          row?.pointee = cursor.row
        }
      }
    }
    state = .allocate(capacity: 1)
    state.initialize(to: gantry_state())
    state.pointee.size = UInt32(MemoryLayout<gantry_state>.size)
    state.pointee.schema = factory.stateSchema.name.abi
    state.pointee.version = factory.stateSchema.version
    state.pointee.bound = { instance in
      var bound = 0
      _ = call(instance) { box throws(Failure) in bound = box.stateBound() }
      return UInt64(bound)
    }
    state.pointee.save = { instance, writer in
      call(instance) { box throws(Failure) in try box.saveState(writer.unsafelyUnwrapped) }
    }
    state.pointee.load = { instance, version, bytes in
      call(instance) { box throws(Failure) in
        try box.loadState(
          version, UnsafeRawBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : Int(bytes.length)))
      }
    }
    live = .allocate(capacity: 1)
    live.initialize(to: gantry_params_live())
    live.pointee.size = UInt32(MemoryLayout<gantry_params_live>.size)
    live.pointee.apply = { instance, values, count in
      guard let values else { return -2 }
      return call(instance) { box throws(Failure) in try box.apply(LiveValues(values: values, count: Int(count))) }
    }
  }
}
