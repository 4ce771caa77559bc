import CGantry

/// `gantry.model/1`: one version of a model of the models folder, as its `model.yaml` says. The texts
/// live as long as the instance.
public struct ModelInfo {
  public let raw: gantry_model_info

  /// As graphs write it: `momentum` in `models:momentum@3`.
  public var name: Text { Text(TextView(raw.name)) }
  public var version: Text { Text(TextView(raw.version)) }
  /// Of the artifact's file, as `gantry.linear/1`; never empty.
  public var format: TextView { TextView(raw.format) }
  /// Of the artifact's bytes, in lower-case hexadecimal.
  public var sha256: TextView { TextView(raw.sha256) }
  /// Hash of what it was trained with; empty where `model.yaml` does not say.
  public var trainingData: TextView { TextView(raw.training_data) }
  /// What wrote it, as `xgboost 2.1.3`; empty where `model.yaml` does not say.
  public var library: TextView { TextView(raw.library) }

  /// How many columns the model takes; 0 where `model.yaml` does not say.
  public var columnCount: Int { Int(raw.column_count) }
  /// A column, in the order that the model takes them.
  public func column(_ index: Int) -> TextView {
    precondition(index >= 0 && index < columnCount)
    return TextView(raw.columns[index])
  }
}

extension Host {
  /// `gantry.model/1`, describe: the model behind the artifact parameter at this position of the
  /// descriptor; nil when it is a plain file. From configure on, not on a lane.
  public func model(ofParameter index: Int) -> ModelInfo? {
    guard let extensionTable = table.pointee.get_extension(node, ("gantry.model/1" as StaticString).abi) else { return nil }
    var info = gantry_model_info()
    info.size = UInt32(MemoryLayout<gantry_model_info>.size)
    let describe = extensionTable.assumingMemoryBound(to: gantry_model_host.self).pointee.describe
    guard let describe, describe(node, UInt32(truncatingIfNeeded: index), &info) == 0 else { return nil }
    return ModelInfo(raw: info)
  }

  /// What predictions carry in `model`: name and version as the graph knows them, or what the artifact
  /// says of itself where it is a plain file.
  public func modelReference(ofParameter index: Int, orName name: Text, version: Text) -> UInt32 {
    if let model = model(ofParameter: index) { return modelReference(name: model.name, version: model.version) }
    return modelReference(name: name, version: version)
  }
}
