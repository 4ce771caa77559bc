import CGantry
import GantryBase

/// The numbers in `origin` that a layout knows, side by side: sources first, then lanes' timers.
struct OriginTable {
  /// The highest number of a source.
  var sources: Int
  var lanes: Int

  var count: Int { sources + lanes + 1 }

  /// Where an origin's values stand; 0 for one that came later.
  @inline(__always)
  func place(_ origin: UInt16) -> Int {
    let place = origin > Origins.sourcesMax ? sources + Int(origin - Origins.sourcesMax) : Int(origin)
    return place < count && (origin > Origins.sourcesMax || place <= sources) ? place : 0
  }
}

/// What a lane needs to join edges of other lanes and to tell the lanes behind it how far it is. Made and
/// freed by a `LaneLayout`.
struct JoinPlan {
  /// All that comes in; none for a lane that only its own sources feed.
  var streams: UnsafeMutablePointer<JoinStream>
  var count: Int
  /// The lane's only ingress is a journal.
  var followsScript: Bool
  var origins: OriginTable
  /// By place in `origins`: the last chain of a source of this lane; all ones for others.
  var ownChains: UnsafeMutablePointer<UInt64>
  /// The same for all origins, as other lanes are told.
  var reached: UnsafeMutablePointer<UInt64>
  /// The selected chains, and for each how often feedback had come round when its rows left another lane.
  var chains: UnsafeMutablePointer<JoinChain>
  var rounds: UnsafeMutablePointer<UInt32>

  init(_ streams: [JoinStream], followsScript: Bool, origins: OriginTable, ownOrigins: [UInt16]) {
    self.streams = .allocate(capacity: max(streams.count, 1))
    self.streams.initialize(from: streams, count: streams.count)
    count = streams.count
    self.followsScript = followsScript
    self.origins = origins
    ownChains = .allocate(capacity: origins.count)
    ownChains.initialize(repeating: .max, count: origins.count)
    for origin in ownOrigins { ownChains[origins.place(origin)] = 0 }
    reached = .allocate(capacity: origins.count)
    reached.initialize(repeating: 0, count: origins.count)
    chains = .allocate(capacity: blockRows)
    rounds = .allocate(capacity: blockRows)
    rounds.initialize(repeating: 0, count: blockRows)
  }

  func deallocate() {
    for index in 0..<count { streams[index].deallocate() }
    streams.deallocate()
    ownChains.deallocate()
    reached.deallocate()
    chains.deallocate()
    rounds.deallocate()
  }
}

/// A selected chain's first row, or the first of what a round of feedback added to it.
struct JoinChain {
  var stream: Int32
  var row: Int32
}
