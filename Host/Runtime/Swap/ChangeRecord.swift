import FoundationEssentials
import GantryBase
import GantryGraph
import GantryJournal

#if canImport(Glibc)
  import Glibc
#endif

/// What a journal keeps of one change, beside the lane's records of when it took effect: enough to
/// make the candidate again. One JSON file a change in the journal's folder `changes/`; the bytes of
/// plugins and artifacts are among the journal's objects.
public struct ChangeRecord: Sendable, Codable {
  public struct Artifact: Sendable, Codable {
    public var parameter: String
    public var path: String
    public var sha256: String
  }
  /// The number that the lane's decision records carry.
  public var number: Int64
  public var id: String
  public var node: String
  public var by: String
  public var plugin: String
  public var version: String
  public var sha256: String
  public var artifacts: [Artifact]
  public var canary: Double?
  /// What the canary shared out; instruments in older journals.
  public var canaryBy: CanaryBy?
  /// The columns of each edge into the node, as the candidate was told; not in older journals.
  public var inputs: [[String]]?
  public var warm: Int
  public var isCold: Bool
  /// What converted the state, in the order in which they were asked; not in older journals.
  public var converters: [Converter]?

  public struct Converter: Sendable, Codable {
    public var plugin: String
    public var version: String
    public var sha256: String
  }
  /// Every model that was named until the candidate was there, by number: also by candidates that failed.
  public var models: [ModelName]?
  /// What the one who asked wrote down, such as the parameters that were set.
  public var request: String

  /// What the candidate was told of its edges, which are of the types of `now`.
  func schemas(like now: [PortSchema]) -> [PortSchema] {
    guard let inputs, inputs.count == now.count else { return now }
    return zip(now, inputs).map { PortSchema(type: $0.type, columns: $1) }
  }

  func write(to path: String) throws(GantryError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      try encoder.encode(self).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw GantryError("swap.not-written", "cannot write \(path): \(error)", exit: .failed)
    }
  }

  /// Reads the record of one change of a journal.
  public static func read(_ journal: String, _ number: Int64) throws(GantryError) -> ChangeRecord {
    let path = path(journal, number)
    guard let bytes = FileManager.default.contents(atPath: path), let record = try? JSONDecoder().decode(ChangeRecord.self, from: bytes)
    else { throw GantryError("replay.no-change", "\(path) is missing or damaged, and the journal says that this change took effect") }
    return record
  }

  public static func path(_ journal: String, _ number: Int64) -> String { "\(journal)/changes/\(number).json" }
}

extension Run {
  /// Writes the change down before it can take effect.
  func describe(_ request: SwapRequest, number: Int64, _ artifacts: [ArtifactUse], _ candidate: Instance) throws(GantryError) {
    guard let journal, let folder, let node = request.graph.node(named: request.node) else { return }
    var record = ChangeRecord(
      number: number, id: request.id, node: request.node, by: request.by, plugin: request.code.description.id,
      version: request.code.description.version, sha256: request.code.sha256, artifacts: [], canary: request.policy.canary,
      canaryBy: request.policy.canary == nil ? nil : request.policy.canaryBy, inputs: candidate.schemas(of: request.graph, node).map(\.columns),
      warm: request.policy.warm, isCold: request.isCold,
      converters: request.converters.map { .init(plugin: $0.description.id, version: $0.description.version, sha256: $0.sha256) },
      models: services.modelNames, request: request.description)
    for use in artifacts {
      record.artifacts.append(.init(parameter: use.parameter, path: use.path, sha256: try journal.keep(use.bytes)))
    }
    for bytes in request.keeps { _ = try journal.keep(bytes) }
    try makeFolder("\(folder)/journal/changes")
    try record.write(to: ChangeRecord.path("\(folder)/journal", number))
  }
}
