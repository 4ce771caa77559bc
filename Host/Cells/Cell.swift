import CGantry
import CLinux
import GantryBase
import GantryRuntime
import Glibc
import Synchronization

/// One instance that runs in a child process, and all that the host keeps for it.
///
/// Guarantees: the child's crash, hang or greed ends the child and nothing else; the call it was in
/// returns an error, as does every call until a new child stands where the old one stood. A call is
/// either handled once, outputs and all, or not at all. No child outlives its cell, or the host.
///
/// The lane, the reader and the control thread call through `take`, one at a time. The watcher, a thread
/// of its own, spawns the child, hears of its end and brings it back.
final class Cell: @unchecked Sendable {  // what is not atomic belongs to whoever has taken the turn
  enum Phase: UInt32 { case booting = 0, ready, restarting, closed }

  let recipe: CellRecipe
  let host: UnsafePointer<gantry_host>
  let node: OpaquePointer?
  private let turn = Atomic<UInt32>(0)
  private let phase = Atomic<UInt32>(0)
  private let closing = Atomic<Bool>(false)
  /// The child was told to go: that it ends is no failure.
  private let leaving = Atomic<Bool>(false)
  private let thread = LaneThread()
  let bell: Int32

  private(set) var link: CellLink?
  var facts = CellFacts()
  var tail = CellTail()
  /// Calls handled so far.
  var number: UInt64 = 0
  var requestedSnapshotAt: UInt64 = 0
  /// Calls that the newest snapshot stands for.
  var coveredCalls: UInt64 = 0
  var hasAnnounced = false
  /// Output ports whose events have offsets into an arena.
  let arenaPorts: [Int]

  // What a new child is taken through.
  var configuration: [UInt8]?
  var isStarted = false
  /// Live parameters that came before the tail, and those that stand in it.
  var applied: [UInt8]?
  var newlyApplied: (number: UInt64, values: [UInt8])?
  /// Answers that create, configure and start got.
  var firstAnswers: [CellCall: [UInt64]] = [:]
  /// The state that the tail follows, when it does not begin with the first call.
  var base: (version: UInt32, bytes: [UInt8])?
  /// The last call whose answers were not all kept: a new child would not be the same.
  var forgottenAt: UInt64 = 0

  var restart = CellRestart()
  private var bornNs: Int64 = 0
  private let history = Mutex(History())

  struct History {
    var restarts = 0
    var lastEnd = ""
    var pid: Int32 = 0
    var walls: UInt32 = 0
  }

  /// Told how a child ended that nobody had asked to.
  let onEnd: @Sendable (String) -> Void

  init(
    recipe: CellRecipe, host: UnsafePointer<gantry_host>, node: OpaquePointer?, onEnd: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.recipe = recipe
    self.onEnd = onEnd
    self.host = host
    self.node = node
    bell = clinux_make_bell()
    arenaPorts = recipe.outputs.indices.filter { PortSchema.hasArena(recipe.outputs[$0].type) }
  }

  deinit {
    tail.deallocate()
    if bell >= 0 { close(bell) }
  }

  // MARK: life

  /// Spawns the first child and loads the plugin in it. Throws with what the child said.
  func open() throws(GantryError) {
    guard bell >= 0 else { throw CellMemory.refused("a bell") }
    guard recipe.outputs.count <= Int(CLINUX_CELL_PORTS) else {
      throw GantryError("cell.too-many-ports", "a cell takes at most \(CLINUX_CELL_PORTS) output ports; \(recipe.boot.plugin) has \(recipe.outputs.count)")
    }
    let outcome = CellPromise<Result<Void, GantryError>>()
    try thread.start(name: "cell:\(recipe.boot.node)") { [self] in
      do throws(GantryError) {
        let (first, facts) = try boot()
        link = first
        self.facts = facts
        phase.store(Phase.ready.rawValue, ordering: .releasing)
        tellOfWalls()
        outcome.keep(.success(()))
      } catch {
        return outcome.keep(.failure(error))
      }
      watch()
    }
    do {
      try outcome.value().get()
    } catch {
      thread.join()
      throw error
    }
  }

