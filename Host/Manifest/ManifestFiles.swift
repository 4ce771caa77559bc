import GantryBase
import Glibc

/// What the graph checks may know of the file system. They get it as a value, so that they stay
/// pure and tests need no files.
public struct ManifestFiles: Sendable {
  public enum Kind: Sendable { case file, folder, other }

  /// What is at an absolute path; nil = nothing that can be seen.
  public var kind: @Sendable (_ path: String) -> Kind?
  /// A file's bytes, at most `limit + 1` of them; the error is one sentence.
  public var read: @Sendable (_ path: String, _ limit: Int) -> Result<[UInt8], ReadFailure>
  /// Names in a folder, sorted, at most `limit` of them; nil = it cannot be read.
  public var names: @Sendable (_ folder: String, _ limit: Int) -> [String]? = { _, _ in nil }
  /// The path with every link followed; nil = it leads nowhere, or in a circle.
  public var real: @Sendable (_ path: String) -> String? = { $0 }
  /// Bytes of a file without reading it; nil = not known.
  public var size: @Sendable (_ path: String) -> Int? = { _ in nil }
  /// Absolute.
  public var workingDirectory: String

  public struct ReadFailure: Error, Sendable {
    public var text: String
    public init(_ text: String) { self.text = text }
  }

  public init(
    workingDirectory: String, kind: @escaping @Sendable (String) -> Kind?,
    read: @escaping @Sendable (String, Int) -> Result<[UInt8], ReadFailure>
  ) {
    self.workingDirectory = workingDirectory
    self.kind = kind
    self.read = read
  }

  /// The machine's own.
  public static var disk: ManifestFiles {
    var files = ManifestFiles(workingDirectory: currentDirectory(), kind: kindOnDisk, read: readFromDisk)
    files.names = namesOnDisk
    files.real = { path in
      guard let resolved = realpath(path, nil) else { return nil }
      defer { free(resolved) }
      return String(cString: resolved)
    }
    files.size = { path in
      var status = stat()
      return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }
    return files
  }

  /// Nothing but the files given: path -> bytes. Folders are those that the paths imply.
  public static func inMemory(_ files: [String: [UInt8]], workingDirectory: String = "/") -> ManifestFiles {
    var made = ManifestFiles(
      workingDirectory: workingDirectory,
      kind: { path in
        if files[path] != nil { return .file }
        return path == "/" || files.keys.contains { $0.hasPrefix(path + "/") } ? .folder : nil
      },
      read: { path, _ in files[path].map { .success($0) } ?? .failure(ReadFailure("there is no such file")) })
    made.names = { folder, limit in
      let inside = files.keys.filter { $0.hasPrefix(folder + "/") }.map { $0.dropFirst(folder.count + 1).prefix { $0 != "/" } }
      return inside.isEmpty ? nil : Set(inside.map(String.init)).sorted().prefix(limit).map { $0 }
    }
    made.size = { files[$0]?.count }
    return made
  }

  private static func currentDirectory() -> String {
    guard let path = getcwd(nil, 0) else { return "/" }
    defer { free(path) }
    return String(cString: path)
  }

  private static func kindOnDisk(_ path: String) -> Kind? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .folder
    default: return .other
    }
  }

  private static func namesOnDisk(_ folder: String, _ limit: Int) -> [String]? {
    guard let stream = opendir(folder) else { return nil }
    defer { closedir(stream) }
    var names: [String] = []
    while names.count < limit, let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func readFromDisk(_ path: String, _ limit: Int) -> Result<[UInt8], ReadFailure> {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return .failure(ReadFailure(reason(errno))) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= limit {
      let count = chunk.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, min($0.count, limit + 1 - bytes.count)) }
      if count < 0 {
        if errno == EINTR { continue }
        return .failure(ReadFailure(reason(errno)))
      }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return .success(bytes)
  }

  private static func reason(_ code: Int32) -> String {
    switch code {
    case ENOENT: "there is no such file"
    case EACCES: "it may not be read by this user"
    case EISDIR: "it is a folder"
    default: String(cString: strerror(code))
    }
  }
}
