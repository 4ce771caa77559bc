/// One node's handling of one event or block, as it stands in a hop log: 64 bytes, no padding.
///
/// The hop of a block covers the chains `chain ..< chain + inputs` of its origin.
@frozen
public struct HopRecord: BitwiseCopyable, Sendable, Equatable {
  /// The chain's number within its origin.
  public var chain: UInt64
  /// When the call began, CLOCK_MONOTONIC nanoseconds (see `TraceMeta.monotonicStartNs`).
  public var startNs: Int64
  /// How long it took; 0 when it was not measured.
  public var durationNs: UInt32
  /// Index into `TraceMeta.nodes`.
  public var node: UInt16
  /// Index into `TraceMeta.origins`.
  public var origin: UInt16
  /// 0 at the source, +1 at every node.
  public var hop: UInt8
  public var kind: HopKind
  /// The `gantry_status` that the call returned.
  public var status: Int16
  /// Events taken in and events written.
  public var inputs: UInt32
  public var outputs: UInt32
  /// The number of the loaded code that ran.
  public var generation: UInt32
  /// For a bar or a join: the first chain of those that went into it, up to `chain`. Else 0.
  public var parentFirst: UInt64
  /// The order that this hop wrote, or that an execution was for. Else 0.
  public var orderID: UInt64
  /// The first event's own time, nanoseconds since 1970.
  public var eventNs: Int64

  @inlinable
  public init(
    chain: UInt64, startNs: Int64 = 0, durationNs: UInt32 = 0, node: UInt16 = 0, origin: UInt16 = 0, hop: UInt8 = 0,
    kind: HopKind = .batch, status: Int16 = 0, inputs: UInt32 = 1, outputs: UInt32 = 0, generation: UInt32 = 0,
    parentFirst: UInt64 = 0, orderID: UInt64 = 0, eventNs: Int64 = 0
  ) {
    self.chain = chain
    self.startNs = startNs
    self.durationNs = durationNs
    self.node = node
    self.origin = origin
    self.hop = hop
    self.kind = kind
    self.status = status
    self.inputs = inputs
    self.outputs = outputs
    self.generation = generation
    self.parentFirst = parentFirst
    self.orderID = orderID
    self.eventNs = eventNs
  }
}

/// What one 64-byte slot of a hop log holds: byte 25 of every slot.
///
/// The first four and `call` are hops, laid out as `HopRecord`. The others belong to the hop before
/// them in the same ring, laid out as `HopDetail` says.
@frozen
public struct HopKind: RawRepresentable, BitwiseCopyable, Sendable, Hashable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  @inlinable public static var source: HopKind { HopKind(rawValue: 0) }
  @inlinable public static var batch: HopKind { HopKind(rawValue: 1) }
  @inlinable public static var timer: HopKind { HopKind(rawValue: 2) }
  @inlinable public static var flush: HopKind { HopKind(rawValue: 3) }
  /// A key and a text that the plugin noted (`gantry.chain/1`).
  @inlinable public static var note: HopKind { HopKind(rawValue: 4) }
  /// An event that the hop took or wrote: its type and its payload.
  @inlinable public static var event: HopKind { HopKind(rawValue: 5) }
  /// More bytes of the note, event or alias before it.
  @inlinable public static var more: HopKind { HopKind(rawValue: 6) }
  /// An id from outside for an order of this chain.
  @inlinable public static var alias: HopKind { HopKind(rawValue: 7) }
  /// A call to something outside (`begin_dependency`); its target is in the note that follows.
  @inlinable public static var call: HopKind { HopKind(rawValue: 8) }

  /// Laid out as `HopRecord`.
  @inlinable public var isHop: Bool { rawValue <= 3 || rawValue == 8 }

  public var name: String {
    switch self {
    case .source: "source"
    case .batch: "batch"
    case .timer: "timer"
    case .flush: "flush"
    case .note: "note"
    case .event: "event"
    case .more: "more"
    case .alias: "alias"
    case .call: "call"
    default: "kind \(rawValue)"
    }
  }
}
