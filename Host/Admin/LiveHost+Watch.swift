import CLinux
import GantryBase
import GantryGraph
import GantryLoader
import GantryModels
import GantryRuntime
import Glibc
import Synchronization

/// `run --watch`: the running graph follows its file, its plugins' files, its artifacts and the aliases of
/// its models.
extension LiveHost {
  /// Follows files until `stop`.
  public final class Watch: Sendable {
    private let watcher: FileWatcher
    private let worker: Worker
    private let swaps: Swaps

    init(_ watcher: FileWatcher, _ worker: Worker, _ swaps: Swaps) {
      self.watcher = watcher
      self.worker = worker
      self.swaps = swaps
    }

    /// Ends it. Waits for an apply that is under way, and for swaps, which end with the run.
    public func stop() {
      watcher.stop()
      worker.join()
      swaps.join()
    }

    /// A thread for each swap that was begun: it lasts as long as the swap, probation included.
    final class Swaps: Sendable {
      private let workers = Mutex<[Worker]>([])
      func begin(_ body: @escaping @Sendable () -> Void) throws(GantryError) {
        let worker = try Worker(name: "watch-swap", body)
        workers.withLock { $0.append(worker) }
      }
      func join() { for worker in workers.withLock({ $0 }) { worker.join() } }
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
    let swaps = Watch.Swaps()
    // What the file asks for stays watched, whatever the node was swapped to meanwhile.
    let aliases = Set(graphs.withLock { $0.prepared.graph }.nodes.flatMap { $0.models.values.flatMap(\.follows) })
    watcher.watch(watchedFiles(source.file) + aliases)
    let worker = try Worker(name: "watch") { [self] in
      var followed = aliases
      watcher.run(settleNs: settleNs) { files in
        guard isRunning else { return }
        do throws(GantryError) {
          var changed = source
          let bytes = try readFile(source.file, limit: 1 << 20)
          guard let text = String(validating: bytes, as: UTF8.self) else { throw GantryError("graph.not-utf8", "\(source.file) is not UTF-8") }
          changed.text = text
          let peer = ControlPeer(uid: getuid(), pid: getpid(), origin: "run --watch")
          // What cannot be made is told by the apply, which also writes it down.
          if let moved = try? movedModels(changed) {
            for model in moved {
              followed.formUnion(model.follows)
              try swaps.begin { [self] in follow(model, peer, say) }
            }
            watcher.watch(watchedFiles(source.file) + followed)
            return
          }
          let answer = try apply(changed, verb: "apply", about: files.joined(separator: ", "), peer) { _ in }
          let done = answer.nodes.filter { $0.action != .keep }.map { "\($0.node) (\($0.action.rawValue))" }
          say(done.isEmpty ? "nothing to do after a change of \(files.joined(separator: ", "))" : "applied as \(answer.change): \(done.joined(separator: ", "))", [])
        } catch {
          say("the running graph goes on as it was", error.diagnostics)
        }
        watcher.watch(watchedFiles(source.file) + followed)
      }
    }
    return Watch(watcher, worker, swaps)
  }

  /// Swaps to a moved alias' version, and says how that ended.
  private func follow(_ model: MovedModel, _ peer: ControlPeer, _ say: @Sendable (String, [Diagnostic]) -> Void) {
    do throws(GantryError) {
      let report = try swap(model, peer)
      let outcome = report?.outcome.map { $0.rawValue } ?? "ended with the run"
      say("\(model.node): \(model.from) -> \(model.to) as \(report?.id ?? "-"), \(outcome)\(report?.reason.map { ": \($0)" } ?? "")", [])
    } catch {
      say("\(model.node) keeps \(model.from); it was not swapped to \(model.to)", error.diagnostics)
    }
  }

  private func watchedFiles(_ file: String) -> [String] {
    let prepared = graphs.withLock { $0.prepared }
    var files = [file] + prepared.generations.map(\.path)
    for node in prepared.graph.nodes {
      for case .artifact(let path) in node.parameters { files.append(path) }
      files += node.models.values.flatMap(\.follows)
    }
    return files
  }
}
