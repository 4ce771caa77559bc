import Crypto
import GantryBase
import Glibc

/// The bytes that a journal's head pins, each in a file named by its SHA-256. A file appears whole
/// or not at all.
struct JournalObjects {
  var directory: String

  func path(_ sha256: String) -> String { directory + "/objects/" + sha256 }

  func keep(sha256: String, bytes: UnsafeRawBufferPointer, sync: Bool) throws(GantryError) {
    guard Self.isName(sha256) else {
      throw GantryError("journal.bad-object", "\(sha256) is no SHA-256 in lower-case hexadecimal.", exit: .bug)
    }
    if mkdir(directory + "/objects", 0o755) != 0, errno != EEXIST {
      throw journalFailure("journal.write-failed", "cannot make the folder \(directory)/objects", errno)
    }
    if access(path(sha256), F_OK) == 0 { return }
    let draft = path(sha256) + ".\(getpid()).draft"
    let fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if fd < 0 { throw journalFailure("journal.write-failed", "cannot create \(draft)", errno) }
    var failed: Int32 = 0
    if let start = bytes.baseAddress { failed = writeAll(fd, start, bytes.count) }
    if failed == 0, sync, fdatasync(fd) != 0 { failed = errno }
    close(fd)
    if failed == 0, rename(draft, path(sha256)) != 0 { failed = errno }
    if failed != 0 {
      unlink(draft)
      throw journalFailure("journal.write-failed", "cannot write \(path(sha256))", failed)
    }
  }

  /// The bytes of an object, checked against their name.
  func read(sha256: String) throws(GantryError) -> [UInt8] {
    guard Self.isName(sha256), access(path(sha256), F_OK) == 0 else {
      throw GantryError(
        "journal.no-object", "\(directory) does not hold the object \(sha256).",
        help: ["copy the journal's objects folder along with its segments"])
    }
    let source = try JournalSource(path: path(sha256))
    let bytes = try source.bytes(at: 0, count: source.count)
    let digest = SHA256.hash(data: bytes).map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
    guard digest == sha256 else {
      throw GantryError(
        "journal.damaged", "\(path(sha256)): the bytes have the SHA-256 \(digest).",
        help: ["restore the file from a copy; its name is the SHA-256 of its bytes"])
    }
    return bytes
  }

  static func isName(_ text: String) -> Bool {
    text.utf8.count == 64 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }
}
