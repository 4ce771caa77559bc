/// The offsets of one time zone from UTC, and what a local time means in it.
///
/// A local time that occurs twice (clocks were set back) is the first of the two instants that does not go
/// back behind the row before; one that never occurs (clocks were set forward) is counted on with the
/// offset before the change, so 02:30 becomes 03:30.
struct ZoneTable {
  /// Where each offset begins, UTC nanoseconds; the first is `Int64.min`.
  private(set) var starts: [Int64]
  /// Local time less UTC, nanoseconds.
  private(set) var offsets: [Int64]

  init(starts: [Int64], offsets: [Int64]) {
    self.starts = starts
    self.offsets = offsets
  }

  /// One offset at all times.
  init(fixedOffsetNs: Int64) {
    self.init(starts: [.min], offsets: [fixedOffsetNs])
  }

  /// An instant, and the local times around it to which the same offset applies without a doubt.
  struct Resolved {
    var utcNs: Int64
    /// Local times from `lowNs` to before `highNs` are UTC plus `offsetNs`.
    var lowNs: Int64
    var highNs: Int64
    var offsetNs: Int64
  }

  /// The instant of `localNs`; `lastNs` is the instant of the row before.
  func resolve(localNs: Int64, lastNs: Int64) -> Resolved {
    let reach: Int64 = 26 * 3_600_000_000_000
    // Only offsets in force within a day of the local time, taken as if it were UTC, can apply.
    var index = indexOfOffset(at: localNs &- reach)
    var first: Int?
    while index < starts.count, index == 0 || starts[index] <= localNs &+ reach {
      let utc = localNs &- offsets[index]
      if utc < start(index) {
        // Before this offset began, and after the one before had ended: the skipped hour.
        if first == nil { return resolved(localNs, index - 1) }
        break
      }
      if utc < end(index) {
        if utc >= lastNs || first != nil { return resolved(localNs, utc >= lastNs ? index : first ?? index) }
        first = index
      }
      index += 1
    }
    return resolved(localNs, first ?? starts.count - 1)
  }

  /// Local time less UTC at an instant.
  func offsetNs(at utcNs: Int64) -> Int64 { offsets[indexOfOffset(at: utcNs)] }

  private func start(_ index: Int) -> Int64 { starts[index] }
  private func end(_ index: Int) -> Int64 { index + 1 < starts.count ? starts[index + 1] : .max }

  private func resolved(_ localNs: Int64, _ index: Int) -> Resolved {
    let position = max(index, 0)
    let offset = offsets[position]
    var low = Int64.min
    var high = Int64.max
    if position > 0 { low = starts[position] &+ max(offset, offsets[position - 1]) }
    if position + 1 < starts.count { high = starts[position + 1] &+ min(offset, offsets[position + 1]) }
    return Resolved(utcNs: localNs &- offset, lowNs: low, highNs: high, offsetNs: offset)
  }

  /// The last offset that had begun at `utcNs`.
  private func indexOfOffset(at utcNs: Int64) -> Int {
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= utcNs { low = middle } else { high = middle }
    }
    return low
  }
}