  /// A child with its plugin loaded and nothing else. The watcher only: the child dies with its thread.
  private func boot() throws(GantryError) -> (CellLink, CellFacts) {
    let memory = try CellMemory(ports: recipe.outputs.count)
    let process = try CellProcess(executable: recipe.executable, name: recipe.boot.node, memory: memory.descriptor, bell: bell)
    memory.closeDescriptor()
    let link = CellLink(memory: memory, process: process, bell: bell, host: host, node: node)
    link.servesOthers = true
    defer { link.servesOthers = false }
    let boot = recipe.boot.encoded
    boot.withUnsafeBytes { memory.payload.copyMemory(from: $0.baseAddress!, byteCount: boot.count) }
    link.calls.pointee.request.pointee.bytes = UInt64(boot.count)
    let outcome = link.exchange(link.calls, .boot, deadlineNs: recipe.limits.controlDeadlineNs)
    link.listen()
    guard outcome == .done else {
      if outcome != .ended { link.end("did not boot") }
      throw GantryError("cell.ended", "the cell of \(recipe.boot.node) \(link.epitaph)", exit: .failed)
    }
    let reply = link.calls.pointee.reply.pointee
    let length = Int(min(reply.bytes, UInt64(CellMemory.Area.payload)))
    let bytes = Array(UnsafeRawBufferPointer(start: memory.payload, count: length))
    guard reply.status == GANTRY_OK else {
      throw GantryError("cell.not-loaded", String(decoding: bytes, as: UTF8.self))
    }
    guard let facts = CellFacts(bytes) else { throw GantryError("cell.ended", "the cell of \(recipe.boot.node) broke the protocol of cells") }
    bornNs = clinux_monotonic_ns()
    history.withLock {
      $0.pid = process.pid
      $0.walls = facts.walls
    }
    return (link, facts)
  }

  /// The last call: the child destroys its instance and exits. `shutDown` follows.
  func leave() {
    leaving.store(true, ordering: .releasing)
    guard let link = take() else { return }
    if link.exchange(link.calls, .destroy, deadlineNs: recipe.limits.deadlineNs) != .done { onEnd(link.epitaph) }
    give()
  }

  /// Ends the child for good and waits for it and for the watcher. Nothing is called afterwards.
  func shutDown() {
    phase.store(Phase.closed.rawValue, ordering: .releasing)
    closing.store(true, ordering: .releasing)
    clinux_ring_bell(bell)
    thread.join()
    link = nil
  }

  // MARK: taking turns

  /// The living link, when there is one; give the turn back with `give`. Nobody but the watcher ever
  /// stands in the way, and only for as long as it takes to exchange two pointers.
  @inline(__always)
  func take() -> CellLink? {
    while turn.exchange(1, ordering: .acquiring) != 0 { sched_yield() }
    if phase.load(ordering: .relaxed) == Phase.ready.rawValue, let link { return link }
    give()
    return nil
  }

  @inline(__always)
  func give() { turn.store(0, ordering: .releasing) }

  var isClosed: Bool { phase.load(ordering: .acquiring) == Phase.closed.rawValue }
  var isReady: Bool { phase.load(ordering: .acquiring) == Phase.ready.rawValue }
  var past: History { history.withLock { $0 } }

  // MARK: the watcher

  private func watch() {
    while !closing.load(ordering: .acquiring) {
      guard let link else { return }
      var polled = [
        pollfd(fd: link.process.watch, events: Int16(POLLIN), revents: 0), pollfd(fd: bell, events: Int16(POLLIN), revents: 0),
        pollfd(fd: link.process.output, events: Int16(POLLIN), revents: 0),
      ]
      poll(&polled, 3, link.process.watch >= 0 ? 1_000 : 5)
      if polled[1].revents != 0 { clinux_quiet_bell(bell) }
      link.listen()
      link.serveOthers()
      if link.noticeEnd() {
        if closing.load(ordering: .acquiring) { break }
        // Whoever told it to go hears whether it did as it was told.
        if leaving.load(ordering: .acquiring) { waitForClose() } else { mourn(link) }
      }
    }
    link?.end("was ended")
    link?.listen()
  }

