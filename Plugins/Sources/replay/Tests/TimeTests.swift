import CGantry
import PluginHarness
import Testing

struct TimeTests {
  func times(_ times: [String], _ parameters: [String: ParameterText] = [:]) throws -> [Int64] {
    try ticks("time,bid,ask\n" + times.map { "\($0),1,2\n" }.joined(), parameters).map(\.header.event_ns)
  }

  @Test func `auto tells the unit of a count since 1970 from its digits`() throws {
    for text in ["1398916800", "1398916800000", "1398916800000000", "1398916800000000000", "2014-05-01T04:00:00Z"] {
      #expect(try times([text]) == [1_398_916_800_000_000_000])
    }
  }

  @Test func `a stated unit is taken, with a fraction`() throws {
    #expect(try times(["1.5"], ["time_format": "s"]) == [1_500_000_000])
    #expect(try times(["12.000001"], ["time_format": "ms"]) == [12_000_001])
    #expect(try times(["7"], ["time_format": "us"]) == [7000])
    #expect(try times(["7"], ["time_format": "ns"]) == [7])
    #expect(try times(["-1.5", "0"], ["time_format": "s"]) == [-1_500_000_000, 0])
  }

  @Test func `ISO times have fractions, offsets and several separators`() throws {
    let second = ns("2014-05-01T04:00:00Z")
    #expect(try times(["2014-05-01T04:00:00.292Z"]) == [second + 292_000_000])
    #expect(try times(["2014-05-01T04:00:00.1234567891Z"]) == [second + 123_456_789])
    #expect(try times(["2014-05-01T06:30:00+02:30"]) == [second])
    #expect(try times(["2014-05-01 00:00:00-0400"]) == [second])
    #expect(try times(["2014.05.01 04:00:00", "2014/05/01 04:00", "20140501 04:00:00", "20140501T040000"]) == [second, second, second, second])
    #expect(try times(["2014-05-01", "20140502"]) == [ns("2014-05-01T00:00:00Z"), ns("2014-05-02T00:00:00Z")])
  }

  @Test func `a date that is none is a broken line`() throws {
    #expect(try times(["2014-05-01T00:00:00Z", "2014-02-29T00:00:00Z", "2014-13-01", "2015-05-01T24:00", "1500-01-01", "2016-02-29"]).count == 2)
  }

  @Test func `local times follow the zone, into years that its file does not list`() throws {
    let newYork: [String: ParameterText] = ["time_zone": "America/New_York"]
    #expect(try times(["2014-05-01 00:00:00.292"], newYork) == [1_398_916_800_292_000_000])
    #expect(try times(["2014-01-15 12:00"], newYork) == [ns("2014-01-15T17:00:00Z")])
    #expect(try times(["2050-01-15 12:00", "2050-07-15 12:00"], newYork) == [ns("2050-01-15T17:00:00Z"), ns("2050-07-15T16:00:00Z")])
    #expect(
      try times(["2050-01-15 12:00", "2050-07-15 12:00"], ["time_zone": "Australia/Sydney"]) == [ns("2050-01-15T01:00:00Z"), ns("2050-07-15T02:00:00Z")])
    #expect(try times(["2024-01-01 12:00"], ["time_zone": "+05:30"]) == [ns("2024-01-01T06:30:00Z")])
    #expect(try times(["2024-01-01T12:00:00Z"], newYork) == [ns("2024-01-01T12:00:00Z")])
  }

  @Test func `a skipped local time is counted on, a doubled one is the first that does not go back`() throws {
    let newYork: [String: ParameterText] = ["time_zone": "America/New_York"]
    #expect(
      try times(["2024-03-10 01:59", "2024-03-10 02:30", "2024-03-10 03:45"], newYork) == [
        ns("2024-03-10T06:59:00Z"), ns("2024-03-10T07:30:00Z"), ns("2024-03-10T07:45:00Z"),
      ])
    #expect(
      try times(["2024-11-03 00:59", "2024-11-03 01:30", "2024-11-03 01:10", "2024-11-03 01:30", "2024-11-03 02:00"], newYork) == [
        ns("2024-11-03T04:59:00Z"), ns("2024-11-03T05:30:00Z"), ns("2024-11-03T06:10:00Z"), ns("2024-11-03T06:30:00Z"),
        ns("2024-11-03T07:00:00Z"),
      ])
  }

  @Test func `times of forty years are those of Python's zoneinfo`() throws {
    let program = """
      import sys, zoneinfo, datetime
      zone = zoneinfo.ZoneInfo(sys.argv[1])
      time = datetime.datetime(2005, 1, 1)
      while time.year < 2045:
          print(int(time.replace(tzinfo=zone).timestamp()), time.strftime("%Y-%m-%d %H:%M"))
          time += datetime.timedelta(hours=29)
      """
    for zone in ["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo"] {
      guard let output = try python(program, [zone]) else { return }
      let rows = output.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1) }
      let expected = rows.map { Int64($0[0])! * 1_000_000_000 }
      try #require(expected.count > 5000)
      let found = try times(rows.map { String($0[1]) }, ["time_zone": .scalar(zone), "time_format": "iso"])
      #expect(found == expected, "\(zone)")
    }
  }

  @Test func `from and to leave out what is outside, in the zone of the file`() throws {
    let rows = ["2024-01-01 00:00", "2024-01-02 00:00", "2024-01-03 00:00", "2024-01-04 00:00"]
    let range: [String: ParameterText] = ["from": "2024-01-02", "to": "2024-01-04", "time_zone": "America/New_York"]
    #expect(try times(rows, range) == [ns("2024-01-02T05:00:00Z"), ns("2024-01-03T05:00:00Z")])
    #expect(try times(rows, ["from": "2024-01-02T00:00:01Z"]).count == 2)
    #expect(try failure { _ = try times(rows, ["to": "soon"]) }.text == "to: `soon` is no time; write it as 2014-05-01 or 2014-05-01T09:30:00Z")
  }

  @Test func `an unknown zone is refused with the remedy`() throws {
    let expected = "use a name such as America/New_York, UTC, or a fixed offset such as -05:00"
    for zone in ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "America/", "Europe/../UTC", "+25:00"] {
      #expect(try failure { _ = try times(["1"], ["time_zone": .scalar(zone)]) }.text == "time_zone: there is no zone `\(zone)`; \(expected)")
    }
  }
}
