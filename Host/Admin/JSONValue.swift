/// A JSON value, read from bytes that nobody vouches for.
///
/// Strict (RFC 8259): one value, UTF-8, no comments, no trailing commas, no key twice. Depth and
/// the number of values are limited, so that no input costs more than its size times a constant.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  static let depthMax = 16
  static let valuesMax = 10_000

  /// Why bytes are no JSON, and at which of them.
  public struct Problem: Error, Equatable {
    public var text: String
    public var offset: Int
  }

  public init(_ bytes: some Sequence<UInt8>) throws(Problem) {
    var reader = Reader(bytes: Array(bytes))
    reader.skipSpace()
    self = try reader.value(depth: 0)
    reader.skipSpace()
    guard reader.position == reader.bytes.count else { throw reader.problem("something follows the value") }
  }

  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a flag"
    case .number: "a number"
    case .text: "a text"
    case .list: "a list"
    case .object: "an object"
    }
  }
}

extension JSONValue {
  private struct Reader {
    let bytes: [UInt8]
    var position = 0
    var values = 0

    func problem(_ text: String) -> Problem { Problem(text: text, offset: position) }
    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipSpace() {
      while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    mutating func value(depth: Int) throws(Problem) -> JSONValue {
      guard depth <= depthMax else { throw problem("more than \(depthMax) levels") }
      values += 1
      guard values <= valuesMax else { throw problem("more than \(valuesMax) values") }
      switch next {
      case UInt8(ascii: "{"): return try object(depth)
      case UInt8(ascii: "["): return try list(depth)
      case UInt8(ascii: "\""): return .text(try text())
      case UInt8(ascii: "t"): return try word("true", .bool(true))
      case UInt8(ascii: "f"): return try word("false", .bool(false))
      case UInt8(ascii: "n"): return try word("null", .null)
      case nil: throw problem("the value is missing")
      default: return .number(try number())
      }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Problem) -> JSONValue {
      guard bytes[position...].starts(with: word.utf8) else { throw problem("no value begins like this") }
      position += word.utf8.count
      return value
    }

    private mutating func object(_ depth: Int) throws(Problem) -> JSONValue {
      var members: [String: JSONValue] = [:]
      position += 1
      skipSpace()
      if next == UInt8(ascii: "}") {
        position += 1
        return .object(members)
      }
      while true {
        skipSpace()
        guard next == UInt8(ascii: "\"") else { throw problem("a key in quotes is expected") }
        let key = try text()
        guard members[key] == nil else { throw problem("the key stands here twice") }
        skipSpace()
        guard next == UInt8(ascii: ":") else { throw problem("a colon is expected") }
        position += 1
        skipSpace()
        members[key] = try value(depth: depth + 1)
        skipSpace()
        if next == UInt8(ascii: "}") { break }
        guard next == UInt8(ascii: ",") else { throw problem("a comma or a closing brace is expected") }
        position += 1
      }
      position += 1
      return .object(members)
    }

    private mutating func list(_ depth: Int) throws(Problem) -> JSONValue {
      var items: [JSONValue] = []
      position += 1
      skipSpace()
      if next == UInt8(ascii: "]") {
        position += 1
        return .list(items)
      }
      while true {
        skipSpace()
        items.append(try value(depth: depth + 1))
        skipSpace()
        if next == UInt8(ascii: "]") { break }
        guard next == UInt8(ascii: ",") else { throw problem("a comma or a closing bracket is expected") }
        position += 1
      }
      position += 1
      return .list(items)
    }

    private mutating func digits() -> Int {
      let start = position
      while let byte = next, (48...57).contains(byte) { position += 1 }
      return position - start
    }

    private mutating func number() throws(Problem) -> Double {
      let start = position
      if next == UInt8(ascii: "-") { position += 1 }
      let first = next
      let count = digits()
      guard count > 0, first != 48 || count == 1 else { throw problem("no value begins like this") }
      if next == UInt8(ascii: ".") {
        position += 1
        guard digits() > 0 else { throw problem("digits are expected") }
      }
      if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
        position += 1
        if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
        guard digits() > 0 else { throw problem("digits are expected") }
      }
      guard position - start <= 64, let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)), value.isFinite else {
        throw problem("the number is out of range")
      }
      return value
    }

    private mutating func text() throws(Problem) -> String {
      position += 1
      var text: [UInt8] = []
      while true {
        guard let byte = next else { throw problem("the text has no end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""):
          guard let text = String(validating: text, as: UTF8.self) else { throw problem("the text is not UTF-8") }
          return text
        case UInt8(ascii: "\\"): text += try escape()
        case 0..<0x20: throw problem("a control character stands in the text")
        default: text.append(byte)
        }
      }
    }

    private mutating func escape() throws(Problem) -> [UInt8] {
      guard let byte = next else { throw problem("the text has no end") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
      case UInt8(ascii: "b"): return [0x08]
      case UInt8(ascii: "f"): return [0x0C]
      case UInt8(ascii: "n"): return [0x0A]
      case UInt8(ascii: "r"): return [0x0D]
      case UInt8(ascii: "t"): return [0x09]
      case UInt8(ascii: "u"):
        let first = try unit()
        guard (0xD800...0xDFFF).contains(first) else { return Array(String(Character(Unicode.Scalar(first)!)).utf8) }
        guard first < 0xDC00, next == UInt8(ascii: "\\") else { throw problem("half of a surrogate pair") }
        position += 1
        guard next == UInt8(ascii: "u") else { throw problem("half of a surrogate pair") }
        position += 1
        let second = try unit()
        guard (0xDC00...0xDFFF).contains(second) else { throw problem("half of a surrogate pair") }
        let value = 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
        return Array(String(Character(Unicode.Scalar(value)!)).utf8)
      default: throw problem("no such escape")
      }
    }

    private mutating func unit() throws(Problem) -> UInt32 {
      var value: UInt32 = 0
      for _ in 0..<4 {
        guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
          throw problem("four hexadecimal digits are expected")
        }
        value = value << 4 | UInt32(digit)
        position += 1
      }
      return value
    }
  }
}
