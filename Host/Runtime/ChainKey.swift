import CGantry

/// Where a chain stands in the order of a whole run: by ingress time, then by source in the order of the
/// file, then by number. Timers come before events of the same time.
///
/// Lanes that join edges of other lanes take chains in this order, whenever they arrive: with the replay
/// clock always, with the live clock as far as they have arrived.
struct ChainKey: Comparable {
  var ns: Int64
  var place: UInt64
  /// Within the chain: how often feedback had come round on the lane that the rows are from.
  var round: UInt32 = 0

  static let first = ChainKey(ns: .min, place: 0)
  static let last = ChainKey(ns: .max, place: .max)
  /// All events are before this; what nodes emit after the last of them is not.
  static let beginLast = ChainKey(ns: .max, place: 0)

  init(ns: Int64, place: UInt64, round: UInt32 = 0) {
    self.ns = ns
    self.place = place
    self.round = round
  }

  /// - Parameter sources: origins up to this number are sources, those above it are lanes' timers.
  @inline(__always)
  init(_ header: UnsafePointer<gantry_header>, sources: UInt16) {
    let origin = header.pointee.origin
    let rank = origin > sources ? UInt64(origin - sources) : 1 << 17 | UInt64(origin)
    self.init(ns: header.pointee.receive_ns, place: rank << 44 | header.pointee.chain & (1 << 44 - 1))
  }

  /// The first key after this one.
  var next: ChainKey { ChainKey(ns: ns, place: place &+ 1) }

  @inline(__always)
  static func < (left: ChainKey, right: ChainKey) -> Bool {
    if left.ns != right.ns { return left.ns < right.ns }
    return left.place != right.place ? left.place < right.place : left.round < right.round
  }
}
