import CGantry
import GantryBase

/// Compares what a candidate wrote with what the counted instance wrote for the same call: field by
/// field, without what the host stamps and without names that differ by intention (a prediction's
/// model).
struct OutputComparison {
  /// What two instances' outputs had in common so far.
  struct Result: Equatable, Sendable {
    var rows: UInt64 = 0
    var differing: UInt64 = 0
    /// The largest absolute difference of a number.
    var largest: Double = 0
  }

  private(set) var result = Result()

  /// One pair of rows of a port.
  mutating func compare(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, type: UInt32, stride: Int) {
    result.rows &+= 1
    var isEqual =
      left.load(fromByteOffset: 0, as: gantry_header.self).instrument == right.load(as: gantry_header.self).instrument
      || right.load(as: gantry_header.self).instrument == 0
    let header = MemoryLayout<gantry_header>.size
    switch type {
    case UInt32(GANTRY_FEATURES): isEqual = doubles(left + header, right + header, (stride - header) / 8) && isEqual
    case UInt32(GANTRY_PREDICTION):
      let a = left.assumingMemoryBound(to: gantry_prediction.self).pointee
      let b = right.assumingMemoryBound(to: gantry_prediction.self).pointee
      isEqual = number(a.value, b.value) && isEqual
      isEqual = number(a.probability, b.probability) && isEqual
      isEqual = a.horizon_ns == b.horizon_ns && a.label == b.label && isEqual
    case UInt32(GANTRY_SIGNAL): isEqual = doubles(left + header, right + header, (stride - header) / 8) && isEqual
    case UInt32(GANTRY_ALERT), UInt32(GANTRY_BLOB), UInt32(GANTRY_BOOK), UInt32(GANTRY_NEWS), UInt32(GANTRY_CALENDAR):
      // The first field is an offset into an arena.
      isEqual = bytes(left + header + 8, right + header + 8, stride - header - 8) && isEqual
    default: isEqual = bytes(left + header, right + header, stride - header) && isEqual
    }
    if !isEqual { result.differing &+= 1 }
  }

  /// One of the two wrote `count` rows more.
  mutating func surplus(_ count: Int) {
    result.rows &+= UInt64(count)
    result.differing &+= UInt64(count)
  }

  private mutating func number(_ a: Double, _ b: Double) -> Bool {
    if a == b || (a.isNaN && b.isNaN) { return true }
    let difference = abs(a - b)
    if !(difference <= result.largest) { result.largest = difference.isNaN ? .infinity : difference }
    return false
  }

  private mutating func doubles(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
    var isEqual = true
    for index in 0..<count {
      isEqual = number(a.load(fromByteOffset: index * 8, as: Double.self), b.load(fromByteOffset: index * 8, as: Double.self)) && isEqual
    }
    return isEqual
  }

  private func bytes(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
    for index in 0..<count where a.load(fromByteOffset: index, as: UInt8.self) != b.load(fromByteOffset: index, as: UInt8.self) {
      return false
    }
    return true
  }
}
