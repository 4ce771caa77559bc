import CGantry
import PluginHarness
import Testing

/// LEAN's layout: made-up files, and the real ones where they are.
struct LeanTests {
  static let lean: [String: ParameterText] = ["format": "lean"]

  @Test func `a day's file counts milliseconds from local midnight`() throws {
    let folder = try Folder()
    let member = "20140501_eurusd_tick_quote.csv"
    try folder.write("tick/eurusd/20140502_quote.zip", Pack.zip([("20140502_eurusd_tick_quote.csv", Array("0,1.5,1.6\r\n".utf8))]))
    try folder.write("tick/eurusd/20140501_quote.zip", Pack.zip([(member, Array("292,1.38676,1.38686\r\n86399999,1.4,1.5\r\n".utf8))]))
    let found = try replay(folder.path + "/tick/eurusd", Self.lean).pullAll().map(\.tick)
    #expect(found.map(\.header.event_ns) == [1_398_916_800_292_000_000, ns("2014-05-02T03:59:59Z") + 999_000_000, ns("2014-05-02T04:00:00Z")])
    #expect(found.map(\.bid) == [1.38676, 1.4, 1.5])
    let utc = try replay(folder.path + "/tick/eurusd", ["format": "lean", "time_zone": "UTC"]).pullAll().map(\.tick)
    #expect(utc.first?.header.event_ns == ns("2014-05-01T00:00:00Z") + 292_000_000)
  }

  @Test func `a time of day stays one on the days on which the clocks change`() throws {
    let folder = try Folder()
    // 17:00 on a Sunday: the clocks have changed at 2 in the morning.
    for (day, expected) in [("20140309", "2014-03-09T21:00:00Z"), ("20141102", "2014-11-02T22:00:00Z"), ("20141103", "2014-11-03T22:00:00Z")] {
      let file = try folder.write("tick/\(day)_quote.csv", "61200000,1,2\n")
      #expect(try replay(file, Self.lean).pullAll().first?.tick.header.event_ns == ns(expected))
    }
  }

  @Test func `a millisecond beyond the day is a broken line`() throws {
    let folder = try Folder()
    let file = try folder.write("20140501_quote.csv", "86399999,1,2\n86400000,1,2\n")
    let source = try replay(file, Self.lean)
    #expect(try source.pullAll().count == 1)
    #expect(source.metrics["broken_lines"] == 1)
  }

  @Test func `sizes, trades and minute bars are told by name and fields`() throws {
    let folder = try Folder()
    let sized = try folder.write("tick/20240102_quote.csv", "1000,10,5,11,6\n")
    let quote = try #require(try replay(sized, Self.lean).pullAll().first).tick
    #expect((quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (10, 5, 11, 6))
    let traded = try folder.write("tick2/20240102_trade.csv", "1000,10,5\n")
    #expect(try replay(traded, Self.lean).pullAll().first?.trade.size == 5)
    let minute = try folder.write("minute/20240102_quote.csv", "60000,1,4,0.5,2,7,2,5,1.5,3,8\n")
    let bar = try #require(try replay(minute, Self.lean).pullAll().first).bar
    #expect((bar.open, bar.high, bar.low, bar.close, bar.volume, bar.spread) == (1.5, 4.5, 1, 2.5, 15, 1))
    #expect(bar.start_ns == ns("2024-01-02T05:01:00Z") && bar.header.event_ns == ns("2024-01-02T05:02:00Z"))
  }

  @Test func `a daily bar is as long as its local day`() throws {
    let folder = try Folder()
    let file = try folder.write("daily/eurusd.csv", "20140308 00:00,1,1,1,1,0\n20140309 00:00,1,1,1,1,0\n20140310 00:00,1,1,1,1,0\n")
    let bars = try replay(file, Self.lean).pullAll().map(\.bar)
    #expect(bars.map { ($0.header.event_ns - $0.start_ns) / 3_600_000_000_000 } == [24, 23, 24])
    #expect(bars[1].start_ns == bars[0].header.event_ns && bars[2].start_ns == bars[1].header.event_ns)
  }

  @Test func `of a folder with quotes and trades, events chooses`() throws {
    let folder = try Folder()
    try folder.write("tick/20240102_quote.csv", "1000,10,11\n")
    try folder.write("tick/20240102_trade.csv", "1000,10.5,3\n")
    #expect(try replay(folder.path + "/tick", Self.lean).pullAll().map(\.port) == ["ticks"])
    #expect(try replay(folder.path + "/tick", ["format": "lean", "events": "trades"]).pullAll().map(\.port) == ["trades"])
  }

