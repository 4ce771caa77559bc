import GantryBase

/// The bytes of a library that a plugin opens at run time, and of the libraries that it finds beside itself:
/// those it needs and looks for by a run path that begins with `$ORIGIN`, and what those need in the same way.
/// That is how Python's wheels carry what they bring along.
///
/// What it takes from the system's folders, by an absolute run path or by LD_LIBRARY_PATH is the machine's
/// and not part of this.
struct LibraryImage {
  struct File {
    /// Where it was found.
    var path: String
    var bytes: [UInt8]
    var sha256: String
  }

  /// The library itself first.
  let files: [File]
  /// The same bytes at the same places among each other.
  let sha256: String
  /// As files and folders below a folder that all have in common.
  let items: [PluginImage.Item]
  /// Those of `files`, in the same order, among `items`.
  let fileItems: [String]
  /// The library among `items`.
  var main: String { fileItems[0] }

  static let filesMax = 64

  init(path: String) throws(GantryError) {
    var found = [try LibraryImage.file(LibraryImage.real(path))]
    var searches: [[String]] = [[]]
    var next = 0
    while next < found.count {
      let file = found[next]
      let elf = try LibraryImage.elf(file)
      let origin = LibraryImage.folder(file.path)
      // A DT_RPATH counts for what a library needs, and for what that needs.
      let search = elf.runPaths.compactMap { LibraryImage.expand($0, origin) } + searches[next]
      for name in elf.needed where !name.contains("/") {
        guard let place = search.first(where: { LibraryImage.isFile($0 + "/" + name) }) else { continue }
        let path = FileBytes.absolute(place) + "/" + name
        if found.contains(where: { $0.path == path }) { continue }
        guard found.count < LibraryImage.filesMax else {
          throw GantryError(LoaderCode.library, "\(found[0].path): brings more than \(LibraryImage.filesMax) libraries along")
        }
        found.append(try LibraryImage.file(path))
        searches.append(search)
      }
      next += 1
    }
    files = found
    let names = LibraryImage.relative(found.map(\.path))
    items = LibraryImage.items(zip(names, found).map { ($0, $1.bytes) })
    fileItems = names
    let list = zip(names, found).map { "\($1.sha256) \($0)\n" }
    sha256 = FileBytes.sha256(Array(([list[0]] + list.dropFirst().sorted()).joined().utf8))
  }

  /// `path` with its folder's links followed, as the dynamic loader takes `$ORIGIN`; a link at its end stays.
  private static func real(_ path: String) -> String { FileBytes.absolute(folder(path)) + "/" + FileBytes.lastComponent(path) }

  private static func folder(_ path: String) -> String { path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "." }

  private static func expand(_ runPath: String, _ origin: String) -> String? {
    for word in ["$ORIGIN", "${ORIGIN}"] where runPath == word || runPath.hasPrefix(word + "/") { return origin + runPath.dropFirst(word.count) }
    return nil
  }

  private static func isFile(_ path: String) -> Bool { FileBytes.isRegular(path) }

  private static func file(_ path: String) throws(GantryError) -> File {
    do throws(FileBytes.Failure) {
      let bytes = try FileBytes.read(path)
      return File(path: path, bytes: bytes, sha256: FileBytes.sha256(bytes))
    } catch {
      throw GantryError(LoaderCode.unreadable, "\(error.path): \(error.text)", help: ["name the library's own file"], exit: .failed)
    }
  }

  private static func elf(_ file: File) throws(GantryError) -> ElfFile {
    do throws(GantryError) {
      return try PluginImage.parse(file.path, file.bytes)
    } catch {
      throw GantryError(error.diagnostics[0].code, error.diagnostics[0].text, help: ["name a shared library of this machine"], exit: .failed)
    }
  }

  /// The paths from the folder on that all have in common.
  private static func relative(_ paths: [String]) -> [String] {
    let parts = paths.map { $0.split(separator: "/") }
    var common = 0
    while parts.allSatisfy({ common < $0.count - 1 && $0[common] == parts[0][common] }) { common += 1 }
    return parts.map { $0.dropFirst(common).joined(separator: "/") }
  }

  private static func items(_ files: [(path: String, bytes: [UInt8])]) -> [PluginImage.Item] {
    var items: [PluginImage.Item] = []
    for file in files {
      let parts = file.path.split(separator: "/")
      for count in 1..<max(parts.count, 1) {
        let folder = parts.prefix(count).joined(separator: "/")
        if !items.contains(where: { $0.path == folder }) { items.append(PluginImage.Item(path: folder, content: .folder)) }
      }
      items.append(PluginImage.Item(path: file.path, content: .file(file.bytes)))
    }
    return items
  }
}
