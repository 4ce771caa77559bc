import GantryBase
import GantryManifest

/// What `model.yaml` says of one version of a model. A value: reading and writing its text is
/// `ModelCard+Text.swift`.
public struct ModelCard: Sendable, Equatable, Codable {
  /// Of the artifact's file, as the plugin that reads it names it: `gantry.linear/1`, `xgboost.json`.
  public var format: String
  /// The artifact's file, a plain name in the version's folder.
  public var file: String
  /// Of the artifact's bytes, lower-case hexadecimal.
  public var sha256: String
  /// Further files that the artifact's file needs beside it, with their SHA-256.
  public var also: [String: String]
  /// In the order that the model takes them; empty when it is not said.
  public var columns: [String]
  /// Hash or name of what it was trained with.
  public var trainingData: String?
  /// Numbers by which versions are compared, in the order of the file.
  public var metrics: [Metric]
  /// What wrote the artifact, as `xgboost 2.1.3`.
  public var library: String?
  /// UTC, `2026-03-01T12:00:00Z`.
  public var created: String?
  public var note: String?

  public struct Metric: Sendable, Equatable, Codable {
    public var name: String
    public var value: Double
    public init(_ name: String, _ value: Double) {
      self.name = name
      self.value = value
    }
  }

  public init(
    format: String, file: String, sha256: String, also: [String: String] = [:], columns: [String] = [], trainingData: String? = nil,
    metrics: [Metric] = [], library: String? = nil, created: String? = nil, note: String? = nil
  ) {
    self.format = format
    self.file = file
    self.sha256 = sha256
    self.also = also
    self.columns = columns
    self.trainingData = trainingData
    self.metrics = metrics
    self.library = library
    self.created = created
    self.note = note
  }

  /// The file's name in a version's folder.
  public static let name = "model.yaml"

  /// What pins all files of the version: the artifact's own hash, or where there are more files the
  /// hash of the list of them.
  public var digest: String {
    if also.isEmpty { return sha256 }
    let lines = ([file: sha256].merging(also) { own, _ in own }).sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)\n" }
    return ModelDigest.sha256(Array(lines.joined().utf8))
  }

  enum CodingKeys: String, CodingKey {
    case format, file, sha256, also, columns, metrics, library, created, note
    case trainingData = "training_data"
  }
}
