import GantryBase

/// One request on the control socket: a line of JSON.
///
///     {"gantry":1,"id":7,"verb":"pause","node":"ticks"}
///
/// `gantry` is the version of this language, `id` any whole number, given back with every answer.
/// Unknown verbs, unknown arguments and arguments of another kind are refused, each with what is
/// expected. Parsing is a pure function of the bytes.
public struct ControlRequest: Sendable, Equatable {
  /// The version that this host speaks.
  public static let version = 1
  /// The longest line that is read.
  public static let bytesMax = 1 << 20

  public var id: Int64
  public var verb: ControlVerb
  private var arguments: [String: JSONValue]

  /// A line that is no request. `id` is the line's own where it could be read.
  public struct Refusal: Error, Equatable {
    public var id: Int64
    public var diagnostic: Diagnostic
  }

  public init(_ verb: ControlVerb, id: Int64 = 1, _ arguments: [String: JSONValue] = [:]) {
    self.id = id
    self.verb = verb
    self.arguments = arguments
  }

  public init(line: some Sequence<UInt8>) throws(Refusal) {
    func refusal(_ id: Int64, _ code: String, _ text: String, _ help: String...) -> Refusal {
      Refusal(id: id, diagnostic: Diagnostic(.error, "control.\(code)", text, help: help))
    }
    let value: JSONValue
    do throws(JSONValue.Problem) { value = try JSONValue(line) } catch {
      throw refusal(0, "not-json", "the request is not JSON: \(error.text) at byte \(error.offset)", Self.example)
    }
    guard case .object(var members) = value else {
      throw refusal(0, "not-an-object", "the request is \(value.kind), not an object", Self.example)
    }
    var id: Int64 = 0
    if let given = members.removeValue(forKey: "id") {
      guard let number = Self.whole(given) else { throw refusal(0, "bad-id", "id is a whole number, this is \(given.kind)") }
      id = number
    }
    guard let version = members.removeValue(forKey: "gantry") else {
      throw refusal(id, "no-version", "the request does not say which version of the language it is in", Self.example)
    }
    guard version == .number(Double(Self.version)) else {
      throw refusal(id, "version", "this host speaks version \(Self.version) of the control language only", "use the gantry that runs the host")
    }
    guard case .text(let word)? = members.removeValue(forKey: "verb") else { throw refusal(id, "no-verb", "the request has no verb", Self.example) }
    guard let verb = ControlVerb(rawValue: word) else {
      let known = ControlVerb.allCases.map(\.rawValue)
      let help = nearest(to: word, among: known).map { "did you mean \($0)?" } ?? "it knows \(known.joined(separator: ", "))"
      throw refusal(id, "unknown-verb", "this host knows no verb '\(word.prefix(40).printable)'", help)
    }
    for (name, given) in members.sorted(by: { $0.key < $1.key }) {
      guard let argument = verb.arguments.first(where: { $0.name == name }) else {
        let known = verb.arguments.map(\.name)
        throw refusal(
          id, "unknown-argument", "\(verb.rawValue) takes no '\(name.prefix(40).printable)'",
          known.isEmpty ? "it takes no arguments" : "it takes \(known.joined(separator: ", "))")
      }
      guard Self.is(given, argument.kind) else {
        throw refusal(id, "bad-argument", "\(verb.rawValue): \(name) is \(argument.kind.rawValue), not \(given.kind)")
      }
    }
    for argument in verb.arguments where argument.isRequired && members[argument.name] == nil {
      throw refusal(id, "missing-argument", "\(verb.rawValue) needs \(argument.name)")
    }
    self.init(verb, id: id, members)
  }

  private static let example = "a request is a line like {\"gantry\":1,\"id\":1,\"verb\":\"status\"}"

  public func text(_ name: String) -> String? {
    if case .text(let text)? = arguments[name] { text } else { nil }
  }

  public func number(_ name: String) -> Int64? { arguments[name].flatMap(Self.whole) }

  public func flag(_ name: String) -> Bool? {
    if case .bool(let flag)? = arguments[name] { flag } else { nil }
  }

  public func texts(_ name: String) -> [String] {
    guard case .list(let items)? = arguments[name] else { return [] }
    return items.compactMap { if case .text(let text) = $0 { text } else { nil } }
  }

  /// The request's line, without its end.
  public var line: String {
    var members: [(String, String)] = [("gantry", "\(Self.version)"), ("id", "\(id)"), ("verb", "\"\(verb.rawValue)\"")]
    members += arguments.sorted { $0.key < $1.key }.map { ($0.key, $0.value.written) }
    return "{" + members.map { "\(JSONValue.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
  }

  private static func whole(_ value: JSONValue) -> Int64? {
    guard case .number(let number) = value, number.magnitude <= 9_007_199_254_740_992 else { return nil }
    return Int64(exactly: number)
  }

  private static func `is`(_ value: JSONValue, _ kind: ControlVerb.Argument.Kind) -> Bool {
    switch (value, kind) {
    case (.text, .text), (.bool, .flag): true
    case (.number, .number): whole(value) != nil
    case (.list(let items), .texts): items.allSatisfy { if case .text = $0 { true } else { false } }
    default: false
    }
  }
}

extension JSONValue {
  /// The value as JSON, on one line.
  var written: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let value): Int64(exactly: value).map(String.init) ?? "\(value)"
    case .text(let text): Self.quoted(text)
    case .list(let items): "[" + items.map(\.written).joined(separator: ",") + "]"
    case .object(let members): "{" + members.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\($0.value.written)" }.joined(separator: ",") + "}"
    }
  }

  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

extension StringProtocol {
  /// Without characters that would act on a terminal.
  var printable: String { String(String.UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F || (0x80..<0xA0).contains($0.value) ? "?" : $0 })) }
}
