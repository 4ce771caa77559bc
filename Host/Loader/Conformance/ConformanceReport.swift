import GantryBase

/// What the conformance checks found of one plugin file.
public struct ConformanceReport: Sendable, Codable, Equatable {
  public enum Outcome: String, Sendable, Codable {
    case passed, failed
    /// Could not be looked at; the text says why.
    case skipped
  }

  /// One check of one plugin.
  public struct Check: Sendable, Codable, Equatable {
    /// The plugin's id; empty for checks of the file.
    public var plugin: String
    /// The check's name, of `ConformanceCheck`.
    public var name: String
    public var outcome: Outcome
    /// What was found, in one sentence.
    public var text: String
    public var help: [String]

    init(_ plugin: String, _ name: ConformanceCheck, _ outcome: Outcome, _ text: String, help: [String] = []) {
      self.plugin = plugin
      self.name = name.rawValue
      self.outcome = outcome
      self.text = text
      self.help = help
    }
  }

  public var path: String
  public var checks: [Check] = []

  /// Nothing failed.
  public var isPassed: Bool { !checks.contains { $0.outcome == .failed } }
}

/// The checks, in the order in which they run.
public enum ConformanceCheck: String, Sendable, CaseIterable {
  /// Everything the loader asks of a file and a descriptor.
  case loads
  /// The entry is the only symbol that is visible.
  case exports
  /// A plugin that promises exact results takes none from libm.
  case exactness
  /// It takes its parameters' defaults, and names its columns, without effects.
  case configures
  /// Events, timers and flush within the contract's cards.
  case runs
  /// A block of events gives what the same events give one by one.
  case blocks
  /// Two instances at once do not see each other.
  case instances
  /// A saved state goes on where it was saved.
  case state
  /// Damaged states are refused without a crash.
  case damagedState = "damaged-state"
  /// New values of the same parameters change nothing.
  case liveParameters = "live-parameters"
  /// The code is gone after its unload, or says that it stays.
  case unloads
}

/// What a plugin is checked with.
public struct ConformanceOptions: Sendable, Codable, Equatable {
  /// Parameters as in a graph file; the others get their defaults.
  public var parameters: [String: String] = [:]
  /// The columns of FEATURES inputs.
  public var columns = ["a", "b", "c", "d"]
  /// Of the events that are made up.
  public var seed: UInt64 = 1
  public init() {}

  /// Takes `name=value`; a list is written `name=[a, b]`.
  public mutating func set(_ text: String) throws(GantryError) {
    let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard halves.count == 2, !halves[0].isEmpty else {
      throw GantryError("usage.set", "\"\(text.printable)\" is not NAME=VALUE", help: ["write --set period=20"], exit: .usage)
    }
    parameters[halves[0]] = halves[1]
  }
}
