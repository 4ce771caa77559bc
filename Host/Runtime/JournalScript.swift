import CGantry
import CLinux
import GantryBase
import GantryJournal
import Synchronization

/// The thread that follows one lane's part of a journal and hands the lane exactly what it got when
/// the journal was written: events from the journal, rows from the files they came from, timers at
/// their places.
///
/// The lane's sources are pulled by this thread, which takes their readers' place. A file that has
/// changed since is an error.
final class JournalScript: @unchecked Sendable {  // set up before start, used by its thread alone
  let lane: Int
  private let path: String
  private let ring: BlockRing
  private let readers: [Int: SourceReader]
  /// On a live clock timers fire where the journal says.
  private let bringsTimers: Bool
  private var progress: [Int: SourceReader.Progress] = [:]
  private var ports: [UInt64: (index: Int, stride: Int)] = [:]
  /// Records that the running block is still to get, and whether it comes after all events.
  private var partsLeft = 0
  private var isLast = false
  private var rounds: [UInt32] = []
  private let thread = LaneThread()
  private let problem = Mutex<GantryError?>(nil)

  init(path: String, lane: Int, ring: BlockRing, readers: [Int: SourceReader], bringsTimers: Bool) {
    self.bringsTimers = bringsTimers
    self.path = path
    self.lane = lane
    self.ring = ring
    self.readers = readers
    for (node, reader) in readers { progress[node] = reader.firstProgress }
  }

  /// The lane's one ingress, whose ports this script feeds.
  func take(_ ingress: UnsafeMutablePointer<Lane.Ingress>) {
    for index in 0..<ingress.pointee.portCount {
      let port = ingress.pointee.ports[index]
      ports[key(UInt32(port.buffer.pointee.node), port.key)] = (index, port.buffer.pointee.stride)
    }
  }

  private func key(_ node: UInt32, _ port: UInt32) -> UInt64 { UInt64(node) << 32 | UInt64(port) }

  func start() throws(GantryError) {
    try thread.start(name: "script:\(lane)") { [self] in
      do {
        try run()
        end(GANTRY_END)
      } catch let error as GantryError {
        problem.withLock { $0 = error }
        end(GANTRY_INVALID)
      } catch {
        end(GANTRY_BUG)
      }
    }
  }

  func join() {
    ring.close()
    thread.join()
  }

  /// What kept the journal from being followed to its end.
  var failure: GantryError? { problem.withLock { $0 } }

  private func end(_ status: gantry_status) {
    guard let block = ring.acquire() else { return }
    block.pointee.count = 0
    block.pointee.port = 0
    block.pointee.isTimer = false
    block.pointee.isDecision = false
    block.pointee.status = status
    ring.publish()
  }

  private func run() throws {
    let reader = try JournalReader(directory: path)
    while let record = try reader.next() {
      guard record.lane == lane, let kind = RecordKind(rawValue: record.kind) else { continue }
      switch kind {
      case .join:
        guard record.payload.count == MemoryLayout<JoinRecord>.size else { throw damaged("a join record") }
        let join = record.payload.loadUnaligned(as: JoinRecord.self)
        partsLeft = Int(join.parts)
        isLast = join.isLast != 0
      case .rounds:
        guard record.payload.count <= blockRows * MemoryLayout<UInt32>.size else { throw damaged("a rounds record") }
        rounds = (0..<record.payload.count / MemoryLayout<UInt32>.size).map {
          record.payload.loadUnaligned(fromByteOffset: $0 * MemoryLayout<UInt32>.size, as: UInt32.self)
        }
      case .rows: if try !rows(record.payload) { return }
      case .events: if try !events(record.payload) { return }
      case .timer where !bringsTimers: break
      case .timer:
        guard record.payload.count == MemoryLayout<TimerRecord>.size else { throw damaged("a timer record") }
        guard let block = ring.acquire() else { return }
        UnsafeMutableRawPointer(block.pointee.rows).copyMemory(
          from: record.payload.baseAddress!, byteCount: record.payload.count)
        block.pointee.isTimer = true
        block.pointee.isDecision = false
        block.pointee.count = 0
        block.pointee.status = GANTRY_OK
        ring.publish()
      case .decision: if try !decision(record.payload) { return }
      case .change:
        guard record.payload.count >= MemoryLayout<ApplyRecord>.size else { throw damaged("an apply record") }
        let apply = record.payload.loadUnaligned(as: ApplyRecord.self)
        throw GantryError(
          "replay.graph-changed", "apply \(apply.number) changed the graph here, and a replay runs one graph only",
          help: ["swaps of single nodes are followed; of a run with an apply only what came before it can be replayed"], exit: .failed)
      case .output, .order, .end: break
      }
    }
  }

