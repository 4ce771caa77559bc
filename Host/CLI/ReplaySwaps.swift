import GantryAdmin
import GantryBase
import GantryGraph
import GantryJournal
import GantryLoader
import GantryModels
import GantryRuntime

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Makes the candidates of a journal's swaps again, from what the journal keeps of them: the source
/// of the graph they were made for, and the bytes of their code and artifacts.
enum ReplaySwaps {
  /// - Parameters:
  ///   - journal: its folder
  ///   - session: of the graph that is replayed; its loader maps the candidates' code
  ///   - isolated: nodes that run in cells, whatever the graph says
  ///   - work: a folder of this replay's own
  static func maker(_ journal: String, _ session: GraphSession, isolated: [String] = [], in work: String) -> @Sendable (ChangeRecord) throws(GantryError) -> SwapRequest {
    let (loader, cells) = (session.loader, session.cells)
    return { (record) throws(GantryError) in
      guard var source = try? JSONDecoder().decode(GraphSource.self, from: Data(record.request.utf8)) else {
        throw GantryError("replay.no-change", "the journal does not say how the swap \(record.id) of \(record.node) was made", help: ["replay it with the gantry that wrote it"])
      }
      let reader = try JournalReader(directory: journal)
      let folder = "\(work)/candidates/\(record.number)"
      try makeFolder(folder)
      // The very bytes of then, under the names that the loader and the parameters expect.
      source.pins[record.node] = try place(reader.object(sha256: record.sha256), as: "lib\(record.plugin).so", in: folder)
      for artifact in record.artifacts {
        let path = try place(reader.object(sha256: artifact.sha256), as: "\(artifact.parameter)-\(record.number)", in: folder)
        let owner = "\(record.node).\(artifact.parameter)"
        if source.models?[owner] != nil { source.models?[owner]?.path = path } else { source.sets.append("\(owner)=\(path)") }
      }
      if isolated.contains(record.node) { source.overlays.append("nodes: { \(record.node): { isolate: process } }") }
      let made = try GraphSession(source, loader: loader, cells: cells)
      guard let node = made.graph.node(named: record.node) else {
        throw GantryError("replay.no-fit", "\(journal) swaps the node \(record.node), which the graph does not have")
      }
      var policy = made.graph.nodes[node].swap
      policy.canary = record.canary
      policy.canaryBy = record.canaryBy ?? .instrument
      policy.warm = record.warm
      let converters = try (record.converters ?? []).map { (converter) throws(GantryError) in
        let path = try place(reader.object(sha256: converter.sha256), as: "lib\(converter.plugin).so", in: folder)
        let generation = try loader.load(path: path)
        return try LiveHost.converter(generation, in: generation.plugins.filter { $0.description.id == converter.plugin }, said: path)
      }
      return SwapRequest(
        id: record.id, node: record.node, graph: made.graph, code: made.code(node), policy: policy, isCold: record.isCold,
        converters: converters, by: record.by)
    }
  }

  static func place(_ bytes: [UInt8], as name: String, in folder: String) throws(GantryError) -> String {
    let path = "\(folder)/\(name)"
    do {
      try Data(bytes).write(to: URL(filePath: path))
    } catch {
      throw GantryError("replay.no-folder", "cannot write \(path): \(error)", exit: .failed)
    }
    return path
  }
}
