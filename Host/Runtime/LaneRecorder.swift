import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

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

final class LaneRecorder: @unchecked Sendable {  // belongs to the lane's thread while it runs
  private let journal: JournalLane?
  private let services: HostServices
  private let now: UnsafeMutablePointer<Int64>
  private(set) var capture: OutputCapture?
  let timerOrigin: UInt16
  private var timerChain: UInt64 = 0
  private var sequence: UInt64 = 0
  private var queues: UnsafeMutablePointer<QueueLink>!
  private var queueCount = 0
  /// Records the journal did not take, after it failed.
  private(set) var lostRecords: UInt64 = 0

  /// One edge to another lane.
  struct QueueLink {
    var port: UnsafeMutablePointer<PortBuffer>
    var queue: Unmanaged<EdgeQueue>
    var hasEnded = false
    /// Orders that go to it are on the disk first.
    var broker: Unmanaged<DurableBroker>?
    /// Its consumer feeds this lane, directly or through others.
    var isLoop: Bool
  }

  init(
    journal: JournalLane?, services: HostServices, now: UnsafeMutablePointer<Int64>, timerOrigin: UInt16, capture: OutputCapture?
  ) {
    self.journal = journal
    self.services = services
    self.now = now
    self.timerOrigin = timerOrigin
    self.capture = capture
  }

  /// One edge to a broker outside, while a journal is followed.
  struct FollowedPort {
    var port: UnsafeMutablePointer<PortBuffer>
    var orders: Unmanaged<FollowedOrders>
  }
  private var followedPorts: UnsafeMutablePointer<FollowedPort>!
  private var followedCount = 0

  /// The edges to other lanes from now on. While the lane does not run.
  func take(_ plan: LanePlan) {
    queues = plan.links
    queueCount = plan.linkCount
    followedPorts = plan.followedPorts
    followedCount = plan.followedCount
    promised = .first
    hasBegunLast = false
  }

  func name(_ node: Int32) -> String { node >= 0 ? services.nodeName(Int(node)) : "host" }

  func nextTimerChain() -> UInt64 {
    timerChain += 1
    return timerChain
  }

  /// A flush wrote nothing, so that there is no such chain.
  func giveBackTimerChain() { timerChain -= 1 }

  @inline(__always)
  private func nextSequence() -> UInt64 {
    sequence &+= 1
    return sequence
  }

  func block(_ port: UnsafeMutablePointer<Lane.IngressPort>, block: UnsafeMutablePointer<BlockRing.Block>, offset: Int, count: Int) {
    guard let journal else { return }
    let stride = port.pointee.buffer.pointee.stride
    let node = port.pointee.buffer.pointee.node
    let rows = UnsafeRawPointer(block.pointee.rows + offset * stride)
    if port.pointee.isReplayable {
      let record = RowsRecord(
        node: UInt32(node), port: port.pointee.key, count: UInt32(count), contentHash: block.pointee.contentHash,
        firstRow: block.pointee.firstRow &+ UInt64(offset),
        firstChain: rows.load(fromByteOffset: MemoryLayout<gantry_header>.offset(of: \.chain)!, as: UInt64.self))
      keep(journal.append(kind: RecordKind.rows.rawValue, sequence: nextSequence(), value: record))
    } else {
      write(
        journal, .events, node: node, port: Int(port.pointee.key), rows: rows, count: count, stride: stride,
        arena: block.pointee.arena, arenaCount: block.pointee.arenaCount)
    }
  }

  func outputs(
    port: UnsafeMutablePointer<PortBuffer>, rows: UnsafeRawPointer, count: Int, arena: UnsafePointer<UInt8>?,
    arenaCount: Int
  ) {
    if port.pointee.uses.contains(.journaled), let journal {
      write(
        journal, .output, node: port.pointee.node, port: Int(port.pointee.port), rows: rows, count: count,
        stride: port.pointee.stride, arena: arena, arenaCount: arenaCount)
    }
    if port.pointee.uses.contains(.captured) {
      capture?.take(port: port, rows: rows, count: count, arena: arena, arenaCount: arenaCount)
    }
  }

