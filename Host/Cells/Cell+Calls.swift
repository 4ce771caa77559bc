import CGantry
import CLinux
import GantryBase

/// What lanes and readers call. The path of a batch that is handled well allocates nothing.
extension Cell {
  /// `on_batch`: rows go over, the child's rows come back into the outputs that the lane lent.
  func batch(_ batch: UnsafePointer<gantry_batch>, _ outputs: UnsafeMutablePointer<gantry_outputs>) -> gantry_status {
    guard let link = take() else { return refuse(outputs) }
    defer { give() }
    let count = batch.pointee.count
    let rowBytes = Int(count) * Int(batch.pointee.stride)
    let arenaBytes = batch.pointee.arena.data == nil ? 0 : Int(clamping: batch.pointee.arena.length)
    guard rowBytes <= CellMemory.Area.rows, arenaBytes <= CellMemory.Area.arena else {
      outputs.pointee.consumed = 0
      return fail(GANTRY_FULL, "the events are more than the \(CellMemory.Area.rows >> 20) MB that go into a cell at once")
    }
    link.memory.rows.copyMemory(from: batch.pointee.base, byteCount: rowBytes)
    if arenaBytes > 0 { link.memory.arena.copyMemory(from: batch.pointee.arena.data!, byteCount: arenaBytes) }
    let request = link.calls.pointee.request
    let nowNs = host.pointee.now(node)
    request.pointee.a = batch.pointee.port
    request.pointee.b = batch.pointee.edge
    request.pointee.count = count
    request.pointee.bytes = UInt64(arenaBytes)
    request.pointee.now_ns = nowNs
    // Rows may have become wider since the cell was configured.
    request.pointee.x = UInt64(batch.pointee.stride)
    request.pointee.y = number &+ 1
    prepare(link, outputs)
    let status = call(link, .batch, count, outputs)
    guard let status else { return lost(link, outputs) }
    remember(
      .batch, link, input: batch.pointee.port << 16 | batch.pointee.edge, count: count, stride: batch.pointee.stride, rows: batch.pointee.base,
      arena: batch.pointee.arena.data, arenaBytes: arenaBytes, nowNs: nowNs)
    return status
  }

  func timer(_ timer: UnsafePointer<gantry_timer>, _ outputs: UnsafeMutablePointer<gantry_outputs>) -> gantry_status {
    guard let link = take() else { return refuse(outputs) }
    defer { give() }
    let request = link.calls.pointee.request
    let nowNs = host.pointee.now(node)
    request.pointee.x = timer.pointee.tag
    request.pointee.y = UInt64(bitPattern: timer.pointee.due_ns)
    request.pointee.now_ns = nowNs
    prepare(link, outputs)
    request.pointee.flags = 0
    guard let status = call(link, .timer, 1, outputs) else { return lost(link, outputs) }
    remember(.timer, link, nowNs: nowNs, x: timer.pointee.tag, y: UInt64(bitPattern: timer.pointee.due_ns))
    return status
  }

  func flush(_ outputs: UnsafeMutablePointer<gantry_outputs>) -> gantry_status {
    guard facts.functions.contains(.flush) else { return GANTRY_OK }
    guard let link = take() else { return refuse(outputs) }
    defer { give() }
    let nowNs = host.pointee.now(node)
    link.calls.pointee.request.pointee.now_ns = nowNs
    prepare(link, outputs)
    link.calls.pointee.request.pointee.flags = 0
    guard let status = call(link, .flush, 1, outputs) else { return lost(link, outputs) }
    remember(.flush, link, nowNs: nowNs)
    return status
  }

  /// `pull`: a source whose cell is being brought back has nothing yet; its events follow, none twice.
  func pull(_ max: UInt32, _ outputs: UnsafeMutablePointer<gantry_outputs>) -> gantry_status {
    guard let link = take() else { return isClosed ? GANTRY_GONE : GANTRY_AGAIN }
    defer { give() }
    guard isExact else {
      return fail(GANTRY_GONE, "its cell ended and was brought back, but not to the place in the source where it had been")
    }
    let request = link.calls.pointee.request
    let nowNs = host.pointee.now(node)
    request.pointee.count = max
    request.pointee.now_ns = nowNs
    request.pointee.y = number &+ 1
    prepare(link, outputs)
    guard let status = call(link, .pull, 0, outputs) else { return isExact ? GANTRY_AGAIN : lost(link, outputs) }
    remember(.pull, link, count: max, nowNs: nowNs)
    return status
  }

