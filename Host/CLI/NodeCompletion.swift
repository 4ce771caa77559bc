import ArgumentParser
import GantryAdmin
import GantryBase
import GantryRuntime

/// Names for shell completion, asked of the running host. Says nothing when none answers.
enum NodeCompletion {
  static let nodes = CompletionKind.custom { _, _, _ in names { _ in true } }
  static let sources = CompletionKind.custom { _, _, _ in names { $0.kind == "source" } }
  static let ports = CompletionKind.custom { _, _, _ in
    status()?.run.nodes.flatMap { node in node.outputs.map { "\(node.name).\($0)" } } ?? []
  }

  private static func names(_ isWanted: (RunStatus.Node) -> Bool) -> [String] {
    status()?.run.nodes.filter(isWanted).map(\.name) ?? []
  }

  private static func status() -> HostStatus? {
    guard let path = try? ControlSocket.find(path: nil, graph: nil), let client = try? ControlClient(path: path) else { return nil }
    guard (try? client.send(.status)) != nil, let answer = try? client.receive(timeoutNs: 1_000_000_000) else { return nil }
    return try? answer.decode(HostStatus.self)
  }
}
