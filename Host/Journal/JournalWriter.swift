import CLinux
import Crypto
import GantryBase
import Glibc
import Synchronization

/// An append-only journal: lanes append records, one thread of its own compresses and writes them.
///
/// Guarantees: records of one lane are kept in order; what was appended before `close` or `flush`
/// returned without an error is in the file; the first failure (a full disk) stops the writing,
/// shows at once in `JournalLane.isRefusing`, is thrown by `close` and `flush`, and leaves a file
/// that ends with a whole frame. A journal that is let go without `close` is closed as well, but
/// then nobody hears of an error.
public final class JournalWriter: @unchecked Sendable {
  // Guarded by: `mutex` for flush and close; the rings by themselves; `thread` is joined once.
  public let directory: String
  public let options: JournalOptions
  private let core: JournalThread
  private var thread = pthread_t()
  private let isOpen = Mutex(true)

  /// Makes the folder (its parent must exist) and the first segment, and starts the thread.
  ///
  /// Throws `journal.exists` when there is a journal already, `journal.write-failed`.
  public init(directory: String, head: [UInt8], options: JournalOptions = JournalOptions()) throws(GantryError) {
    let options = options.bounded
    guard head.count <= JournalFormat.headBytesMax else {
      throw GantryError("journal.head-too-large", "the head has \(head.count) bytes; at most \(JournalFormat.headBytesMax) are kept.")
    }
    if mkdir(directory, 0o755) != 0, errno != EEXIST {
      throw journalFailure("journal.write-failed", "cannot make the folder \(directory)", errno)
    }
    guard access(directory + "/" + JournalFormat.segmentName(1), F_OK) != 0 else {
      throw GantryError(
        "journal.exists", "\(directory) holds a journal already.", help: ["name another folder; a journal is never overwritten"])
    }
    self.directory = directory
    self.options = options
    core = JournalThread(writer: try SegmentWriter(directory: directory, head: head, options: options), options: options)
    let argument = Unmanaged.passRetained(core)
    let failed = pthread_create(&thread, nil, { JournalThread.main($0!) }, argument.toOpaque())
    if failed != 0 {
      argument.release()
      isOpen.withLock { $0 = false }
      throw journalFailure("journal.write-failed", "cannot start the journal's thread", failed)
    }
  }

  deinit { try? close() }

  /// The end that lane `index` appends to, from 0. One beyond `options.lanes` is added while the
  /// journal is written.
  public func lane(_ index: Int) -> JournalLane { JournalLane(ring: core.ring(lane: index)) }

  /// Waits until all that was appended so far is written, and synced when asked.
  public func flush(sync: Bool = false) throws(GantryError) {
    let error = isOpen.withLock { isOpen -> GantryError? in
      if isOpen { core.flush(sync: sync) }
      return core.error
    }
    if let error { throw error }
  }

  /// Writes what is left, ends the file and the thread. Lanes must have stopped appending.
  /// Closing again does nothing but report the same error.
  public func close() throws(GantryError) {
    let error = isOpen.withLock { isOpen -> GantryError? in
      if isOpen {
        isOpen = false
        core.stop()
        pthread_join(thread, nil)
      }
      return core.error
    }
    if let error { throw error }
  }

  /// Told after each sync that a lane asked for, and with the reason once the journal has failed. Called on
  /// the journal's thread; `action` neither waits nor calls the journal.
  public func onSync(_ action: @escaping @Sendable (GantryError?) -> Void) { core.onSync(action) }

  public var statistics: JournalStatistics { core.statistics }

  /// Keeps bytes under their own hash, which is returned. Any thread.
  public func keep(_ bytes: [UInt8]) throws(GantryError) -> String {
    let sha256 = SHA256.hash(data: bytes).map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
    var failure: GantryError?
    bytes.withUnsafeBytes { bytes in
      do throws(GantryError) { try keep(sha256: sha256, bytes: bytes) } catch { failure = error }
    }
    if let failure { throw failure }
    return sha256
  }

  /// Keeps bytes that the head names by their SHA-256, in lower-case hexadecimal; what is there
  /// already is not written again. For the control thread.
  public func keep(sha256: String, bytes: UnsafeRawBufferPointer) throws(GantryError) {
    try JournalObjects(directory: directory).keep(sha256: sha256, bytes: bytes, sync: options.sync != .never)
  }
}
