import CGantry
import PluginHarness
import Testing

@Suite struct BarsTests {
  @Test func `the first event at or after a bar's end closes it and begins the next`() throws {
    let p = try bars(["every": "1m"])
    #expect(try p.send([tick(10, at: 5), tick(12, at: 20), tick(9, at: 59.999), tick(11, at: 59.9999)]).isEmpty)
    let closed = try p.send([tick(13, at: 60), tick(14, at: 119)])
    #expect(closed.map(\.cause) == [0])
    let bar = closed[0].bar
    #expect([bar.open, bar.high, bar.low, bar.close] == [10, 12, 9, 11])
    #expect(bar.ticks == 4 && bar.spread == 0.5 && bar.volume == 4 * 3)
    #expect(bar.start_ns == 0 && bar.header.event_ns == seconds(60) && bar.header.instrument == 1)
    let next = try p.send(tick(1, at: 125))[0].bar
    #expect(next.open == 13 && next.close == 14 && next.start_ns == seconds(60) && next.header.event_ns == seconds(120))
  }

  @Test func `bars begin at multiples of their length, before 1970 too`() throws {
    let p = try bars(["every": "1h"])
    _ = try p.send(tick(1, at: -3601))
    let bar = try p.send(tick(2, at: -3600))[0].bar
    #expect(bar.start_ns == seconds(-7200) && bar.header.event_ns == seconds(-3600))
  }

  @Test func `an interval without events gives no bar, or repeats the last close`() throws {
    let events = [tick(5, at: 1), tick(7, at: 2), tick(9, at: 34)]
    #expect(try bars(["every": "10s"]).send(events).map { $0.bar.start_ns } == [0])
    let repeating = try bars(["every": "10s", "empty": "repeat"]).send(events).map(\.bar)
    #expect(repeating.map(\.start_ns) == [0, seconds(10), seconds(20)])
    #expect(repeating.map(\.header.event_ns) == [seconds(10), seconds(20), seconds(30)])
    for bar in repeating[1...] {
      #expect([bar.open, bar.high, bar.low, bar.close] == [7, 7, 7, 7])
      #expect(bar.ticks == 0 && bar.volume == 0 && bar.spread == 0)
    }
    let cut = try bars(["every": "10s", "empty": "repeat", "repeat_max": "3"])
    #expect(try cut.send([tick(5, at: 1), tick(6, at: 1_000_000)]).count == 4)
    #expect(cut.metrics["cut_gaps"] == 1)
  }

  @Test func `a tick bar is closed by its last event`() throws {
    let p = try bars(["ticks": "3"])
    let closed = try p.send((1...8).map { tick(Double($0), at: Double($0)) })
    #expect(closed.map(\.cause) == [2, 5])
    #expect(closed.map { $0.bar.open } == [1, 4] && closed.map { $0.bar.close } == [3, 6])
    #expect(closed.map { $0.bar.header.event_ns } == [seconds(3), seconds(6)] && closed.map { $0.bar.start_ns } == [seconds(1), seconds(4)])
  }

  @Test func `a volume bar is closed by the trade that fills it`() throws {
    let p = try bars(["volume": "10"], port: "trades")
    let sizes = [4.0, 5, 6, .nan, 10, 3]
    let closed = try p.send(
      sizes.enumerated().map { index, size in
        gantry_trade(header: gantry_header(eventNs: Int64(index + 1)), price: 100, size: size, trade_id: 0, aggressor: 0, reserved: 0)
      })
    #expect(closed.map(\.cause) == [2, 4])
    #expect(closed.map { $0.bar.volume } == [15, 10] && closed.map { $0.bar.ticks } == [3, 2])
  }

  @Test func `the end of the run gives out unfinished bars only if asked to`() throws {
    let events = [tick(1, at: 1, instrument: 2), tick(3, at: 2, instrument: 1), tick(2, at: 3, instrument: 2)]
    let silent = try bars(["every": "1m"], instruments: [.eurusd, .usdjpy])
    _ = try silent.send(events)
    #expect(try silent.flush().isEmpty)
    let partial = try bars(["every": "1m", "partial": "true"], instruments: [.eurusd, .usdjpy])
    _ = try partial.send(events)
    let rest = try partial.flush()
    #expect(rest.map { $0.bar.header.instrument } == [1, 2])
    #expect(rest.map { $0.bar.header.event_ns } == [seconds(2), seconds(3)])
    #expect(try partial.flush().isEmpty)
  }

  @Test func `late events count into the open bar, prices that are not finite into none`() throws {
    let p = try bars(["every": "1m"])
    _ = try p.send([tick(5, at: 70), tick(4, at: 30), tick(.nan, at: 80), tick(.infinity, at: 200)])
    let bar = try p.send(tick(6, at: 121))[0].bar
    #expect(bar.low == 4 && bar.close == 4 && bar.ticks == 2 && bar.start_ns == seconds(60))
    #expect(p.metrics["late_events"] == 1 && p.metrics["skipped_prices"] == 2)
  }

