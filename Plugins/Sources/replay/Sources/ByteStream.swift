import CLZ4
import CPosix
import CZlib
import GantrySDK

/// The unpacked bytes of one piece, in order. Holds a file, one input buffer and what the unpacking
/// library needs; never the whole text.
struct ByteStream {
  private var stream: UnsafeMutablePointer<FILE>?
  private var piece = Piece(file: 0, packing: .plain, name: "")
  private var label: Text = ""
  private let input: UnsafeMutablePointer<UInt8>
  private var inputStart = 0
  private var inputEnd = 0
  /// Packed bytes that are still to be read from the file.
  private var packedLeft: UInt64 = 0
  private var packedRead: UInt64 = 0
  private var unpacked: UInt64 = 0
  private var checksum: UInt = 0
  private var isEnded = true
  /// Whether the unpacking library is between two gzip members or LZ4 frames, where a file may end.
  private var isAtBoundary = true
  private let zlib: UnsafeMutablePointer<z_stream>
  private var hasZlib = false
  private var lz4: OpaquePointer?

  private static var inputSize: Int { 1 << 18 }

  init() {
    input = .allocate(capacity: ByteStream.inputSize)
    zlib = .allocate(capacity: 1)
    zlib.initialize(to: z_stream())
  }

  mutating func deallocate() {
    close()
    input.deallocate()
    zlib.deallocate()
  }

  /// Begins with a piece.
  mutating func open(_ piece: Piece, _ file: inout DataFile) throws(Failure) {
    close()
    let stream = try file.open(remember: false)
    self.stream = stream
    self.piece = piece
    label = file.text
    inputStart = 0
    inputEnd = 0
    packedLeft = .max
    packedRead = 0
    unpacked = 0
    checksum = 0
    isEnded = false
    isAtBoundary = true
    switch piece.packing {
    case .plain: break
    case .gzip: try openZlib(windowBits: 15 + 16)
    case .zip:
      try seekMember(stream, UInt64(file.size))
      if piece.isDeflated { try openZlib(windowBits: -15) }
    case .lz4:
      guard LZ4F_isError(LZ4F_createDecompressionContext(&lz4, UInt32(LZ4F_VERSION))) == 0 else {
        throw Failure(-3, "there is no memory to unpack \(label)")
      }
    }
  }

  mutating func close() {
    if let stream { fclose(stream) }
    stream = nil
    if hasZlib { inflateEnd(zlib) }
    hasZlib = false
    if let lz4 { LZ4F_freeDecompressionContext(lz4) }
    lz4 = nil
    isEnded = true
  }

  /// Writes up to `capacity` bytes and returns how many; 0 after the last one.
  mutating func read(into target: UnsafeMutablePointer<UInt8>, capacity: Int) throws(Failure) -> Int {
    guard !isEnded else { return 0 }
    let count: Int
    switch piece.packing {
    case .plain: count = try readPlain(target, capacity)
    case .zip: count = piece.isDeflated ? try readInflated(target, capacity) : try readPlain(target, capacity)
    case .gzip: count = try readInflated(target, capacity)
    case .lz4: count = try readLZ4(target, capacity)
    }
    unpacked += UInt64(count)
    try checkSize(target, count)
    return count
  }

  private mutating func checkSize(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) throws(Failure) {
    if piece.packing == .zip {
      if count > 0 { checksum = crc32_z(checksum, bytes, count) }
      if unpacked > piece.unpackedSize || (isEnded && unpacked != piece.unpackedSize) {
        throw damaged("its size is not the stated one")
      }
      if isEnded, UInt32(truncatingIfNeeded: checksum) != piece.crc { throw damaged("its checksum does not match") }
    }
    // Market data packs 4 to 40 times. What unpacks to hundreds of times its size was made to do harm.
    if piece.packing != .plain, unpacked > 1 << 26, unpacked / 250 > packedRead {
      throw Failure.invalid(
        "\(label) unpacks to more than 250 times its size, which no market data does; unpack it by hand if it is wanted")
    }
  }

  private func damaged(_ what: StaticString) -> Failure {
    .invalid("\(label) is damaged: \(what); fetch it again")
  }

