import GantrySDK

/// A key of an object, and where it stands. Its bytes are the file's, escapes as they are.
struct Key {
  var bytes: UnsafeRawBufferPointer
  var position: Int

  static func == (key: Key, text: StaticString) -> Bool {
    guard key.bytes.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<key.bytes.count where key.bytes[index] != text.utf8Start[index] { return false }
    return true
  }

  /// For people; of a long key the beginning.
  var text: Text {
    var text: Text = ""
    for byte in key where byte >= 32 && byte < 127 { text.bytes.append(byte) }
    return text
  }
  private var key: Slice<UnsafeRawBufferPointer> { bytes.prefix(64) }
}

/// Reads a document of objects, arrays, texts and numbers from the front, as its user asks for the
/// parts: the same calls for JSON and for UBJSON. Whatever the bytes are, each call answers or throws,
/// and what it throws names the file and the place.
///
/// Objects and arrays may be nested `depthMax` deep. Nothing recurses.
protocol DocumentReader {
  /// Where the key or value read last begins.
  var lastPosition: Int { get }
  /// How many objects and arrays are open.
  var depth: Int { get }

  func failure(_ position: Int, _ text: Text) -> Failure

  /// What comes next, without reading it.
  mutating func nextKind() throws(Failure) -> DocumentKind
  mutating func beginObject(_ what: StaticString) throws(Failure)
  /// The next key of the innermost object; nil at its end, which closes it.
  mutating func nextKey() throws(Failure) -> Key?
  mutating func beginArray(_ what: StaticString) throws(Failure)
  /// Whether the innermost array has another element; false at its end, which closes it.
  mutating func nextElement() throws(Failure) -> Bool
  mutating func text(_ what: StaticString) throws(Failure) -> Text
  /// A number, or true and false as 1 and 0; NaN and infinities are the caller's to refuse.
  mutating func number(_ what: StaticString) throws(Failure) -> Double
  mutating func skipScalar() throws(Failure)
  /// Nothing more may follow.
  mutating func end() throws(Failure)
}

enum DocumentKind { case object, array, scalar }

var documentDepthMax: Int { 32 }

extension DocumentReader {
  /// Leaves out the next value, whatever it is.
  mutating func skip() throws(Failure) {
    let outside = depth
    var isObject: UInt64 = 0
    while true {
      switch try nextKind() {
      case .object:
        try beginObject("a value")
        isObject |= 1 << UInt64(depth)
      case .array:
        try beginArray("a value")
        isObject &= ~(1 << UInt64(depth))
      case .scalar: try skipScalar()
      }
      while depth > outside {
        if isObject >> UInt64(depth) & 1 == 1 {
          if try nextKey() != nil { break }
        } else if try nextElement() {
          break
        }
      }
      if depth == outside { return }
    }
  }

  /// A whole number within `range`.
  mutating func integer(_ what: StaticString, _ range: ClosedRange<Int>) throws(Failure) -> Int {
    let value = try number(what)
    guard value >= Double(range.lowerBound), value <= Double(range.upperBound), value == Double(Int(value)) else {
      throw failure(lastPosition, "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(value, decimals: 3)")
    }
    return Int(value)
  }

  /// A whole number that is written as text, as XGBoost writes its parameters; a number is taken too.
  mutating func countInText(_ what: StaticString, maximum: Int) throws(Failure) -> Int {
    let text = try text(what)
    guard let count = NumberText.count(text, maximum: maximum) else {
      throw failure(lastPosition, "\(what) is \"\(shortened(text))\"; it must be a whole number up to \(maximum)")
    }
    return count
  }

  /// Reads an array of numbers to the end of `numbers`.
  mutating func numbers(_ what: StaticString, into numbers: inout [Double]) throws(Failure) {
    numbers.removeAll(keepingCapacity: true)
    try beginArray(what)
    while try nextElement() { numbers.append(try number(what)) }
  }

  mutating func integers(_ what: StaticString, _ range: ClosedRange<Int>, into numbers: inout [Int32]) throws(Failure) {
    numbers.removeAll(keepingCapacity: true)
    try beginArray(what)
    while try nextElement() { numbers.append(Int32(try integer(what, range))) }
  }
}

/// The beginning of a text, without control characters, for people.
func shortened(_ text: Text) -> Text {
  var short: Text = ""
  for byte in text.bytes {
    if short.bytes.count == 64 { return "\(short)..." }
    if byte >= 32 && byte < 127 { short.bytes.append(byte) }
  }
  return short
}

/// Whether bytes are UTF-8 in its shortest form, without surrogates (Unicode 16, table 3-7).
func isUTF8(_ bytes: [UInt8]) -> Bool {
  var index = 0
  while index < bytes.count {
    let first = bytes[index]
    if first < 0x80 {
      index += 1
      continue
    }
    let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    guard first >= 0xC2, first <= 0xF4, bytes.count - index >= length else { return false }
    let low: UInt8 = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80
    let high: UInt8 = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF
    guard bytes[index + 1] >= low, bytes[index + 1] <= high else { return false }
    for offset in 2..<max(length, 2) where bytes[index + offset] & 0xC0 != 0x80 { return false }
    index += length
  }
  return true
}
