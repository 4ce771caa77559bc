/// The closed list of what can be wrong with the text of a manifest. `manifests/GRAPH_FORMAT.md`
/// has a line on each; a code never changes its meaning.
public enum ManifestCode: String, Sendable, CaseIterable {
  /// A mapping, list or alias inside itself more than `ManifestLimits.depth` levels deep.
  case tooDeep = "manifest.too-deep"
  /// More than `ManifestLimits.bytes`.
  case tooLarge = "manifest.too-large"
  /// More values than `ManifestLimits.nodes`.
  case tooManyNodes = "manifest.too-many-nodes"
  /// Aliases stand for more values than `ManifestLimits.aliasNodes`.
  case aliasExpansion = "manifest.alias-expansion"
  /// An alias inside what its anchor names.
  case aliasLoop = "manifest.alias-loop"
  case unknownAnchor = "manifest.unknown-anchor"
  case badCharacter = "manifest.bad-character"
  case notUTF8 = "manifest.not-utf8"
  case empty = "manifest.empty"
  case manyDocuments = "manifest.many-documents"
  case duplicateKey = "manifest.duplicate-key"
  /// A key that is a list or a mapping, or empty.
  case badKey = "manifest.bad-key"
  /// `<<: *anchor`.
  case mergeKey = "manifest.merge-key"
  /// `!tag`.
  case tag = "manifest.tag"
  /// A tab where YAML wants spaces.
  case tab = "manifest.tab"
  /// Anything else that is no YAML.
  case syntax = "manifest.syntax"
  case cannotRead = "manifest.cannot-read"
}

/// How much a manifest may hold. Far beyond any graph a person writes; they bound the work that a
/// hostile or broken file can cause.
public enum ManifestLimits {
  public static let bytes = 1 << 20
  public static let depth = 64
  public static let nodes = 100_000
  /// Values that aliases stand for, all aliases together.
  public static let aliasNodes = 10_000
}