  private mutating func readPlain(_ target: UnsafeMutablePointer<UInt8>, _ capacity: Int) throws(Failure) -> Int {
    let wanted = Int(min(UInt64(capacity), packedLeft))
    let count = try fill(target, wanted)
    if piece.packing == .zip ? packedLeft == 0 : count < wanted { isEnded = true }
    if count < wanted, piece.packing == .zip { throw damaged("it ends early") }
    return count
  }

  /// Reads packed bytes from the file.
  private mutating func fill(_ target: UnsafeMutablePointer<UInt8>, _ wanted: Int) throws(Failure) -> Int {
    guard let stream, let count = DataFile.read(stream, into: target, capacity: wanted) else {
      throw Failure.io("cannot read \(label): \(DataFile.reason())")
    }
    packedLeft -= UInt64(count)
    packedRead += UInt64(count)
    return count
  }

  /// Makes sure that there is packed input; false at the end of the file.
  private mutating func refill() throws(Failure) -> Bool {
    if inputStart < inputEnd { return true }
    inputStart = 0
    inputEnd = try fill(input, Int(min(UInt64(ByteStream.inputSize), packedLeft)))
    return inputEnd > 0
  }

  private mutating func openZlib(windowBits: Int32) throws(Failure) {
    zlib.pointee = z_stream()
    guard inflateInit2_(zlib, windowBits, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw Failure(-3, "there is no memory to unpack \(label)")
    }
    hasZlib = true
  }

  private mutating func readInflated(_ target: UnsafeMutablePointer<UInt8>, _ capacity: Int) throws(Failure) -> Int {
    zlib.pointee.next_out = target
    zlib.pointee.avail_out = UInt32(capacity)
    while zlib.pointee.avail_out > 0 {
      guard try refill() else {
        guard isAtBoundary, piece.packing == .gzip else { throw damaged("it ends early") }
        isEnded = true
        break
      }
      zlib.pointee.next_in = input + inputStart
      zlib.pointee.avail_in = UInt32(inputEnd - inputStart)
      isAtBoundary = false
      let status = inflate(zlib, Z_NO_FLUSH)
      inputStart = inputEnd - Int(zlib.pointee.avail_in)
      if status == Z_STREAM_END {
        if piece.packing == .zip {
          isEnded = true
          break
        }
        // Another member may follow: `cat a.gz b.gz`.
        inflateReset(zlib)
        isAtBoundary = true
      } else if status != Z_OK, status != Z_BUF_ERROR {
        throw damaged("it cannot be unpacked")
      }
    }
    return capacity - Int(zlib.pointee.avail_out)
  }

  private mutating func readLZ4(_ target: UnsafeMutablePointer<UInt8>, _ capacity: Int) throws(Failure) -> Int {
    var written = 0
    while written < capacity {
      guard try refill() else {
        guard isAtBoundary else { throw damaged("it ends early") }
        isEnded = true
        break
      }
      var outSize = capacity - written
      var inSize = inputEnd - inputStart
      let hint = LZ4F_decompress(lz4, target + written, &outSize, input + inputStart, &inSize, nil)
      guard LZ4F_isError(hint) == 0 else { throw damaged("it cannot be unpacked") }
      inputStart += inSize
      written += outSize
      // A hint of 0: a frame has ended; another one may follow.
      isAtBoundary = hint == 0
    }
    return written
  }

  /// Goes to a member's data, behind its local header.
  private mutating func seekMember(_ stream: UnsafeMutablePointer<FILE>, _ fileSize: UInt64) throws(Failure) {
    let offset = piece.headerOffset
    guard offset <= fileSize, fileSize - offset >= 30, lseek(fileno(stream), Int(offset), SEEK_SET) >= 0,
      DataFile.read(stream, into: input, capacity: 30) == 30,
      let length = ZipDirectory.localHeaderLength(UnsafeBufferPointer(start: input, count: 30)),
      length <= fileSize - offset, piece.packedSize <= fileSize - offset - length,
      lseek(fileno(stream), Int(offset + length), SEEK_SET) >= 0
    else { throw damaged("a member lies outside") }
    packedLeft = piece.packedSize
    if !piece.isDeflated, piece.packedSize != piece.unpackedSize { throw damaged("its size is not the stated one") }
  }
}
