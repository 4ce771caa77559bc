import CGantry

/// Why a call failed: a status of the ABI and a sentence with the remedy.
///
/// Thrown by a plugin's own methods, and turned into `host->fail` and a status in one place
/// (`Thunks.swift`). The text must not hold a secret.
public struct Failure: Error {
  public var status: gantry_status
  public var retryable: Bool
  public var text: Text

  public init(_ status: gantry_status, _ text: Text, retryable: Bool = false) {
    self.status = status
    self.text = text
    self.retryable = retryable
  }

  /// A parameter, artifact or input is wrong.
  public static func invalid(_ text: Text) -> Failure { Failure(-1, text) }
  /// An output buffer is exhausted.
  public static var full: Failure { Failure(-3, "the host has no more room for outputs") }
  /// A file or device failed.
  public static func io(_ text: Text) -> Failure { Failure(-4, text, retryable: true) }
  /// This is not offered.
  public static func unsupported(_ text: Text) -> Failure { Failure(-6, text) }
  /// An exact calculation left its range.
  public static func overflow(_ text: Text) -> Failure { Failure(-9, text) }
  /// The plugin found its own invariants broken.
  public static func bug(_ text: Text) -> Failure { Failure(-11, text) }
}
