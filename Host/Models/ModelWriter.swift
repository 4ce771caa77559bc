import GantryBase
import GantryManifest
import Glibc

/// Adds versions to a models folder and moves its aliases.
///
/// A version appears whole or not at all: it is written beside its place, synced, and renamed; a number
/// that is taken is never written over. An alias is one small file that is renamed over the old one, so
/// that a reader sees the one version or the other.
public struct ModelWriter: Sendable {
  /// Absolute or relative to the working directory; made when it is not there.
  public let folder: String

  public init(folder: String) { self.folder = folder }

  /// What `add` takes besides the files. The hashes are found here.
  public struct Description: Sendable {
    public var format: String
    public var columns: [String] = []
    public var trainingData: String?
    public var metrics: [ModelCard.Metric] = []
    public var library: String?
    public var created: String?
    public var note: String?
    public init(format: String) { self.format = format }
  }

  /// Copies a file, and those it needs beside it, into a new version of a model.
  ///
  /// - Parameter version: nil takes the next free number
  /// - Returns: the version as a graph would find it
  public func add(
    _ file: String, also: [String] = [], name: String, version wanted: Int? = nil, _ description: Description
  ) throws(GantryError) -> Model {
    try ModelReference.check(name: name)
    let model = "\(folder)/\(name)"
    try Self.makeFolder(folder)
    try Self.makeFolder(model)
    let draft = "\(model)/.new-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try Self.makeFolder(draft)
    var isDone = false
    defer { if !isDone { Self.remove(draft) } }
    var hashes: [(name: String, sha256: String)] = []
    for source in [file] + also {
      let target = String(source.split(separator: "/").last ?? "")
      guard ModelCard.isFileName(target), !hashes.contains(where: { $0.name == target }) else {
        throw GantryError(
          .badCard, "\(quoted(target)) cannot be the name of a file of a model", help: ["rename the file: no leading dot, not model.yaml, each name once"], exit: .usage)
      }
      hashes.append((target, try Self.copy(source, to: "\(draft)/\(target)")))
    }
    let card = ModelCard(
      format: description.format, file: hashes[0].name, sha256: hashes[0].sha256,
      also: Dictionary(hashes.dropFirst().map { ($0.name, $0.sha256) }) { first, _ in first }, columns: description.columns,
      trainingData: description.trainingData, metrics: description.metrics, library: description.library, created: description.created,
      note: description.note)
    // What a graph could not read again is not written.
    _ = try ModelCard(bytes: Array(card.text.utf8), file: "\(draft)/\(ModelCard.name)")
    try Self.write(Array(card.text.utf8), "\(draft)/\(ModelCard.name)")
    try Self.sync(draft)
    let version = try place(draft, in: model, wanted)
    isDone = true
    try Self.sync(model)
    return Model(reference: "\(name)@\(version)", name: name, version: version, path: "\(model)/\(version)/\(card.file)", card: card)
  }

