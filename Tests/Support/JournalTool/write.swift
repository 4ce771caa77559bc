import GantryBase
import GantryJournal
import Glibc

/// Record n holds n % 200 bytes of n's low byte; small segments, so that a kill also meets the
/// moment between two of them.
func writeUntilKilled(_ directory: String) throws {
  let writer = try JournalWriter(
    directory: directory, head: Array("{}".utf8),
    options: JournalOptions(ringBytes: 256 << 10, frameBytes: 8 << 10, segmentBytes: 32 << 10, flushNs: 1_000_000))
  let lane = writer.lane(0)
  var number: UInt64 = 0
  while lane.append(
    kind: UInt8(truncatingIfNeeded: number), sequence: number,
    UnsafeRawBufferPointer(start: patterns + Int(number & 255) * 256, count: Int(number % 200)))
  { number += 1 }
  try writer.close()
}

func fill(_ directory: String) {
  do throws(GantryError) {
    let writer = try JournalWriter(
      directory: directory, head: [], options: JournalOptions(ringBytes: 64 << 10, frameBytes: 4 << 10, flushNs: 1_000_000))
    let lane = writer.lane(0)
    var value: UInt64 = 88_172_645_463_325_252
    var number: UInt64 = 0
    while !lane.isRefusing {
      value ^= value << 13
      value ^= value >> 7
      value ^= value << 17
      lane.append(kind: 1, sequence: number, value: value)
      number += 1
    }
    print("lane refused")
    try writer.close()
  } catch {
    for diagnostic in error.diagnostics { print(diagnostic.rendered()) }
    exit(error.exitCode.rawValue)
  }
}

/// 256 bytes of each value.
nonisolated(unsafe) private let patterns: UnsafePointer<UInt8> = {  // guarded by: never written after it is made
  let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 256 * 256)
  for value in 0..<256 {
    for index in 0..<256 { bytes[value * 256 + index] = UInt8(value) }
  }
  return UnsafePointer(bytes)
}()