  /// False when the lane wants no more.
  private func rows(_ payload: UnsafeRawBufferPointer) throws -> Bool {
    guard payload.count == MemoryLayout<RowsRecord>.size else { throw damaged("a rows record") }
    let record = payload.loadUnaligned(as: RowsRecord.self)
    let node = Int(record.node)
    guard let reader = readers[node], let port = ports[key(record.node, record.port)] else {
      throw damaged("a rows record of a node that is no source")
    }
    var left = Int(record.count)
    var isFirst = true
    clinux_set_thread_tag(reader.tag)
    while left > 0 {
      guard let block = ring.acquire() else { return false }
      block.pointee.isTimer = false
      block.pointee.isDecision = false
      _ = reader.fill(block, max: min(left, blockRows), &progress[node]!)
      if isFirst, block.pointee.contentHash != record.contentHash {
        throw GantryError(
          "replay.source-changed", "the data behind source node \(node) are not those of the journal",
          help: ["bring back the files that the journal names, unchanged"])
      }
      isFirst = false
      guard block.pointee.count > 0, block.pointee.count <= left else {
        throw GantryError("replay.source-short", "source node \(node) ended before the journal did")
      }
      left -= block.pointee.count
      block.pointee.port = port.index
      block.pointee.status = GANTRY_OK
      publish(block, isWhole: left == 0)
    }
    return true
  }

  /// Steps of swaps are taken where they were taken then.
  private func decision(_ payload: UnsafeRawBufferPointer) throws -> Bool {
    guard payload.count == MemoryLayout<DecisionRecord>.size else { throw damaged("a decision record") }
    switch Decision(rawValue: payload.loadUnaligned(as: DecisionRecord.self).what) {
    case .swapBegan, .canaryBegan, .flipped, .flippedBack, .swapEnded: break
    default: return true
    }
    guard let block = ring.acquire() else { return false }
    UnsafeMutableRawPointer(block.pointee.rows).copyMemory(from: payload.baseAddress!, byteCount: payload.count)
    block.pointee.isTimer = false
    block.pointee.isDecision = true
    block.pointee.count = 0
    block.pointee.status = GANTRY_OK
    ring.publish()
    return true
  }

  private func events(_ payload: UnsafeRawBufferPointer) throws -> Bool {
    let size = MemoryLayout<EventsRecord>.size
    guard payload.count >= size else { throw damaged("an events record") }
    let record = payload.loadUnaligned(as: EventsRecord.self)
    let bytes = Int(record.count) * Int(record.stride)
    guard let port = ports[key(record.node, record.port)], port.stride == Int(record.stride),
      record.count <= UInt32(blockRows), record.arenaCount <= UInt64(ring.arenaCapacity),
      payload.count == size + bytes + Int(record.arenaCount)
    else { throw damaged("an events record that does not fit the graph") }
    guard let block = ring.acquire() else { return false }
    UnsafeMutableRawPointer(block.pointee.rows).copyMemory(from: payload.baseAddress! + size, byteCount: bytes)
    UnsafeMutableRawPointer(block.pointee.arena).copyMemory(
      from: payload.baseAddress! + size + bytes, byteCount: Int(record.arenaCount))
    block.pointee.arenaCount = Int(record.arenaCount)
    block.pointee.count = Int(record.count)
    block.pointee.port = port.index
    block.pointee.isTimer = false
    block.pointee.isDecision = false
    block.pointee.status = GANTRY_OK
    publish(block, isWhole: true)
    return true
  }

  /// Hands a block of rows to the lane; with `isWhole` a record has been handed over.
  private func publish(_ block: UnsafeMutablePointer<BlockRing.Block>, isWhole: Bool) {
    block.pointee.isLast = isLast
    for row in 0..<block.pointee.count { block.pointee.causes[row] = row < rounds.count ? rounds[row] : 0 }
    rounds = []
    block.pointee.isPart = partsLeft > 1 || (partsLeft == 1 && !isWhole)
    if isWhole, partsLeft > 0 { partsLeft -= 1 }
    if partsLeft == 0 { isLast = false }
    ring.publish()
  }

  private func damaged(_ what: String) -> GantryError {
    GantryError("replay.no-fit", "\(path) holds \(what)", help: ["replay it with the graph it was written with"])
  }

  /// Orders that the gate refused in a journal, and why.
  static func refusals(_ path: String) throws(GantryError) -> [UInt64: UInt32] {
    let reader = try JournalReader(directory: path)
    var refused: [UInt64: UInt32] = [:]
    while let record = try reader.next() {
      guard record.kind == RecordKind.decision.rawValue, record.payload.count == MemoryLayout<DecisionRecord>.size
      else { continue }
      let decision = record.payload.loadUnaligned(as: DecisionRecord.self)
      if decision.what == Decision.orderRefused.rawValue { refused[UInt64(bitPattern: decision.value)] = decision.detail }
    }
    return refused
  }
}