  private func write(
    _ journal: JournalLane, _ kind: RecordKind, node: Int32, port: Int, rows: UnsafeRawPointer, count: Int, stride: Int,
    arena: UnsafePointer<UInt8>?, arenaCount: Int, type: EventType? = nil, arenaStart: Int = 0
  ) {
    let record = EventsRecord(
      node: UInt32(node), port: UInt32(port), count: UInt32(count), stride: UInt32(stride),
      arenaCount: UInt64(arenaCount))
    let size = MemoryLayout<EventsRecord>.size
    let total = size + count * stride + arenaCount
    guard let target = journal.reserve(kind: kind.rawValue, sequence: nextSequence(), count: total) else {
      lostRecords += 1
      return
    }
    target.storeBytes(of: record, as: EventsRecord.self)
    (target + size).copyMemory(from: rows, byteCount: count * stride)
    if arenaCount > 0, let arena { (target + size + count * stride).copyMemory(from: arena, byteCount: arenaCount) }
    if let type, arenaStart > 0 { ArenaText.move(target + size, count: count, stride: stride, type, by: 0 &- UInt64(arenaStart)) }
    journal.commit(count: total)
  }

  /// What follows are the `parts` of one block; see `staged` for how many those of one edge are.
  func join(parts: Int, isLast: Bool) {
    guard let journal else { return }
    let record = JoinRecord(parts: UInt32(parts), isLast: isLast ? 1 : 0)
    keep(journal.append(kind: RecordKind.join.rawValue, sequence: nextSequence(), value: record))
  }

  /// How many records `staged` makes of so many rows.
  static func parts(_ count: Int) -> Int { (count + blockRows - 1) / blockRows }

  /// Rows that came over an edge from another lane, as many as a block holds a record, each with the
  /// part of the arena that its rows refer to.
  func staged(
    _ port: UnsafeMutablePointer<Lane.IngressPort>, rows: UnsafeRawPointer, count: Int, rounds: UnsafePointer<UInt32>,
    arena: UnsafePointer<UInt8>, arenaCount: Int
  ) {
    guard let journal else { return }
    let buffer = port.pointee.buffer
    let stride = buffer.pointee.stride
    let type = EventType(rawValue: buffer.pointee.schema.pointee.type) ?? .any
    var first = 0
    while first < count {
      let part = min(count - first, blockRows)
      let start = rows + first * stride
      if (first..<first + part).contains(where: { rounds[$0] != 0 }) {
        keep(
          journal.append(
            kind: RecordKind.rounds.rawValue, sequence: nextSequence(),
            UnsafeRawBufferPointer(UnsafeBufferPointer(start: rounds + first, count: part))))
      }
      let texts = ArenaText.range(of: start, count: part, stride: stride, type, in: arenaCount)
      write(
        journal, .events, node: buffer.pointee.node, port: Int(port.pointee.key), rows: start, count: part, stride: stride,
        arena: arena + texts.lowerBound, arenaCount: texts.count, type: type, arenaStart: texts.lowerBound)
      first += part
    }
  }

  func order(_ order: UnsafePointer<gantry_order>) {
    guard let journal else { return }
    keep(
      journal.append(
        kind: RecordKind.order.rawValue, sequence: nextSequence(),
        UnsafeRawBufferPointer(start: order, count: MemoryLayout<gantry_order>.size)))
  }

  func timer(node: Int32, tag: UInt64, dueNs: Int64) {
    guard let journal else { return }
    let record = TimerRecord(node: UInt32(node), tag: tag, dueNs: dueNs, firedNs: now.pointee)
    keep(journal.append(kind: RecordKind.timer.rawValue, sequence: nextSequence(), value: record))
  }

  func decision(_ what: Decision, node: Int32, value: Int64, detail: UInt32 = 0) {
    guard let journal else { return }
    let record = DecisionRecord(what: what.rawValue, node: UInt32(bitPattern: node), value: value, detail: detail)
    keep(journal.append(kind: RecordKind.decision.rawValue, sequence: nextSequence(), value: record))
  }

  /// The lane runs another graph from here on.
  func change(_ record: ApplyRecord, _ sources: [SourceBegin]) {
    guard let journal else { return }
    keep(
      withUnsafeBytes(of: record) { record in
        sources.withUnsafeBytes { journal.append(kind: RecordKind.change.rawValue, sequence: nextSequence(), record, $0) }
      })
  }

  func laneEnded(events: UInt64) {
    if let journal { keep(journal.append(kind: RecordKind.end.rawValue, sequence: nextSequence(), value: events)) }
    finishQueues()
  }

