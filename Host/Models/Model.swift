import GantryBase

/// One version of a model, found and checked: what stands behind `models:NAME@SELECTOR` in a graph.
///
/// Its files lay inside the models folder and had the bytes that `model.yaml` has the hashes of. Who reads
/// the artifact again compares its hash again.
public struct Model: Sendable, Equatable, Codable {
  /// As it was asked for, without `models:`: `momentum@champion`.
  public var reference: String
  public var name: String
  public var version: Int
  /// The artifact's file, absolute.
  public var path: String
  public var card: ModelCard
  /// Files whose change may make the reference mean another version: those of the aliases that were
  /// followed; for `latest` the folder that the next version will have.
  public var follows: [String]

  public init(reference: String, name: String, version: Int, path: String, card: ModelCard, follows: [String] = []) {
    self.reference = reference
    self.name = name
    self.version = version
    self.path = path
    self.card = card
    self.follows = follows
  }

  /// What predictions, history and people call it: `momentum@3`.
  public var title: String { "\(name)@\(version)" }
}
