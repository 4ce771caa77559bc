import GantrySDK

/// JSON as XGBoost writes it, which is RFC 8259 with numbers in its own spelling (`5E-1`, and NaN and
/// Infinity as words). What it throws names file, line and column.
struct JSONDocument: DocumentReader {
  private var reader: JSONReader

  init(_ bytes: UnsafeRawBufferPointer, file: Text) { reader = JSONReader(bytes, file: file, depthMax: documentDepthMax) }

  var lastPosition: Int { reader.lastPosition }
  var depth: Int { reader.depth }

  func failure(_ position: Int, _ text: Text) -> Failure { reader.failure(position, text) }

  mutating func nextKind() throws(Failure) -> DocumentKind {
    reader.skipSpace()
    guard reader.position < reader.bytes.count else { throw reader.expected("a value") }
    let byte = reader.bytes[reader.position]
    return byte == 123 ? .object : byte == 91 ? .array : .scalar
  }

  mutating func beginObject(_ what: StaticString) throws(Failure) { try reader.beginObject(what) }

  mutating func nextKey() throws(Failure) -> Key? { try reader.nextRawKey().map { Key(bytes: $0.bytes, position: $0.position) } }

  mutating func beginArray(_ what: StaticString) throws(Failure) { try reader.beginArray(what) }

  mutating func nextElement() throws(Failure) -> Bool { try reader.nextElement() }

  mutating func text(_ what: StaticString) throws(Failure) -> Text { try reader.string(what).text }

  mutating func number(_ what: StaticString) throws(Failure) -> Double {
    reader.beginValue()
    if reader.takeWord("true") { return 1 }
    if reader.takeWord("false") { return 0 }
    guard let value = NumberText.parse(reader.bytes, &reader.position) else { throw reader.expected("a number for \(what)") }
    return value
  }

  mutating func skipScalar() throws(Failure) {
    reader.skipSpace()
    guard reader.position < reader.bytes.count else { throw reader.expected("a value") }
    if reader.bytes[reader.position] == 34 {
      _ = try reader.quoted("a text")
    } else if !reader.takeWord("null") {
      _ = try number("a value")
    }
  }

  mutating func end() throws(Failure) { try reader.endDocument() }
}
