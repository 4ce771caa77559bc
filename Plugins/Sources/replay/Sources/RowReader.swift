import CPosix
import GantrySDK

/// Reads the rows of all pieces, one after the other, through one buffer: bytes come in from a
/// `ByteStream`, whole lines go to the `CSVParser`, and the line that was cut moves to the buffer's front.
struct RowReader {
  var parser = CSVParser()
  private let settings: Settings
  private var catalog: Catalog
  private var stream = ByteStream()
  private let buffer: UnsafeMutablePointer<UInt8>
  // Whole lines are in start ..< linesEnd; the beginning of a line in linesEnd ..< end.
  private var start = 0
  private var linesEnd = 0
  private var end = 0
  private var nextPiece = 0
  private var isPieceOpen = false
  private var isStreamEnded = false
  private var isDroppingLine = false
  private var needsLayout = false
  private var layout: RowLayout?

  /// A longer line is broken.
  private static var lineMax: Int { 1 << 16 }
  private static var bufferSize: Int { 1 << 18 + lineMax }

  init(_ settings: Settings, _ catalog: Catalog, _ zone: ZoneTable) {
    self.settings = settings
    self.catalog = catalog
    buffer = .allocate(capacity: RowReader.bufferSize)
    parser.zone = zone
    parser.delimiter = settings.format == .lean ? UInt8(ascii: ",") : settings.delimiter
    for index in 0..<RowFault.count { parser.policies[index] = settings.policies[index] }
  }

  mutating func deallocate() {
    stream.deallocate()
    parser.deallocate()
    buffer.deallocate()
  }

  /// The number of files, and the content hash of them all.
  var fileCount: Int { catalog.files.count }
  var contentHash: UInt64 { catalog.hash.value }

  /// What the rows are; nil before the first piece has been opened.
  var kind: RowKind? { layout?.kind }
  var hasSizes: Bool { layout?.hasSizes ?? false }
  var slots: Int { layout?.slots ?? RowLayout.slotsMax }

  /// Goes back to the first row.
  mutating func rewind() {
    stream.close()
    nextPiece = 0
    isPieceOpen = false
    start = 0
    linesEnd = 0
    end = 0
    parser.lastNs = .min
  }

  /// Decodes up to `capacity` rows and returns how many; 0 after the last one.
  mutating func next(into rows: UnsafeMutablePointer<UInt64>, capacity: Int) throws(Failure) -> Int {
    while true {
      if let fault = parser.refusal { throw refused(fault) }
      if start < linesEnd {
        let step = parser.parse(buffer + start, count: linesEnd - start, into: rows, capacity: capacity)
        start += step.used
        if step.rows > 0 { return step.rows }
      } else if isPieceOpen {
        try fill()
      } else if nextPiece < catalog.pieces.count {
        try openPiece()
      } else {
        return 0
      }
    }
  }

  private mutating func openPiece() throws(Failure) {
    let piece = catalog.pieces[nextPiece]
    try stream.open(piece, &catalog.files[piece.file])
    nextPiece += 1
    isPieceOpen = true
    isStreamEnded = false
    isDroppingLine = false
    needsLayout = true
    start = 0
    linesEnd = 0
    end = 0
    parser.file = piece.file
    parser.line = 0
  }

  /// Brings in more bytes, up to at least one whole line or the piece's end.
  private mutating func fill() throws(Failure) {
    if isStreamEnded {
      isPieceOpen = false
      return
    }
    let rest = end - linesEnd
    if rest > 0, linesEnd > 0 { (buffer).update(from: buffer + linesEnd, count: rest) }
    start = 0
    linesEnd = 0
    end = rest
    if rest > RowReader.lineMax, !isDroppingLine {
      isDroppingLine = true
      parser.skipLongLine()
    }
    if isDroppingLine { end = 0 }
    // One byte is left for the line's end that the last line may lack.
    let count = try stream.read(into: buffer + end, capacity: RowReader.bufferSize - end - 1)
    let isFirst = needsLayout && parser.line == 0 && end == 0
    end += count
    if count == 0 {
      isStreamEnded = true
      if end > 0 {
        buffer[end] = 10
        end += 1
        linesEnd = end
      }
    } else {
      linesEnd = end
      while linesEnd > 0, buffer[linesEnd - 1] != 10 { linesEnd -= 1 }
    }
    if isDroppingLine { dropLine() }
    if isFirst, end >= 3, buffer[0] == 0xef, buffer[1] == 0xbb, buffer[2] == 0xbf { start = min(3, linesEnd) }
    if needsLayout { try findLayout() }
  }

