import CGantry

/// Hands every quote on, `offset` ticks apart from what it was. Replace this by what your plugin is for.
struct Starter: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "starter", version: "0.1.0", kind: .transform, summary: "moves every quote by a fixed amount", flags: .stateless,
      inputs: [Port("ticks", .tick, help: "quotes")],
      outputs: [Port("ticks", .tick, help: "the quotes, moved")],
      parameters: [Parameter("offset", .number, default: "0", unit: "quote currency", help: "what is added to bid and ask")])
  }

  private var offset = 0.0

  init(host: Host) {}

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    offset = configuration.number(0)
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    for index in 0..<batch.count {
      let quote = batch.event(index, as: gantry_tick.self)
      guard let moved = outputs.reserve(0, cause: index, as: gantry_tick.self) else {
        outputs.setConsumed(index)
        throw Failure.full
      }
      moved.pointee.bid = quote.pointee.bid + offset
      moved.pointee.ask = quote.pointee.ask + offset
      moved.pointee.bid_size = quote.pointee.bid_size
      moved.pointee.ask_size = quote.pointee.ask_size
      outputs.commit(0)
    }
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Starter.self, request)
}
