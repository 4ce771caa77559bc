/// What can be asked of a running host, and with which arguments. Closed: a verb that is not here
/// is refused by name.
public enum ControlVerb: String, Sendable, CaseIterable {
  case status, tap, swap, revert, commit, plan, apply, history, pause, resume, drain, halt, unhalt, loglevel, stop

  public struct Argument: Sendable, Equatable {
    public enum Kind: String, Sendable { case text = "a text", number = "a whole number", flag = "true or false", texts = "a list of texts" }
    public var name: String
    public var kind: Kind
    public var isRequired: Bool

    static func required(_ name: String, _ kind: Kind = .text) -> Argument { Argument(name: name, kind: kind, isRequired: true) }
    static func optional(_ name: String, _ kind: Kind = .text) -> Argument { Argument(name: name, kind: kind, isRequired: false) }
  }

  public var arguments: [Argument] {
    switch self {
    case .status, .drain, .stop: []
    case .halt, .unhalt: [.optional("reason")]
    case .tap: [.required("port"), .optional("where", .texts), .optional("sample", .number), .optional("count", .number)]
    case .swap:
      [
        .required("node"), .optional("with"), .optional("artifact"), .optional("parameter"), .optional("set", .texts),
        .optional("warm", .number), .optional("shadow", .number), .optional("probation", .number), .optional("canary"),
        .optional("when"), .optional("convert", .texts), .optional("cold", .flag), .optional("rehearse", .flag), .optional("wait", .flag),
      ]
    case .revert: [.optional("node"), .optional("change"), .optional("cold", .texts)]
    case .commit: [.required("node")]
    case .plan, .apply:
      [.required("file"), .required("text"), .required("folder"), .optional("profile"), .optional("set", .texts), .optional("cold", .texts)]
    case .history: [.optional("limit", .number), .optional("verify", .flag)]
    case .pause, .resume: [.required("node")]
    case .loglevel: [.required("level"), .optional("node")]
    }
  }

  /// Whether it changes something and so belongs into the audit log.
  public var isChange: Bool {
    switch self {
    case .status, .tap, .plan, .history: false
    default: true
    }
  }

  /// Whether it may take long: it then runs beside the server's thread and may tell how far it is.
  public var isLong: Bool {
    switch self {
    case .tap, .swap, .revert, .commit, .plan, .apply, .drain, .stop, .history: true
    case .status, .pause, .resume, .halt, .unhalt, .loglevel: false
    }
  }
}
