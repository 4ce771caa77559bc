import GantrySDK

/// Universal Binary JSON (draft 12, ubjson.org) as XGBoost writes it: big-endian numbers, texts and
/// keys with their length in front, arrays with a count and often a type. What it throws names the
/// file and the byte.
struct UBJSONDocument: DocumentReader {
  /// One open object or array.
  private struct Container {
    /// The type that all elements have, or 0.
    var type: UInt8 = 0
    /// Members still to come; -1 where a marker ends it.
    var remaining = -1
  }

  private let bytes: UnsafeRawBufferPointer
  private let file: Text
  private var position = 0
  private(set) var lastPosition = 0
  private var open: [Container] = []

  init(_ bytes: UnsafeRawBufferPointer, file: Text) {
    self.bytes = bytes
    self.file = file
  }

  var depth: Int { open.count }

  func failure(_ position: Int, _ text: Text) -> Failure { Failure.invalid("\(file): byte \(position): \(text)") }

  private func cutOff(_ what: StaticString) -> Failure {
    failure(position, "the file ends within \(what); it is cut off, so write it again")
  }

  /// The marker of the next value: that of its array, or the one in front of it.
  private mutating func marker() throws(Failure) -> UInt8 {
    if let type = open.last?.type, type != 0 { return type }
    lastPosition = position
    return try markerInFront()
  }

  private mutating func markerInFront() throws(Failure) -> UInt8 {
    while position < bytes.count, bytes[position] == 78 { position += 1 }  // N: nothing
    guard position < bytes.count else { throw cutOff("a value") }
    position += 1
    return bytes[position - 1]
  }

  private mutating func bigEndian(_ count: Int, _ what: StaticString) throws(Failure) -> UInt64 {
    guard bytes.count - position >= count else { throw cutOff(what) }
    var value: UInt64 = 0
    for index in 0..<count { value = value << 8 | UInt64(bytes[position + index]) }
    position += count
    return value
  }

  private mutating func integer(_ marker: UInt8) throws(Failure) -> Int64? {
    switch marker {
    case 105: Int64(Int8(bitPattern: UInt8(try bigEndian(1, "a number"))))
    case 85: Int64(try bigEndian(1, "a number"))
    case 73: Int64(Int16(bitPattern: UInt16(try bigEndian(2, "a number"))))
    case 108: Int64(Int32(bitPattern: UInt32(try bigEndian(4, "a number"))))
    case 76: Int64(bitPattern: try bigEndian(8, "a number"))
    default: nil
    }
  }

  private mutating func length(_ what: StaticString) throws(Failure) -> Int {
    let start = position
    guard let count = try integer(try markerInFront()), count >= 0 else { throw failure(start, "the length of \(what) is no whole number") }
    guard count <= Int64(bytes.count) else {
      throw failure(start, "\(what) is said to be \(count) long, which is more than the file; it is cut off or damaged")
    }
    return Int(count)
  }

  mutating func nextKind() throws(Failure) -> DocumentKind {
    if let type = open.last?.type, type != 0 { return .scalar }
    while position < bytes.count, bytes[position] == 78 { position += 1 }
    guard position < bytes.count else { throw cutOff("a value") }
    return bytes[position] == 123 ? .object : bytes[position] == 91 ? .array : .scalar
  }

  private mutating func begin(_ byte: UInt8, _ what: Text) throws(Failure) {
    guard try marker() == byte else { throw failure(lastPosition, "expected \(what)") }
    if open.count == documentDepthMax { throw failure(lastPosition, "objects and arrays are nested more than \(documentDepthMax) deep; this is no model") }
    var container = Container()
    if position < bytes.count, bytes[position] == 36 {
      position += 1
      container.type = UInt8(try bigEndian(1, "an array"))
      guard byte == 91, UBJSONDocument.isPlain(container.type) else {
        throw failure(position - 1, "an array's type is \(Int(container.type)); only numbers may have a common type")
      }
      guard position < bytes.count, bytes[position] == 35 else { throw failure(position, "a type without a count") }
    }
    if position < bytes.count, bytes[position] == 35 {
      position += 1
      container.remaining = try length("an array")
    }
    open.append(container)
  }

  private static func isPlain(_ type: UInt8) -> Bool {
    switch type {
    case 105, 85, 73, 108, 76, 100, 68: true
    default: false
    }
  }

  /// Whether the innermost container has another member.
  private mutating func next(_ end: UInt8) throws(Failure) -> Bool {
    let last = open.count - 1
    if open[last].remaining >= 0 {
      if open[last].remaining == 0 {
        open.removeLast()
        return false
      }
      open[last].remaining -= 1
      return true
    }
    while position < bytes.count, bytes[position] == 78 { position += 1 }
    guard position < bytes.count else { throw cutOff("an object or array") }
    if bytes[position] != end { return true }
    position += 1
    open.removeLast()
    return false
  }

  mutating func beginObject(_ what: StaticString) throws(Failure) { try begin(123, "an object for \(what)") }

  mutating func nextKey() throws(Failure) -> Key? {
    guard try next(125) else { return nil }
    let start = position
    lastPosition = start
    return Key(bytes: try run("a key"), position: start)
  }

  mutating func beginArray(_ what: StaticString) throws(Failure) { try begin(91, "an array for \(what)") }

  mutating func nextElement() throws(Failure) -> Bool { try next(93) }

  private mutating func run(_ what: StaticString) throws(Failure) -> UnsafeRawBufferPointer {
    let count = try length(what)
    guard bytes.count - position >= count else { throw cutOff(what) }
    position += count
    return UnsafeRawBufferPointer(rebasing: bytes[position - count..<position])
  }

  mutating func text(_ what: StaticString) throws(Failure) -> Text {
    guard try marker() == 83 else { throw failure(lastPosition, "expected a text for \(what)") }
    let start = lastPosition
    let text = Text(bytes: [UInt8](try run(what)))
    guard isUTF8(text.bytes) else { throw failure(start, "\(what) is not UTF-8") }
    lastPosition = start
    return text
  }

  mutating func number(_ what: StaticString) throws(Failure) -> Double {
    lastPosition = position
    let marker = try marker()
    switch marker {
    case 100: return Double(Float(bitPattern: UInt32(try bigEndian(4, what))))
    case 68: return Double(bitPattern: try bigEndian(8, what))
    case 84: return 1
    case 70: return 0
    default:
      guard let value = try integer(marker) else { throw failure(lastPosition, "expected a number for \(what)") }
      return Double(value)
    }
  }

  mutating func skipScalar() throws(Failure) {
    let marker = try marker()
    switch marker {
    case 90, 84, 70: return
    case 67: _ = try bigEndian(1, "a character")
    case 83, 72: _ = try run("a text")
    case 100: _ = try bigEndian(4, "a number")
    case 68: _ = try bigEndian(8, "a number")
    default:
      guard try integer(marker) != nil else { throw failure(lastPosition, "the byte \(Int(marker)) begins no value; the file is damaged or no UBJSON") }
    }
  }

  mutating func end() throws(Failure) {
    if position < bytes.count { throw failure(position, "more follows after the end of the model") }
  }
}