  /// The child has ended: say so, and bring it back.
  private func mourn(_ dead: CellLink) {
    while turn.exchange(1, ordering: .acquiring) != 0 { sched_yield() }
    if phase.load(ordering: .relaxed) == Phase.ready.rawValue { phase.store(Phase.restarting.rawValue, ordering: .releasing) }
    keepSnapshot(of: dead)
    give()
    dead.listen()
    let end = dead.epitaph
    history.withLock { $0.lastEnd = end }
    onEnd(end)
    if recipe.limits.isThrowaway { return waitForClose() }
    var pauseNs = restart.ended(afterNs: clinux_monotonic_ns() - bornNs)
    dead.log(GANTRY_LOG_ERROR, "its cell \(end); a new one follows in \(pauseNs / 1_000_000) ms")
    while !closing.load(ordering: .acquiring) {
      if !rest(pauseNs) { return }
      do throws(GantryError) {
        try bringBack(dead)
        return
      } catch {
        pauseNs = restart.failed()
        dead.log(
          GANTRY_LOG_ERROR, "its cell could not be brought back: \(error.diagnostics.first?.text ?? ""); again in \(pauseNs / 1_000_000) ms")
      }
    }
  }

  private func waitForClose() {
    while rest(1_000_000_000) {}
  }

  /// Waits, but not beyond the cell's end. False when that has come.
  private func rest(_ ns: Int64) -> Bool {
    let untilNs = clinux_monotonic_ns() + ns
    while !closing.load(ordering: .acquiring) {
      let leftNs = untilNs - clinux_monotonic_ns()
      if leftNs <= 0 { return true }
      var polled = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
      poll(&polled, 1, Int32(clamping: leftNs / 1_000_000 + 1))
      if polled.revents != 0 { clinux_quiet_bell(bell) }
    }
    return false
  }

  /// A new child, taken to where the old one stood.
  private func bringBack(_ dead: CellLink) throws(GantryError) {
    let manner = restart.manner
    let beganNs = clinux_monotonic_ns()
    let (fresh, facts) = try boot()
    fresh.servesOthers = true
    defer { fresh.servesOthers = false }
    let repeated = try lead(fresh, manner)
    restart.succeeded()
    while turn.exchange(1, ordering: .acquiring) != 0 { sched_yield() }
    link = fresh
    self.facts = facts
    hasAnnounced = false
    requestedSnapshotAt = number
    history.withLock { $0.restarts = restart.restarts }
    if phase.load(ordering: .relaxed) == Phase.restarting.rawValue { phase.store(Phase.ready.rawValue, ordering: .releasing) }
    give()
    let took = (clinux_monotonic_ns() - beganNs) / 1_000_000
    fresh.log(GANTRY_LOG_WARNING, "its cell is back after \(took) ms, \(repeated)")
  }

  private func tellOfWalls() {
    guard let link else { return }
    if let missing = CellWalls.missing(facts.walls, recipe.boot.grants) {
      link.log(GANTRY_LOG_WARNING, "its cell is not fully walled in: \(missing)")
    }
  }
}

/// A value that one thread makes and another waits for.
private final class CellPromise<Value: Sendable>: @unchecked Sendable {  // the semaphore orders the two
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  private var kept: Value?

  init() { sem_init(semaphore, 0, 0) }
  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  func keep(_ value: Value) {
    kept = value
    sem_post(semaphore)
  }

  func value() -> Value {
    while sem_wait(semaphore) != 0 {}
    return kept!
  }
}

/// What keeps a cell's plugin from what it was not granted, for people.
enum CellWalls {
  /// What this kernel lacks, or nil.
  static func missing(_ walls: UInt32, _ grants: Set<PluginDescription.Need>) -> String? {
    var list: [String] = []
    if walls & CLINUX_WALL_LANDLOCK_FILES == 0, !grants.contains(.files) {
      list.append("this kernel has no landlock, so it can read and write whatever this user can")
    }
    if walls & CLINUX_WALL_SECCOMP == 0 { list.append("this kernel has no seccomp, so it may open sockets and start programs") }
    if walls & CLINUX_WALL_LIMITS == 0 { list.append("its memory and files are not limited") }
    if walls & CLINUX_WALL_NO_NEW_PRIVILEGES == 0 { list.append("it can gain privileges") }
    return list.isEmpty ? nil : list.joined(separator: "; ")
  }

  static func describe(_ walls: UInt32) -> [String] {
    var list: [String] = []
    if walls & CLINUX_WALL_NO_NEW_PRIVILEGES != 0 { list.append("no new privileges") }
    if walls & CLINUX_WALL_SECCOMP != 0 { list.append("seccomp") }
    if walls & CLINUX_WALL_LANDLOCK_FILES != 0 { list.append("landlock files") }
    if walls & CLINUX_WALL_LANDLOCK_NETWORK != 0 { list.append("landlock network") }
    if walls & CLINUX_WALL_LIMITS != 0 { list.append("limits") }
    return list
  }
}
