import Crypto
import Glibc

/// Files read whole, once: the bytes that are hashed are the bytes that are used.
public enum FileBytes {
  struct Failure: Error {
    var path: String
    var text: String
  }

  /// The largest plugin file that is read.
  static let sizeMax = 512 << 20

  /// Reads a regular file. Pipes, devices and folders are refused without blocking on them.
  static func read(_ path: String) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(path: path, text: "is not a regular file") }
    guard status.st_size <= sizeMax else { throw Failure(path: path, text: "has \(status.st_size) bytes; at most \(sizeMax) are read") }
    return try drain(descriptor, path, expected: Int(status.st_size))
  }

  /// Reads a file of the kernel's, whose size is not known.
  static func readStream(_ path: String) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    return try drain(descriptor, path, expected: 65_536)
  }

  private static func drain(_ descriptor: Int32, _ path: String, expected: Int) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(expected)
    var chunk = [UInt8](repeating: 0, count: 262_144)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure(path) }
      if count == 0 { return bytes }
      guard bytes.count + count <= sizeMax else { throw Failure(path: path, text: "grew beyond \(sizeMax) bytes while it was read") }
      bytes += chunk[0..<count]
    }
  }

  static func failure(_ path: String) -> Failure { Failure(path: path, text: String(cString: strerror(errno))) }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  static func isRegular(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// Names in a folder, sorted; nil when it cannot be read.
  static func names(in folder: String) -> [String]? {
    guard let stream = opendir(folder) else { return nil }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Lower-case hexadecimal.
  public static func sha256(_ bytes: [UInt8]) -> String {
    SHA256.hash(data: bytes).map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined()
  }

  static func absolute(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  static func lastComponent(_ path: String) -> String {
    String(path.split(separator: "/").last ?? "")
  }
}

extension FileBytes {
  /// What a symbolic link says, or nil when `path` is none.
  static func linkTarget(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), 4096) }
    return count < 0 ? nil : String(decoding: buffer[0..<count], as: UTF8.self)
  }
}
