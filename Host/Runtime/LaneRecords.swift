/// What a lane writes down: the order of what entered, the host's decisions, and what left.
/// Record layouts are little-endian structs followed by event bytes; see `RecordKind`.
public enum RecordKind: UInt8, Sendable {
  /// A run of rows of a source that can be read again: `RowsRecord`.
  case rows = 1
  /// A run of events of a source that cannot: `EventsRecord`, rows, arena.
  case events = 2
  /// A timer fired: `TimerRecord`.
  case timer = 3
  /// Events that left through a port: `EventsRecord`, rows, arena.
  case output = 4
  /// The host decided something that can change an output: `DecisionRecord`.
  case decision = 5
  /// An order passed the gate: `gantry_order`.
  case order = 6
  /// The lane ended: the number of events as u64.
  case end = 7
  /// What several edges brought and the lane ran as one block: `JoinRecord`. Its parts follow.
  case join = 8
  /// For the events record that follows: of each row, how often feedback had come round, as u32.
  case rounds = 9
  /// The graph became another one here: `ApplyRecord`, then a `SourceBegin` for each source that began.
  case change = 10
  /// Orders on their way to a broker outside, which it sees once this is on the disk: `BoundRecord`, rows.
  case bound = 11
  /// A broker outside begins: `BrokerRecord`, its name, and the orders of earlier runs without a known end.
  case broker = 12
}

/// Decisions of the host, in `DecisionRecord.what`.
public enum Decision: UInt32, Sendable {
  case breakerOpened = 1, breakerClosed, orderRefused, halted, unhalted, dropped, flipped, sourceEnded, swapBegan, flippedBack, canaryBegan, swapEnded, reconciled
}

public struct RowsRecord: BitwiseCopyable, Equatable, Sendable {
  public var node: UInt32
  public var port: UInt32
  public var count: UInt32
  public var reserved: UInt32 = 0
  public var contentHash: UInt64
  public var firstRow: UInt64
  public var firstChain: UInt64
}

public struct EventsRecord: BitwiseCopyable, Equatable, Sendable {
  public var node: UInt32
  public var port: UInt32
  public var count: UInt32
  public var stride: UInt32
  public var arenaCount: UInt64
}

/// Before the parts of a block that came over several edges: rows and events records, in which the same
/// chain is the same chain.
public struct JoinRecord: BitwiseCopyable, Equatable, Sendable {
  /// How many records belong to the block.
  public var parts: UInt32
  /// 1: what nodes of other lanes emitted after their last event.
  public var isLast: UInt32
}

public struct TimerRecord: BitwiseCopyable, Equatable, Sendable {
  public var node: UInt32
  public var reserved: UInt32 = 0
  public var tag: UInt64
  public var dueNs: Int64
  public var firedNs: Int64
}

public struct DecisionRecord: BitwiseCopyable, Equatable, Sendable {
  public var what: UInt32
  public var node: UInt32
  public var value: Int64
  public var detail: UInt32
  public var reserved: UInt32 = 0
}

/// A lane's part of an apply: every lane that there is then writes one, at the same change.
public struct ApplyRecord: BitwiseCopyable, Equatable, Sendable {
  /// Counts the applies of the run, from 1.
  public var number: UInt32
  /// How many lanes wrote this record.
  public var lanes: UInt32
  /// With the replay clock: all of this time and before ran on the old graph; else when its last chain ran.
  public var cutNs: Int64
  /// 1: the lane fired its timers up to the cut before it stood.
  public var ranToCut: UInt32
  /// How many `SourceBegin` follow.
  public var sources: UInt32
  /// SHA-256 of the `AppliedGraph` among the journal's objects.
  public var sha256: (UInt64, UInt64, UInt64, UInt64)

  public static func == (left: ApplyRecord, right: ApplyRecord) -> Bool {
    withUnsafeBytes(of: left) { left in withUnsafeBytes(of: right) { left.elementsEqual($0) } }
  }
}

/// Where a source began that an apply has made or made anew.
public struct SourceBegin: BitwiseCopyable, Equatable, Sendable {
  public var node: UInt32
  /// 1: what its last instance had pulled and no lane had run went before.
  public var goesOn: UInt32
  /// The number of its first event.
  public var chain: UInt64
  /// Events of this time and before were left out.
  public var afterNs: Int64
}

public struct BoundRecord: BitwiseCopyable, Equatable, Sendable {
  /// The broker's node.
  public var broker: UInt32
  public var count: UInt32
}

public struct BrokerRecord: BitwiseCopyable, Equatable, Sendable {
  public var node: UInt32
  /// Of its outputs, the one with executions; all ones when there is none.
  public var executions: UInt32
  public var nameBytes: UInt32
  public var count: UInt32
  /// 1: these, and those of the records that follow, are all of its orders that are open now.
  public var isFirst: UInt32
}
