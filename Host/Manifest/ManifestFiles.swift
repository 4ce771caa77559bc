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
    ManifestFiles(workingDirectory: currentDirectory(), kind: kindOnDisk, read: readFromDisk)
  }

  /// Nothing but the files given: path -> bytes. Folders are those that the paths imply.
  public static func inMemory(_ files: [String: [UInt8]], workingDirectory: String = "/") -> ManifestFiles {
    ManifestFiles(
      workingDirectory: workingDirectory,
      kind: { path in
        if files[path] != nil { return .file }
        return path == "/" || files.keys.contains { $0.hasPrefix(path + "/") } ? .folder : nil
      },
      read: { path, _ in files[path].map { .success($0) } ?? .failure(ReadFailure("there is no such file")) })
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