  /// Points an alias at a version.
  public func alias(_ alias: String, of name: String, to version: Int) throws(GantryError) {
    try ModelReference.check(name: name)
    try ModelReference.check(alias: alias)
    let aliases = "\(folder)/\(name)/\(ModelFolders.aliases)"
    try Self.makeFolder(aliases)
    let draft = "\(aliases)/.new-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    do throws(GantryError) {
      try Self.write(Array("\(version)\n".utf8), draft)
      guard rename(draft, "\(aliases)/\(alias)") == 0 else { throw Self.failure("\(aliases)/\(alias)") }
    } catch {
      unlink(draft)
      throw error
    }
    try Self.sync(aliases)
  }

  // MARK: -

  /// Renames the finished folder to its number. A number that somebody else took meanwhile is left alone.
  private func place(_ draft: String, in model: String, _ wanted: Int?) throws(GantryError) -> Int {
    var next = wanted ?? (ModelFolders([folder]).versions(of: String(model.split(separator: "/").last!)).last ?? 0) + 1
    while next <= ModelLimits.versionMax {
      // A folder with files in it is never replaced by a rename, and a version has always some.
      if rename(draft, "\(model)/\(next)") == 0 { return next }
      guard errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR else { throw Self.failure("\(model)/\(next)") }
      if wanted != nil { break }
      next += 1
    }
    throw GantryError(
      .notWritten, "\(model)/\(next) is there already, and a version is never written over",
      help: ["leave --version out: the next free number is taken"], exit: .usage)
  }

  /// Copies one regular file of a permitted size; its SHA-256.
  private static func copy(_ source: String, to target: String) throws(GantryError) -> String {
    let files = ManifestFiles.disk
    let path = source.hasPrefix("/") ? source : "\(files.workingDirectory)/\(source)"
    guard files.kind(path) == .file else {
      throw GantryError(
        .noFile, files.kind(path) == nil ? "\(source) is not there" : "\(source) is no regular file",
        help: ["give the file that the training wrote; further files of the model come with --also FILE"], exit: .usage)
    }
    if let size = files.size(path), size > ModelLimits.artifactBytes { throw tooLarge(source, size) }
    switch files.read(path, ModelLimits.artifactBytes) {
    case .failure(let failure): throw GantryError(.noFile, "\(source) cannot be read: \(failure.text)", help: ["let this user read it"], exit: .usage)
    case .success(let bytes):
      if bytes.count > ModelLimits.artifactBytes { throw tooLarge(source, bytes.count) }
      if let kind = ModelArchive.kind(of: bytes) {
        throw GantryError(
          .archive, "\(source) is a packed file (\(kind)); what it holds may be of any size, and nothing is unpacked",
          help: ["unpack it and add the model's own file; further files come with --also FILE"])
      }
      try write(bytes, target)
      return ModelDigest.sha256(bytes)
    }
  }

  private static func tooLarge(_ path: String, _ size: Int) -> GantryError {
    GantryError(
      .tooLarge, "\(path) has \(size) bytes; a model's file may have \(ModelLimits.artifactBytes)",
      help: ["make the model smaller (fewer trees, float instead of double), or split it and name the parts with --also"])
  }

  private static func write(_ bytes: [UInt8], _ path: String) throws(GantryError) {
    let descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written) }
      if count < 0 {
        if errno == EINTR { continue }
        let error = failure(path)
        close(descriptor)
        throw error
      }
      written += count
    }
    let isSynced = fsync(descriptor) == 0
    let error = failure(path)
    close(descriptor)
    if !isSynced { throw error }
  }

  private static func makeFolder(_ path: String) throws(GantryError) {
    guard mkdir(path, 0o755) != 0, errno != EEXIST else { return }
    throw failure(path)
  }

  private static func sync(_ folder: String) throws(GantryError) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(folder) }
    defer { close(descriptor) }
    if fsync(descriptor) != 0 { throw failure(folder) }
  }

  /// A folder of files without folders, as drafts are.
  private static func remove(_ folder: String) {
    for name in ManifestFiles.disk.names(folder, 1_000) ?? [] { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }

  private static func failure(_ path: String) -> GantryError {
    let reason = String(cString: strerror(errno))
    return GantryError(.notWritten, "\(path) cannot be written: \(reason)", help: ["let this user write there, or name another folder with --models"], exit: .failed)
  }
}

/// Packed files by their first bytes. A small one may unpack to anything, so none is taken for a model.
enum ModelArchive {
  static func kind(of bytes: [UInt8]) -> String? {
    let signatures: [(String, [UInt8])] = [
      ("zip", [0x50, 0x4B, 0x03, 0x04]), ("zip", [0x50, 0x4B, 0x05, 0x06]), ("gzip", [0x1F, 0x8B]), ("zstd", [0x28, 0xB5, 0x2F, 0xFD]),
      ("xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]), ("bzip2", [0x42, 0x5A, 0x68]), ("7z", [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]),
      ("lz4", [0x04, 0x22, 0x4D, 0x18]),
    ]
    return signatures.first { bytes.starts(with: $0.1) }?.0
  }
}
