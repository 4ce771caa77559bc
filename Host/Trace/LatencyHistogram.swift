import Synchronization

/// Latencies in nanoseconds, counted in buckets whose width grows with the value: exact below 64,
/// then 32 buckets for each power of two, so a percentile is within 1.6 % of the truth. About 10 KB,
/// up to 73 minutes; longer ones count as 73 minutes (their true value is kept in `max`).
///
/// One thread records, with plain loads and stores; any thread reads a snapshot at any time and
/// sees every count that was made before, though not all of one instant. A handle to memory of its
/// own: whoever made it frees it with `deallocate`, after the last use by anybody.
@frozen
public struct LatencyHistogram: @unchecked Sendable {
  // Guarded by: one recording thread; all words are atomics, read relaxed by others.
  @usableFromInline let words: UnsafeMutablePointer<Atomic<UInt64>>

  /// Buckets are indexed by the highest 6 bits of the value.
  @usableFromInline static let valueMax: UInt64 = 1 << 42 - 1
  public static let bucketCount = 38 << 5
  @usableFromInline static let sumWord = 0
  @usableFromInline static let maxWord = 1
  @usableFromInline static let firstBucket = 8

  public init() {
    let count = Self.firstBucket + Self.bucketCount
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64)
    memory.initializeMemory(as: UInt64.self, repeating: 0, count: count)
    words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
  }

  public func deallocate() { UnsafeMutableRawPointer(words).deallocate() }

  /// Counts one latency.
  @inlinable @inline(__always)
  public func record(_ ns: UInt64) { record(ns, count: 1) }

  /// Counts `count` latencies of `ns` each: a block's time divided by its events.
  @inlinable @inline(__always)
  public func record(_ ns: UInt64, count: UInt64) {
    add(count, to: Self.firstBucket &+ Self.bucket(of: ns))
    add(ns &* count, to: Self.sumWord)
    if _slowPath(ns > words[Self.maxWord].load(ordering: .relaxed)) {
      words[Self.maxWord].store(ns, ordering: .relaxed)
    }
  }

  /// A load and a store, no locked instruction: there is one writer.
  @inlinable @inline(__always)
  func add(_ amount: UInt64, to word: Int) {
    words[word].store(words[word].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  /// The bucket of a value: below 32 the value itself; above, 32 times the power of two plus the
  /// five bits that follow the highest one.
  @inlinable @inline(__always)
  static func bucket(of ns: UInt64) -> Int {
    let value = ns < valueMax ? ns : valueMax
    let shift = 58 &- (value | 32).leadingZeroBitCount
    return (shift &<< 5) &+ Int(truncatingIfNeeded: value &>> UInt64(truncatingIfNeeded: shift))
  }

  /// The first value of a bucket, and how many values it has.
  static func range(of bucket: Int) -> (first: UInt64, width: UInt64) {
    if bucket < 64 { return (UInt64(bucket), 1) }
    let shift = bucket >> 5 - 1
    return (UInt64(bucket & 31 | 32) << UInt64(shift), 1 << UInt64(shift))
  }

  /// What has been counted so far. Any thread.
  public var snapshot: LatencySnapshot {
    var result = LatencySnapshot()
    for bucket in 0..<Self.bucketCount {
      let count = words[Self.firstBucket + bucket].load(ordering: .relaxed)
      if count > 0 { result.add(count, toBucket: bucket) }
    }
    result.sumNs = words[Self.sumWord].load(ordering: .relaxed)
    result.maxNs = words[Self.maxWord].load(ordering: .relaxed)
    return result
  }

  /// Forgets everything. The recording thread only.
  public func reset() {
    for word in 0..<(Self.firstBucket + Self.bucketCount) { words[word].store(0, ordering: .relaxed) }
  }
}
