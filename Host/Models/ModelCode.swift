/// The closed list of what can be wrong with a models folder or with how it is asked. Exit code 65 unless
/// said otherwise; a code never changes its meaning.
public enum ModelCode: String, Sendable, CaseIterable {
  /// `models:` is followed by something that is no NAME@VERSION or NAME@ALIAS.
  case badReference = "model.bad-reference"
  /// No folder of the models path has a model of this name.
  case unknownModel = "model.unknown-model"
  case unknownVersion = "model.unknown-version"
  case unknownAlias = "model.unknown-alias"
  /// An alias names an alias that leads back to it, or a chain of them that is too long.
  case aliasLoop = "model.alias-loop"
  /// An alias file holds something else than a version or another alias.
  case badAlias = "model.bad-alias"
  /// `model.yaml` is missing, cannot be read, or says something wrong.
  case badCard = "model.bad-card"
  /// The artifact's file is missing or is no regular file.
  case noFile = "model.no-file"
  /// A file of the model lies outside its version's folder, by a link or by its name.
  case outside = "model.outside"
  /// The artifact's bytes are not those that `model.yaml` has the hash of.
  case hashMismatch = "model.hash-mismatch"
  case tooLarge = "model.too-large"
  /// A packed file; nothing is ever unpacked.
  case archive = "model.archive"
  /// `trust: manifest`, and plugins.lock does not pin this version. Exit code 77.
  case notPinned = "model.not-pinned"
  /// The bytes were changed between the check and the load.
  case changed = "model.changed"
  /// The folder cannot be written. Exit code 1.
  case notWritten = "model.not-written"
}

/// How much a models folder may hold.
public enum ModelLimits {
  /// Bytes of one file of a model: what the host keeps of an artifact, so that a restart finds it.
  public static let artifactBytes = 512 << 20
  public static let cardBytes = 256 << 10
  public static let columns = 4_096
  public static let metrics = 256
  /// Files of one version beside the artifact.
  public static let files = 64
  public static let nameLength = 64
  /// Aliases that lead from one to the next.
  public static let aliasDepth = 8
  public static let versionMax = 999_999_999
}
