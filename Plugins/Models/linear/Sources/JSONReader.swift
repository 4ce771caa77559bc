import GantrySDK

/// Text read from JSON, and where its quotation mark stands.
struct JSONString {
  var text: Text
  var position: Int
}

/// Reads JSON (RFC 8259) strictly and from the front, as its user asks for the parts: one object at
/// the top, in it strings, numbers and arrays. Whatever the bytes are, it answers or throws, and
/// what it throws names file, line and column.
///
/// Not taken: comments, trailing commas, NaN and Infinity, control characters and lone surrogates
/// in strings, bytes that are not UTF-8, numbers beyond a double or of more than 128 characters.
struct JSONReader {
  private let bytes: UnsafeRawBufferPointer
  private let file: Text
  /// The byte that is read next.
  private(set) var position = 0
  /// Where the number or string read last begins.
  private(set) var lastPosition = 0
  private var isFirst = false

  init(_ bytes: UnsafeRawBufferPointer, file: Text) {
    self.bytes = bytes
    self.file = file
  }

  // MARK: places

  func line(_ position: Int) -> Int {
    var line = 1
    for index in 0..<min(position, bytes.count) where bytes[index] == 10 { line += 1 }
    return line
  }

  /// 1-based, in Unicode scalars.
  private func column(_ position: Int) -> Int {
    var column = 1
    var index = min(position, bytes.count)
    while index > 0, bytes[index - 1] != 10 {
      index -= 1
      if bytes[index] & 0xC0 != 0x80 { column += 1 }
    }
    return column
  }

  func failure(_ position: Int, _ text: Text) -> Failure {
    Failure.invalid("\(file):\(line(position)):\(column(position)): \(text)")
  }

  /// What stands at the reading position, for people.
  private var found: Text {
    guard position < bytes.count else { return "the end of the file" }
    let byte = bytes[position]
    if byte == 78 || byte == 73 || byte == 45 { return "something that is no finite number" }
    if byte > 32, byte < 127 { return "'\(Text(bytes: [byte]))'" }
    return "the byte \(Int(byte))"
  }

  private func expected(_ what: Text) -> Failure { failure(position, "expected \(what), found \(found)") }

  // MARK: structure

