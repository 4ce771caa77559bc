import CLZ4
import CLinux
import GantryBase
import Glibc

/// Compresses runs of records into frames and writes them into segments. Used by one thread at a
/// time. After an error nothing more is written, and the file ends with the last whole frame.
final class SegmentWriter {
  let directory: String
  let journal: UInt64
  private let options: JournalOptions
  private let buffer: UnsafeMutableRawPointer
  private let bufferBytes: Int
  private var fd: Int32 = -1
  private var segmentOffset = 0
  private var previous: UInt32 = 0
  private(set) var segment = 0
  private(set) var frames: UInt64 = 0
  private(set) var records: UInt64 = 0
  private(set) var rawBytes: UInt64 = 0
  private(set) var storedBytes: UInt64 = 0

  init(directory: String, head: [UInt8], options: JournalOptions) throws(GantryError) {
    self.directory = directory
    self.options = options
    journal = UInt64.random(in: 1 ... .max)
    var preferences = Self.preferences(rawBytes: JournalFormat.frameBytesMax)
    let rawMax = max(options.frameBytes, options.ringBytes / 4 + 32)
    bufferBytes = JournalFormat.frameHeaderBytes + LZ4F_compressFrameBound(rawMax, &preferences)
    buffer = .allocate(byteCount: bufferBytes, alignment: 4096)
    do throws(GantryError) {
      try begin(segment: 1, head: head)
    } catch {
      buffer.deallocate()
      if fd >= 0 { Glibc.close(fd) }
      throw error
    }
  }

  deinit {
    if fd >= 0 { Glibc.close(fd) }
    buffer.deallocate()
  }

  /// Writes one frame: whole records of one lane, as they stand in its ring.
  func write(
    _ bytes: UnsafeRawBufferPointer, records count: Int, firstSequence: UInt64, lane: Int
  ) throws(GantryError) {
    if segmentOffset >= options.segmentBytes { try roll() }
    var preferences = Self.preferences(rawBytes: bytes.count)
    let body = buffer + JournalFormat.frameHeaderBytes
    let stored = LZ4F_compressFrame(body, bufferBytes - JournalFormat.frameHeaderBytes, bytes.baseAddress, bytes.count, &preferences)
    guard LZ4F_isError(stored) == 0 else {
      throw GantryError(
        "journal.write-failed", "LZ4 could not compress \(bytes.count) bytes: \(String(cString: LZ4F_getErrorName(stored))).",
        exit: .bug)
    }
    let header = FrameHeader(
      number: frames, firstSequence: firstSequence, records: UInt32(count), rawBytes: UInt32(bytes.count),
      storedBytes: UInt32(stored), storedChecksum: JournalFormat.checksum(UnsafeRawBufferPointer(start: body, count: stored)),
      lane: UInt16(lane), previous: previous, writtenNs: clinux_wall_ns())
    let checksum = header.write(to: buffer, journal: journal)
    try put(JournalFormat.frameHeaderBytes + stored)
    previous = checksum
    frames += 1
    records += UInt64(count)
    rawBytes += UInt64(bytes.count)
  }

  /// Writes the end mark and closes the file.
  func close() throws(GantryError) {
    guard fd >= 0 else { return }
    endMark(.closed).write(to: buffer, journal: journal)
    try put(JournalFormat.frameHeaderBytes)
    if wantsNames { try sync() } else if options.sync != .never, fdatasync(fd) != 0 { throw failure("sync", errno) }
    guard Glibc.close(fd) == 0 else {
      fd = -1
      throw failure("close", errno)
    }
    fd = -1
  }

  func sync() throws(GantryError) {
    wantsNames = true
    if fdatasync(fd) != 0 { throw failure("sync", errno) }
    if !isNameSynced { try syncNames() }
  }
  /// Somebody relies on what is synced, names of files included.
  private var wantsNames = false

  /// A file's bytes on the disk are found again only if its name is there, and those of the folders above
  /// it: the run's, and the one that holds the runs.
  private func syncNames() throws(GantryError) {
    for path in [directory, directory + "/..", directory + "/../.."] {
      let folder = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard folder >= 0 else { continue }
      let failed = fsync(folder) == 0 ? 0 : errno
      Glibc.close(folder)
      // Some file systems do not sync folders; they say so.
      if failed != 0, failed != EINVAL, failed != EBADF { throw failure("sync the name of", failed) }
    }
    isNameSynced = true
  }
  private var isNameSynced = false

  /// The next segment's header stands before this one's end mark is written, so that a last
  /// segment that went missing is noticed.
  private func roll() throws(GantryError) {
    let full = (fd: fd, offset: segmentOffset, segment: segment)
    let mark = endMark(.goesOn)
    fd = -1
    defer { Glibc.close(full.fd) }
    try begin(segment: segment + 1, head: [])
    mark.write(to: buffer, journal: journal)
    var failed = writeAll(full.fd, buffer, JournalFormat.frameHeaderBytes)
    if failed == 0, options.sync != .never, fdatasync(full.fd) != 0 { failed = errno }
    if failed != 0 {
      ftruncate(full.fd, off_t(full.offset))
      throw journalFailure("journal.write-failed", "cannot end \(directory)/\(JournalFormat.segmentName(full.segment))", failed)
    }
    storedBytes += UInt64(JournalFormat.frameHeaderBytes)
  }