  func cursor(_ hash: UnsafeMutablePointer<UInt64>, _ row: UnsafeMutablePointer<UInt64>) -> gantry_status {
    guard let link = take() else { return GANTRY_AGAIN }
    defer { give() }
    guard link.exchange(link.calls, .cursor, deadlineNs: recipe.limits.deadlineNs) == .done else { return GANTRY_AGAIN }
    hash.pointee = link.calls.pointee.reply.pointee.x
    row.pointee = link.calls.pointee.reply.pointee.y
    return link.calls.pointee.reply.pointee.status
  }

  /// `gantry.feed/1`: lasts as long as the feed, on the feed's own thread.
  func feed(_ feed: UnsafeMutablePointer<gantry_feed>) -> gantry_status {
    guard let link = take() else { return isClosed ? GANTRY_GONE : fail(GANTRY_IO, "its cell is being brought back") }
    give()
    link.feedHost = feed
    defer { link.feedHost = nil }
    guard link.exchange(link.feed, .feed, deadlineNs: -1) == .done else { return fail(GANTRY_IO, "its cell \(link.epitaph)") }
    return link.feed.pointee.reply.pointee.status
  }

  // MARK: parts of a call

  @inline(__always)
  private func prepare(_ link: CellLink, _ outputs: UnsafeMutablePointer<gantry_outputs>) {
    let request = link.calls.pointee.request
    request.pointee.flags = 0
    if number &- requestedSnapshotAt >= UInt64(recipe.limits.snapshotEvery) || tail.bytes > CellTail.bytesMax / 2 { wantSnapshot(link, request) }
    for port in arenaPorts { link.memory.ports[port].arena_count = outputs.pointee.ports[port].arena_count }
    if !hasAnnounced {
      for port in 0..<recipe.outputs.count { link.memory.ports[port].reserved = outputs.pointee.ports[port].connected }
      hasAnnounced = true
    }
    link.answers.clear()
  }

  /// Asks for a snapshot with the next call, unless one was asked for a moment ago, or the last was so
  /// dear that it would cost more than one percent.
  private func wantSnapshot(_ link: CellLink, _ request: UnsafeMutablePointer<clinux_cell_request>) {
    guard facts.functions.contains(.state), number &- requestedSnapshotAt >= 64 else { return }
    let newest = clinux_load32(link.memory.newestSnapshot)
    if newest == 1 || newest == 2, tail.bytes <= CellTail.bytesMax / 2 {
      let costNs = link.memory.snapshots[Int(newest) - 1].cost_ns
      guard number &- requestedSnapshotAt >= min(costNs / 10, 1 << 20) else { return }
    }
    requestedSnapshotAt = number
    request.pointee.flags = CellFlag.snapshot
    request.pointee.input = newest == 1 ? 2 : 1
  }

  /// Makes the call and takes what the child wrote. Nil when there is no child any more.
  @inline(__always)
  private func call(
    _ link: CellLink, _ what: CellCall, _ count: UInt32, _ outputs: UnsafeMutablePointer<gantry_outputs>
  ) -> gantry_status? {
    let outcome = link.exchange(link.calls, what, deadlineNs: recipe.limits.deadlineNs)
    guard outcome == .done else { return nil }
    number &+= 1
    let reply = link.calls.pointee.reply
    let status = reply.pointee.status
    let consumed = reply.pointee.consumed
    if what != .pull {
      outputs.pointee.consumed = min(consumed, count)
      guard consumed <= count else { return fail(GANTRY_BUG, "PLUGIN: handled \(consumed) of \(count) events") }
      if consumed == 0, status == GANTRY_OK || status == GANTRY_AGAIN {
        return fail(GANTRY_BUG, "PLUGIN: returned without handling a single event")
      }
    }
    guard reply.pointee.committed != 0 else { return status }
    return collect(link, outputs, count: what == .pull ? UInt32.max : max(count, 1)) ?? status
  }

  /// Copies the child's rows into the lane's ports. Returns a status of its own when they cannot be.
  private func collect(_ link: CellLink, _ outputs: UnsafeMutablePointer<gantry_outputs>, count events: UInt32) -> gantry_status? {
    for port in 0..<recipe.outputs.count {
      let rows = link.memory.ports[port].count
      guard rows > 0 else { continue }
      let output = outputs.pointee.ports + port
      let stride = Int(output.pointee.stride)
      guard rows <= UInt32(CellMemory.rowsMax), Int(rows) * stride <= CellMemory.Area.portRows else {
        return fail(GANTRY_BUG, "PLUGIN: committed \(rows) rows where there was room for \(CellMemory.rowsMax)")
      }
      let causes = UnsafeRawPointer(link.memory.portCauses(port)).assumingMemoryBound(to: UInt32.self)
      if output.pointee.capacity < rows, outputs.pointee.grow(outputs, UInt32(port), rows, 0) != GANTRY_OK {
        return fail(GANTRY_FULL, "it wrote \(rows) rows, and there is no room for them")
      }
      var last: UInt32 = 0
      for row in 0..<Int(rows) {
        let cause = causes[row]
        guard cause >= last, cause < events else {
          return fail(GANTRY_BUG, "PLUGIN: named cause \(cause) after cause \(last) in a batch of \(events)")
        }
        last = cause
        output.pointee.cause[row] = cause
      }
      UnsafeMutableRawPointer(output.pointee.base).copyMemory(from: link.memory.portRows(port), byteCount: Int(rows) * stride)
      if arenaPorts.contains(port), !collectArena(link, outputs, port) { return fail(GANTRY_FULL, "there is no room for its texts") }
      output.pointee.count = rows
      outputs.pointee.committed &+= rows
    }
    return nil
  }