  func forward(port: UnsafeMutablePointer<PortBuffer>, rows: UnsafeRawPointer, count: Int, round: (Int) -> UInt32) {
    for index in 0..<queueCount where queues[index].port == port {
      if let broker = queues[index].broker { broker._withUnsafeGuaranteedRef { bind(rows, count, stride: port.pointee.stride, to: $0) } }
      queues[index].queue._withUnsafeGuaranteedRef {
        $0.push(
          rows, count: count, stride: port.pointee.stride, arena: port.pointee.arena,
          arenaCount: Int(port.pointee.output.pointee.arena_count), round: round)
      }
      if queues[index].broker != nil { journal?.requestSync() }
    }
  }

  /// Writes orders down that are about to go to a broker outside.
  private func bind(_ rows: UnsafeRawPointer, _ count: Int, stride: Int, to broker: DurableBroker) {
    if !bind(rows, count, stride: stride, to: broker.number) { broker.isUnsynced.store(true, ordering: .releasing) }
  }

  /// False when the journal takes no more.
  private func bind(_ rows: UnsafeRawPointer, _ count: Int, stride: Int, to broker: Int32) -> Bool {
    let size = MemoryLayout<BoundRecord>.size
    var first = 0
    while first < count {
      let part = min(count - first, blockRows)
      let record = BoundRecord(broker: UInt32(bitPattern: broker), count: UInt32(part))
      guard let journal, let target = journal.reserve(kind: RecordKind.bound.rawValue, sequence: nextSequence(), count: size + part * stride) else {
        lostRecords += 1
        return false
      }
      target.storeBytes(of: record, as: BoundRecord.self)
      (target + size).copyMemory(from: rows + first * stride, byteCount: part * stride)
      journal.commit(count: size + part * stride)
      first += part
    }
    return true
  }

  /// Orders to a broker outside that a node has written while a journal is followed: they went there then,
  /// if they came so far.
  func followed(port: UnsafeMutablePointer<PortBuffer>, rows: UnsafeRawPointer, count: Int) {
    for index in 0..<followedCount where followedPorts[index].port == port {
      followedPorts[index].orders._withUnsafeGuaranteedRef {
        $0.emitted(rows, count, stride: port.pointee.stride)
        _ = bind(rows, count, stride: port.pointee.stride, to: $0.broker)
      }
    }
  }

  /// Asks for all that this lane has written down to be on the disk; `isSynced` says when it is.
  func requestSync() -> UInt64 {
    journal?.requestSync()
    return journal?.appended ?? 0
  }

  /// Whether that is so, or cannot become so.
  func isSynced(_ position: UInt64) -> Bool { journal.map { $0.synced >= position || $0.isRefusing } ?? true }

  /// A broker outside begins here. While the lane does not run, or is parked.
  func begin(_ broker: DurableBroker, name: String, executions: Int?) {
    guard let journal else { return }
    var orders = broker.open.inOrder[...]
    // A record has room for so many.
    var isFirst: UInt32 = 1
    repeat {
      let part = orders.prefix(1024)
      orders = orders.dropFirst(1024)
      var bytes = Array(name.utf8)
      let record = BrokerRecord(
        node: UInt32(bitPattern: broker.number), executions: executions.map { UInt32($0) } ?? .max, nameBytes: UInt32(bytes.count),
        count: UInt32(part.count), isFirst: isFirst)
      isFirst = 0
      part.withUnsafeBytes { bytes += $0 }
      withUnsafeBytes(of: record) { head in
        bytes.withUnsafeBytes { keep(journal.append(kind: RecordKind.broker.rawValue, sequence: nextSequence(), head, $0)) }
      }
    } while !orders.isEmpty
    journal.requestSync()
  }

  private func finishQueues() {
    while true {
      var waiting = -1
      for index in 0..<queueCount where !queues[index].hasEnded {
        queues[index].hasEnded = queues[index].queue._withUnsafeGuaranteedRef { $0.tryFinish() }
        if !queues[index].hasEnded { waiting = index }
      }
      guard waiting >= 0 else { return }
      queues[waiting].queue._withUnsafeGuaranteedRef { $0.ring.waitForRoom() }
    }
  }

  /// Moves what waits for other lanes, where there is room now. Returns whether something still waits.
  @discardableResult
  func drainQueues() -> Bool {
    var waits = false
    for index in 0..<queueCount {
      let stillWaits = queues[index].queue._withUnsafeGuaranteedRef { queue in
        queue.drain()
        return queue.isWaiting
      }
      waits = waits || stillWaits
    }
    return waits
  }

