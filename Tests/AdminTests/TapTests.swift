import GantryAdmin
import GantryBase
import GantryRuntime
import Glibc
import Testing

@Suite struct TapTests {
  @Test(arguments: [
    ("side=buy", true), ("side=sell", false), ("side!=sell", true), ("price>=1.5", true), ("price>1.5", false), ("price=1.50", true), ("quantity<20", true), ("none=1", false), ("none!=1", false),
    ("side<3", false),
  ])
  func `a filter looks at one field`(text: String, passes: Bool) throws {
    let fields = [(name: "side", text: "buy"), (name: "price", text: "1.5"), (name: "quantity", text: "10")]
    #expect(try TapFilter(text).passes(fields) == passes)
  }

  @Test(arguments: ["", "side", "=buy", "side=", "price<cheap"])
  func `what is no filter is refused`(text: String) { #expect(throws: GantryError.self) { try TapFilter(text) } }

  @Test func `events flow, filtered, sampled and counted`() throws {
    let host = try LiveGraph()
    let ticks = try host.gantry("tap", "ticks", "--count", "50", "--json")
    #expect(ticks.code == 0, "\(ticks.error)")
    #expect(ticks.lines.count == 51)
    #expect(try ticks.result(LiveHost.TapAnswer.self).dropped == 0)
    let orders = try host.gantry("tap", "decide.orders", "--where", "side=buy", "--count", "3")
    #expect(orders.code == 0, "\(orders.error)")
    #expect(orders.lines.count == 3)
    #expect(orders.lines.allSatisfy { $0.contains("side=buy") && $0.contains("EURUSD") })
    let sampled = try host.gantry("tap", "features", "--sample", "1/10", "--count", "5", "--json")
    let answer = try sampled.result(LiveHost.TapAnswer.self)
    #expect(answer.seen >= 50)
    #expect(sampled.out.contains("ema_10"))
    let unknown = try host.gantry("tap", "decide.order", "--count", "1")
    #expect(unknown.code == 2)
    #expect(unknown.error.contains("did you mean decide.orders?"))
    #expect(try host.gantry("tap", "ticks", "--where", "nonsense").code == 2)
  }

  @Test func `a tap that is left open ends with its client, and many at once share a lane`() throws {
    let host = try LiveGraph()
    do {
      var clients: [RawClient] = []
      for _ in 0..<20 {
        let client = try RawClient(host.socket)
        client.send(#"{"gantry":1,"id":1,"verb":"tap","port":"ticks.ticks"}"# + "\n")
        clients.append(client)
      }
      for client in clients { #expect(try client.line()?.contains("\"progress\"") == true) }
    }
    // Their places are free again as soon as the host has seen them go.
    try until("new taps are taken") {
      let client = try RawClient(host.socket)
      client.send(#"{"gantry":1,"id":1,"verb":"tap","port":"ticks.ticks"}"# + "\n")
      return try client.line()?.contains("\"progress\"") == true
    }
    #expect(try host.gantry("stop").code == 0)
    #expect(try host.end() == 0)
  }
}
