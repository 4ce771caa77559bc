import CGantry

/// Where a chain stands in the order of a whole run under the replay clock: by time, then by source in
/// the order of the file, then by number. Timers come before events of the same time.
///
/// Lanes that join edges of other lanes take events in this order, whenever they arrive.
struct ChainKey: Comparable {
  var ns: Int64
  var place: UInt64

  static let first = ChainKey(ns: .min, place: 0)
  static let last = ChainKey(ns: .max, place: .max)

  init(ns: Int64, place: UInt64) {
    self.ns = ns
    self.place = place
  }

  /// - Parameter sources: origins up to this number are sources, those above it are lanes' timers.
  @inline(__always)
  init(_ header: UnsafePointer<gantry_header>, sources: UInt16) {
    let origin = header.pointee.origin
    let rank = origin > sources ? UInt64(origin - sources) : 1 << 17 | UInt64(origin)
    self.init(ns: header.pointee.receive_ns, place: rank << 44 | header.pointee.chain & (1 << 44 - 1))
  }

  @inline(__always)
  static func < (left: ChainKey, right: ChainKey) -> Bool {
    left.ns != right.ns ? left.ns < right.ns : left.place < right.place
  }
}
