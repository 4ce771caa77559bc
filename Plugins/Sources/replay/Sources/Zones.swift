import CPosix
import GantrySDK

/// Time zones by name: `UTC`, a fixed offset such as `+02:00`, or a name of the IANA database as
/// installed in /usr/share/zoneinfo.
enum Zones {
  /// Refuses what cannot be a zone's name. Reads nothing.
  static func check(_ name: Text) throws(Failure) {
    if fixed(name) != nil { return }
    var previous = UInt8(ascii: "/")
    var isGood = !name.bytes.isEmpty && name.bytes.count < 64
    for byte in name.bytes {
      let isLetter = (byte | 0x20) &- 97 < 26
      let isOther = byte &- 48 <= 9 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+")
      let isSlash = byte == UInt8(ascii: "/") && previous != UInt8(ascii: "/")
      if !isLetter && !isOther && !isSlash { isGood = false }
      previous = byte
    }
    if !isGood || previous == UInt8(ascii: "/") { throw unknown(name) }
  }

  /// Reads a zone.
  static func load(_ name: Text) throws(Failure) -> ZoneTable {
    if let fixed = fixed(name) { return fixed }
    try check(name)
    let folder: StaticString = "/usr/share/zoneinfo/"
    var path = Text(stringLiteral: folder)
    path.bytes += name.bytes
    path.bytes.append(0)
    guard let stream = DataFile.withPath(path.bytes, { fopen($0, "rbe") }) else {
      guard access("/usr/share/zoneinfo/America/New_York", R_OK) == 0 else {
        throw Failure(
          -5, "time_zone: the time zones are not installed on this machine: run `apt-get install tzdata`, or use UTC or a fixed offset such as -05:00")
      }
      throw unknown(name)
    }
    defer { fclose(stream) }
    let sizeMax = 1 << 20
    let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: sizeMax)
    defer { buffer.deallocate() }
    guard let count = DataFile.read(stream, into: buffer, capacity: sizeMax),
      let zone = ZoneFile.parse(Array(UnsafeBufferPointer(start: buffer, count: count)))
    else {
      throw Failure.invalid("time_zone: the file of \(name) in /usr/share/zoneinfo cannot be read; run `apt-get install --reinstall tzdata`")
    }
    return zone
  }

  private static func unknown(_ name: Text) -> Failure {
    .invalid("time_zone: there is no zone `\(name)`; use a name such as America/New_York, UTC, or a fixed offset such as -05:00")
  }

  /// `UTC`, `Z`, `+hh:mm` or `-hh:mm`.
  private static func fixed(_ name: Text) -> ZoneTable? {
    let bytes = name.bytes
    if name == "UTC" || name == "Z" { return ZoneTable(fixedOffsetNs: 0) }
    guard bytes.count == 6, bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"), bytes[3] == UInt8(ascii: ":")
    else { return nil }
    for index in [1, 2, 4, 5] where bytes[index] &- 48 > 9 { return nil }
    let hours = Int64(bytes[1] - 48) * 10 + Int64(bytes[2] - 48)
    let minutes = Int64(bytes[4] - 48) * 10 + Int64(bytes[5] - 48)
    guard hours < 24, minutes < 60 else { return nil }
    let seconds = hours * 3600 + minutes * 60
    return ZoneTable(fixedOffsetNs: (bytes[0] == UInt8(ascii: "-") ? -seconds : seconds) * 1_000_000_000)
  }
}
