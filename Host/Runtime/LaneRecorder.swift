import CGantry
import CLinux
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// Appends to the journal what a lane runs and decides, as `LaneRecords` lays it out, and hands rows to other lanes.
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
