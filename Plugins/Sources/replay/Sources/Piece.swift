import CPosix
import GantrySDK

/// How bytes are packed, told by their first bytes and not by the file's name.
enum Packing: UInt8 { case plain, gzip, zip, lz4 }

/// One text to read: a file, or one member of a zip archive.
struct Piece {
  var file: Int
  var packing: Packing
  /// The member's name within an archive, else the file's own.
  var name: Text
  var isDeflated = false
  var headerOffset: UInt64 = 0
  var packedSize: UInt64 = 0
  var unpackedSize: UInt64 = 0
  var crc: UInt32 = 0
}

/// Looks at every file once, at the start: what it is, what is in it, and a hash of all of it.
struct Catalog {
  var files: [DataFile]
  private(set) var pieces: [Piece] = []
  private(set) var hash = ContentHash()

  init(_ files: [DataFile]) throws(Failure) {
    self.files = files
    let size = 1 << 18
    let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
    defer { buffer.deallocate() }
    for index in files.indices { try add(index, buffer, size) }
  }

  private mutating func add(_ index: Int, _ buffer: UnsafeMutablePointer<UInt8>, _ size: Int) throws(Failure) {
    let stream = try files[index].open(remember: true)
    defer { fclose(stream) }
    let name = files[index].name
    name.bytes.withUnsafeBytes { hash.add($0) }
    var packing = Packing.plain
    var isFirst = true
    while true {
      guard let count = DataFile.read(stream, into: buffer, capacity: size) else {
        throw Failure.io("cannot read \(files[index].text): \(DataFile.reason())")
      }
      if isFirst { packing = try Catalog.packing(UnsafeBufferPointer(start: buffer, count: count), files[index]) }
      isFirst = false
      hash.add(UnsafeRawBufferPointer(start: buffer, count: count))
      if count < size { break }
    }
    if packing == .zip {
      try addMembers(of: index, stream)
    } else {
      pieces.append(Piece(file: index, packing: packing, name: name))
    }
  }

  private static func packing(_ bytes: UnsafeBufferPointer<UInt8>, _ file: DataFile) throws(Failure) -> Packing {
    func begins(_ magic: [UInt8]) -> Bool {
      guard bytes.count >= magic.count else { return false }
      for index in magic.indices where bytes[index] != magic[index] { return false }
      return true
    }
    if begins([0x50, 0x4b, 0x03, 0x04]) || begins([0x50, 0x4b, 0x05, 0x06]) { return .zip }
    if begins([0x1f, 0x8b]) { return .gzip }
    if begins([0x04, 0x22, 0x4d, 0x18]) { return .lz4 }
    let other: StaticString? =
      begins([0x28, 0xb5, 0x2f, 0xfd])
      ? "zstd" : begins([0x42, 0x5a, 0x68]) ? "bzip2" : begins([0xfd, 0x37, 0x7a, 0x58, 0x5a]) ? "xz" : nil
    if let other {
      throw Failure.unsupported("\(file.text) is packed with \(other); replay reads plain text, gzip, zip and lz4: pack it again")
    }
    return .plain
  }

  private mutating func addMembers(of index: Int, _ stream: UnsafeMutablePointer<FILE>) throws(Failure) {
    let file = files[index]
    let fileSize = UInt64(file.size)
    let tailSize = min(file.size, Int64(ZipDirectory.tailMax))
    let tail = try Catalog.bytes(stream, file, offset: fileSize - UInt64(tailSize), size: UInt64(tailSize))
    var members: [ZipDirectory.Member] = []
    do throws(ZipDirectory.Problem) {
      var directory: ZipDirectory?
      var problem: ZipDirectory.Problem?
      tail.withUnsafeBufferPointer { bytes in
        do throws(ZipDirectory.Problem) {
          directory = try ZipDirectory(tail: bytes, fileSize: fileSize)
        } catch { problem = error }
      }
      guard let directory else { throw problem ?? .damaged }
      guard let bytes = try? Catalog.bytes(stream, file, offset: directory.offset, size: directory.size) else { throw .damaged }
      bytes.withUnsafeBufferPointer { bytes in
        do throws(ZipDirectory.Problem) {
          members = try directory.members(bytes)
        } catch { problem = error }
      }
      if let problem { throw problem }
    } catch {
      throw Catalog.failure(error, file)
    }
    guard !members.isEmpty else { throw Failure.invalid("\(file.text) is a zip archive with no file in it") }
    members.sort { $0.name.lexicographicallyPrecedes($1.name) }
    for member in members {
      guard member.method == 0 || member.method == 8 else {
        throw Failure.unsupported(
          "\(file.text): \(Text(bytes: member.name)) is packed by method \(Int(member.method)); replay reads stored and deflated members")
      }
      pieces.append(
        Piece(
          file: index, packing: .zip, name: Text(bytes: member.name), isDeflated: member.method == 8,
          headerOffset: member.headerOffset, packedSize: member.packedSize, unpackedSize: member.unpackedSize,
          crc: member.crc))
    }
  }

  private static func failure(_ problem: ZipDirectory.Problem, _ file: DataFile) -> Failure {
    switch problem {
    case .notZip, .damaged: .invalid("\(file.text) is a damaged or cut-off zip archive: fetch it again")
    case .tooLarge: .unsupported("\(file.text) is a zip archive of more than 4 GB or 65,534 members; pack it with gzip instead")
    case .encrypted: .unsupported("\(file.text) is encrypted; unpack it first")
    case .spanned: .unsupported("\(file.text) is one part of a split archive; join the parts first")
    }
  }

  /// Reads a part of a file.
  private static func bytes(
    _ stream: UnsafeMutablePointer<FILE>, _ file: DataFile, offset: UInt64, size: UInt64
  ) throws(Failure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(size))
    var have = 0
    while have < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        pread(fileno(stream), buffer.baseAddress.unsafelyUnwrapped + have, buffer.count - have, Int(offset) + have)
      }
      if count < 0, __errno_location().pointee == EINTR { continue }
      guard count > 0 else { throw Failure.io("cannot read \(file.text): \(DataFile.reason())") }
      have += count
    }
    return bytes
  }
}
