import CLinux
import GantryBase
import GantryRuntime
import Glibc

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a host keeps of a graph from one run to the next: whether trading is halted, the audit log,
/// and the graph's versions. One host at a time has it.
///
/// Files are replaced as a whole and synced before a call returns: after a power cut there is the
/// old content or the new one.
public final class StateFolder: Sendable {
  public let path: String
  private let lock: Int32

  /// Opens the folder, or makes it. Refused while another host has it.
  public init(path: String) throws(GantryError) {
    self.path = path
    try StateFolder.makeFolder(path)
    lock = open("\(path)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw StateFolder.failure("cannot open \(path)/lock") }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      throw GantryError(
        "state.in-use", "a running host keeps its state in \(path)", help: ["give this one another folder with --state"], exit: .failed)
    }
  }

  deinit { close(lock) }

  static func makeFolder(_ path: String) throws(GantryError) {
    var built = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      built += part
      if mkdir(built, 0o700) != 0, errno != EEXIST { throw failure("cannot make the folder \(built)") }
      built += "/"
    }
  }

  static func failure(_ text: String) -> GantryError {
    GantryError("state.unwritable", "\(text): \(String(cString: strerror(errno)))", help: ["choose another folder with --state"], exit: .failed)
  }

  // MARK: files

  public func read(_ name: String) -> [UInt8]? { try? readFile("\(path)/\(name)", limit: 1 << 28) }

  /// Replaces a file as a whole.
  public func write(_ name: String, _ bytes: [UInt8]) throws(GantryError) {
    let target = "\(path)/\(name)"
    let temporary = target + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw StateFolder.failure("cannot write \(target)") }
    let isWritten = StateFolder.writeAll(descriptor, bytes) && fsync(descriptor) == 0
    let error = errno
    close(descriptor)
    guard isWritten, rename(temporary, target) == 0 else {
      if !isWritten { errno = error }
      let failure = StateFolder.failure("cannot write \(target)")
      unlink(temporary)
      throw failure
    }
    syncFolder(target)
  }

  public func remove(_ name: String) throws(GantryError) {
    guard unlink("\(path)/\(name)") == 0 || errno == ENOENT else { throw StateFolder.failure("cannot remove \(path)/\(name)") }
    syncFolder("\(path)/\(name)")
  }

  /// The folder in which a file stands, so that its name is on the disk too.
  private func syncFolder(_ file: String) {
    let descriptor = open(String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      written += count
    }
    return true
  }

  // MARK: halt

  /// That trading is halted, since when, by whom.
  public struct Halt: Codable, Sendable, Equatable {
    public var sinceNs: Int64
    public var by: String
    public var reason: String?

    public init(sinceNs: Int64, by: String, reason: String? = nil) {
      self.sinceNs = sinceNs
      self.by = by
      self.reason = reason
    }

    enum CodingKeys: String, CodingKey {
      case by, reason
      case sinceNs = "since_ns"
    }
  }

  /// What halts trading. A file that cannot be read halts it as well.
  public var halt: Halt? {
    guard access("\(path)/halt", F_OK) == 0 else { return nil }
    if let bytes = read("halt"), let halt = try? JSONDecoder().decode(Halt.self, from: Data(bytes)) { return halt }
    return Halt(sinceNs: 0, by: "unknown", reason: "\(path)/halt cannot be read")
  }

  public func setHalt(_ halt: Halt?) throws(GantryError) {
    guard let halt else { return try remove("halt") }
    try write("halt", Array((JSONLine.text(halt) + "\n").utf8))
  }
}
