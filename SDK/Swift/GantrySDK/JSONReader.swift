/// Text read from JSON, and where its quotation mark stands.
public struct JSONString {
  public var text: Text
  public var position: Int

  public init(text: Text, position: Int) {
    self.text = text
    self.position = position
  }
}

/// Reads JSON (RFC 8259) strictly and from the front, as its user asks for the parts: objects, arrays,
/// strings and numbers, nested up to a depth, and nothing recurses. Whatever the bytes are, it answers or
/// throws, and what it throws names file, line and column. Not for the lane: texts allocate.
///
/// Not taken: comments, trailing commas, NaN and Infinity, control characters and lone surrogates
/// in strings, bytes that are not UTF-8, numbers beyond a double or of more than 128 characters. Who
/// takes other spellings of numbers reads them at `position`.
public struct JSONReader {
  public let bytes: UnsafeRawBufferPointer
  public let file: Text
  /// The byte that is read next.
  public var position = 0
  /// Where the value, key or container read last begins.
  public private(set) var lastPosition = 0
  /// How many objects and arrays are open.
  public private(set) var depth = 0
  public let depthMax: Int
  private var isFirst = false

  /// - Parameters:
  ///   - bytes: valid as long as the reader
  ///   - file: its name in what is thrown
  public init(_ bytes: UnsafeRawBufferPointer, file: Text, depthMax: Int = 32) {
    self.bytes = bytes
    self.file = file
    self.depthMax = depthMax
  }

  // MARK: places

  /// 1-based.
  public func line(_ position: Int) -> Int {
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

  public func failure(_ position: Int, _ text: Text) -> Failure {
    Failure.invalid("\(file):\(line(position)):\(column(position)): \(text)")
  }

  /// What stands at the reading position, for people.
  private var found: Text {
    guard position < bytes.count else { return "the end of the file: the file is cut off, so write it again" }
    let byte = bytes[position]
    return byte > 32 && byte < 127 ? "'\(Text(bytes: [byte]))'" : "the byte \(Int(byte))"
  }

  public func expected(_ what: Text) -> Failure { failure(position, "expected \(what), found \(found)") }

  // MARK: structure

  /// The object at the top.
  public mutating func beginDocument() throws(Failure) {
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
      throw failure(0, "the file begins with a byte order mark; save it as UTF-8 without one")
    }
    try beginObject()
  }

  /// - Parameter what: it is for, in what is thrown
  public mutating func beginObject(_ what: StaticString = "") throws(Failure) { try open(123, "'{'", what) }

  public mutating func beginArray(_ what: StaticString = "") throws(Failure) { try open(91, "'['", what) }

  private mutating func open(_ byte: UInt8, _ sign: StaticString, _ what: StaticString) throws(Failure) {
    beginValue()
    guard take(byte) else { throw expected(what.utf8CodeUnitCount == 0 ? "\(sign)" : "\(sign) for \(what)") }
    if depth == depthMax { throw failure(lastPosition, "objects and arrays are nested more than \(depthMax) deep; this is no model") }
    depth += 1
    isFirst = true
  }

  /// Whether the innermost container has another member; at its end it is closed.
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

  /// The next key of the innermost object, after its colon; nil at the object's end.
  public mutating func nextKey() throws(Failure) -> JSONString? {
    guard try next(125, "'}'") else { return nil }
    let key = try string()
    try endKey()
    lastPosition = key.position
    return key
  }

  /// `nextKey` without a copy: the bytes between the quotation marks, escapes as they are.
  public mutating func nextRawKey() throws(Failure) -> (bytes: UnsafeRawBufferPointer, position: Int)? {
    guard try next(125, "'}'") else { return nil }
    let start = position
    let key = try quoted("a key in double quotes")
    try endKey()
    lastPosition = start
    return (key, start)
  }

  private mutating func endKey() throws(Failure) {
    skipSpace()
    guard take(58) else { throw expected("':'") }
  }

  /// Whether there is another element; false at the array's end.
  public mutating func nextElement() throws(Failure) -> Bool { try next(93, "']'") }

  /// Nothing but space may follow.
  public mutating func endDocument() throws(Failure) {
    skipSpace()
    if position < bytes.count { throw expected("the end of the file") }
  }

  public mutating func skipSpace() {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 32 || byte == 10 || byte == 13 || byte == 9 else { return }
      position += 1
    }
  }

  /// A value begins here, for `lastPosition`.
  public mutating func beginValue() {
    skipSpace()
    lastPosition = position
  }

  public mutating func take(_ byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  /// `true`, `false` or `null`, if that comes next.
  public mutating func takeWord(_ word: StaticString) -> Bool {
    guard bytes.count - position >= word.utf8CodeUnitCount else { return false }
    for index in 0..<word.utf8CodeUnitCount where bytes[position + index] != word.utf8Start[index] { return false }
    position += word.utf8CodeUnitCount
    return true
  }

  // MARK: numbers

  public mutating func number() throws(Failure) -> Double {
    beginValue()
    let start = position
    var decimal = DecimalNumber()
    decimal.isNegative = take(45)
    if take(48) {
      if isDigit { throw failure(start, "a number must not begin with 0") }
    } else if isDigit {
      while isDigit { decimal.append(nextDigit(), fraction: false) }
    } else {
      position = start
      if position < bytes.count, bytes[position] == 78 || bytes[position] == 73 || bytes[position] == 45 {
        throw failure(start, "expected a number, found something that is no finite number")
      }
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

  /// The bytes up to the closing quotation mark, escapes as they are.
  public mutating func quoted(_ what: StaticString) throws(Failure) -> UnsafeRawBufferPointer {
    beginValue()
    guard take(34) else { throw expected("\(what)") }
    let start = position
    while position < bytes.count {
      if bytes[position] == 34 {
        position += 1
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position - 1])
      }
      position += bytes[position] == 92 ? 2 : 1
    }
    throw endless(lastPosition)
  }

  private func endless(_ start: Int) -> Failure { failure(start, "this string does not end; the file is cut off, so write it again") }

  /// - Parameter what: was expected, in what is thrown
  public mutating func string(_ what: StaticString = "a string in double quotes") throws(Failure) -> JSONString {
    beginValue()
    let start = position
    guard take(34) else { throw expected("\(what)") }
    var text = Text(bytes: [])
    while true {
      guard position < bytes.count else { throw endless(start) }
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
