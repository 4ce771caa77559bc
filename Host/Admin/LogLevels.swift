import GantryRuntime
import Synchronization

/// Which log lines are shown: a least severity for all nodes, and others for some. Any thread.
public final class LogLevels: Sendable {
  private struct State {
    var everywhere: LogLine.Severity
    var nodes: [String: LogLine.Severity] = [:]
  }
  private let state: Mutex<State>

  public init(_ everywhere: LogLine.Severity) { state = Mutex(State(everywhere: everywhere)) }

  public func shows(_ line: LogLine) -> Bool { state.withLock { line.severity >= $0.nodes[line.node] ?? $0.everywhere } }

  /// For one node, or for all: then what was set for single nodes is forgotten.
  public func set(_ severity: LogLine.Severity, node: String?) {
    state.withLock { state in
      if let node {
        state.nodes[node] = severity
      } else {
        state.everywhere = severity
        state.nodes = [:]
      }
    }
  }

  public var everywhere: LogLine.Severity { state.withLock { $0.everywhere } }
}

extension LogLine.Severity {
  /// As it is written and printed.
  public var name: String {
    switch self {
    case .trace: "trace"
    case .debug: "debug"
    case .info: "info"
    case .warning: "warning"
    case .error: "error"
    }
  }

  public static let all: [LogLine.Severity] = [.trace, .debug, .info, .warning, .error]

  public init?(name: String) {
    guard let severity = Self.all.first(where: { $0.name == name }) else { return nil }
    self = severity
  }
}
