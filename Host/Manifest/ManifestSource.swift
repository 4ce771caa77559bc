import GantryBase

/// The text of one file, for turning positions into places.
///
/// Positions count Unicode scalars from the start of the file, a byte order mark left out, as
/// libyaml's marks do. Lines end at LF, CR or CR LF, as editors count them; libyaml also breaks at
/// NEL, LS and PS, which is why its line numbers are not used.
final class ManifestSource {
  let file: String
  let bytes: ArraySlice<UInt8>
  private var lines: [(scalar: Int, byte: Int)] = []
  private var scalarCount = 0
  private var cached: (line: Int, excerpt: String)?

  /// Lines longer than this are not quoted.
  static let excerptMax = 2_000

  init(file: String, bytes: ArraySlice<UInt8>) {
    self.file = file
    self.bytes = bytes
    lines.append((0, bytes.startIndex))
    var previous: UInt8 = 0
    for index in bytes.indices {
      let byte = bytes[index]
      if byte & 0xC0 != 0x80 {
        // A line begins after LF, and after a CR that no LF follows.
        if previous == 0x0A || previous == 0x0D && byte != 0x0A { lines.append((scalarCount, index)) }
        scalarCount += 1
      }
      previous = byte
    }
    if previous == 0x0A || previous == 0x0D { lines.append((scalarCount, bytes.endIndex)) }
  }

  /// From scalar `start` to `end`, cut off at the end of the first line.
  func place(_ start: Int, _ end: Int) -> Place {
    let start = min(max(start, 0), scalarCount)
    let line = line(of: start)
    let excerpt = excerpt(of: line)
    var column = start - lines[line].scalar + 1
    // Blanks at the end of a line are not shown: what is missing there is missing after the text.
    if !excerpt.isEmpty { column = min(column, excerpt.unicodeScalars.count + 1) }
    let lineEnd = line + 1 < lines.count ? lines[line + 1].scalar : scalarCount
    var length = end - start
    if end > lineEnd - 1 {
      // Up to the last visible character of the line.
      let visible = excerpt.isEmpty ? lineEnd - lines[line].scalar : excerpt.unicodeScalars.count
      length = min(length, visible - (column - 1))
    }
    return Place(file: file, line: line + 1, column: column, length: length, excerpt: excerpt)
  }

  /// The place of a byte.
  func place(ofByte byte: Int) -> Place {
    let position = bytes[bytes.startIndex..<min(max(byte, bytes.startIndex), bytes.endIndex)]
      .reduce(0) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }
    return place(position, position + 1)
  }

  /// The end of the last line that has anything on it.
  var end: Place {
    var last = lines.count - 1
    while last > 0, excerpt(of: last).allSatisfy(\.isWhitespace) { last -= 1 }
    let position = lines[last].scalar + excerpt(of: last).unicodeScalars.count
    return place(position, position + 1)
  }

  private func line(of scalar: Int) -> Int {
    var low = 0
    var high = lines.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lines[middle].scalar <= scalar { low = middle } else { high = middle }
    }
    return low
  }

  /// The line without its end and with what a terminal would act on replaced, one scalar for one,
  /// so that columns still fit.
  private func excerpt(of line: Int) -> String {
    if let cached, cached.line == line { return cached.excerpt }
    let start = lines[line].byte
    var end = line + 1 < lines.count ? lines[line + 1].byte : bytes.endIndex
    while end > start, bytes[end - 1] == 0x0A || bytes[end - 1] == 0x0D { end -= 1 }
    var excerpt = ""
    if end - start <= Self.excerptMax {
      for scalar in String(decoding: bytes[start..<end], as: UTF8.self).unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control where scalar == "\t" || scalar == "\u{85}", .lineSeparator, .paragraphSeparator: excerpt.unicodeScalars.append(" ")
        case .control, .format: excerpt.unicodeScalars.append("\u{FFFD}")
        default: excerpt.unicodeScalars.append(scalar)
        }
      }
      while excerpt.unicodeScalars.last == " " { excerpt.unicodeScalars.removeLast() }
    }
    cached = (line, excerpt)
    return excerpt
  }
}
