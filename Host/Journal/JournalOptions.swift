/// How a journal is written.
public struct JournalOptions: Sendable {
  /// When the file's bytes are forced to the disk.
  public enum Sync: Sendable {
    /// Left to the operating system: survives a crash of the process, not of the machine.
    case never
    /// Once, when the journal is closed, and for each segment that is full.
    case onClose
    /// After every round of frames: at most `flushNs` of records can be lost.
    case everyFrame
  }

  /// How many lanes write; lane 0 is the first.
  public var lanes: Int
  /// Memory of each lane's ring, a power of two from 64 KB to 64 MB. A record holds at most a
  /// quarter of it.
  public var ringBytes: Int
  /// Records are compressed in frames of about this many bytes.
  public var frameBytes: Int
  /// A segment that has reached this size is followed by a new one.
  public var segmentBytes: Int
  /// A record waits at most this long for its frame to fill.
  public var flushNs: Int64
  public var sync: Sync

  public init(
    lanes: Int = 1, ringBytes: Int = 4 << 20, frameBytes: Int = 256 << 10, segmentBytes: Int = 256 << 20,
    flushNs: Int64 = 50_000_000, sync: Sync = .onClose
  ) {
    self.lanes = lanes
    self.ringBytes = ringBytes
    self.frameBytes = frameBytes
    self.segmentBytes = segmentBytes
    self.flushNs = flushNs
    self.sync = sync
  }

  /// The nearest options that can be.
  var bounded: JournalOptions {
    var result = self
    result.lanes = min(max(lanes, 1), Int(UInt16.max))
    result.ringBytes = min(max(ringBytes, 64 << 10), 64 << 20)
    while result.ringBytes & (result.ringBytes - 1) != 0 { result.ringBytes &= result.ringBytes - 1 }
    result.frameBytes = min(max(frameBytes, 4 << 10), 4 << 20)
    result.segmentBytes = max(segmentBytes, 4 << 10)
    result.flushNs = min(max(flushNs, 1_000_000), 10_000_000_000)
    return result
  }
}

/// What has been written so far.
public struct JournalStatistics: Sendable, Equatable {
  public var records: UInt64 = 0
  public var frames: UInt64 = 0
  public var segments: Int = 1
  /// Bytes of records before compression.
  public var rawBytes: UInt64 = 0
  /// Bytes of all segments.
  public var storedBytes: UInt64 = 0
  /// How often a lane waited for room in its ring, and how long in all.
  public var stalls: UInt64 = 0
  public var stallNs: UInt64 = 0
  /// CPU time of the journal's thread.
  public var threadCpuNs: Int64 = 0

  public init() {}
}
