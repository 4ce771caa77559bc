#if canImport(GantrySDK)
  import GantrySDK
#endif

/// Reads the list of files in a zip archive (APPNOTE 6.3; zip64 sizes, no zip64 directory, no encryption). Does no I/O: it is
/// given the end of the file, then the central directory. Every length is checked; any bytes may come.
struct ZipDirectory {
  /// One file of the archive.
  struct Member {
    var name: [UInt8]
    var method: UInt16
    var crc: UInt32
    var packedSize: UInt64
    var unpackedSize: UInt64
    /// Where its local header is.
    var headerOffset: UInt64
  }

  enum Problem: Error { case notZip, damaged, tooLarge, encrypted, spanned }

  /// Where the central directory lies.
  var offset: UInt64
  var size: UInt64
  private var count: Int

  /// The longest end record with its comment: how much of the file's end `init` wants.
  static var tailMax: Int { 22 + 65_535 }

  /// Finds the directory from the last bytes of a file of `fileSize` bytes.
  init(tail: UnsafeBufferPointer<UInt8>, fileSize: UInt64) throws(Problem) {
    guard tail.count >= 22 else { throw .notZip }
    var position = tail.count - 22
    while true {
      if ZipDirectory.u32(tail, position) == 0x0605_4b50,
        position + 22 + Int(ZipDirectory.u16(tail, position + 20)) <= tail.count
      {
        break
      }
      guard position > 0 else { throw .notZip }
      position -= 1
    }
    let disk = ZipDirectory.u16(tail, position + 4)
    count = Int(ZipDirectory.u16(tail, position + 10))
    size = UInt64(ZipDirectory.u32(tail, position + 12))
    offset = UInt64(ZipDirectory.u32(tail, position + 16))
    if count == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff { throw .tooLarge }
    guard disk == 0, Int(ZipDirectory.u16(tail, position + 8)) == count else { throw .spanned }
    let endOffset = fileSize - UInt64(tail.count - position)
    guard offset <= endOffset, size <= endOffset - offset, size >= UInt64(count) * 46 else { throw .damaged }
  }

  /// The files of the archive, folders left out, in the directory's order.
  func members(_ directory: UnsafeBufferPointer<UInt8>) throws(Problem) -> [Member] {
    var members: [Member] = []
    var position = 0
    for _ in 0..<count {
      guard directory.count - position >= 46, ZipDirectory.u32(directory, position) == 0x0201_4b50 else { throw .damaged }
      let nameLength = Int(ZipDirectory.u16(directory, position + 28))
      let rest = Int(ZipDirectory.u16(directory, position + 30)) + Int(ZipDirectory.u16(directory, position + 32))
      guard directory.count - position - 46 >= nameLength + rest else { throw .damaged }
      let nameStart = position + 46
      var member = Member(
        name: Array(directory[nameStart..<(nameStart + nameLength)]), method: ZipDirectory.u16(directory, position + 10),
        crc: ZipDirectory.u32(directory, position + 16), packedSize: UInt64(ZipDirectory.u32(directory, position + 20)),
        unpackedSize: UInt64(ZipDirectory.u32(directory, position + 24)),
        headerOffset: UInt64(ZipDirectory.u32(directory, position + 42)))
      if ZipDirectory.u16(directory, position + 8) & 1 != 0 { throw .encrypted }
      let extraStart = nameStart + nameLength
      let extraEnd = extraStart + Int(ZipDirectory.u16(directory, position + 30))
      guard ZipDirectory.addLargeSizes(&member, directory, extraStart, extraEnd) else { throw .damaged }
      position += 46 + nameLength + rest
      if member.name.last != UInt8(ascii: "/") { members.append(member) }
    }
    return members
  }

  /// Takes the 64-bit values of the extra field 0x0001, which stand for those that are all ones.
  private static func addLargeSizes(
    _ member: inout Member, _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int
  ) -> Bool {
    let unset: UInt64 = 0xffff_ffff
    guard member.unpackedSize == unset || member.packedSize == unset || member.headerOffset == unset else { return true }
    var position = start
    while end - position >= 4 {
      let length = Int(u16(bytes, position + 2))
      guard end - position - 4 >= length else { return false }
      guard u16(bytes, position) == 1 else {
        position += 4 + length
        continue
      }
      var at = position + 4
      let last = at + length
      func next() -> UInt64? {
        guard last - at >= 8 else { return nil }
        at += 8
        return UInt64(u32(bytes, at - 8)) | UInt64(u32(bytes, at - 4)) << 32
      }
      if member.unpackedSize == unset {
        guard let value = next() else { return false }
        member.unpackedSize = value
      }
      if member.packedSize == unset {
        guard let value = next() else { return false }
        member.packedSize = value
      }
      if member.headerOffset == unset {
        guard let value = next() else { return false }
        member.headerOffset = value
      }
      return true
    }
    return false
  }

  /// The length of a local header, whose first 30 bytes are given; nil when they are none.
  static func localHeaderLength(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64? {
    guard bytes.count >= 30, u32(bytes, 0) == 0x0403_4b50 else { return nil }
    return 30 + UInt64(u16(bytes, 26)) + UInt64(u16(bytes, 28))
  }

  private static func u16(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> UInt16 {
    UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8
  }

  private static func u32(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> UInt32 {
    UInt32(u16(bytes, at)) | UInt32(u16(bytes, at + 2)) << 16
  }
}
