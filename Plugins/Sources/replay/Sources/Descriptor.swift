import GantrySDK

extension Replay {
  /// The parameters are in the order of `Settings.Index`.
  static var descriptor: Descriptor {
    Descriptor(
      id: "replay", version: "1.0.0", kind: .source,
      summary: "replays market data files: CSV and LEAN, plain or packed with gzip, zip or lz4",
      outputs: [
        Port("ticks", .tick, help: "quotes, when the files hold bid and ask"),
        Port("trades", .trade, help: "trades, when the files hold price and size"),
        Port("bars", .bar, help: "bars, when the files hold open, high, low and close"),
      ],
      parameters: files + times + faults + run)
  }

  private static var files: [Parameter] {
    [
      Parameter("path", .path, required: true, help: "a file, or a folder whose files are read in name order; packing is told by content"),
      Parameter(
        "format", .choice, default: "csv", choices: ["csv", "lean"],
        help: "csv: named columns; lean: QuantConnect LEAN's layout, where folders and names say the day and the columns"),
      Parameter("instrument", .instrument, required: true, help: "the instrument that the files are of"),
      Parameter(
        "events", .choice, default: "auto", choices: ["auto", "ticks", "trades", "bars"],
        help: "what to make of the rows; auto takes what the columns allow, ticks before bars before trades"),
      Parameter(
        "columns", .texts, maximum: 256,
        help: "with a header: [time=Date, bid=Bid Price], where the names differ; without: the fields in order, - to ignore one"),
      Parameter("header", .bool, default: "true", help: "whether the first line of each file names the columns"),
      Parameter("delimiter", .text, default: ",", help: "between fields: , ; | or tab"),
    ]
  }

  private static var times: [Parameter] {
    [
      Parameter(
        "time_format", .choice, default: "auto", choices: ["auto", "ns", "us", "ms", "s", "iso"],
        help: "a count since 1970 UTC in this unit, or ISO-8601; auto tells it from the first row's digits"),
      Parameter("time_zone", .text, help: "of times without an offset: an IANA name, UTC or +02:00; UTC for csv and America/New_York for lean unless given"),
      Parameter("bar_length", .duration, minimum: 0, maximum: 2_678_400, help: "how long the bars of a csv file are"),
      Parameter("bar_time", .choice, default: "start", choices: ["start", "end"], help: "which end of a bar its time column tells"),
      Parameter("from", .text, help: "leaves out what is before this time, such as 2014-05-01 or 2014-05-01T09:30:00Z"),
      Parameter("to", .text, help: "leaves out what is at or after this time"),
    ]
  }

  private static var faults: [Parameter] {
    [
      Parameter(
        "on_bad_row", .choice, default: "skip", choices: ["skip", "count", "refuse"],
        help: "every bad row is counted; skip leaves it out, count lets it through where an event can be made of it, refuse ends the run there"),
      Parameter("on_broken_line", .choice, choices: ["skip", "refuse"], help: "for a line that cannot be read; on_bad_row unless given"),
      Parameter("on_field_count", .choice, choices: ["skip", "refuse"], help: "for a line with too many or too few fields; on_bad_row unless given"),
      Parameter(
        "on_bad_number", .choice, choices: ["skip", "refuse"],
        help: "for a price that is not a positive number (NaN, inf, 0, negative) or a negative size; on_bad_row unless given"),
      Parameter("on_time_backwards", .choice, choices: ["skip", "refuse"], help: "for a time before that of the row before; on_bad_row unless given"),
      Parameter("on_crossed", .choice, choices: ["skip", "count", "refuse"], help: "for an ask below its bid; on_bad_row unless given"),
    ]
  }

  private static var run: [Parameter] {
    [
      Parameter("speed", .text, default: "max", help: "max, real, or xN for N times real, such as x10"),
      Parameter(
        "repeat", .integer, default: "1", minimum: 1, maximum: 1_000_000, unit: "times",
        help: "reads the files so often, each time with times that go on one second after the last"),
      Parameter("limit", .integer, default: "0", minimum: 0, unit: "events", help: "ends after so many events; 0 = no limit"),
      Parameter("preload", .bool, default: "false", help: "decodes everything into memory at the start, 24 bytes a quote"),
    ]
  }
}
