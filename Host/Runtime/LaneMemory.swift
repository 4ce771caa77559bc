import CGantry
import GantryBase
import GantryGraph

/// The unmanaged memory of a lane: everything that is touched for each event. Allocated when the
/// run is assembled, freed when it ends; nothing here is reference counted. Only the lane's thread
/// touches it while the lane runs.

/// How many events a block has at most, and how many rows a port has room for at first.
let blockRows = 256

/// Bytes behind every port's rows that must keep their value: a plugin that writes beyond its
/// reservation is found here, at the latest at the end of the block.
let guardBytes = 64
let guardPattern: UInt64 = 0x6E61_7472_7921_6721

/// How many rows a single node's port holds before they are forgotten at the end of a chain.
let keptRows = 8

/// The rows that one output port has emitted in the running block; a single node's port forgets
/// those of chains that have ended every now and then.
struct PortBuffer {
  var rows: UnsafeMutablePointer<UInt8>
  var causes: UnsafeMutablePointer<UInt32>
  /// For each row the ordinal of its chain within the block.
  var ordinals: UnsafeMutablePointer<UInt32>
  var capacity: Int
  var stride: Int
  /// Rows that have been stamped and may be read.
  var published: Int
  var arena: UnsafeMutablePointer<UInt8>?
  var arenaCapacity: Int
  var output: UnsafeMutablePointer<gantry_output>
  var schema: UnsafeMutablePointer<gantry_schema>
  /// The fingerprint of the schema that the port was laid out with: it stays when rows become wider.
  var base: UInt64
  var uses: PortUses
  var node: Int32
  var port: Int32
  /// Memory that belongs to a reader's block is not ours to free or grow.
  var isBorrowed: Bool
  /// The single nodes of this lane that read the port, by rank: `forwardCount` of them in the forward
  /// pass, and behind those `feedbackCount` over feedback edges. See `LaneWiring`.
  var readers: UnsafeMutablePointer<PortReader>?
  /// The bits of those that read it in the forward pass.
  var wakes: UInt64 = 0
  var forwardCount: Int32 = 0
  var feedbackCount: Int32 = 0
  /// Rows that a larger buffer has replaced: a node that feeds itself may still be reading them.
  var retired: UnsafeMutablePointer<RetiredRows>?
}

struct RetiredRows {
  var rows: UnsafeMutablePointer<UInt8>
  var next: UnsafeMutablePointer<RetiredRows>?
}

/// What else happens with the rows of a port.
struct PortUses: OptionSet {
  let rawValue: UInt16
  static let feedback = PortUses(rawValue: 1)
  static let queued = PortUses(rawValue: 2)
  static let journaled = PortUses(rawValue: 4)
  static let captured = PortUses(rawValue: 8)
  static let account = PortUses(rawValue: 16)
  static let execution = PortUses(rawValue: 32)
  /// Orders of a single node: from here on the chain is timed.
  static let order = PortUses(rawValue: 64)
  /// Somebody looks on.
  static let tapped = PortUses(rawValue: 128)
  /// A single node's rows with an arena, which is to be empty for the next chain.
  static let arena = PortUses(rawValue: 256)
  /// Orders to a broker outside, while a journal is followed.
  static let followed = PortUses(rawValue: 512)
}

/// One edge into a node.
struct LaneInput {
  var source: UnsafeMutablePointer<PortBuffer>
  /// Rows of `source` that this edge has taken.
  var cursor: Int
  var port: UInt32
  var edge: UInt32
  var isFeedback: Bool
  /// The edge crosses the order gate.
  var isGate: Bool
  /// The source gets blocks, or is a source: its rows of all chains of a block stand there at once.
  var isBlockEdge: Bool
  /// The events carry offsets into an arena.
  var hasArena: Bool
  /// None of the four above.
  var isPlain = false
  /// Filled in once; a call sets `base` and, where needed, `count` and `arena`.
  var batch: UnsafeMutablePointer<gantry_batch>
  /// Single events delivered since the block began.
  var delivered: UInt64
}

typealias OnBatch =
  @convention(c) (
    OpaquePointer?, UnsafePointer<gantry_batch>?, UnsafeMutablePointer<gantry_outputs>?
  ) -> gantry_status

/// Why a delivery to a node is more than a call: one byte, so that a node with nothing about it costs
/// one test. Written by the lane, at event boundaries.
struct NodeWatch: OptionSet {
  let rawValue: UInt8
  /// Its last event failed, or its breaker is not closed.
  static let troubled = NodeWatch(rawValue: 1)
  /// Another instance is fed what this one gets.
  static let followed = NodeWatch(rawValue: 2)
  /// A share of its events goes to another instance.
  static let canary = NodeWatch(rawValue: 4)
}

