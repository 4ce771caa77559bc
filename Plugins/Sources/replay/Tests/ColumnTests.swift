import CGantry
import PluginHarness
import Testing

struct ColumnTests {
  @Test func `a header's names say which field is what`() throws {
    let found = try ticks("ask_size,ask,note,time,bid,bid_size\n3,1.2,hello,1700000000000,1.1,2\n")
    try #require(found.count == 1)
    #expect(found[0].header.event_ns == 1_700_000_000_000_000_000)
    #expect(found[0].header.instrument == 1)
    #expect((found[0].bid, found[0].ask) == (1.1, 1.2))
    #expect((found[0].bid_size, found[0].ask_size) == (2, 3))
  }

  @Test func `names are read without regard to case, spaces, quotes and brackets`() throws {
    #expect(try ticks("\u{feff}\"Time\";<BID> ; Ask ;Bid Size\r\n2024-01-02 10:00;1.1;1.2;5\r\n", ["delimiter": ";"]).first?.bid_size == 5)
  }

  @Test func `columns names the header's columns where they differ`() throws {
    let text = "stamp,b,a\n1700000000,1.1,1.2\n"
    #expect(try ticks(text, ["columns": ["time=stamp", "bid=b", "ask=a"]]).first?.ask == 1.2)
    #expect(
      try failure { _ = try ticks(text) }.text.hasSuffix(
        "quotes.csv:1: there are no columns for time and either bid and ask, or open, high, low and close, or price; the header has: stamp, b, a. Name them with columns: [bid=...]"
      ))
    #expect(
      try failure { _ = try ticks(text, ["columns": ["bid=x"]]) }.text.hasSuffix(
        "quotes.csv:1: the header has no column `x`, which columns names for bid"))
  }

  @Test func `without a header the columns are in the order of the parameter`() throws {
    let found = try ticks("7|1.2|1700000000|1.1\n", ["header": false, "columns": ["-", "ask", "time", "bid"], "delimiter": "|"])
    #expect(found.first?.bid == 1.1 && found.first?.ask == 1.2)
    #expect(try failure { _ = try ticks("1,2,3\n", ["header": false]) }.text.hasPrefix("without a header line the fields need names"))
  }

  @Test func `a wrong columns entry is refused when the graph is checked`() throws {
    func text(_ parameters: [String: ParameterText]) throws -> String { try failure { _ = try replay("/nowhere", parameters) }.text }
    #expect(try text(["columns": ["colour=x"]]).hasPrefix("columns: there is no `colour`; known are time, bid"))
    #expect(try text(["columns": ["bid"]]) == "columns: `bid` is not name=header; write for example bid=bid, or header: false")
    #expect(try text(["header": false, "columns": ["bid=x"]]).hasPrefix("columns: `bid=x` names a header's column"))
    #expect(try text(["format": "lean", "columns": ["bid=x"]]).hasPrefix("columns: LEAN's files have columns of their own"))
    #expect(try text(["delimiter": "::"]) == "delimiter: `::` is none of `,` `;` `|` and tab")
  }

  @Test func `price and size make trades`() throws {
    let folder = try Folder()
    let file = try folder.write("t.csv", "time,price,size\n2024-01-02T00:00:00Z,101.5,7\n2024-01-02T00:00:01Z,101.25,\n")
    let outputs = try replay(file).pullAll()
    #expect(outputs.map(\.port) == ["trades", "trades"])
    #expect(outputs.map(\.trade.price) == [101.5, 101.25])
    #expect(outputs.map(\.trade.size) == [7, 0])
  }

  @Test func `open, high, low and close make bars that end one length after their time`() throws {
    let folder = try Folder()
    let file = try folder.write("b.csv", "time,open,high,low,close,volume\n2024-01-02T00:00:00Z,1,4,0.5,2,99\n")
    let bar = try #require(try replay(file, ["bar_length": "1m"]).pullAll().first).bar
    #expect(bar.header.event_ns == ns("2024-01-02T00:01:00Z"))
    #expect(bar.start_ns == ns("2024-01-02T00:00:00Z"))
    #expect((bar.open, bar.high, bar.low, bar.close, bar.volume) == (1, 4, 0.5, 2, 99))
    let ended = try #require(try replay(file, ["bar_length": "1m", "bar_time": "end"]).pullAll().first).bar
    #expect(ended.header.event_ns == ns("2024-01-02T00:00:00Z") && ended.start_ns == ns("2024-01-01T23:59:00Z"))
    #expect(try failure { _ = try replay(file).pullAll() }.text.hasSuffix("holds bars: say how long they are, such as bar_length: 1m"))
  }

  @Test func `events chooses where the columns allow several kinds`() throws {
    let folder = try Folder()
    let file = try folder.write("all.csv", "time,bid,ask,price\n1700000000,1,2,3\n")
    #expect(try replay(file).pullAll().first?.port == "ticks")
    #expect(try replay(file, ["events": "trades"]).pullAll().first?.trade.price == 3)
    #expect(try failure { _ = try replay(file, ["events": "bars"]).pullAll() }.text.contains("there are no columns for time, open, high, low and close"))
  }

  @Test func `empty lines, comments, spaces, quotes and a missing last newline are taken as they are meant`() throws {
    let found = try ticks("# from a broker\n\ntime,bid,ask\n\r\n# day 1\n 1700000000 , 1.5 ,\"1.75\" \n\"1700000001\",\"+1.5\",1.75e0")
    #expect(found.map(\.bid) == [1.5, 1.5])
    #expect(found.map(\.ask) == [1.75, 1.75])
  }

  @Test func `numbers are those of strtod, to the last bit`() throws {
    let seed = UInt64.random(in: 1...1_000_000)
    print("seed \(seed)")
    var random = Seeded(seed)
    var numbers = [
      "0.1", "1.7976931348623157e308", "5e-324", "9007199254740993", "123456789012345", "1234567890123456", ".5", "5.", "0.000001", "1e22", "1e23",
      "2.2250738585072011e-308",
    ]
    for _ in 0..<3000 {
      let digits = Int.random(in: 1...20, using: &random)
      var text = (0..<digits).map { _ in String(Int.random(in: 0...9, using: &random)) }.joined()
      text.insert(".", at: text.index(text.startIndex, offsetBy: Int.random(in: 0...digits, using: &random)))
      if Int.random(in: 0..<4, using: &random) == 0 { text += "e\(Int.random(in: -30...30, using: &random))" }
      numbers.append(text)
    }
    let usable = numbers.filter { Double($0.hasPrefix(".") ? "0" + $0 : $0.hasSuffix(".") ? $0 + "0" : $0).map { $0 > 0 } ?? false || $0.contains(".e") }
    let expected = usable.map { strtodOracle($0) }
    let rows = zip(usable, expected).filter { $0.1 > 0 && $0.1 < .infinity }
    let text = "time,price\n" + rows.map { "1700000000,\($0.0)\n" }.joined()
    let folder = try Folder()
    let found = try replay(try folder.write("n.csv", text)).pullAll().map(\.trade.price)
    #expect(found.count > 2000)
    #expect(found.map(\.bitPattern) == rows.map(\.1.bitPattern))
  }
}
