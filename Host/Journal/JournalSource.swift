import GantryBase
import Glibc

/// The bytes of one segment, in a file or in memory. Its size is taken once: a file that grows
/// while it is read ends where it ended then.
final class JournalSource {
  let name: String
  let count: Int
  private let fd: Int32
  private let memory: UnsafeRawBufferPointer

  init(path: String) throws(GantryError) {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    var status = stat()
    guard fd >= 0, fstat(fd, &status) == 0 else {
      let number = errno
      if fd >= 0 { close(fd) }
      throw journalFailure("journal.read-failed", "cannot open \(path)", number)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(fd)
      throw GantryError("journal.read-failed", "\(path) is not a file.", exit: .badInput)
    }
    name = path
    count = Int(status.st_size)
    memory = UnsafeRawBufferPointer(start: nil, count: 0)
    self.fd = fd
  }

  /// The caller keeps the bytes alive.
  init(name: String, memory: UnsafeRawBufferPointer) {
    self.name = name
    self.memory = memory
    count = memory.count
    fd = -1
  }

  deinit { if fd >= 0 { close(fd) } }

  /// `count` bytes from `offset`, which must lie within the source.
  func bytes(at offset: Int, count: Int) throws(GantryError) -> [UInt8] {
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    defer { target.deallocate() }
    try read(at: offset, into: target)
    return [UInt8](target)
  }

  /// Fills `target` from `offset`, which must lie within the source.
  func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) throws(GantryError) {
    guard fd >= 0 else {
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[offset..<offset + target.count]))
      return
    }
    var done = 0
    while done < target.count {
      let got = pread(fd, target.baseAddress! + done, target.count - done, off_t(offset + done))
      if got < 0 {
        if errno == EINTR { continue }
        throw journalFailure("journal.read-failed", "cannot read \(name) at byte \(offset + done)", errno)
      }
      if got == 0 {
        throw GantryError("journal.read-failed", "\(name) became shorter while it was read.", exit: .badInput)
      }
      done += got
    }
  }
}