  @Test func `times at the ends of the range do not overflow`() throws {
    for empty in ["skip", "repeat"] {
      let p = try bars(["every": "2d", "empty": .scalar(empty), "repeat_max": "20"])
      for time in [Int64.min, .min + 1, -1, 0, .max - 1, .max] { _ = try p.send(gantry_tick(bid: 1, ask: 1, at: time)) }
    }
  }

  @Test(arguments: [["every": "7s"], ["ticks": "13"], ["volume": "100"], ["every": "3s", "empty": "repeat", "price": "ask"]] as [[String: ParameterText]])
  func `single events, batches of any size and a saved state in between give the same bars`(parameters: [String: ParameterText]) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    var time = 0.0
    let events = (0..<2000).map { _ in
      time += Double.random(in: 0...1, using: &random) * (random.next() % 50 == 0 ? 40 : 1)
      return tick(Double.random(in: 90...110, using: &random), at: time, instrument: UInt32(random.next() % 3), size: 2)
    }
    let instruments: [HarnessInstrument] = [.eurusd, .usdjpy]
    let expected = try events.chunked(256).reduce(into: (try bars(parameters, instruments: instruments), [[UInt8]]())) { state, chunk in
      state.1 += try state.0.send(chunk).map { Array($0.bytes[32...]) }
    }.1
    #expect(expected.count > 40)
    var p = try bars(parameters, instruments: instruments)
    var rows: [[UInt8]] = []
    var next = 0
    while next < events.count {
      let count = min(Int(random.next() % 20) + 1, events.count - next)
      rows += try p.send(Array(events[next..<(next + count)])).map { Array($0.bytes[32...]) }
      next += count
      guard random.next() % 4 == 0 else { continue }
      let state = try p.saveState()
      p = try bars(parameters, instruments: instruments, starts: false)
      try p.loadState(version: state.version, state.bytes)
      try p.start()
    }
    #expect(rows == expected, "seed \(seed)")
  }

  @Test func `a state of other bars is refused`() throws {
    let p = try bars(["ticks": "3"])
    _ = try p.send(tick(1, at: 1))
    let state = try p.saveState()
    for other in [["ticks": "4"], ["every": "3ns"], ["ticks": "3", "price": "bid"]] as [[String: ParameterText]] {
      let refusal = #expect(throws: PluginFailure.self) { try bars(other, starts: false).loadState(version: 1, state.bytes) }
      #expect(refusal?.status == -6)
    }
    #expect(throws: PluginFailure.self) { try bars(["ticks": "3"], starts: false).loadState(version: 1, Array(state.bytes.dropLast())) }
  }

  @Test func `wrong parameters and connections are refused with the remedy`() {
    func refusal(_ parameters: [String: ParameterText], inputs: [String] = ["prices"]) -> String {
      do {
        _ = try PluginHarness("bars", parameters: parameters, inputs: inputs.map { .init(port: $0) })
        return "accepted"
      } catch { return (error as? PluginFailure)?.text ?? "\(error)" }
    }
    #expect(refusal([:]) == "none of every, ticks and volume is given; give one, such as every: 1m")
    #expect(refusal(["every": "1m", "ticks": "5"]) == "more than one of every, ticks and volume is given; give one, such as every: 1m")
    #expect(refusal(["ticks": "5", "empty": "repeat"]) == "empty: repeat goes with every only; bars by ticks or volume are never empty")
    #expect(refusal(["ticks": "5"], inputs: []).hasPrefix("nothing is connected"))
    #expect(refusal(["ticks": "5"], inputs: ["prices", "trades"]).hasPrefix("both prices and trades are connected"))
    #expect(refusal(["ticks": "5"], inputs: ["prices", "prices"]) == "accepted")
  }
}

private func bars(
  _ parameters: [String: ParameterText], port: String = "prices", instruments: [HarnessInstrument] = [.eurusd], starts: Bool = true
) throws -> PluginHarness {
  try PluginHarness("bars", parameters: parameters, instruments: instruments, inputs: [.init(port: port)], starts: starts)
}

private func seconds(_ value: Double) -> Int64 { Int64(value * 1e9) }

private func tick(_ price: Double, at time: Double, instrument: UInt32 = 1, size: Double = 1.5) -> gantry_tick {
  gantry_tick(bid: price - 0.25, ask: price + 0.25, at: seconds(time), instrument: instrument, bidSize: size, askSize: size)
}

extension Array {
  fileprivate func chunked(_ size: Int) -> [[Element]] {
    stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
  }
}

/// splitmix64
private struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
