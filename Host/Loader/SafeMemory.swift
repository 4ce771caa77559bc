import CLinux
import Glibc

/// Reads memory that a plugin points to. An address that is not mapped is answered with nil
/// instead of a crash: the kernel copies the bytes through a pipe and says EFAULT.
///
/// Used on one thread at a time.
final class SafeMemory {
  private var readEnd: Int32 = -1
  private var writeEnd: Int32 = -1

  init?() {
    var ends: [Int32] = [-1, -1]
    guard clinux_make_pipe(&ends, 0) == 0 else { return nil }
    readEnd = ends[0]
    writeEnd = ends[1]
  }

  deinit {
    if readEnd >= 0 { close(readEnd) }
    if writeEnd >= 0 { close(writeEnd) }
  }

  func bytes(_ address: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
    if count == 0 { return [] }
    guard let address, count > 0 else { return nil }
    var result = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let step = min(4096, count - done)
      guard write(writeEnd, address + done, step) == step else {
        var rest = [UInt8](repeating: 0, count: 4096)
        while read(readEnd, &rest, rest.count) > 0 {}
        return nil
      }
      let got = result.withUnsafeMutableBytes { read(readEnd, $0.baseAddress! + done, step) }
      guard got == step else { return nil }
      done += step
    }
    return result
  }

  /// A value of a C struct, of which `count` bytes are taken; what is missing is zero.
  func value<Value>(_ address: UnsafeRawPointer?, count: Int, zero: Value) -> Value? {
    let size = MemoryLayout<Value>.size
    guard let bytes = bytes(address, min(count, size)) else { return nil }
    var value = zero
    withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: bytes) }
    return value
  }
}