/// One node's counted instance, as the lane sees it.
struct LaneNode {
  var onBatch: OnBatch?
  var instance: OpaquePointer?
  var outputs: UnsafeMutablePointer<gantry_outputs>
  var inputs: UnsafeMutablePointer<LaneInput>
  var watch: NodeWatch = []
  /// Its rank among the lane's single nodes, as a bit; 0 for nodes that get blocks.
  var bit: UInt64 = 0
  /// The only edge that a chain's forward pass can bring rows over, if it is a plain one.
  var soleInput: UnsafeMutablePointer<LaneInput>?
  var inputCount: Int
  var ports: UnsafeMutablePointer<PortBuffer>
  var portCount: Int
  var context: UnsafeMutablePointer<NodeContext>
  var plugin: UnsafePointer<gantry_plugin>?
  var breaker: Breaker
  var statistics: UnsafeMutablePointer<NodeStatistics>
  /// The node's number, its own for the whole run.
  var index: Int32
  var generation: UInt32
  var isSingle: Bool
  var onErrorHalts: Bool
  /// Lane-local index of the node whose outputs stand in while this one is quarantined; -1 = none.
  var fallback: Int32
  /// Number of the node that this one stands beside; -1 = none.
  var shadows: Int32 = -1
  /// Feeds a muted instance; see `NodeWatch.followed`.
  var follower: Unmanaged<Follower>?
  /// Of a broker outside: its end of the durable edge. The run keeps it.
  var durable: Unmanaged<DurableBroker>?
  /// The node's last rows, for warming a candidate.
  var tail: UnsafeMutablePointer<InputTail>?
}

/// Counters of one node. Written by the lane with plain stores, read by others for display only.
struct NodeStatistics {
  var calls: UInt64 = 0
  var events: UInt64 = 0
  var outputs: UInt64 = 0
  var errors: UInt64 = 0
  var dropped: UInt64 = 0
  /// As it was after the last call that changed it.
  var breaker = Breaker()
}

/// What stands behind the `gantry_node` handle of one instance. Never freed while the run lives,
/// so that a late call finds `isAlive` false and nothing else.
struct NodeContext {
  var isAlive: Bool = true
  /// The thread tag of the lane (or reader) that may call [lane] functions.
  var laneTag: UInt64 = 0
  /// Set while the control thread runs create, configure or start of this instance.
  var inControl: Bool = false
  var clock: Graph.ClockKind = .replay
  /// The chain's time; behind it the chain's number, the `LaneNode` that is being called (0: none) and the
  /// first chain of a block that it is called with. The lane writes all four; a crash record reads them.
  var now: UnsafeMutablePointer<Int64>
  var random: RandomState
  var nextID: UInt64 = 0
  /// A canary's ids begin this much further on.
  var idRange: UInt64 = 1 << 37
  var mayUseTimers: Bool = false
  /// The graph grants `secrets`.
  var mayReadSecrets: Bool = false
  var timers: UnsafeMutablePointer<TimerHeap>
  var failStatus: gantry_status = 0
  var failRetryable: Bool = false
  var failLength: Int = 0
  var failText: UnsafeMutablePointer<UInt8>
  /// Bit n: metric n + 1 is a counter.
  var counters: UInt64 = 0
  var metrics: UnsafeMutablePointer<Double>
  /// Wrong calls that were refused, to be reported off the lane.
  var misuse: UInt32 = 0
  /// The node's number, its own for the whole run.
  var node: Int32
  /// Of a source: what its events carry in `origin`.
  var origin: UInt16 = 0
  /// Lane-local index, for timers.
  var slot: Int32
  /// Set by the lane for chains whose notes are kept.
  var isTraced: Bool = false
  /// The chain of the running call, for notes.
  var chain: UInt64 = 0
  /// The last note of a chain that was not traced when it was made: kept in case the chain orders.
  var heldNote: UnsafeMutablePointer<UInt8>
  var heldKeyLength = 0
  var heldTextLength = 0
  var heldChain: Int64 = -1
  var heldCause: UInt32 = 0
  var trace: Unmanaged<LaneTrace>?
  /// By position of the parameter: the models of the artifacts; the instance's own, set before configure.
  var models: UnsafeMutablePointer<gantry_model_info>?
  var modelCount = 0
  /// What it may open; the instance's own.
  var libraries: Unmanaged<LibraryAccess>?
  /// Kept alive by the run.
  var services: Unmanaged<HostServices>
}

let failTextCapacity = 1024
let noteKeyCapacity = 64
let noteTextCapacity = 256
let metricsPerNode = 64

extension Graph {
  /// The clock, in a form without strings.
  enum ClockKind: UInt32 { case replay = 1, live = 2 }
}

/// xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64.
struct RandomState {
  var a: UInt64
  var b: UInt64
  var c: UInt64
  var d: UInt64

  init(seed: UInt64) {
    var state = seed
    func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    a = next()
    b = next()
    c = next()
    d = next()
  }

  mutating func next() -> UInt64 {
    let product = b &* 5
    let result = ((product << 7) | (product >> 57)) &* 9
    let t = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << 45) | (d >> 19)
    return result
  }
}
