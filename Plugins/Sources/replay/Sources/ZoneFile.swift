#if canImport(GantrySDK)
  import GantrySDK
#endif

/// Reads TZif, the format of /usr/share/zoneinfo (RFC 8536), versions 1 to 4. Any bytes may come.
struct ZoneFile {
  private let bytes: [UInt8]
  private var position = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The zone's offsets, its rule for the time after the last listed change unrolled to 2261;
  /// nil when the bytes are no time zone, or one that counts leap seconds.
  static func parse(_ bytes: [UInt8]) -> ZoneTable? {
    var file = ZoneFile(bytes)
    return file.parse()
  }

  private struct Counts {
    var version: UInt8
    var leaps: Int
    var times: Int
    var types: Int
    var names: Int
    var standards: Int
    var universals: Int
  }

  private mutating func parse() -> ZoneTable? {
    guard let first = header() else { return nil }
    guard first.version >= UInt8(ascii: "2") else { return body(first, timeSize: 4) }
    // The first block has 32-bit times, for old readers.
    guard skip(first.times * 5 + first.types * 6 + first.names + first.leaps * 8 + first.standards + first.universals),
      let second = header(), var zone = body(second, timeSize: 8)
    else { return nil }
    guard skip(second.names + second.standards + second.universals) else { return nil }
    if position < bytes.count, bytes[position] == 10 {
      var end = position + 1
      while end < bytes.count, bytes[end] != 10 { end += 1 }
      if let rule = ZoneRule(bytes[(position + 1)..<end]) { zone = rule.extend(zone) }
    }
    return zone
  }

  private mutating func header() -> Counts? {
    guard bytes.count - position >= 44 else { return nil }
    let magic: StaticString = "TZif"
    for index in 0..<4 where bytes[position + index] != magic.utf8Start[index] { return nil }
    let version = bytes[position + 4]
    position += 20
    guard let universals = count(), let standards = count(), let leaps = count(), let times = count(),
      let types = count(), let names = count()
    else { return nil }
    guard types >= 1, types <= 256 else { return nil }
    return Counts(
      version: version, leaps: leaps, times: times, types: types, names: names, standards: standards,
      universals: universals)
  }

  /// Reads the times, offsets and kinds of one block; leaves the position at its names.
  private mutating func body(_ counts: Counts, timeSize: Int) -> ZoneTable? {
    guard counts.leaps == 0 else { return nil }
    let typesAt = position + counts.times * (timeSize + 1)
    guard typesAt + counts.types * 6 <= bytes.count else { return nil }
    func offset(_ type: Int) -> Int64? {
      guard type < counts.types else { return nil }
      let seconds = integer(at: typesAt + type * 6, size: 4)
      return seconds.magnitude < 26 * 3600 ? seconds * 1_000_000_000 : nil
    }
    guard let before = offset(0) else { return nil }
    var starts: [Int64] = [.min]
    var offsets: [Int64] = [before]
    for index in 0..<counts.times {
      let seconds = integer(at: position + index * timeSize, size: timeSize)
      guard let value = offset(Int(bytes[position + counts.times * timeSize + index])) else { return nil }
      let ns = min(max(seconds, -9_200_000_000), 9_200_000_000) * 1_000_000_000
      if index > 0, ns < starts[starts.count - 1] { return nil }
      if value == offsets[offsets.count - 1] { continue }
      starts.append(ns)
      offsets.append(value)
    }
    position = typesAt + counts.types * 6
    return ZoneTable(starts: starts, offsets: offsets)
  }

  private mutating func skip(_ length: Int) -> Bool {
    guard length <= bytes.count - position else { return false }
    position += length
    return true
  }

  /// A count of the header: at most as large as the file.
  private mutating func count() -> Int? {
    let value = integer(at: position, size: 4)
    position += 4
    return value >= 0 && value <= Int64(bytes.count) ? Int(value) : nil
  }

  /// A big-endian two's-complement number; the caller has checked that it lies inside.
  private func integer(at position: Int, size: Int) -> Int64 {
    var value: UInt64 = bytes[position] >= 0x80 ? .max : 0
    for index in 0..<size { value = value << 8 | UInt64(bytes[position + index]) }
    return Int64(bitPattern: value)
  }
}
