import GantryBase
import GantryManifest
import GantryModels

/// What a graph is built with, beside its text.
public struct GraphOptions: Sendable {
  /// One of the file's `profiles:`.
  public var profile: String?
  /// `node.param=value`; paths in them start at the working directory, as in a shell.
  public var sets: [String]
  /// Where relative paths of the file start; nil = the folder of the file.
  public var baseDirectory: String?
  public var files: ManifestFiles
  /// YAML laid over the file after the profile, in its manner; used by `gantry test`.
  public var overlays: [String] = []
  /// By `node.param`: models that were found before and are to be taken as they were, whatever their
  /// alias says by now. One whose reference the graph no longer has at that place does not count.
  public var models: [String: Model] = [:]

  public init(profile: String? = nil, sets: [String] = [], baseDirectory: String? = nil, files: ManifestFiles = .disk) {
    self.profile = profile
    self.sets = sets
    self.baseDirectory = baseDirectory
    self.files = files
  }
}

/// What is installed under an id. `GraphBuilder` asks once for each id and requirement.
public enum CatalogAnswer: Sendable {
  case found(PluginDescription)
  /// Nothing has this id; these are there.
  case missing(installed: [String])
  /// Something has it, and may or can not be loaded.
  case refused(Diagnostic)
}

/// Looks up a plugin by id. Where several versions are installed it picks one that meets the
/// requirement; `GraphBuilder` checks the answer against it in any case.
public typealias PluginCatalog = (_ id: String, _ requirement: String?) -> CatalogAnswer
