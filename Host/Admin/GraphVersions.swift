import CLinux
import GantryBase
import GantryGraph
import GantryLoader
import GantryModels
import GantryRuntime
import Glibc
import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One version of a graph, as it was committed.
public struct GraphVersion: Codable, Sendable {
  public struct Plugin: Codable, Sendable, Equatable {
    public var node: String
    public var id: String
    public var version: String
    public var sha256: String
    public var path: String
  }
  public struct Artifact: Codable, Sendable, Equatable {
    public var node: String
    public var parameter: String
    public var path: String
    public var sha256: String
  }

  public var number: Int
  /// The change that made it; nil for a start from the file.
  public var change: String?
  /// The version that was committed before.
  public var parent: Int?
  public var wallNs: Int64
  public var by: String
  public var source: GraphSource
  public var textSha256: String
  public var plugins: [Plugin]
  public var artifacts: [Artifact]

  enum CodingKeys: String, CodingKey {
    case number, change, parent, by, source, plugins, artifacts
    case wallNs = "wall_ns"
    case textSha256 = "text_sha256"
  }
}

/// The graph's versions in a state folder: `versions/N.json`, the bytes of their plugins and
/// artifacts in `objects/SHA256`, and `committed`, which names the version that a restart runs.
///
/// A version is whole on the disk before `committed` names it, so that a restart always finds the
/// last committed graph with the very bytes it ran with, whatever has become of the files since.
public final class GraphVersions: Sendable {
  private let folder: StateFolder
  private let last: Mutex<Int>

  /// Files above this size are not kept; their hash is.
  static let objectBytesMax = 512 << 20

  public init(_ folder: StateFolder) throws(GantryError) {
    self.folder = folder
    try StateFolder.makeFolder("\(folder.path)/versions")
    try StateFolder.makeFolder("\(folder.path)/objects")
    var highest = 0
    if let directory = opendir("\(folder.path)/versions") {
      while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name.hasSuffix(".json"), let number = Int(name.dropLast(5)) { highest = max(highest, number) }
      }
      closedir(directory)
    }
    last = Mutex(highest)
  }

  /// Writes a further version down, its objects first. It is not committed yet.
  public func write(_ prepared: PreparedGraph, change: String?, parent: Int?, by: String) throws(GantryError) -> GraphVersion {
    var version = GraphVersion(
      number: 0, change: change, parent: parent, wallNs: clinux_wall_ns(), by: by, source: prepared.source,
      textSha256: FileBytes.sha256(Array(prepared.source.text.utf8)), plugins: [], artifacts: [])
    for (index, node) in prepared.graph.nodes.enumerated() {
      let code = prepared.code[index]
      let path = prepared.generations.first { $0.sha256 == code.sha256 }?.path ?? node.plugin.path
      version.plugins.append(
        .init(node: node.name, id: node.plugin.id, version: node.plugin.version, sha256: code.sha256, path: path))
      try keep(path, sha256: code.sha256)
      for (place, value) in node.parameters.enumerated() {
        guard case .artifact(let path) = value, let bytes = try? readFile(path, limit: Self.objectBytesMax) else { continue }
        let hash = FileBytes.sha256(bytes)
        version.artifacts.append(.init(node: node.name, parameter: node.plugin.parameters[place].name, path: path, sha256: hash))
        try keep(bytes, sha256: hash)
      }
    }
    version.number = last.withLock {
      $0 += 1
      return $0
    }
    try folder.write("versions/\(version.number).json", Array((JSONLine.text(version) + "\n").utf8))
    return version
  }

  /// From now on a restart runs this version.
  public func commit(_ version: GraphVersion) throws(GantryError) {
    try folder.write("committed", Array("\(version.number)\n".utf8))
  }

  /// The version that a restart runs; nil when nothing was committed yet.
  public func committed() throws(GantryError) -> GraphVersion? {
    guard let bytes = folder.read("committed") else { return nil }
    guard let number = Int(String(decoding: bytes, as: UTF8.self).filter { $0 != "\n" }), let version = read(number) else {
      throw GantryError(
        "state.damaged", "\(folder.path)/committed names no version that can be read",
        help: ["start from the file: leave --resume out; it begins a new version"], exit: .failed)
    }
    return version
  }

  public func read(_ number: Int) -> GraphVersion? {
    folder.read("versions/\(number).json").flatMap { try? JSONDecoder().decode(GraphVersion.self, from: Data($0)) }
  }

  /// A kept file by its hash, when it is there and whole.
  public func object(_ sha256: String) -> String? {
    let path = "\(folder.path)/objects/\(sha256)"
    guard let bytes = try? readFile(path, limit: Self.objectBytesMax), FileBytes.sha256(bytes) == sha256 else { return nil }
    return path
  }

  /// The source of a version, with the very bytes it ran with where the files have others now.
  public func source(of version: GraphVersion) throws(GantryError) -> GraphSource {
    var source = version.source
    for plugin in version.plugins {
      let path = source.pins[plugin.node] ?? plugin.path
      if Self.isUnchanged(path, plugin.sha256) { continue }
      guard let kept = object(plugin.sha256) else {
        throw GantryError(
          "state.no-object",
          "\(path) is not the \(plugin.id) \(plugin.version) that node \(plugin.node) of version \(version.number) ran, and no copy was kept",
          help: ["put the file with SHA-256 \(plugin.sha256) back, or start without --resume"], exit: .failed)
      }
      source.pins[plugin.node] = absolute(kept)
    }
    for artifact in version.artifacts where !Self.isUnchanged(artifact.path, artifact.sha256) {
      guard let kept = object(artifact.sha256) else {
        throw GantryError(
          "state.no-object",
          "\(artifact.path) is not the artifact that node \(artifact.node) of version \(version.number) read, and no copy was kept",
          help: ["put the file with SHA-256 \(artifact.sha256) back, or start without --resume"], exit: .failed)
      }
      let owner = "\(artifact.node).\(artifact.parameter)"
      if source.models?[owner] != nil {
        source.models?[owner]?.path = absolute(kept)
      } else {
        source.sets.append("\(owner)=\(absolute(kept))")
      }
    }
    return source
  }

  private static func isUnchanged(_ path: String, _ sha256: String) -> Bool {
    if let bytes = try? readFile(path, limit: objectBytesMax) { return FileBytes.sha256(bytes) == sha256 }
    // A bundle is a folder; its hash is the loader's to find.
    return (try? PluginImage(path: path))?.sha256 == sha256
  }

  private func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let here = getcwd(nil, 0) else { return path }
    defer { free(here) }
    return "\(String(cString: here))/\(path)"
  }

  private func keep(_ path: String, sha256: String) throws(GantryError) {
    guard !isKept(sha256), let bytes = try? readFile(path, limit: Self.objectBytesMax), FileBytes.sha256(bytes) == sha256 else { return }
    try keep(bytes, sha256: sha256)
  }

  private func keep(_ bytes: [UInt8], sha256: String) throws(GantryError) {
    if !isKept(sha256) { try folder.write("objects/\(sha256)", bytes) }
  }

  private func isKept(_ sha256: String) -> Bool { access("\(folder.path)/objects/\(sha256)", F_OK) == 0 }
}
