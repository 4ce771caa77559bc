import CGantry
import CLinux
import GantryBase
import GantryJournal
import Synchronization

/// The thread that follows one lane's part of a journal and hands the lane exactly what it got when
/// the journal was written: events from the journal, rows from the files they came from, timers and
/// steps of changes at their places.
///
/// The lane's sources are pulled by this thread, which takes their readers' place. A file that has
/// changed since is an error.
final class JournalScript: @unchecked Sendable {  // set up while it waits or has not begun, used by its thread alone
  let lane: Int
  private(set) var ring: BlockRing
  private let path: String
  private let bell: Bell
  private let changes: ScriptedChanges
  private let sources: ScriptedSources
  /// On a live clock timers fire where the journal says.
  private let bringsTimers: Bool
  /// The apply that has made the lane; 0 for one of the first graph.
  private let begins: UInt32
  private var stride: Int
  private var readers: [Int: SourceReader] = [:]
  private var ports: [UInt64: (index: Int, stride: Int)] = [:]
  private unowned var target: Lane?
  /// The lane runs nothing more, until an apply gives it something.
  private var isOver = false
  /// Records that the running block is still to get, and whether it comes after all events.
  private var partsLeft = 0
  private var isLast = false
  private var rounds: [UInt32] = []
  private let thread = LaneThread()
  private var hasStarted = false
  private let problem = Mutex<GantryError?>(nil)

  /// - Parameters:
  ///   - stride: of the widest rows that the lane may get
  ///   - sources: makes the hand-overs of sources again
  ///   - begins: the apply that makes the lane
  init(path: String, lane: Int, stride: Int, bell: Bell, changes: ScriptedChanges, sources: ScriptedSources, begins: UInt32, bringsTimers: Bool) {
    self.sources = sources
    self.path = path
    self.lane = lane
    self.stride = stride
    self.bell = bell
    self.changes = changes
    self.begins = begins
    self.bringsTimers = bringsTimers
    ring = JournalScript.ring(stride, bell)
  }

  private static func ring(_ stride: Int, _ bell: Bell) -> BlockRing { BlockRing(rows: blockRows, stride: stride, arena: 1 << 20, bell: bell) }

  /// Before the lane's plan is made anew, while this thread waits: the ring takes rows so wide.
  func widen(to wanted: Int) {
    if wanted > stride {
      stride = wanted
      ring = JournalScript.ring(wanted, bell)
    } else {
      ring.reopen()
    }
  }

  /// The lane that this script feeds, as it is from now on, and the sources of the run.
  func take(_ lane: Lane, _ readers: [Int: SourceReader]) {
    target = lane
    self.readers = readers
    ports = [:]
    isOver = lane.ingressCount == 0
    guard !isOver else { return }
    let ingress = lane.ingresses
    for index in 0..<ingress.pointee.portCount {
      let port = ingress.pointee.ports[index]
      ports[key(UInt32(port.buffer.pointee.node), port.key)] = (index, port.buffer.pointee.stride)
    }
  }

  private func key(_ node: UInt32, _ port: UInt32) -> UInt64 { UInt64(node) << 32 | UInt64(port) }

  /// Does nothing when it has started.
  func start() throws(GantryError) {
    guard !hasStarted else { return }
    hasStarted = true
    try thread.start(name: "script:\(lane)") { [self] in
      do {
        try run()
        if !changes.goesOn || !meetAtEnd() { end(GANTRY_END) }
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
    guard !isOver, let block = ring.acquire() else { return }
    isOver = true
    block.pointee.count = 0
    block.pointee.port = 0
    block.pointee.notice = .none
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
        if !notice(.timer, record.payload) { return }
      case .decision: if try !decision(record.payload) { return }
      case .change: if try !change(record.payload) { return }
      case .end: end(GANTRY_END)
      case .output, .order, .bound, .broker: break
      }
    }
  }

  /// Something that is no events. False when the lane wants no more.
  private func notice(_ kind: BlockRing.Notice, _ payload: UnsafeRawBufferPointer) -> Bool {
    guard !isOver, let block = ring.acquire() else { return false }
    UnsafeMutableRawPointer(block.pointee.rows).copyMemory(from: payload.baseAddress!, byteCount: payload.count)
    block.pointee.notice = kind
    block.pointee.count = 0
    block.pointee.status = GANTRY_OK
    ring.publish()
    return true
  }

  /// The journal has no more for the lane, which stands here until the run goes on by itself. False when
  /// it does not.
  private func meetAtEnd() -> Bool {
    let record = changes.endRecord
    if isOver {
      if let target { changes.arrived(ended: target) }
    } else if !withUnsafeBytes(of: record, { notice(.change, $0) }) {
      return false
    }
    return changes.wait(for: record.number)
  }

  /// By origin, the number that a source's next event gets, as far as this lane has seen. After its thread's end,
  /// or while it waits.
  private(set) var nextChains: [UInt16: UInt64] = [:]

  private func note(_ header: gantry_header) {
    guard header.origin > 0, header.origin <= Origins.sourcesMax else { return }
    nextChains[header.origin] = max(nextChains[header.origin] ?? 1, header.chain &+ 1)
  }

  /// The lane stands here until the apply has been carried out.
  private func change(_ payload: UnsafeRawBufferPointer) throws -> Bool {
    guard let apply = JournalScan.apply(payload) else { throw damaged("an apply record") }
    let number = apply.record.number
    if number <= begins { return true }
    // Cut in the middle of an apply: what some lanes did after it is not followed.
    guard number <= changes.count else { return false }
    if isOver {
      if let target { changes.arrived(ended: target) }
    } else if !withUnsafeBytes(of: apply.record, { notice(.change, $0) }) {
      return false
    }
    return changes.wait(for: number)
  }

  /// A source that has given nothing so many times in a row has ended.
  private static let emptyPullsMax = 1 << 20

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
    var empty = 0
    clinux_set_thread_tag(reader.tag)
    while left > 0 {
      guard let block = ring.acquire() else { return false }
      block.pointee.notice = .none
      reader.fillAgain(block, max: min(left, blockRows))
      // It had nothing just then, or rows before an apply, which were left out.
      if block.pointee.count == 0, block.pointee.status == GANTRY_OK {
        empty += 1
        if empty < JournalScript.emptyPullsMax { continue }
      }
      empty = 0
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
    let record = payload.loadUnaligned(as: DecisionRecord.self)
    if let reader = readers[Int(record.node)] {
      clinux_set_thread_tag(reader.tag)
      if let next = try sources.handOver(record) { readers[Int(record.node)] = next }
    }
    return notice(.decision, payload)
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
    if record.count > 0 { note(payload.loadUnaligned(fromByteOffset: size + bytes - Int(record.stride), as: gantry_header.self)) }
    guard let block = ring.acquire() else { return false }
    UnsafeMutableRawPointer(block.pointee.rows).copyMemory(from: payload.baseAddress! + size, byteCount: bytes)
    UnsafeMutableRawPointer(block.pointee.arena).copyMemory(
      from: payload.baseAddress! + size + bytes, byteCount: Int(record.arenaCount))
    block.pointee.arenaCount = Int(record.arenaCount)
    block.pointee.count = Int(record.count)
    block.pointee.port = port.index
    block.pointee.notice = .none
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
}
