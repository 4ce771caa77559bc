import CGantry
import CLinux
import GantryBase

/// Bringing a new child to where the one before stood: the same calls, the same answers, nothing heard.
extension Cell {
  /// Takes the newest whole snapshot out of a dead child's memory.
  func keepSnapshot(of dead: CellLink) {
    let newest = clinux_load32(dead.memory.newestSnapshot)
    guard newest == 1 || newest == 2 else { return }
    let snapshot = dead.memory.snapshots[Int(newest) - 1]
    guard snapshot.is_whole == 1, snapshot.length <= UInt64(CellMemory.Area.snapshot), snapshot.calls <= number else { return }
    base = (
      snapshot.version,
      Array(UnsafeRawBufferPointer(start: dead.memory.snapshot(Int(newest) - 1), count: Int(snapshot.length)))
    )
    covered(upTo: snapshot.calls)
  }

  /// A state stands for all calls up to `calls`.
  func covered(upTo calls: UInt64) {
    tail.covered(upTo: calls)
    coveredCalls = max(coveredCalls, calls)
    if let newly = newlyApplied, newly.number <= calls {
      applied = newly.values
      newlyApplied = nil
    }
  }

  /// Whether what is kept leads to exactly the state that was lost.
  var isExact: Bool { tail.lost == 0 && forgottenAt <= coveredCalls }

  /// Takes a booted child through create, configure, start, its state and the calls since. Returns what
  /// was done, for the log.
  func lead(_ link: CellLink, _ manner: CellRestart.Manner) throws(GantryError) -> String {
    link.answers.isScripted = true
    defer { link.answers.isScripted = false }
    let limit = recipe.limits.controlDeadlineNs
    func step(_ call: CellCall) throws(GantryError) {
      link.calls.pointee.request.pointee.now_ns = host.pointee.now(node)
      let outcome = link.exchange(link.calls, call, deadlineNs: limit)
      guard outcome == .done, link.calls.pointee.reply.pointee.status == GANTRY_OK else {
        let why = outcome == .done ? "\(call.text) returned status \(link.calls.pointee.reply.pointee.status)" : "it \(link.epitaph)"
        throw GantryError("cell.not-restored", why, exit: .failed)
      }
    }
    func put(_ bytes: [UInt8]) throws(GantryError) {
      guard link.put(bytes, deadlineNs: limit) == .done else { throw GantryError("cell.not-restored", "it \(link.epitaph)", exit: .failed) }
    }
    func script(_ call: CellCall) {
      let list = firstAnswers[call] ?? []
      list.withUnsafeBytes { link.answers.script($0.baseAddress, list.count) }
    }
    script(.create)
    try step(.create)
    guard let configuration else { return "as it was created" }
    script(.configure)
    try put(configuration)
    try step(.configure)
    guard isStarted || !facts.functions.contains(.start) else { return "configured as before" }
    script(.start)
    try step(.start)
    if let applied {
      try put(applied)
      try step(.apply)
    }
    guard manner == .withState else {
      base = nil
      covered(upTo: number)
      return "without its state, which two cells before could not take"
    }
    var state = "from its start"
    if let base {
      try put(base.bytes)
      link.calls.pointee.request.pointee.a = base.version
      try step(.load)
      state = "from a snapshot of \(base.bytes.count) bytes"
    }
    let repeated = try repeatTail(link)
    if tail.lost > 0 { state += ", \(tail.lost) calls of which are lost" }
    if forgottenAt > coveredCalls { state += ", not exactly: it asked the host more than is kept" }
    return "\(state) and \(repeated) calls since"
  }

  /// Makes the calls of the tail again.
  private func repeatTail(_ link: CellLink) throws(GantryError) -> Int {
    link.isMuted = true
    defer { link.isMuted = false }
    var failure: String?
    var repeated = 0
    tail.forEach { entry, content in
      guard let call = CellCall(rawValue: entry.call) else { return true }
      let request = link.calls.pointee.request
      let rowBytes = Int(entry.count) * Int(entry.stride)
      let arenaAt = (rowBytes + 7) & ~7
      let answersAt = (arenaAt + Int(entry.arena) + 7) & ~7
      if call == .apply {
        let bytes = UnsafeRawBufferPointer(start: content, count: Int(entry.arena))
        guard link.put(bytes, deadlineNs: recipe.limits.controlDeadlineNs) == .done else {
          failure = link.epitaph
          return false
        }
      } else {
        if rowBytes > 0 { link.memory.rows.copyMemory(from: content, byteCount: rowBytes) }
        if entry.arena > 0 { link.memory.arena.copyMemory(from: content + arenaAt, byteCount: Int(entry.arena)) }
      }
      link.answers.script(call == .apply ? nil : content + answersAt, Int(entry.answers))
      request.pointee.a = entry.input >> 16
      request.pointee.b = entry.input & 0xFFFF
      request.pointee.count = entry.count
      request.pointee.bytes = entry.arena
      request.pointee.now_ns = entry.nowNs
      request.pointee.x = call == .batch ? UInt64(entry.stride) : entry.x
      request.pointee.y = entry.y
      request.pointee.flags = 0
      for port in arenaPorts { link.memory.ports[port].arena_count = 0 }
      guard link.exchange(link.calls, call, deadlineNs: recipe.limits.controlDeadlineNs) == .done else {
        failure = link.epitaph
        return false
      }
      repeated += 1
      return true
    }
    if let failure { throw GantryError("cell.not-restored", "going through its last calls, it \(failure)", exit: .failed) }
    return repeated
  }
}
