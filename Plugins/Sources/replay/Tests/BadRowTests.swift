import CGantry
import PluginHarness
import Testing

/// One bad row of each kind between two good ones.
struct BadRowTests {
  static let header = "time,bid,ask\n"
  static let good = "1700000000,1.1,1.2\n"
  static let later = "1700000005,1.3,1.4\n"

  /// A row, the parameter and the metric of its fault, and the words for it.
  static let rows: [(row: String, parameter: String, metric: String, words: String)] = [
    ("170000000x,1.1,1.2", "on_broken_line", "broken_lines", "the line cannot be read; on_broken_line: skip would leave it out"),
    ("1700000001,abc,1.2", "on_broken_line", "broken_lines", "the line cannot be read; on_broken_line: skip would leave it out"),
    ("1700000001,,1.2", "on_broken_line", "broken_lines", "the line cannot be read; on_broken_line: skip would leave it out"),
    ("1700000001,1.1,1.2zzz", "on_broken_line", "broken_lines", "the line cannot be read; on_broken_line: skip would leave it out"),
    ("99999999999999999999,1.1,1.2", "on_broken_line", "broken_lines", "the line cannot be read; on_broken_line: skip would leave it out"),
    ("1700000001,1.1", "on_field_count", "wrong_field_counts", "the line has the wrong number of fields; on_field_count: skip would leave it out"),
    ("1700000001,1.1,1.2,1.3", "on_field_count", "wrong_field_counts", "the line has the wrong number of fields; on_field_count: skip would leave it out"),
    ("1700000001,nan,1.2", "on_bad_number", "bad_numbers", "a price is not a positive number, or a size is below 0; on_bad_number: skip would leave it out"),
    ("1700000001,1.1,inf", "on_bad_number", "bad_numbers", "a price is not a positive number, or a size is below 0; on_bad_number: skip would leave it out"),
    ("1700000001,-1.1,1.2", "on_bad_number", "bad_numbers", "a price is not a positive number, or a size is below 0; on_bad_number: skip would leave it out"),
    ("1700000001,0,1.2", "on_bad_number", "bad_numbers", "a price is not a positive number, or a size is below 0; on_bad_number: skip would leave it out"),
    ("1700000001,1e999,1.2", "on_bad_number", "bad_numbers", "a price is not a positive number, or a size is below 0; on_bad_number: skip would leave it out"),
    ("1699999999,1.1,1.2", "on_time_backwards", "times_backwards", "the time is before that of the row before; on_time_backwards: skip would leave it out"),
    (
      "1700000001,1.2,1.1", "on_crossed", "crossed_quotes",
      "the quote is crossed (its ask is below its bid, or a bar's high below its low); on_crossed: skip would leave it out, count let it through"
    ),
  ]

  @Test(arguments: rows.indices)
  func `skip counts a bad row and leaves it out`(_ index: Int) throws {
    let bad = Self.rows[index]
    let folder = try Folder()
    let file = try folder.write("q.csv", Self.header + Self.good + bad.row + "\n" + Self.later)
    let source = try replay(file)
    #expect(try source.pullAll().map(\.tick.bid) == [1.1, 1.3])
    #expect(source.metrics[bad.metric] == 1)
    #expect(source.metrics["rows"] == 3 && source.metrics["events"] == 2)
    let line = try #require(source.logLines.last)
    #expect(line.severity == 3)
    #expect(line.text.contains("read 3 rows of 1 file, gave out 2 events; left out 1 "))
    #expect(line.text.hasSuffix(", at \(file):3"))
  }

  @Test(arguments: rows.indices)
  func `refuse gives out what came before and ends with the place`(_ index: Int) throws {
    let bad = Self.rows[index]
    for parameter in [bad.parameter, "on_bad_row"] {
      let folder = try Folder()
      let file = try folder.write("q.csv", Self.header + Self.good + bad.row + "\r\n" + Self.later)
      let source = try replay(file, [parameter: "refuse"])
      #expect(try source.pull(max: 1).outputs.map(\.tick.bid) == [1.1])
      let failure = try failure { _ = try source.pullAll() }
      #expect(failure.status == -1)
      #expect(failure.text == "\(file):3: \(bad.words): \(bad.row)")
    }
  }

