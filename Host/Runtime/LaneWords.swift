import CLinux

/// What a lane shows of itself while it works: four words that its thread writes and the watchdog and a
/// crash handler look at.
///
/// 0 is the time of the chain, 1 the chain, 2 the address of the node's row that is called (0 between
/// blocks), 3 the chain of a call with many rows. They are looked at one by one: a sight of all four may
/// be of two moments.
extension UnsafeMutablePointer<Int64> {
  /// The lane's. A plain move.
  @inline(__always)
  func publish(_ value: Int64, at index: Int = 0) { clinux_store_relaxed(self + index, value) }

  /// Any other thread's.
  func seen(at index: Int) -> Int64 { clinux_load_relaxed(self + index) }
}
