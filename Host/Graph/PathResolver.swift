import GantryBase
import GantryManifest

/// Relative paths to absolute ones: those of a file start at its folder, those of the command line
/// at the working directory.
///
/// `..` is left for the system to follow: taking it out of the text is wrong where a folder is a link.
struct PathResolver {
  let baseDirectory: String
  let files: ManifestFiles

  init(file: String, options: GraphOptions) {
    files = options.files
    let folder = options.baseDirectory ?? Self.folder(of: file)
    baseDirectory = Self.join(options.files.workingDirectory, folder)
  }

  private init(baseDirectory: String, files: ManifestFiles) {
    self.baseDirectory = baseDirectory
    self.files = files
  }

  /// For the paths inside another file.
  func beside(_ file: String) -> PathResolver { PathResolver(baseDirectory: Self.folder(of: file), files: files) }

  func absolute(_ path: Word) -> String { absolute(path.text, at: path.place) }

  func absolute(_ path: String, at place: Place?) -> String {
    Self.join(place?.file == GraphSets.file ? files.workingDirectory : baseDirectory, path)
  }

  static func folder(of file: String) -> String {
    guard let slash = file.utf8.lastIndex(of: 0x2F) else { return "." }
    return slash == file.startIndex ? "/" : String(file[..<slash])
  }

  /// `path` as seen from `base`; single dots and doubled slashes taken out.
  static func join(_ base: String, _ path: String) -> String {
    let whole = path.hasPrefix("/") ? path : base + "/" + path
    let parts = whole.split(separator: "/").filter { $0 != "." }
    return (whole.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
  }
}
