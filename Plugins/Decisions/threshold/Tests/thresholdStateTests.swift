import CGantry
import PluginHarness
import Testing

@Suite struct ThresholdStateTests {
  private func fresh(quantity: ParameterText = 10000) throws -> PluginHarness {
    try PluginHarness(
      "threshold", parameters: ["quantity": quantity], inputs: [.init(port: "predictions"), .init(port: "executions")], starts: false)
  }

  @Test func `a new instance goes on where the old one stood`() throws {
    let old = try Decision()
    let order = try old.predict(1)[0]
    try old.say(GANTRY_EXEC_FILL, order, quantity: 4000, leaves: 6000)
    let (version, bytes) = try old.plugin.saveState()
    let next = try fresh()
    try next.loadState(version: version, bytes)
    try next.start()
    #expect(try next.send(gantry_prediction(value: -1)).allSatisfy { $0.port != "orders" }, "an order is still in flight")
    var fill = gantry_execution()
    fill.header = gantry_header(eventNs: 0)
    fill.order_id = order.order_id
    fill.kind = UInt8(GANTRY_EXEC_FILL)
    fill.quantity = 6000
    try next.send(fill)
    #expect(try next.send(gantry_prediction(value: -1)).first { $0.port == "orders" }?.order.quantity == 20000)
  }

  @Test func `a changed quantity resizes the position that was taken over`() throws {
    let old = try Decision()
    try old.fill(try old.predict(1)[0])
    let (version, bytes) = try old.plugin.saveState()
    let next = try fresh(quantity: 15000)
    try next.loadState(version: version, bytes)
    try next.start()
    #expect(try next.send(gantry_prediction(value: 1)).filter { $0.port == "orders" }.map(\.order.quantity) == [5000])
  }

  @Test func `a state cut off, made longer, of another version or other instruments is refused`() throws {
    let (version, bytes) = try Decision().plugin.saveState()
    for length in 0..<bytes.count {
      #expect(throws: PluginFailure.self) { try fresh().loadState(version: version, Array(bytes[..<length])) }
    }
    #expect(throws: PluginFailure.self) { try fresh().loadState(version: version, bytes + [0]) }
    let other = try #require(throws: PluginFailure.self) { try fresh().loadState(version: version + 1, bytes) }
    #expect(other.status == GANTRY_UNSUPPORTED)
    let two = try PluginHarness("threshold", instruments: [.eurusd, .usdjpy], inputs: [.init(port: "predictions")], starts: false)
    #expect(throws: PluginFailure.self) { try two.loadState(version: version, bytes) }
  }
}
