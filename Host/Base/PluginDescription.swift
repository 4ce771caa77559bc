/// What a plugin's descriptor says, as a value: read by the loader (usually in a throwaway child),
/// used by the graph checks, printed by `gantry plugin inspect`.
public struct PluginDescription: Sendable, Equatable, Codable {
  public enum Kind: String, Sendable, Codable, CaseIterable {
    case source, feature, model, decision, risk, broker, notifier, store, service, transform
  }
  public enum Effects: String, Sendable, Codable { case none, external }
  public enum Determinism: String, Sendable, Codable { case exact, cpu, none }
  public enum Need: String, Sendable, Codable, CaseIterable { case network, files, secrets, admin, library }

  public var id: String
  public var version: String
  public var kind: Kind
  public var summary: String
  public var effects: Effects
  public var determinism: Determinism
  public var isStateless: Bool
  public var wantsSingle: Bool
  public var usesTimers: Bool
  /// In a feedback loop it may be given runs of events, up to the first that causes something.
  public var stopsAtOutput: Bool
  public var needs: [Need]
  /// Needed with some parameters only: the graph may leave the grant out, and is refused when it comes to that.
  public var mayNeed: [Need]
  public var inputs: [PortDescription]
  public var outputs: [PortDescription]
  public var parameters: [ParameterDescription]
  /// Extension ids the plugin offers.
  public var extensions: [String]
  public var builtWith: String
  public var isResident: Bool
  /// The file it was read from.
  public var path: String
  public var abi: String

  public init(
    id: String, version: String, kind: Kind, summary: String = "", effects: Effects = .none,
    determinism: Determinism = .exact, isStateless: Bool = false, wantsSingle: Bool = false,
    usesTimers: Bool = false, stopsAtOutput: Bool = false, needs: [Need] = [], mayNeed: [Need] = [], inputs: [PortDescription] = [],
    outputs: [PortDescription] = [], parameters: [ParameterDescription] = [],
    extensions: [String] = [], builtWith: String = "", isResident: Bool = false, path: String = "",
    abi: String = ""
  ) {
    self.id = id
    self.version = version
    self.kind = kind
    self.summary = summary
    self.effects = effects
    self.determinism = determinism
    self.isStateless = isStateless
    self.wantsSingle = wantsSingle
    self.usesTimers = usesTimers
    self.stopsAtOutput = stopsAtOutput
    self.needs = needs
    self.mayNeed = mayNeed
    self.inputs = inputs
    self.outputs = outputs
    self.parameters = parameters
    self.extensions = extensions
    self.builtWith = builtWith
    self.isResident = isResident
    self.path = path
    self.abi = abi
  }
}

/// The types of events; raw values are the ABI's numbers (`gantry/event.h`).
public enum EventType: UInt32, Sendable, Codable, CaseIterable {
  case any = 0, tick, trade, bar, book, features, prediction, signal, order, execution, account
  case news, calendar, alert, blob

  public var name: String { String(describing: self) }
  public init?(name: String) {
    guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = match
  }
}

public struct PortDescription: Sendable, Equatable, Codable {
  public var name: String
  public var type: EventType
  public var isOptional: Bool
  public var takesMany: Bool
  public var help: String

  public init(_ name: String, _ type: EventType, isOptional: Bool = false, takesMany: Bool = false, help: String = "") {
    self.name = name
    self.type = type
    self.isOptional = isOptional
    self.takesMany = takesMany
    self.help = help
  }
}

public struct ParameterDescription: Sendable, Equatable, Codable {
  /// Raw values are the ABI's numbers (`gantry/config.h`).
  public enum Kind: UInt32, Sendable, Codable, CaseIterable {
    case bool = 1, integer, number, decimal, duration, text, choice, path, artifact, secret
    case instrument, texts, numbers
    public var name: String { String(describing: self) }
  }

  public var name: String
  public var kind: Kind
  /// As one would write it in the graph file; empty means none.
  public var defaultText: String
  public var isRequired: Bool
  public var isLive: Bool
  public var minimum: Double?
  /// The minimum itself is not allowed.
  public var isAboveMinimum: Bool
  public var maximum: Double?
  public var choices: [String]
  public var unit: String
  public var help: String

  public init(
    _ name: String, _ kind: Kind, defaultText: String = "", isRequired: Bool = false,
    isLive: Bool = false, minimum: Double? = nil, isAboveMinimum: Bool = false,
    maximum: Double? = nil, choices: [String] = [], unit: String = "", help: String = ""
  ) {
    self.name = name
    self.kind = kind
    self.defaultText = defaultText
    self.isRequired = isRequired
    self.isLive = isLive
    self.minimum = minimum
    self.isAboveMinimum = isAboveMinimum
    self.maximum = maximum
    self.choices = choices
    self.unit = unit
    self.help = help
  }
}

/// A checked parameter value, ready for the ABI.
public enum ParameterValue: Sendable, Equatable, Codable {
  case unset
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  /// Exact: mantissa * 10^-digits.
  case decimal(mantissa: Int64, digits: UInt32)
  case durationNs(Int64)
  case text(String)
  case choice(index: Int, name: String)
  /// An absolute path.
  case path(String)
  case artifact(path: String)
  /// The name of a secret, never its value.
  case secret(name: String)
  /// 1-based id and symbol.
  case instrument(id: UInt32, symbol: String)
  case texts([String])
  case numbers([Double])
}
