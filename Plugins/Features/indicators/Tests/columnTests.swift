import CGantry
import PluginHarness
import Testing

/// What a wrong column or connection is answered with.
@Suite struct ColumnTests {
  private func refusal(_ columns: [String], inputs: [String] = ["ticks"]) -> String {
    do {
      _ = try PluginHarness("indicators", parameters: ["columns": .list(columns)], inputs: inputs.map { .init(port: $0) })
      return "accepted"
    } catch let failure as PluginFailure {
      return failure.status == -1 && failure.call == "configure" ? failure.text : "\(failure)"
    } catch {
      return "\(error)"
    }
  }

  @Test func `an unknown column is named, with what was meant and what there is`() {
    #expect(refusal(["ema_10", "emma_20"]).hasPrefix("unknown column \"emma_20\"; did you mean \"ema_20\"? the forms are ema_N, sma_N, rsi_N,"))
    #expect(refusal(["bolinger_upper_20_2"]).contains("did you mean \"bollinger_upper_20_2\"?"))
    #expect(refusal(["bolinger_uper"]).contains("did you mean \"bollinger_upper_20_2\"?"))
    #expect(refusal(["spreed"]).contains("did you mean \"spread\"?"))
    #expect(refusal(["volatility_of_something_20"]).hasPrefix("unknown column \"volatility_of_something_20\"; the forms are ema_N"))
    #expect(refusal([""]).hasPrefix("unknown column \"\""))
    #expect(refusal(["_"]).hasPrefix("unknown column \"_\""))
  }

  @Test func `a column with too few, too many or wrong numbers says how it is written`() {
    #expect(refusal(["rsi"]) == "the column \"rsi\" is incomplete or too long: write rsi_N, like rsi_14")
    #expect(refusal(["ema_10_20"]) == "the column \"ema_10_20\" is incomplete or too long: write ema_N, like ema_10")
    #expect(refusal(["macd_12_26"]).hasSuffix("write macd_FAST_SLOW_SIGNAL, like macd_12_26_9"))
    #expect(refusal(["spread_5"]).hasSuffix("write spread, like spread"))
    for wrong in ["ema_0", "ema_010", "ema_10001", "ema_1.5", "ema_99999999999999999999", "stdev_1", "ema_1x"] {
      #expect(refusal([wrong]).contains("is not a period from"), "\(wrong)")
    }
    for wrong in ["0", "101", "2.0", "2.", "2..5", "1.0000000000000000"] {
      #expect(refusal(["bollinger_upper_20_\(wrong)"]).contains("is not a factor above 0"), "\(wrong)")
    }
    #expect(refusal(["macd_26_12_9"]) == "the column \"macd_26_12_9\": the first period (26) must be below the second (12)")
    #expect(refusal(["ema_10", "ema_10"]) == "the column \"ema_10\" is asked for twice")
    #expect(refusal(["ema_10000", "bollinger_upper_20_2.5", "bollinger_lower_20_0.5", "bollinger_middle_20", "ema_1"]) == "accepted")
  }

  @Test func `a column that needs the other input says so`() {
    #expect(refusal(["close"]) == "the column \"close\" needs bars, but ticks are connected; put a `bars` node in between")
    #expect(refusal(["bid"], inputs: ["bars"]) == "the column \"bid\" needs ticks, but bars are connected; connect ticks, or use close and spread")
    #expect(refusal(["open", "high", "low", "close", "volume", "spread", "price"], inputs: ["bars"]) == "accepted")
    #expect(refusal(["ema_10"], inputs: []) == "nothing is connected; give the node a `from` that offers ticks or bars")
    #expect(refusal(["ema_10"], inputs: ["ticks", "bars"]).hasPrefix("both ticks and bars are connected"))
  }

  @Test func `bars give their own columns, and atr their true range`() throws {
    let p = try indicators(["open", "high", "low", "close", "volume", "spread", "price", "atr_1"], bars: true)
    func bar(_ open: Double, _ high: Double, _ low: Double, _ close: Double) -> gantry_bar {
      gantry_bar(
        header: gantry_header(eventNs: 0), start_ns: 0, open: open, high: high, low: low, close: close, volume: 7, ticks: 3, spread: 0.125)
    }
    let rows = try p.send([bar(1, 4, 0.5, 2), bar(2, 3, 2.5, 3), bar(9, 10, 9, 9), bar(1, 2, .nan, 1)]).map(\.columns)
    #expect(Array(rows[0][..<7]) == [1, 4, 0.5, 2, 7, 0.125, 2] && rows[0][7].isNaN)
    #expect(rows[1][7] == 1)
    #expect(rows[2][7] == 7)
    #expect(rows[3].filter(\.isNaN).count == 8)
  }

  @Test func `atr of ticks is the smoothed distance from price to price`() throws {
    let values = try indicators(["atr_2"]).send([1, 3, 2, 2].map { tick($0) }).map { $0.columns[0] }
    #expect(values[0].isNaN && values[1].isNaN)
    #expect(values[2...] == [1.5, 0.75])
  }
}
