import GantryBase

/// A private copy of a plugin's file or bundle that stays as long as this object: what cells map, as often
/// as they must, whatever becomes of the original. A process that is killed leaves it behind; the next
/// loader removes it.
public final class PluginCopy: Sendable {
  /// The file to map.
  public let path: String
  /// Of the whole image, as the loader names it.
  public let sha256: String
  /// Of the file to map.
  public let mainSHA256: String
  private let copy: StagedCopy

  public init(_ image: PluginImage, stagingFolder: String? = nil) throws(GantryError) {
    copy = try StagedCopy(image, base: stagingFolder ?? StagedCopy.defaultBase(), isKept: true)
    path = copy.path
    sha256 = image.sha256
    mainSHA256 = FileBytes.sha256(image.mainBytes)
  }

  deinit { copy.remove() }
}

extension Loader {
  /// Loads a plugin's own file in a cell, where it stands: the process is the plugin's alone, so it may
  /// bring its own libraries, take what room it likes and stay.
  public static func loadInCell(path: String, sha256: String) throws(GantryError) -> Generation {
    var options = LoaderOptions()
    options.isCell = true
    options.residentMaxBytes = .max
    let image = try PluginImage(path: path)
    guard image.sha256 == sha256 else {
      throw GantryError(LoaderCode.unreadable, "\(path): has other bytes than the host verified", exit: .notAllowed)
    }
    return try Loader(options: options, mapsInPlace: true).load(image)
  }
}