  mutating func beginDocument() throws(Failure) {
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
      throw failure(0, "the file begins with a byte order mark; save it as UTF-8 without one")
    }
    skipSpace()
    guard take(123) else { throw expected("'{'") }
    isFirst = true
  }

  /// The next key of the object, after its colon; nil at the object's end.
  mutating func nextKey() throws(Failure) -> JSONString? {
    skipSpace()
    if take(125) { return nil }
    if !isFirst {
      guard take(44) else { throw expected("',' or '}'") }
      skipSpace()
    }
    isFirst = false
    let key = try string()
    skipSpace()
    guard take(58) else { throw expected("':'") }
    return key
  }

  mutating func beginArray() throws(Failure) {
    skipSpace()
    guard take(91) else { throw expected("'['") }
    isFirst = true
  }

  /// Whether there is another element; false at the array's end.
  mutating func nextElement() throws(Failure) -> Bool {
    skipSpace()
    if take(93) {
      isFirst = false
      return false
    }
    if !isFirst {
      guard take(44) else { throw expected("',' or ']'") }
    }
    isFirst = false
    return true
  }

  /// Nothing but space may follow.
  mutating func endDocument() throws(Failure) {
    skipSpace()
    if position < bytes.count { throw expected("the end of the file") }
  }

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

  // MARK: numbers

  mutating func number() throws(Failure) -> Double {
    skipSpace()
    let start = position
    lastPosition = start
    var decimal = DecimalNumber()
    decimal.isNegative = take(45)
    if take(48) {
      if isDigit { throw failure(start, "a number must not begin with 0") }
    } else if isDigit {
      while isDigit { decimal.append(nextDigit(), fraction: false) }
    } else {
      position = start
      throw expected("a number")
    }
    if take(46) {
      guard isDigit else { throw expected("a digit after the point") }
      while isDigit { decimal.append(nextDigit(), fraction: true) }
    }
    if take(101) || take(69) {
      let isNegative = take(45)
      if !isNegative { _ = take(43) }
      guard isDigit else { throw expected("a digit of the exponent") }
      var exponent = 0
      while isDigit { exponent = min(exponent * 10 + Int(nextDigit()), 100_000) }
      decimal.exponent += isNegative ? -exponent : exponent
    }
    if position - start > 128 { throw failure(start, "a number of more than 128 characters") }
    let value = decimal.nearest
    if !value.isFinite { throw failure(start, "a number beyond the range of a double") }
    return value
  }

  private var isDigit: Bool { position < bytes.count && bytes[position] >= 48 && bytes[position] <= 57 }

  private mutating func nextDigit() -> UInt8 {
    defer { position += 1 }
    return bytes[position] - 48
  }

  // MARK: strings

  mutating func string() throws(Failure) -> JSONString {
    skipSpace()
    let start = position
    lastPosition = start
    guard take(34) else { throw expected("a string in double quotes") }
    var text = Text(bytes: [])
    while true {
      guard position < bytes.count else { throw failure(start, "this string does not end") }
      let byte = bytes[position]
      if byte == 34 {
        position += 1
        return JSONString(text: text, position: start)
      }
      if byte < 32 { throw failure(position, "a control character in a string; write it as \\u00XX") }
      if byte == 92 {
        try appendEscape(to: &text)
      } else if byte < 128 {
        text.bytes.append(byte)
        position += 1
      } else {
        try appendMultibyte(to: &text)
      }
    }
  }

  private mutating func appendEscape(to text: inout Text) throws(Failure) {
    let start = position
    position += 1
    guard position < bytes.count else { throw failure(start, "an escape that does not end") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case 34, 47, 92: text.bytes.append(byte)
    case 98: text.bytes.append(8)
    case 102: text.bytes.append(12)
    case 110: text.bytes.append(10)
    case 114: text.bytes.append(13)
    case 116: text.bytes.append(9)
    case 117:
      var scalar = try hexadecimal(start)
      if scalar >= 0xD800, scalar < 0xDC00, take(92), take(117) {
        let low = try hexadecimal(start)
        guard low >= 0xDC00, low < 0xE000 else { throw failure(start, "half of a surrogate pair") }
        scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
      }
      if scalar >= 0xD800, scalar < 0xE000 { throw failure(start, "half of a surrogate pair") }
      append(scalar, to: &text)
    default: throw failure(start, "an unknown escape in a string")
    }
  }

  private mutating func hexadecimal(_ start: Int) throws(Failure) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count else { throw failure(start, "an escape that does not end") }
      let byte = bytes[position]
      let digit: UInt8
      switch byte {
      case 48...57: digit = byte - 48
      case 65...70: digit = byte - 55
      case 97...102: digit = byte - 87
      default: throw failure(start, "\\u wants four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private func append(_ scalar: UInt32, to text: inout Text) {
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

  /// One scalar of two to four bytes, in its shortest form (Unicode 16, table 3-7).
  private mutating func appendMultibyte(to text: inout Text) throws(Failure) {
    let first = bytes[position]
    let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    guard first >= 0xC2, first <= 0xF4, bytes.count - position >= length else {
      throw failure(position, "a byte that is not UTF-8")
    }
    let second = bytes[position + 1]
    let low: UInt8 = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80
    let high: UInt8 = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF
    var isValid = second >= low && second <= high
    for index in 2..<max(length, 2) where bytes[position + index] & 0xC0 != 0x80 { isValid = false }
    guard isValid else { throw failure(position, "a byte that is not UTF-8") }
    for index in 0..<length { text.bytes.append(bytes[position + index]) }
    position += length
  }
}
