import GantryBase
import GantryManifest
import GantryModels
import GantryRuntime

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a model's file says of itself, as far as that is plain to see: nothing of it is run, and what
/// cannot be read says nothing.
struct ModelFacts {
  var format: String?
  var columns: [String] = []

  private static let sizeMax = 64 << 20

  init(_ path: String) {
    guard ManifestFiles.disk.kind(path) == .file, let bytes = try? readFile(path, limit: Self.sizeMax) else { return }
    if bytes.starts(with: Array("tree\n".utf8)) {
      format = "lightgbm.txt"
      // feature_names=a b c, within the first lines.
      let head = String(decoding: bytes.prefix(1 << 20), as: UTF8.self)
      if let line = head.split(separator: "\n").prefix(40).first(where: { $0.hasPrefix("feature_names=") }) {
        columns = line.dropFirst("feature_names=".count).split(separator: " ").map(String.init)
      }
    } else if bytes.first == UInt8(ascii: "{"), let known = try? JSONDecoder().decode(Known.self, from: Data(bytes)) {
      if known.learner != nil {
        format = "xgboost.json"
        columns = known.learner?.names ?? []
      } else {
        format = known.format
        columns = known.columns ?? []
      }
    } else if path.hasSuffix(".ubj") {
      format = "xgboost.ubj"
    } else if path.hasSuffix(".onnx") {
      format = "onnx"
    }
  }

  /// The few keys of known formats.
  private struct Known: Decodable {
    struct Learner: Decodable {
      var names: [String]?
      enum CodingKeys: String, CodingKey { case names = "feature_names" }
    }
    var format: String?
    var columns: [String]?
    var learner: Learner?
  }
}
