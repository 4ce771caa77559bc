import GantrySDK

extension Synthetic {
  /// The parameters are in the order of `Settings.Index`.
  static var descriptor: Descriptor {
    Descriptor(
      id: "synthetic", version: "1.0.0", kind: .source,
      summary: "makes up quotes with changing regimes, the same ones for the same seed",
      outputs: [Port("ticks", .tick, help: "quotes on each instrument's tick grid, the bid below the ask")],
      parameters: [
        Parameter("instruments", .texts, help: "the symbols to quote; all of the graph's unless given"),
        Parameter("seed", .integer, default: "1", help: "another seed, other quotes"),
        Parameter("count", .integer, default: "100000", minimum: 0, unit: "quotes", help: "how many in all; 0 = no end"),
        Parameter("start", .text, help: "time of the first quote; 2024-01-02T00:00:00Z unless given, on a live clock the present"),
        Parameter("interval", .duration, default: "1s", minimum: 0.000001, maximum: 86_400, help: "mean time between two quotes of one instrument"),
        Parameter("volatility", .number, default: "10%", minimum: 0, maximum: 10, help: "standard deviation of a year's return, in a regime of volatility 1"),
        Parameter("spread_points", .number, default: "10", minimum: 1, maximum: 100_000, unit: "ticks", help: "mean of ask - bid in a calm market"),
        Parameter("size", .number, default: "1000000", minimum: 0, aboveMinimum: true, unit: "quantity", help: "mean quoted size"),
        Parameter("price", .numbers, help: "the first price, one for all instruments or one for each; 100,000 ticks unless given"),
        Parameter("regimes", .integer, default: "4", minimum: 1, maximum: 16, help: "how many: calm, up, down, wild, and steeper ones"),
        Parameter("regime_length", .number, default: "2000", minimum: 1, maximum: 1_000_000_000, unit: "quotes", help: "mean length of a regime"),
        Parameter("drift", .number, default: "0.05", minimum: 0, maximum: 1, help: "move of a quote in a trend, as a share of its standard deviation"),
        Parameter("jump_probability", .number, default: "0.0001", minimum: 0, maximum: 1, help: "of a quote to jump"),
        Parameter("jump_size", .number, default: "20", minimum: 0, maximum: 1000, unit: "standard deviations", help: "mean size of a jump"),
        Parameter("speed", .text, default: "max", help: "max, real, or xN for N times real, such as x10"),
      ])
  }
}
