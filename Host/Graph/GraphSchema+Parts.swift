import GantryBase

/// The smaller pieces of the schema.
extension GraphSchema {
  static var swap: JSONText {
    object(
      "How the node's instance is replaced while it runs",
      [
        ("warm", integer("Events replayed into the new instance before it counts", 0, 1_000_000_000)),
        ("shadow", integer("Events for which both run and only the old one counts", 0, 1_000_000_000)),
        ("probation", integer("Events for which the old one can still take over", 0, 1_000_000_000)),
        (
          "standby",
          .object([("description", .string("A muted twin from the start, for a state too large to be saved between two events")), ("type", .string("boolean"))])
        ),
        (
          "revert_if",
          object(
            "What ends the probation badly",
            [
              ("errors", integer("This many errors", 1, 1_000_000_000)),
              (
                "p99_us",
                .object([("description", .string("A 99th percentile above this, in microseconds")), ("type", .string("number")), ("minimum", .number(0))])
              ),
            ])
        ),
        (
          "canary",
          .object([
            ("description", .string("The share of instruments or of chains that the new instance gets first, as 10%")),
            (
              "anyOf",
              .array(
                share + [
                  object(
                    "What is shared out",
                    [
                      ("share", .object([("description", .string("As 10%")), ("anyOf", .array(share))])),
                      ("by", words(CanaryBy.allCases.map(\.rawValue), "chain: only for stateless plugins with no position behind them", default: "instrument")),
                    ])
                ])
            ),
          ])
        ),
        ("when", words(["flat"], "Wait until no position or order is open behind the node")),
        ("timeout", string("How long to wait for that, as 30s")),
      ])
  }

  private static var share: [JSONText] {
    [
      .object([("type", .string("number")), ("exclusiveMinimum", .number(0)), ("maximum", .number(1))]),
      .object([("type", .string("string")), ("pattern", .string("^[0-9.]+%$"))]),
    ]
  }

  static var isolate: JSONText {
    .object([
      ("description", .string("process: in a child process of its own, which may take no more than is said here")),
      ("default", .string("none")),
      (
        "anyOf",
        .array([
          .object([("enum", .strings(Isolation.allCases.map(\.rawValue)))]),
          object(
            "A child process, and what it may take",
            [
              (
                "memory",
                .object([
                  ("description", .string("What the plugin may take beyond its code, as 512MB")), ("type", .string("string")),
                  ("pattern", .string("^[0-9]+(KB|MB|GB|TB)$")),
                ])
              ),
              ("cpu", string("CPU time of one child, as 10m")), ("deadline", string("How long one call may take, as 100ms")),
            ]),
        ])
      ),
    ])
  }

  static func instrument(partial: Bool) -> JSONText {
    let decimal: JSONText = .object([("type", .strings(["number", "string"]))])
    var fields: [(String, JSONText)] = [
      ("type", .string("object")), ("additionalProperties", .bool(false)),
      (
        "properties",
        .object([
          ("tick", described(decimal, "The smallest step of a price, as 0.00001")),
          ("lot", described(decimal, "The smallest step of a quantity; 1 by default")),
          ("base", .object([("description", .string("What is bought")), ("type", .string("string")), ("pattern", .string("^[A-Z0-9]{3,8}$"))])),
          ("quote", .object([("description", .string("What is paid with")), ("type", .string("string")), ("pattern", .string("^[A-Z0-9]{3,8}$"))])),
          ("contract", integer("Units of base for a quantity of 1", 1, 1_000_000_000, default: 1)),
          ("session", string("A name for its trading hours")),
        ])
      ),
    ]
    if !partial { fields.append(("required", .strings(["tick"]))) }
    return .object(fields)
  }

  static var test: JSONText {
    .object([
      ("type", .string("object")), ("additionalProperties", .bool(false)), ("required", .strings(["name", "expect"])),
      (
        "properties",
        .object([
          ("name", string("What should happen")),
          (
            "given",
            .object([
              ("description", .string("Sources and the CSV files that replace their events")), ("type", .string("object")),
              ("additionalProperties", .object([("type", .string("string"))])),
            ])
          ),
          (
            "expect",
            .object([
              ("description", .string("Ports and the events they must have given, in order")), ("type", .string("object")),
              ("additionalProperties", .object([("type", .string("array")), ("items", .object([("type", .string("object"))]))])),
            ])
          ),
        ])
      ),
    ])
  }

  static func name(_ help: String) -> JSONText {
    .object([("description", .string(help)), ("type", .string("string")), ("pattern", .string("^[a-z][a-z0-9_-]{0,63}$"))])
  }

  static func string(_ help: String) -> JSONText { .object([("description", .string(help)), ("type", .string("string"))]) }

  static func integer(_ help: String, _ low: Int, _ high: Int, default value: Int? = nil) -> JSONText {
    var fields: [(String, JSONText)] = [
      ("description", .string(help)), ("type", .string("integer")), ("minimum", .number(String(low))), ("maximum", .number(String(high))),
    ]
    if let value { fields.append(("default", .number(String(value)))) }
    return .object(fields)
  }

  static func words(_ words: [String], _ help: String, default value: String? = nil) -> JSONText {
    var fields: [(String, JSONText)] = [("description", .string(help)), ("enum", .strings(words))]
    if let value { fields.append(("default", .string(value))) }
    return .object(fields)
  }

  /// A list, or one item alone.
  static func list(of item: JSONText, _ help: String) -> JSONText {
    .object([("description", .string(help)), ("anyOf", .array([item, .object([("type", .string("array")), ("items", item)])]))])
  }

