import GantryAdmin
import GantryBase
import GantryGraph
import GantryLoader
import GantryModels
import GantryRuntime

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#endif

/// The head of a journal: all that is needed to run the graph again, and the hashes that pin it.
/// The objects with those hashes are kept in the journal.
struct JournalHeadValue: Codable, Sendable {
  struct Plugin: Codable, Sendable {
    var node: String
    var id: String
    var version: String
    var sha256: String
  }
  struct Image: Codable, Sendable {
    var path: String
    var sha256: String
  }
  struct Artifact: Codable, Sendable {
    var node: String
    var parameter: String
    var path: String
    var sha256: String
  }

  var gantry: String
  var file: String
  /// The working directory of the run; relative paths on its command line start there.
  var directory: String
  var graphText: String
  var graphSha256: String
  var profile: String?
  var sets: [String]
  var seed: UInt64
  /// Of the ids of orders that went to brokers outside.
  var orderEpoch: UInt16?
  var clock: String
  var instruments: [Instrument]
  var plugins: [Plugin]
  var images: [Image]
  var artifacts: [Artifact]
  /// Of a run that resumed a changed graph: what was laid over the file, and the plugin files of nodes.
  var overlays: [String]?
  var pins: [String: String]?
  /// By `node.param`: the versions of models that it ran with.
  var models: [String: Model]?
}

enum JournalHeads {
  static func maker(
    _ session: GraphSession, _ source: GraphSource, seed: UInt64, epoch: UInt16, _ graph: Graph
  ) -> @Sendable ([ArtifactUse]) -> JournalHead {
    let text = session.text
    let images = session.images
    let file = session.file
    let plugins = graph.nodes.indices.map { index -> JournalHeadValue.Plugin in
      let code = session.code(index)
      return .init(
        node: graph.nodes[index].name, id: code.description.id, version: code.description.version, sha256: code.sha256)
    }
    return { artifacts in
      var objects: [(sha256: String, bytes: [UInt8])] = []
      for image in images {
        if let bytes = try? readFile(image.path, limit: 1 << 30), sha256(bytes) == image.sha256 {
          objects.append((image.sha256, bytes))
        }
      }
      let used = artifacts.map { use -> JournalHeadValue.Artifact in
        let hash = sha256(use.bytes)
        objects.append((hash, use.bytes))
        return .init(node: graph.nodes[use.node].name, parameter: use.parameter, path: use.path, sha256: hash)
      }
      let value = JournalHeadValue(
        gantry: gantryVersion, file: file, directory: source.directory, graphText: String(decoding: text, as: UTF8.self),
        graphSha256: sha256(text), profile: source.profile, sets: source.sets, seed: seed, orderEpoch: epoch == 0 ? nil : epoch, clock: graph.clock.rawValue,
        instruments: graph.instruments, plugins: plugins, images: images.map { .init(path: $0.path, sha256: $0.sha256) },
        artifacts: used, overlays: source.overlays.isEmpty ? nil : source.overlays, pins: source.pins.isEmpty ? nil : source.pins, models: source.models)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return JournalHead(json: Array((try? encoder.encode(value)) ?? Data()), objects: objects)
    }
  }

  static func sha256(_ bytes: [UInt8]) -> String { FileBytes.sha256(bytes) }

  static func workingDirectory() -> String {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return String(cString: path)
  }

  static func read(_ bytes: [UInt8], _ journal: String) throws(GantryError) -> JournalHeadValue {
    do {
      return try JSONDecoder().decode(JournalHeadValue.self, from: Data(bytes))
    } catch {
      throw GantryError(
        "replay.no-head", "the head of \(journal) is not one that this version writes",
        help: ["replay it with the gantry that wrote it"])
    }
  }
}
