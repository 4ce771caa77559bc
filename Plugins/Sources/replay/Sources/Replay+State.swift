import GantrySDK

/// How far the files have been read, for another instance that goes on behind the last event.
extension Replay {
  /// What an instance hands over.
  struct Place {
    var events: UInt64
    /// Of the files that they came from.
    var contentHash: UInt64
    /// The time of the last event.
    var givenNs: Int64
  }

  static var stateSchema: (name: StaticString, version: UInt32) { ("gantry.replay", 1) }

  func stateBound() -> Int { 24 }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) {
    let here = current
    try writer.write(here.events)
    try writer.write(here.contentHash)
    try writer.write(here.givenNs)
  }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("a state of version \(version); this plugin reads version 1") }
    let (events, hash, givenNs) = (try reader.read(as: UInt64.self), try reader.read(as: UInt64.self), try reader.read(as: Int64.self))
    try begin(at: Place(events: events, contentHash: hash, givenNs: givenNs))
  }
}
