import CGantry

/// The test itself is wrong: an unknown parameter, port or symbol, text that does not parse.
public struct HarnessError: Error, CustomStringConvertible {
  public var description: String
  init(_ text: String) { description = text }
}

/// A call of the plugin answered something but GANTRY_OK.
public struct PluginFailure: Error, CustomStringConvertible {
  /// The C function: `configure`, `on_batch`, ...
  public var call: String
  public var status: gantry_status
  /// What the plugin gave to `host->fail`; empty when it gave no reason, which is a fault of its own.
  public var text: String
  public var isRetryable: Bool
  /// How many inputs were handled before the failing one (`on_batch` only).
  public var consumed: Int
  /// What the inputs before `consumed` caused; it stands.
  public var outputs: [HarnessOutput]
  public var description: String { "\(call) answered \(status): \(text.isEmpty ? "no reason given" : text)" }
}

/// The plugin broke the ABI's contract.
public struct ContractViolation: Error, Equatable, CustomStringConvertible {
  public var description: String
  init(_ text: String) { description = text }
}