  private func endMark(_ end: SegmentEnd) -> FrameHeader {
    FrameHeader(
      isEnd: true, number: frames, firstSequence: records, records: end.rawValue, previous: previous,
      writtenNs: clinux_wall_ns())
  }

  /// A segment gets its name once its header stands in it: whoever finds one can read it, even when the
  /// writer is killed right here.
  private func begin(segment number: Int, head: [UInt8]) throws(GantryError) {
    let path = directory + "/" + JournalFormat.segmentName(number)
    let unnamed = path + JournalFormat.unnamedSuffix
    fd = Glibc.open(unnamed, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if fd < 0 {
      throw journalFailure("journal.write-failed", "cannot create \(path)", errno)
    }
    segment = number
    segmentOffset = 0
    isNameSynced = false
    do throws(GantryError) {
      try writeSegmentHeader(head: head)
    } catch {
      unlink(unnamed)
      throw error
    }
    let failed = clinux_rename_new(unnamed, path)
    guard failed == 0 else {
      unlink(unnamed)
      throw journalFailure("journal.write-failed", "cannot create \(path)", failed)
    }
  }

  private func writeSegmentHeader(head: [UInt8]) throws(GantryError) {
    var bytes = [UInt8](repeating: 0, count: JournalFormat.segmentHeaderBytes) + head
    let count = bytes.count
    var checksum: UInt32 = 0
    let failed = bytes.withUnsafeMutableBytes { raw -> Int32 in
      let start = raw.baseAddress!
      start.storeBytes(of: JournalFormat.segmentMagic.littleEndian, toByteOffset: 0, as: UInt32.self)
      start.storeBytes(of: UInt32(count - 8).littleEndian, toByteOffset: 4, as: UInt32.self)
      start.storeBytes(of: JournalFormat.signature.littleEndian, toByteOffset: 8, as: UInt64.self)
      start.storeBytes(of: JournalFormat.version.littleEndian, toByteOffset: 16, as: UInt32.self)
      start.storeBytes(of: UInt32(segment).littleEndian, toByteOffset: 20, as: UInt32.self)
      start.storeBytes(of: journal.littleEndian, toByteOffset: 24, as: UInt64.self)
      start.storeBytes(of: frames.littleEndian, toByteOffset: 32, as: UInt64.self)
      start.storeBytes(of: clinux_wall_ns().littleEndian, toByteOffset: 40, as: Int64.self)
      start.storeBytes(of: UInt32(head.count).littleEndian, toByteOffset: 48, as: UInt32.self)
      checksum = SegmentHeader.checksum(UnsafeRawBufferPointer(raw))
      start.storeBytes(of: checksum.littleEndian, toByteOffset: 52, as: UInt32.self)
      return writeAll(fd, start, count)
    }
    if failed != 0 { throw failure("write", failed) }
    previous = checksum
    segmentOffset = count
    storedBytes += UInt64(count)
  }

  /// Writes the first `count` bytes of the buffer; what a failed write left behind is cut off.
  private func put(_ count: Int) throws(GantryError) {
    let failed = writeAll(fd, buffer, count)
    if failed != 0 {
      ftruncate(fd, segmentOffset)
      throw failure("write", failed)
    }
    segmentOffset += count
    storedBytes += UInt64(count)
  }

  private func failure(_ what: String, _ code: Int32) -> GantryError {
    journalFailure(
      "journal.write-failed", "cannot \(what) \(directory)/\(JournalFormat.segmentName(segment)) at byte \(segmentOffset)", code)
  }

  /// The fastest level, blocks that can be decompressed by themselves, the size stated.
  private static func preferences(rawBytes: Int) -> LZ4F_preferences_t {
    var result = LZ4F_preferences_t()
    result.frameInfo.blockSizeID = rawBytes <= 256 << 10 ? LZ4F_max256KB : LZ4F_max4MB
    result.frameInfo.blockMode = LZ4F_blockIndependent
    result.frameInfo.contentSize = UInt64(rawBytes)
    return result
  }
}

/// Writes all bytes; 0, or the errno of the write that failed.
func writeAll(_ fd: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int32 {
  var done = 0
  while done < count {
    let written = write(fd, bytes + done, count - done)
    if written < 0 {
      if errno == EINTR { continue }
      return errno
    }
    done += written
  }
  return 0
}

/// The error of a system call, with a remedy where there is a usual one.
func journalFailure(_ code: String, _ what: String, _ number: Int32) -> GantryError {
  var help: [String] = []
  switch number {
  case ENOSPC, EDQUOT: help = ["free space on the disk, or write the journal elsewhere"]
  case EACCES, EPERM, EROFS: help = ["the folder must be writable for this user"]
  case EMFILE, ENFILE: help = ["raise the limit of open files (ulimit -n)"]
  default: break
  }
  return GantryError(code, "\(what): \(String(cString: strerror(number))).", help: help, exit: .failed)
}
