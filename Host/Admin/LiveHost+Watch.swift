import CLinux
import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Glibc
import Synchronization

/// `run --watch`: the running graph follows its file, its plugins' files and its artifacts.
extension LiveHost {
  /// Follows files until `stop`.
  public final class Watch: Sendable {
    private let watcher: FileWatcher
    private let worker: Worker

    init(_ watcher: FileWatcher, _ worker: Worker) {
      self.watcher = watcher
      self.worker = worker
    }

    /// Ends it. Waits for an apply that is under way.
    public func stop() {
      watcher.stop()
      worker.join()
    }
  }

  /// Applies the file again whenever it, a plugin or an artifact has changed and come to rest. What
  /// cannot be applied changes nothing, is told to `say`, and is tried again with the next change.
  ///
  /// - Parameters:
  ///   - source: the file as it was started
  ///   - settleNs: how long nothing must happen to any of the files
  public func watch(_ source: GraphSource, settleNs: Int64 = 500_000_000, say: @escaping @Sendable (String, [Diagnostic]) -> Void) throws(GantryError) -> Watch {
    let watcher = try FileWatcher()
    watcher.watch(watchedFiles(source.file))
    let worker = try Worker(name: "watch") { [self] in
      watcher.run(settleNs: settleNs) { files in
        guard isRunning else { return }
        do throws(GantryError) {
          var changed = source
          let bytes = try readFile(source.file, limit: 1 << 20)
          guard let text = String(validating: bytes, as: UTF8.self) else { throw GantryError("graph.not-utf8", "\(source.file) is not UTF-8") }
          changed.text = text
          let peer = ControlPeer(uid: getuid(), pid: getpid(), origin: "run --watch")
          let answer = try apply(changed, verb: "apply", about: files.joined(separator: ", "), peer) { _ in }
          let done = answer.nodes.filter { $0.action != .keep }.map { "\($0.node) (\($0.action.rawValue))" }
          say(done.isEmpty ? "nothing to do after a change of \(files.joined(separator: ", "))" : "applied as \(answer.change): \(done.joined(separator: ", "))", [])
        } catch {
          say("the running graph goes on as it was", error.diagnostics)
        }
        watcher.watch(watchedFiles(source.file))
      }
    }
    return Watch(watcher, worker)
  }

  private func watchedFiles(_ file: String) -> [String] {
    let prepared = graphs.withLock { $0.prepared }
    var files = [file] + prepared.generations.map(\.path)
    for node in prepared.graph.nodes {
      for case .artifact(let path) in node.parameters { files.append(path) }
    }
    return files
  }
}