  static func object(_ help: String, _ properties: [(String, JSONText)]) -> JSONText {
    .object([("description", .string(help)), ("type", .string("object")), ("additionalProperties", .bool(false)), ("properties", .object(properties))])
  }

  static func map(of value: JSONText, names: String, _ help: String) -> JSONText {
    .object([
      ("description", .string(help)), ("type", .string("object")), ("propertyNames", .object([("$ref", .string(names))])),
      ("additionalProperties", value),
    ])
  }

  static func reference(_ definition: String) -> JSONText { .object([("$ref", .string("#/$defs/\(definition)"))]) }

  static func described(_ value: JSONText, _ help: String) -> JSONText {
    if case .object(let fields) = value { return .object([("description", .string(help))] + fields) }
    return value
  }
}

/// The parameters of one plugin as a schema.
enum GraphSchemaParameters {
  static func object(_ plugin: PluginDescription, partial: Bool) -> JSONText {
    var fields: [(String, JSONText)] = [("type", .string("object")), ("additionalProperties", .bool(false))]
    if !partial, !plugin.summary.isEmpty { fields.insert(("description", .string(plugin.summary)), at: 0) }
    fields.append(("properties", .object(plugin.parameters.map { ($0.name, partial ? orNull(schema($0)) : schema($0)) })))
    let required = plugin.parameters.filter { $0.isRequired && $0.defaultText.isEmpty }.map(\.name)
    if !partial, !required.isEmpty { fields.append(("required", .strings(required))) }
    return .object(fields)
  }

  private static func orNull(_ schema: JSONText) -> JSONText { .object([("anyOf", .array([.object([("type", .string("null"))]), schema]))]) }

  private static func schema(_ parameter: ParameterDescription) -> JSONText {
    var fields: [(String, JSONText)] = []
    var help = parameter.help
    if !parameter.unit.isEmpty { help += (help.isEmpty ? "" : ", ") + "in \(parameter.unit)" }
    if parameter.isLive { help += (help.isEmpty ? "" : "; ") + "may change while running" }
    if !help.isEmpty { fields.append(("description", .string(help))) }
    if !parameter.defaultText.isEmpty { fields.append(("default", defaultValue(parameter))) }
    let each = JSONText.object([("type", .string("string")), ("pattern", .string("\\$\\{each\\}"))])
    switch parameter.kind {
    case .bool: fields.append(("anyOf", .array([typed("boolean"), each])))
    case .integer: fields.append(("anyOf", .array([ranged("integer", parameter), pattern("^[-+]?[0-9_]+$"), each])))
    case .number: fields.append(("anyOf", .array([ranged("number", parameter), pattern("^[-+]?[0-9._]+([eE][-+]?[0-9]+)?%?$"), each])))
    case .decimal: fields.append(("anyOf", .array([ranged("number", parameter), pattern("^[-+]?[0-9._]+$"), each])))
    case .duration: fields.append(("anyOf", .array([pattern("^[0-9._]+(ns|us|ms|s|m|h|d)$"), .object([("const", .number(0))]), each])))
    case .choice: fields.append(("anyOf", .array([.object([("enum", .strings(parameter.choices))]), each])))
    case .secret: fields.append(contentsOf: [("type", .string("string")), ("pattern", .string("^\\$\\{(env|file):.+\\}$"))])
    case .path, .artifact, .instrument: fields.append(("type", .string("string")))
    case .text: fields.append(("type", .strings(["string", "number", "boolean"])))
    case .texts:
      let item: JSONText = parameter.choices.isEmpty ? .object([("type", .strings(["string", "number"]))]) : .object([("enum", .strings(parameter.choices))])
      fields.append(("anyOf", .array([counted(item, parameter), item])))
    case .numbers: fields.append(("anyOf", .array([counted(.object([("type", .strings(["number", "string"]))]), parameter), typed("number")])))
    }
    return .object(fields)
  }

  private static func typed(_ name: String) -> JSONText { .object([("type", .string(name))]) }

  private static func pattern(_ pattern: String) -> JSONText { .object([("type", .string("string")), ("pattern", .string(pattern))]) }

  private static func ranged(_ type: String, _ parameter: ParameterDescription) -> JSONText {
    var fields: [(String, JSONText)] = [("type", .string(type))]
    if let minimum = parameter.minimum { fields.append((parameter.isAboveMinimum ? "exclusiveMinimum" : "minimum", .number(minimum))) }
    if let maximum = parameter.maximum { fields.append(("maximum", .number(maximum))) }
    return .object(fields)
  }

  /// A list whose range is a range of counts.
  private static func counted(_ item: JSONText, _ parameter: ParameterDescription) -> JSONText {
    var fields: [(String, JSONText)] = [("type", .string("array")), ("items", item)]
    if let minimum = parameter.minimum { fields.append(("minItems", .number(minimum + (parameter.isAboveMinimum ? 1 : 0)))) }
    if let maximum = parameter.maximum { fields.append(("maxItems", .number(maximum))) }
    return .object(fields)
  }

  private static func defaultValue(_ parameter: ParameterDescription) -> JSONText {
    let text = parameter.defaultText
    switch parameter.kind {
    case .bool: return .bool(text == "true")
    case .integer, .number, .decimal:
      return text.hasSuffix("%") ? .string(text) : parseNumber(text).map { JSONText.number($0) } ?? .string(text)
    case .texts, .numbers:
      let inside = text.hasPrefix("[") ? text.dropFirst().dropLast() : text[...]
      let items = inside.split(separator: ",").map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
      return .array(items.map { item in parameter.kind == .numbers ? parseNumber(item).map { JSONText.number($0) } ?? .string(item) : .string(item) })
    default: return .string(text)
    }
  }
}