  @Test func `count lets a crossed quote through, and nothing else`() throws {
    let folder = try Folder()
    let file = try folder.write("q.csv", Self.header + Self.good + "1700000001,1.2,1.1\n1700000002,x,1\n" + Self.later)
    let source = try replay(file, ["on_bad_row": "count"])
    #expect(try source.pullAll().map(\.tick.bid) == [1.1, 1.2, 1.3])
    #expect(source.metrics["crossed_quotes"] == 1 && source.metrics["broken_lines"] == 1)
    #expect(
      source.logLines.last?.text
        == "read 4 rows of 1 file, gave out 3 events; left out 1 broken line, at \(file):4; let through 1 crossed quote, at \(file):3")
  }

  @Test func `a crossed quote that is let through counts for the order of times`() throws {
    let text = Self.header + Self.good + "1700000004,1.2,1.1\n1700000003,1.1,1.2\n" + Self.later
    let found = try ticks(text, ["on_crossed": "count"]).map { $0.header.event_ns / 1_000_000_000 - 1_700_000_000 }
    #expect(found == [0, 4, 5])
    #expect(try ticks(text).map { $0.header.event_ns / 1_000_000_000 - 1_700_000_000 } == [0, 3, 5])
  }

  @Test func `a fault's own policy goes before on_bad_row`() throws {
    let folder = try Folder()
    let file = try folder.write("q.csv", Self.header + Self.good + "1700000001,1.2,1.1\n" + Self.later)
    #expect(try replay(file, ["on_bad_row": "refuse", "on_crossed": "count"]).pullAll().count == 3)
    #expect(try replay(file, ["on_bad_row": "count", "on_crossed": "skip"]).pullAll().count == 2)
  }

  @Test func `a line longer than 64 KB is a broken line, and the next one is read`() throws {
    for length in [65_536, 300_000, 1_000_000] {
      let folder = try Folder()
      let long = String(repeating: "9", count: length)
      let source = try replay(try folder.write("q.csv", Self.header + Self.good + "1700000001," + long + "\n" + Self.later))
      #expect(try source.pullAll().map(\.tick.bid) == [1.1, 1.3])
      #expect(source.metrics["broken_lines"] == 1)
    }
  }

  @Test func `an empty file is no error and no event`() throws {
    let folder = try Folder()
    for text in ["", "\n\n", "time,bid,ask\n", "time,bid,ask"] {
      #expect(try replay(try folder.write("q.csv", text)).pullAll().isEmpty)
    }
  }

  @Test func `no bytes make it crash, and none of its quotes is wrong`() throws {
    let seed = UInt64.random(in: 1...1_000_000)
    print("seed \(seed)")
    var random = Seeded(seed)
    let base = Array((Self.header + Self.good + Self.later + "\"1700000006\",1.5,1.6\n2023-11-15T00:00:00Z,1e0,2\n").utf8)
    let alphabet = Array("0123456789.,eE+-\"\r\n nainf#TZ:\t\u{0}".utf8)
    let folder = try Folder()
    for round in 0..<400 {
      var bytes = Array([base, base, base].joined())
      for _ in 0..<Int.random(in: 1...30, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[at] = alphabet.randomElement(using: &random)!
        case 1: bytes.insert(round % 2 == 0 ? alphabet.randomElement(using: &random)! : UInt8.random(in: 0...255, using: &random), at: at)
        default: bytes.remove(at: at)
        }
      }
      let file = try folder.write("q.csv", bytes)
      do {
        for quote in try replay(file, ["time_format": "auto"]).pullAll().map(\.tick) {
          #expect(quote.bid > 0 && quote.ask >= quote.bid && quote.ask < .infinity)
        }
      } catch let failure as PluginFailure {
        #expect(!failure.text.isEmpty)
      }
    }
  }
}
