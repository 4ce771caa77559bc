import GantrySDK

/// JSON as XGBoost writes it, which is RFC 8259 with numbers in its own spelling (`5E-1`, and NaN and
/// Infinity as words). What it throws names file, line and column.
struct JSONDocument: DocumentReader {
  private let bytes: UnsafeRawBufferPointer
  private let file: Text
  private var position = 0
  private(set) var lastPosition = 0
  private(set) var depth = 0
  private var isFirst = false

  init(_ bytes: UnsafeRawBufferPointer, file: Text) {
    self.bytes = bytes
    self.file = file
  }

  func failure(_ position: Int, _ text: Text) -> Failure {
    var line = 1
    var lineStart = 0
    for index in 0..<min(position, bytes.count) where bytes[index] == 10 {
      line += 1
      lineStart = index + 1
    }
    return Failure.invalid("\(file):\(line):\(position - lineStart + 1): \(text)")
  }

  private var found: Text {
    guard position < bytes.count else { return "the end of the file; the file is cut off, so write it again" }
    let byte = bytes[position]
    return byte > 32 && byte < 127 ? "'\(Text(bytes: [byte]))'" : "the byte \(Int(byte))"
  }

  private func expected(_ what: Text) -> Failure { failure(position, "expected \(what), found \(found)") }

  private mutating func skipSpace() {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 32 || byte == 10 || byte == 13 || byte == 9 else { return }
      position += 1
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  private mutating func open(_ byte: UInt8, _ what: Text) throws(Failure) {
    skipSpace()
    lastPosition = position
    guard take(byte) else { throw expected(what) }
    if depth == documentDepthMax { throw failure(lastPosition, "objects and arrays are nested more than \(documentDepthMax) deep; this is no model") }
    depth += 1
    isFirst = true
  }

  /// Whether another member follows the last one; the end closes the container.
  private mutating func next(_ end: UInt8, _ what: StaticString) throws(Failure) -> Bool {
    skipSpace()
    if take(end) {
      depth -= 1
      isFirst = false
      return false
    }
    if !isFirst {
      guard take(44) else { throw expected("',' or \(what)") }
      skipSpace()
    }
    isFirst = false
    return true
  }

  mutating func nextKind() throws(Failure) -> DocumentKind {
    skipSpace()
    guard position < bytes.count else { throw expected("a value") }
    return bytes[position] == 123 ? .object : bytes[position] == 91 ? .array : .scalar
  }

  mutating func beginObject(_ what: StaticString) throws(Failure) { try open(123, "'{' for \(what)") }

  mutating func nextKey() throws(Failure) -> Key? {
    guard try next(125, "'}'") else { return nil }
    let start = position
    let key = try quoted("a key in double quotes")
    skipSpace()
    guard take(58) else { throw expected("':'") }
    lastPosition = start
    return Key(bytes: key, position: start)
  }

  mutating func beginArray(_ what: StaticString) throws(Failure) { try open(91, "'[' for \(what)") }

  mutating func nextElement() throws(Failure) -> Bool { try next(93, "']'") }

  /// The bytes between two quotation marks.
  private mutating func quoted(_ what: StaticString) throws(Failure) -> UnsafeRawBufferPointer {
    lastPosition = position
    guard take(34) else { throw expected("\(what)") }
    let start = position
    while position < bytes.count {
      if bytes[position] == 34 {
        position += 1
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position - 1])
      }
      position += bytes[position] == 92 ? 2 : 1
    }
    throw failure(lastPosition, "this text does not end; the file is cut off, so write it again")
  }

  mutating func text(_ what: StaticString) throws(Failure) -> Text {
    skipSpace()
    let start = position
    let raw = try quoted(what)
    var text: Text = ""
    var index = 0
    while index < raw.count {
      if raw[index] != 92 {
        text.bytes.append(raw[index])
        index += 1
        continue
      }
      guard index + 1 < raw.count else { throw failure(start, "a text ends within an escape") }
      let escape = raw[index + 1]
      index += 2
      switch escape {
      case 98: text.bytes.append(8)
      case 102: text.bytes.append(12)
      case 110: text.bytes.append(10)
      case 114: text.bytes.append(13)
      case 116: text.bytes.append(9)
      case 34, 47, 92: text.bytes.append(escape)
      case 117:
        guard let scalar = JSONDocument.scalar(raw, &index) else { throw failure(start, "\\u wants the four hexadecimal digits of a character") }
        var utf8 = Text(bytes: [])
        JSONDocument.append(scalar, to: &utf8)
        text.bytes += utf8.bytes
      default: throw failure(start, "an unknown escape in a text")
      }
    }
    guard isUTF8(text.bytes) else { throw failure(start, "\(what) is not UTF-8") }
    lastPosition = start
    return text
  }

  mutating func number(_ what: StaticString) throws(Failure) -> Double {
    skipSpace()
    lastPosition = position
    if let word = flag() { return word }
    guard let value = NumberText.parse(bytes, &position) else { throw expected("a number for \(what)") }
    return value
  }

  private mutating func flag() -> Double? {
    if takeWord("true") { return 1 }
    if takeWord("false") { return 0 }
    return nil
  }

  private mutating func takeWord(_ word: StaticString) -> Bool {
    guard bytes.count - position >= word.utf8CodeUnitCount else { return false }
    for index in 0..<word.utf8CodeUnitCount where bytes[position + index] != word.utf8Start[index] { return false }
    position += word.utf8CodeUnitCount
    return true
  }

  mutating func skipScalar() throws(Failure) {
    skipSpace()
    guard position < bytes.count else { throw expected("a value") }
    if bytes[position] == 34 {
      _ = try quoted("a text")
    } else if !takeWord("null") {
      _ = try number("a value")
    }
  }

  mutating func end() throws(Failure) {
    skipSpace()
    if position < bytes.count { throw expected("the end of the file") }
  }

  /// The character behind `\u`, of two escapes where it takes a pair.
  private static func scalar(_ raw: UnsafeRawBufferPointer, _ index: inout Int) -> UInt32? {
    func unit(_ start: Int) -> UInt32? {
      guard start + 4 <= raw.count else { return nil }
      var value: UInt32 = 0
      for offset in 0..<4 {
        let byte = raw[start + offset]
        switch byte {
        case 48...57: value = value << 4 | UInt32(byte - 48)
        case 65...70: value = value << 4 | UInt32(byte - 55)
        case 97...102: value = value << 4 | UInt32(byte - 87)
        default: return nil
        }
      }
      return value
    }
    guard let first = unit(index) else { return nil }
    index += 4
    if first < 0xD800 || first >= 0xE000 { return first }
    guard first < 0xDC00, index + 6 <= raw.count, raw[index] == 92, raw[index + 1] == 117, let second = unit(index + 2), second >= 0xDC00, second < 0xE000
    else { return nil }
    index += 6
    return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
  }

  private static func append(_ scalar: UInt32, to text: inout Text) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift & 0x3F)) }
    if scalar < 0x80 {
      text.bytes.append(UInt8(scalar))
    } else if scalar < 0x800 {
      text.bytes += [UInt8(0xC0 | scalar >> 6), tail(0)]
    } else if scalar < 0x10000 {
      text.bytes += [UInt8(0xE0 | scalar >> 12), tail(6), tail(0)]
    } else {
      text.bytes += [UInt8(0xF0 | scalar >> 18), tail(12), tail(6), tail(0)]
    }
  }
}