  /// Leaves out the rest of a line that is too long.
  private mutating func dropLine() {
    while start < linesEnd {
      start += 1
      if buffer[start - 1] == 10 {
        isDroppingLine = false
        return
      }
    }
  }

  /// Looks at the first line of a piece that is neither empty nor a comment.
  private mutating func findLayout() throws(Failure) {
    var cursor = UnsafePointer(buffer + start)
    let last = UnsafePointer(buffer + linesEnd)
    while cursor < last, CSVParser.skipNoRow(&cursor) { parser.line += 1 }
    start = cursor - UnsafePointer(buffer)
    guard cursor < last else { return }
    var lineEnd = cursor
    while lineEnd.pointee != 10 { lineEnd += 1 }
    let next = lineEnd + 1
    if lineEnd > cursor, lineEnd[-1] == 13 { lineEnd -= 1 }
    let line = UnsafeBufferPointer(start: cursor, count: lineEnd - cursor)
    let piece = catalog.pieces[nextPiece - 1]
    let file = catalog.files[piece.file]
    let found: RowLayout
    switch settings.format {
    case .lean: found = try leanLayout(piece, file, line)
    case .csv:
      found = try csvLayout(file, line)
      if settings.hasHeader {
        parser.line += 1
        start = next - UnsafePointer(buffer)
      }
    }
    if let layout, layout.kind != found.kind || layout.hasSizes != found.hasSizes {
      throw Failure.invalid("\(file.text) holds other columns than the files before it; replay them by nodes of their own")
    }
    layout = found
    parser.setLayout(found)
    needsLayout = false
  }

  private mutating func leanLayout(
    _ piece: Piece, _ file: DataFile, _ line: UnsafeBufferPointer<UInt8>
  ) throws(Failure) -> RowLayout {
    let lean = try LeanFile(name: piece.name, path: file.text)
    var fields = 1
    for byte in line where byte == UInt8(ascii: ",") { fields += 1 }
    guard let layout = lean.layout(fields: fields) else {
      throw Failure.invalid("\(file.text):\(parser.line + 1): a line of \(fields) fields is none of LEAN's for \(piece.name); for other files use format: csv")
    }
    if let wanted = settings.events, (wanted == .bars) != (layout.kind == .bars || layout.kind == .quoteBars) || (wanted == .trades) != (layout.kind == .trades) {
      throw Failure.invalid("\(file.text) does not hold what the parameter events asks for; leave it out, or choose other files")
    }
    parser.barNs = lean.barNs
    parser.barTimeIsEnd = false
    if let day = lean.dayNs {
      parser.timeForm = .sinceMidnight
      parser.unitNs = 1_000_000
      parser.midnightNs = day
    } else {
      parser.timeForm = .iso
    }
    return layout
  }

  private mutating func csvLayout(_ file: DataFile, _ line: UnsafeBufferPointer<UInt8>) throws(Failure) -> RowLayout {
    parser.timeForm = settings.timeForm
    parser.unitNs = settings.unitNs
    parser.barNs = settings.barNs
    parser.barTimeIsEnd = settings.barTimeIsEnd
    let layout: RowLayout
    do throws(Failure) {
      layout = try settings.columns.layout(
        header: settings.hasHeader ? line : nil, delimiter: settings.delimiter, wanted: settings.events)
    } catch {
      throw Failure(error.status, "\(file.text):\(parser.line + 1): \(error.text)")
    }
    if layout.kind == .bars, settings.barNs == 0 {
      throw Failure.invalid("\(file.text) holds bars: say how long they are, such as bar_length: 1m")
    }
    return layout
  }

  private func refused(_ fault: RowFault) -> Failure {
    var excerpt: Text = ""
    if var byte = parser.refusedLine {
      while byte.pointee != 10, byte.pointee != 13, excerpt.bytes.count < 100 {
        excerpt.bytes.append(byte.pointee >= 32 && byte.pointee < 127 ? byte.pointee : UInt8(ascii: "?"))
        byte += 1
      }
    }
    let what = Summary.sentence(fault)
    return .invalid("\(place(parser.file, parser.line)): \(what): \(excerpt)")
  }

  /// `file:line`, for people.
  func place(_ file: Int, _ line: UInt64) -> Text { "\(catalog.files[file].text):\(line)" }
}
