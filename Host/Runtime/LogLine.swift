/// One line of a run's log.
public struct LogLine: Sendable {
  public enum Severity: UInt32, Sendable, Comparable {
    case trace = 0, debug, info, warning, error
    public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
  }
  public var severity: Severity
  public var node: String
  public var wallNs: Int64
  public var text: String
}