  /// Offsets in the rows count from the port's whole arena, of which the child wrote the end.
  private func collectArena(_ link: CellLink, _ outputs: UnsafeMutablePointer<gantry_outputs>, _ port: Int) -> Bool {
    let output = outputs.pointee.ports + port
    let from = output.pointee.arena_count
    let to = link.memory.ports[port].arena_count
    guard to > from else { return true }
    guard to <= UInt64(CellMemory.Area.portArena) else { return false }
    if to > output.pointee.arena_capacity, outputs.pointee.grow(outputs, UInt32(port), 0, to - from) != GANTRY_OK { return false }
    (UnsafeMutableRawPointer(output.pointee.arena) + Int(from)).copyMemory(
      from: link.memory.portArena(port) + Int(from), byteCount: Int(to - from))
    output.pointee.arena_count = to
    return true
  }

  /// Keeps the call for a new child. What a snapshot covers meanwhile is let go.
  @inline(__always)
  private func remember(
    _ call: CellCall, _ link: CellLink, input: UInt32 = 0, count: UInt32 = 0, stride: UInt32 = 0, rows: UnsafePointer<UInt8>? = nil,
    arena: UnsafePointer<UInt8>? = nil, arenaBytes: Int = 0, nowNs: Int64, x: UInt64 = 0, y: UInt64 = 0
  ) {
    if link.answers.isIncomplete {
      forgottenAt = number
      link.answers.forgive()
    }
    let rowBytes = Int(count) * Int(stride)
    let arenaAt = (rowBytes + 7) & ~7
    let answersAt = (arenaAt + arenaBytes + 7) & ~7
    let answers = link.answers.count
    let entry = CellTail.Entry(
      size: 0, call: call.rawValue, number: number, input: input, count: count, stride: stride, answers: UInt32(answers),
      arena: UInt64(arenaBytes), nowNs: nowNs, x: x, y: y)
    if let place = tail.append(entry, contentBytes: answersAt + answers * 8) {
      if rowBytes > 0, let rows { place.copyMemory(from: rows, byteCount: rowBytes) }
      if arenaBytes > 0, let arena { (place + arenaAt).copyMemory(from: arena, byteCount: arenaBytes) }
      if answers > 0 { (place + answersAt).copyMemory(from: link.answers.raw, byteCount: answers * 8) }
    }
    let newest = clinux_load32(link.memory.newestSnapshot)
    if newest == 1 || newest == 2 { noteSnapshot(link, Int(newest) - 1) }
  }

  /// The child has saved its state: calls before it need not be kept.
  @inline(__always)
  private func noteSnapshot(_ link: CellLink, _ slot: Int) {
    let calls = link.memory.snapshots[slot].calls
    guard calls > coveredCalls, calls <= number else { return }
    base = nil
    covered(upTo: calls)
  }

  // MARK: failing

  /// No child: the node's policy has the event.
  private func refuse(_ outputs: UnsafeMutablePointer<gantry_outputs>) -> gantry_status {
    outputs.pointee.consumed = 0
    return isClosed ? GANTRY_GONE : fail(GANTRY_GONE, "its cell is being brought back")
  }

  /// The child ended, or was ended, in this call.
  private func lost(_ link: CellLink, _ outputs: UnsafeMutablePointer<gantry_outputs>) -> gantry_status {
    outputs.pointee.consumed = 0
    outputs.pointee.committed = 0
    for port in 0..<recipe.outputs.count { outputs.pointee.ports[port].count = 0 }
    clinux_ring_bell(bell)
    let text = link.epitaph
    onEnd(text)
    return fail(text.contains("did not return") ? GANTRY_TIMEOUT : GANTRY_GONE, "its cell \(text)")
  }

  func fail(_ status: gantry_status, _ text: String) -> gantry_status {
    var text = text
    return text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        host.pointee.fail(node, status, 1, gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
      }
    }
  }
}
