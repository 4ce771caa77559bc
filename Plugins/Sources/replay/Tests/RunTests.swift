import CGantry
import Foundation
import PluginHarness
import Testing

/// Repeats, limits, preloading, the size of pulls, the cursor and the pace.
struct RunTests {
  static func rows(_ count: Int) -> String {
    "time,bid,ask\n" + (0..<count).map { "\(1_700_000_000_000 + $0 * 250),1.\(10_000 + $0),1.2\n" }.joined()
  }

  @Test func `preloading gives the same events as reading along`() throws {
    let folder = try Folder()
    let file = try folder.write("q.csv", Self.rows(2000) + "x,1,2\n")
    for extra in [[:], ["repeat": 3], ["limit": 1999], ["repeat": 2, "limit": 3000]] as [[String: ParameterText]] {
      let streamed = try replay(file, extra)
      let preloaded = try replay(file, extra.merging(["preload": true]) { $1 })
      #expect(try streamed.pullAll().map(\.bytes) == preloaded.pullAll().map(\.bytes))
      #expect(try streamed.cursor() == preloaded.cursor())
    }
  }

  @Test func `the size of the pulls does not change the events`() throws {
    let seed = UInt64.random(in: 1...1_000_000)
    print("seed \(seed)")
    var random = Seeded(seed)
    let folder = try Folder()
    let file = try folder.write("q.csv.gz", Pack.gzip(Array(Self.rows(3000).utf8)))
    let whole = try replay(file, ["repeat": 2]).pullAll().map(\.bytes)
    #expect(whole.count == 6000)
    for preload in [false, true] {
      let source = try replay(file, ["repeat": 2, "preload": .scalar("\(preload)")])
      var events: [[UInt8]] = []
      while true {
        let pulled = try source.pull(max: Int.random(in: 1...700, using: &random))
        events += pulled.outputs.map(\.bytes)
        #expect(try source.cursor().row == UInt64(events.count))
        if pulled.isEnd { break }
      }
      #expect(events == whole)
    }
  }

  @Test func `another instance goes on behind the last event, and in other files behind its time`() throws {
    let folder = try Folder()
    let file = try folder.write("q.csv", Self.rows(500))
    let whole = try replay(file, ["repeat": 2]).pullAll().map(\.bytes)
    for given in [0, 1, 137, 500, 777, 1000] {
      let first = try replay(file, ["repeat": 2])
      var events: [[UInt8]] = []
      while events.count < given { events += try first.pull(max: min(97, given - events.count)).outputs.map(\.bytes) }
      let state = try first.saveState()
      for preload in [false, true] {
        let next = try replay(file, ["repeat": 2, "preload": .scalar("\(preload)")])
        try next.loadState(version: state.version, state.bytes)
        #expect(try next.cursor().row == UInt64(given))
        let rest = try next.pullAll().map(\.bytes)
        #expect(events + rest == whole, "\(given) given, \(rest.count) after")
      }
      let longer = try replay(try folder.write("longer.csv", Self.rows(600)))
      try longer.loadState(version: state.version, state.bytes)
      #expect(try longer.pullAll().count == (given <= 500 ? 600 - given : 0))
    }
  }

  @Test func `a repetition goes on one second after the last event and counts bad rows once`() throws {
    let folder = try Folder()
    let file = try folder.write("q.csv", "time,bid,ask\n100,1,2\n103,1,2\n102,1,2\n")
    let source = try replay(file, ["repeat": 3, "time_format": "s"])
    #expect(try source.pullAll().map(\.tick.header.event_ns) == [100, 103, 104, 107, 108, 111].map { $0 * 1_000_000_000 })
    #expect(source.logLines.last?.text.hasPrefix("read 3 rows of 1 file, gave out 6 events; left out 1 row going back in time") == true)
  }

  @Test func `a repetition beyond what times can say ends with a reason`() throws {
    let folder = try Folder()
    let file = try folder.write("q.csv", "time,bid,ask\n1970-01-01,1,2\n2200-01-01,1,2\n")
    #expect(try failure { _ = try replay(file, ["repeat": 2]).pullAll() }.text.hasPrefix("repeat: the shifted times run beyond the year 2262"))
  }

  @Test func `limit ends the run, and the end stays the end`() throws {
    let folder = try Folder()
    let source = try replay(try folder.write("q.csv", Self.rows(100)), ["limit": 7])
    #expect(try source.pullAll(max: 3).count == 7)
    let again = try source.pull()
    #expect(again.isEnd && again.outputs.isEmpty)
    #expect(source.logLines.count == 1)
  }

  @Test func `the content hash follows the bytes and the names, not the folder`() throws {
    func hash(_ name: String, _ text: String) throws -> UInt64 {
      let folder = try Folder()
      return try replay(try folder.write(name, text)).cursor().contentHash
    }
    let one = try hash("q.csv", Self.rows(10))
    #expect(try hash("q.csv", Self.rows(10)) == one)
    #expect(try hash("p.csv", Self.rows(10)) != one)
    #expect(try hash("q.csv", Self.rows(11)) != one)
  }

  @Test func `a file that changes between start and reading is refused`() throws {
    let folder = try Folder()
    let source = try replay(try folder.write("q.csv", Self.rows(10)))
    let file = try folder.write("q.csv", Self.rows(11))
    #expect(try failure { _ = try source.pullAll() }.text == "\(file) has changed since the run started; start it again")
  }

  @Test func `real time waits for each event, and a speed divides the wait`() throws {
    let folder = try Folder()
    // Four events, 250 ms apart.
    let file = try folder.write("q.csv", Self.rows(4))
    for (speed, waitNs) in [("x10", 75_000_000), ("x25", 30_000_000)] as [(ParameterText, UInt64)] {
      let source = try replay(file, ["speed": speed])
      let start = DispatchTime.now().uptimeNanoseconds
      var count = 0
      while true {
        let pulled = try source.pull()
        if count == 0 { #expect(pulled.outputs.count >= 1, "the first event is due at once") }
        count += pulled.outputs.count
        if pulled.isEnd { break }
        try #require(DispatchTime.now().uptimeNanoseconds - start < 60_000_000_000)
      }
      #expect(count == 4)
      #expect(DispatchTime.now().uptimeNanoseconds - start >= waitNs)
    }
  }

  @Test(arguments: ["fast", "x", "x0", "x-1", "x1e3", "xx", "x1.", "x.5", "10", ""])
  func `a speed that is none is refused`(_ speed: String) throws {
    #expect(try failure { _ = try replay("/nowhere", ["speed": .scalar(speed)]) }.text == "speed: `\(speed)` is none of max, real and xN, such as x10")
  }

  @Test func `files in one folder must hold the same columns`() throws {
    let folder = try Folder()
    try folder.write("d/1.csv", "time,bid,ask\n1,1,2\n")
    let second = try folder.write("d/2.csv", "time,price\n2,1\n")
    #expect(
      try failure { _ = try replay(folder.path + "/d", ["time_format": "s"]).pullAll() }.text
        == "\(second) holds other columns than the files before it; replay them by nodes of their own")
  }

  @Test func `hidden files and folders in a folder are left alone`() throws {
    let folder = try Folder()
    try folder.write("d/1.csv", "time,bid,ask\n1,1,2\n")
    try folder.write("d/.cache", "?")
    try folder.write("d/sub/9.csv", "?")
    #expect(try replay(folder.path + "/d", ["time_format": "s"]).pullAll().count == 1)
  }
}