  /// Before a block: tells other lanes that nothing before `key` is to come, and waits where more
  /// waits for them than their queues' sizes.
  @inline(__always)
  func advance(to key: @autoclosure () -> ChainKey, _ clock: Graph.ClockKind) {
    guard queueCount > 0 else { return }
    advanceAll(to: key())
    goRound { link in
      link.queue._withUnsafeGuaranteedRef { $0.drain() }
      guard link.queue._withUnsafeGuaranteedRef({ $0.mustWait(clock) }) else { return true }
      // Lanes that feed each other would wait for each other: whoever is waited for goes on.
      return link.isLoop && lane?._withUnsafeGuaranteedRef { $0.hasQueued } ?? false
    }
  }

  /// All events have been run: what nodes emit from now on comes after them.
  func beginLast() {
    guard queueCount > 0, !hasBegunLast else { return }
    hasBegunLast = true
    advanceAll(to: .beginLast)
    goRound { link in
      link.queue._withUnsafeGuaranteedRef {
        $0.drain()
        return !$0.isWaiting
      }
    }
    for index in 0..<queueCount { queues[index].queue._withUnsafeGuaranteedRef { $0.beginLast() } }
  }

  var hasQueues: Bool { queueCount > 0 }
  private var hasBegunLast = false

  /// While nothing can be run: tells other lanes that nothing before `key` is to come.
  func promise(_ key: ChainKey) {
    guard promised < key, !hasBegunLast else { return }
    promised = key
    advanceAll(to: key)
  }
  private var promised = ChainKey.first

  /// Tells other lanes which chains of each origin are finished.
  func reach(_ chains: UnsafePointer<UInt64>) {
    for index in 0..<queueCount { queues[index].queue._withUnsafeGuaranteedRef { $0.reach(chains) } }
  }

  /// The number of the last chain that began with a timer or a flush.
  var timerChains: UInt64 { timerChain }

  private func advanceAll(to key: ChainKey) {
    for index in 0..<queueCount { queues[index].queue._withUnsafeGuaranteedRef { $0.advance(to: key) } }
  }

  /// Goes from queue to queue until each is done. It never waits for one queue alone: the consumer of
  /// that one may be waiting for what another still holds.
  private func goRound(_ isDone: (QueueLink) -> Bool) {
    while true {
      var waiting = -1
      for index in 0..<queueCount where !isDone(queues[index]) { waiting = index }
      guard waiting >= 0 else { return }
      lane?._withUnsafeGuaranteedRef { $0.answerWhileWaiting() }
      queues[waiting].queue._withUnsafeGuaranteedRef { $0.ring.waitForRoom() }
    }
  }

  /// The lane that this writes for.
  var lane: Unmanaged<Lane>?

  /// A line of the host's own about a node. Not on the path of an event that is handled well.
  func say(_ severity: LogLine.Severity, node: Int32, _ text: String) {
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        services.log.write(
          node: node, severity: severity.rawValue, chain: 0,
          gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
      }
    }
  }

  private func keep(_ taken: Bool) { if !taken { lostRecords += 1 } }
}

/// One line of a run's log.
public struct LogLine: Sendable {
  public enum Severity: UInt32, Sendable, Comparable {
    case trace = 0, debug, info, warning, error
    public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
  }
  public var severity: Severity
  public var node: String
  public var wallNs: Int64
  public var text: String
}

/// Copies of what chosen ports emitted, for `gantry test` and for comparing runs.
public final class OutputCapture: @unchecked Sendable {  // written by one lane, read after it has ended
  public struct Event: Sendable {
    public var node: Int
    public var port: Int
    public var bytes: [UInt8]
    public var arena: [UInt8]
  }
  public private(set) var events: [Event] = []
  /// No more than this many events are kept; the rest are counted.
  public let limit: Int
  public private(set) var left: UInt64 = 0

  public init(limit: Int = 1_000_000) { self.limit = limit }

  func take(
    port: UnsafeMutablePointer<PortBuffer>, rows: UnsafeRawPointer, count: Int, arena: UnsafePointer<UInt8>?,
    arenaCount: Int
  ) {
    let stride = port.pointee.stride
    for index in 0..<count {
      guard events.count < limit else {
        left += UInt64(count - index)
        return
      }
      events.append(
        Event(
          node: Int(port.pointee.node), port: Int(port.pointee.port),
          bytes: Array(UnsafeRawBufferPointer(start: rows + index * stride, count: stride)),
          arena: arena.map { Array(UnsafeBufferPointer(start: $0, count: arenaCount)) } ?? []))
    }
  }
}
