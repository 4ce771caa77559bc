import CLinux
import GantryBase
import Glibc

/// A private copy of a plugin's bytes: a folder of its own, mode 0700, with a name nobody can
/// guess, files made with O_EXCL. glibc answers a path it has seen with the old code, even after a
/// rename, so no path is ever used twice.
///
/// A single file is removed as soon as it is mapped. A bundle stays until it is unloaded, because
/// its code may read what lies beside it; a lock file, held as long as this process lives, lets a
/// later process tell an abandoned folder from one in use.
struct StagedCopy: Sendable {
  let folder: String
  /// The file to open.
  let path: String
  /// Files and folders to remove, innermost last.
  private var made: [String] = []
  private var lock: Int32 = -1

  static let prefix = "gantry-code-"

  /// - Parameter isKept: the copy stays after it has been mapped
  init(_ image: PluginImage, base: String, isKept: Bool = false) throws(GantryError) {
    try self.init(items: image.items, main: image.main, base: base, isKept: image.isBundle || isKept)
  }

  /// - Parameters:
  ///   - items: folders before what is in them
  ///   - main: the file to open
  ///   - isKept: the copy stays after it has been mapped
  init(items: [PluginImage.Item], main: String, base: String, isKept: Bool) throws(GantryError) {
    folder = try Self.makeFolder(base)
    path = folder + "/" + main
    made = [folder]
    do throws(GantryError) {
      if isKept { lock = try hold() }
      for item in items {
        let target = folder + "/" + item.path
        switch item.content {
        case .folder:
          guard mkdir(target, 0o700) == 0 else { throw Self.error(target) }
        case .link(let text):
          guard symlink(text, target) == 0 else { throw Self.error(target) }
        case .file(let bytes):
          try Self.write(bytes, target)
        }
        made.append(target)
      }
    } catch {
      remove()
      throw error
    }
  }

  /// No copy: the file itself.
  init(inPlace image: PluginImage) {
    let whole = FileBytes.absolute(image.path)
    folder = whole
    path = image.isBundle ? whole + "/" + image.main : whole
  }

  /// Removes the copy. What is mapped stays mapped.
  func remove() {
    for path in made.reversed() where unlink(path) != 0 { rmdir(path) }
    if lock >= 0 { close(lock) }
  }

  private mutating func hold() throws(GantryError) -> Int32 {
    let path = folder + "/.gantry-lock"
    let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.error(path) }
    made.append(path)
    flock(descriptor, LOCK_EX | LOCK_NB)
    return descriptor
  }

  private static func write(_ bytes: [UInt8], _ path: String) throws(GantryError) {
    let descriptor = open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0o500)
    guard descriptor >= 0 else { throw error(path) }
    defer { close(descriptor) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw error(path) }
      done += count
    }
  }

  private static func makeFolder(_ base: String) throws(GantryError) -> String {
    var template = Array((base + "/" + prefix + "XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw error(base) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func error(_ path: String) -> GantryError {
    GantryError(
      LoaderCode.staging, "cannot make a private copy at \(path): \(FileBytes.failure(path).text)",
      help: ["free some space, or set TMPDIR to a folder that can be written and is not mounted noexec"], exit: .failed)
  }

  /// The first usable folder for private copies: writable, and code may be mapped from it.
  static func defaultBase() -> String {
    let named = ["XDG_RUNTIME_DIR", "TMPDIR"].compactMap { (name: String) in getenv(name).map { String(cString: $0) } }
    let folders = named.filter { $0.hasPrefix("/") } + ["/tmp", "/var/tmp", "/dev/shm"]
    return folders.first { access($0, W_OK | X_OK) == 0 && clinux_allows_code($0) != 0 } ?? "/tmp"
  }

  /// Removes bundle copies whose process is gone.
  static func sweep(_ base: String) {
    for name in FileBytes.names(in: base) ?? [] where name.hasPrefix(prefix) {
      let folder = base + "/" + name
      var status = stat()
      guard lstat(folder, &status) == 0, status.st_uid == getuid(), status.st_mode & S_IFMT == S_IFDIR else { continue }
      let descriptor = open(folder + "/.gantry-lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { removeTree(folder) }
      close(descriptor)
    }
  }

  private static func removeTree(_ folder: String) {
    for name in FileBytes.names(in: folder) ?? [] {
      let path = folder + "/" + name
      if unlink(path) != 0 { removeTree(path) }
    }
    rmdir(folder)
  }
}