  @Test func `names and lines that are not LEAN's are refused with the remedy`() throws {
    let folder = try Folder()
    let unnamed = try folder.write("eurusd.csv", "1,2,3\n")
    #expect(try failure { _ = try replay(unnamed, Self.lean).pullAll() }.text.hasSuffix("keep LEAN's folders, or use format: csv"))
    let undated = try folder.write("tick/eurusd.csv", "1,2,3\n")
    #expect(try failure { _ = try replay(undated, Self.lean).pullAll() }.text.contains("should begin with its day, such as 20140501_quote.zip"))
    let odd = try folder.write("tick/20240102_quote.csv", "1,2,3,4\n")
    #expect(
      try failure { _ = try replay(odd, Self.lean).pullAll() }.text
        == "\(odd):1: a line of 4 fields is none of LEAN's for 20240102_quote.csv; for other files use format: csv")
  }
}

/// The real files: their counts and sums against Python's reading of them.
struct RealDataTests {
  /// Rows, and crossed rows.
  static let oracle = """
    import zipfile, glob, sys
    rows = crossed = 0
    for name in sorted(glob.glob(sys.argv[1] + "/*.zip")):
        archive = zipfile.ZipFile(name)
        for line in archive.read(archive.namelist()[0]).decode().split():
            time, bid, ask = line.split(",")
            rows += 1
            crossed += float(ask) < float(bid)
    print(rows, crossed)
    """

  /// Rows, the sums of bids and asks, and the last time.
  static let sums = """
    import zipfile, sys
    archive = zipfile.ZipFile(sys.argv[1])
    rows = [line.split(",") for line in archive.read(archive.namelist()[0]).decode().split()]
    bids = asks = 0.0
    for row in rows:
        bids += float(row[1])
        asks += float(row[2])
    print(len(rows), repr(bids), repr(asks), rows[-1][0])
    """

  @Test func `every real quote is read`() throws {
    guard let folder = realData("oanda/tick/eurusd") else { return }
    let source = try replay(folder, ["format": "lean", "preload": true])
    _ = try source.pull(max: 1)
    #expect(source.metrics["rows"] == 532_903)
    #expect(source.logLines.isEmpty)
    guard let answer = try python(Self.oracle, [folder])?.split(separator: " ") else { return }
    #expect(answer[0] == "532903" && answer[1].dropLast() == "0")
  }

  @Test func `real quotes are read to the last bit`() throws {
    guard let folder = realData("oanda/tick/eurusd") else { return }
    let file = folder + "/20140501_quote.zip"
    let found = try replay(file, ["format": "lean"]).pullAll(max: 4096).map(\.tick)
    let sums = (found.reduce(0.0) { $0 + $1.bid }, found.reduce(0.0) { $0 + $1.ask })
    guard let answer = try python(Self.sums, [file])?.split(separator: " ") else { return }
    #expect(found.count == Int(answer[0]))
    #expect(sums.0 == Double(answer[1]) && sums.1 == Double(answer[2]))
    #expect(found.last!.header.event_ns / 1_000_000 - ns("2014-05-01T04:00:00Z") / 1_000_000 == Int64(answer[3].dropLast()))
  }

  @Test func `one in ten of the other vendor's quotes is crossed`() throws {
    guard let folder = realData("fxcm/tick/eurusd") else { return }
    // Preloading decodes all rows at the start.
    let source = try replay(folder, ["format": "lean", "preload": true])
    _ = try source.pull(max: 1)
    #expect(source.metrics["rows"] == 1_144_807)
    #expect(source.metrics["crossed_quotes"] == 116_871)
    guard let answer = try python(Self.oracle, [folder])?.split(separator: " ") else { return }
    #expect(answer[0] == "1144807" && answer[1].dropLast() == "116871")
  }

  @Test func `the first real quote is that of midnight in New York`() throws {
    guard let folder = realData("oanda/tick/eurusd") else { return }
    let first = try #require(try replay(folder, ["format": "lean", "limit": 1]).pullAll().first).tick
    #expect(first.header.event_ns == ns("2014-05-01T04:00:00Z") + 292_000_000)
    #expect((first.bid, first.ask) == (1.38676, 1.38686))
  }

  @Test func `the crossed quotes of the other vendor can be refused and let through`() throws {
    guard let folder = realData("fxcm/tick/eurusd") else { return }
    let place = "\(folder)/20140501_quote.zip:37: the quote is crossed (its ask is below its bid"
    #expect(try failure { _ = try replay(folder, ["format": "lean", "on_bad_row": "refuse"]).pullAll() }.text.hasPrefix(place))
    let source = try replay(folder, ["format": "lean", "on_bad_row": "count", "limit": 1000])
    #expect(try source.pullAll().contains { $0.tick.ask < $0.tick.bid })
  }

  @Test func `real hour bars are read from their archive`() throws {
    guard let file = realData("oanda/hour/eurusd.zip") else { return }
    let source = try replay(file, ["format": "lean"])
    let bars = try source.pullAll(max: 4096)
    #expect(bars.count == 74_439)
    let first = try #require(bars.first).bar
    #expect(first.start_ns == ns("2007-01-02T02:00:00Z") && first.header.event_ns == ns("2007-01-02T03:00:00Z"))
    #expect(first.open == (1.31927 + 1.32027) / 2 && first.close == (1.31935 + 1.32035) / 2)
    #expect(abs(first.spread - 0.001) < 1e-12)
  }
}
