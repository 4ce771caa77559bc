import CGantry

/// What a plugin says of itself; the Swift form of `gantry_plugin`'s data.
public struct Descriptor {
  public enum Kind: UInt32 {
    case source = 1, feature, model, decision, risk, broker, notifier, store, service, transform
  }
  public enum Effects: UInt32 { case none = 0, external = 1 }
  public enum Determinism: UInt32 { case exact = 1, cpu, none }

  public struct Flags: OptionSet {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// An output depends on nothing but its cause.
    public static var stateless: Flags { Flags(rawValue: 1) }
    /// Wants one event a call, always.
    public static var single: Flags { Flags(rawValue: 2) }
    /// Uses timers.
    public static var timers: Flags { Flags(rawValue: 4) }
    /// Keeps to `Batch.untilOutput`: in a feedback loop it may be given runs of events.
    public static var stops: Flags { Flags(rawValue: 8) }
  }

  public struct Needs: OptionSet {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static var network: Needs { Needs(rawValue: 1) }
    public static var files: Needs { Needs(rawValue: 2) }
    public static var secrets: Needs { Needs(rawValue: 4) }
    public static var admin: Needs { Needs(rawValue: 8) }
    public static var library: Needs { Needs(rawValue: 16) }
  }

  public var id: StaticString
  public var version: StaticString
  public var kind: Kind
  public var summary: StaticString
  public var effects: Effects
  public var determinism: Determinism
  public var flags: Flags
  public var needs: Needs
  /// Needed with some parameters only: `check` does not ask for the grant, the host refuses without it.
  public var mayNeed: Needs
  public var inputs: [Port]
  public var outputs: [Port]
  public var parameters: [Parameter]

  public init(
    id: StaticString, version: StaticString, kind: Kind, summary: StaticString,
    effects: Effects = .none, determinism: Determinism = .exact, flags: Flags = [],
    needs: Needs = [], mayNeed: Needs = [], inputs: [Port] = [], outputs: [Port] = [], parameters: [Parameter] = []
  ) {
    self.id = id
    self.version = version
    self.kind = kind
    self.summary = summary
    self.effects = effects
    self.determinism = determinism
    self.flags = flags
    self.needs = needs
    self.mayNeed = mayNeed
    self.inputs = inputs
    self.outputs = outputs
    self.parameters = parameters
  }
}

/// The types of events, as numbers of the ABI.
public enum EventType: UInt32 {
  case any = 0, tick, trade, bar, book, features, prediction, signal, order, execution, account
  case news, calendar, alert, blob
}

/// One input or output port.
public struct Port {
  public var name: StaticString
  public var type: EventType
  public var help: StaticString
  public var optional: Bool
  public var many: Bool

  public init(
    _ name: StaticString, _ type: EventType, optional: Bool = false, many: Bool = false,
    help: StaticString
  ) {
    self.name = name
    self.type = type
    self.help = help
    self.optional = optional
    self.many = many
  }
}

/// One declared parameter. Its position in `Descriptor.parameters` is how its value is read.
public struct Parameter {
  public enum Kind: UInt32 {
    case bool = 1, integer, number, decimal, duration, text, choice, path, artifact, secret
    case instrument, texts, numbers
  }

  public var name: StaticString
  public var kind: Kind
  public var defaultText: StaticString
  public var required: Bool
  public var live: Bool
  public var minimum: Double?
  public var aboveMinimum: Bool
  public var maximum: Double?
  public var choices: [StaticString]
  public var unit: StaticString
  public var help: StaticString

  /// - Parameters:
  ///   - default: as one would write it in the graph file; empty means none
  ///   - minimum: inclusive, unless `aboveMinimum`; seconds for durations, the count for lists
  public init(
    _ name: StaticString, _ kind: Kind, default defaultText: StaticString = "",
    required: Bool = false, live: Bool = false, minimum: Double? = nil, aboveMinimum: Bool = false,
    maximum: Double? = nil, choices: [StaticString] = [], unit: StaticString = "",
    help: StaticString
  ) {
    self.name = name
    self.kind = kind
    self.defaultText = defaultText
    self.required = required
    self.live = live
    self.minimum = minimum
    self.aboveMinimum = aboveMinimum
    self.maximum = maximum
    self.choices = choices
    self.unit = unit
    self.help = help
  }
}
