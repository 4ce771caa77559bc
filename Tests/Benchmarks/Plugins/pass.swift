import CGantry

/// bench-pass-swift: hands every tick on, in Embedded Swift. The same work as pass.c.
struct Pass: Plugin {
  // Built twice: the second one (SINGLE) asks for one event a call.
  #if SINGLE
    static var id: StaticString { "bench-pass-swift-single" }
    static var flags: Descriptor.Flags { [.stateless, .single] }
  #else
    static var id: StaticString { "bench-pass-swift" }
    static var flags: Descriptor.Flags { .stateless }
  #endif

  // And in two versions, which are other bytes, to be swapped for each other.
  #if SECOND
    static var version: StaticString { "0.2.0" }
  #else
    static var version: StaticString { "0.1.0" }
  #endif

  static var descriptor: Descriptor {
    Descriptor(
      id: id, version: version, kind: .transform, summary: "hands every tick on", flags: flags,
      inputs: [Port("ticks", .tick, help: "what is handed on")], outputs: [Port("ticks", .tick, help: "the same")])
  }

  init(host: Host) {}

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let from = batch.event(index, as: gantry_tick.self)
      guard let to = outputs.reserve(0, cause: index, as: gantry_tick.self) else { throw Failure.full }
      to.pointee.bid = from.pointee.bid
      to.pointee.ask = from.pointee.ask
      to.pointee.bid_size = from.pointee.bid_size
      to.pointee.ask_size = from.pointee.ask_size
      outputs.commit(0)
    }
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Pass.self, request)
}
