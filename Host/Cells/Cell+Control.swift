import CGantry
import CLinux
import GantryBase

/// What the control thread calls: a cell's way from create to destroy, and its state.
extension Cell {
  /// One control call. Its answers are kept, for the child that may come after.
  private func control(_ call: CellCall, put payload: [UInt8]? = nil) -> gantry_status {
    guard let link = take() else { return isClosed ? GANTRY_GONE : fail(GANTRY_GONE, "its cell is being brought back") }
    defer { give() }
    let limit = recipe.limits.controlDeadlineNs
    if let payload, link.put(payload, deadlineNs: limit) != .done { return ended(link) }
    link.answers.clear()
    link.calls.pointee.request.pointee.now_ns = host.pointee.now(node)
    guard link.exchange(link.calls, call, deadlineNs: limit) == .done else { return ended(link) }
    if call == .create || call == .configure || call == .start { firstAnswers[call] = link.answers.list }
    return link.calls.pointee.reply.pointee.status
  }

  private func ended(_ link: CellLink) -> gantry_status {
    clinux_ring_bell(bell)
    let text = link.epitaph
    onEnd(text)
    return fail(GANTRY_GONE, "its cell \(text)")
  }

  func create() -> gantry_status { control(.create) }

  func configure(_ config: UnsafePointer<gantry_config>) -> gantry_status {
    let bytes = CellConfig.encode(config)
    if let link = take() {
      link.config = config
      give()
    }
    let status = control(.configure, put: bytes)
    if let link = take() {
      link.config = nil
      give()
    }
    if status == GANTRY_OK { configuration = bytes }
    return status
  }

  func start() -> gantry_status {
    let status = facts.functions.contains(.start) ? control(.start) : GANTRY_OK
    if status == GANTRY_OK { isStarted = true }
    return status
  }

  func stop() -> gantry_status {
    guard facts.functions.contains(.stop) else { return GANTRY_OK }
    // A cell that is down has nothing to stop.
    guard let link = take() else { return GANTRY_OK }
    give()
    if link.hasEnded { return GANTRY_OK }
    return control(.stop)
  }

  func destroy() {
    leave()
    shutDown()
  }

  // MARK: gantry.state/1

  func bound() -> UInt64 {
    guard let link = take() else { return 0 }
    defer { give() }
    guard link.exchange(link.calls, .bound, deadlineNs: recipe.limits.deadlineNs) == .done else { return 0 }
    return link.calls.pointee.reply.pointee.x
  }

  func save(_ writer: UnsafeMutablePointer<gantry_state_writer>) -> gantry_status {
    guard let link = take() else { return fail(GANTRY_GONE, "its cell is being brought back") }
    defer { give() }
    link.writer = writer
    defer { link.writer = nil }
    guard link.exchange(link.calls, .save, deadlineNs: recipe.limits.controlDeadlineNs) == .done else { return ended(link) }
    return link.calls.pointee.reply.pointee.status
  }

  func load(_ version: UInt32, _ bytes: gantry_bytes) -> gantry_status {
    guard let link = take() else { return fail(GANTRY_GONE, "its cell is being brought back") }
    defer { give() }
    let raw = UnsafeRawBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : Int(clamping: bytes.length))
    guard link.put(raw, deadlineNs: recipe.limits.controlDeadlineNs) == .done else { return ended(link) }
    link.calls.pointee.request.pointee.a = version
    guard link.exchange(link.calls, .load, deadlineNs: recipe.limits.controlDeadlineNs) == .done else { return ended(link) }
    let status = link.calls.pointee.reply.pointee.status
    if status == GANTRY_OK {
      base = (version, Array(raw))
      covered(upTo: number)
    }
    return status
  }

  // MARK: gantry.params-live/1

  func apply(_ values: UnsafePointer<gantry_value>?, _ count: UInt32) -> gantry_status {
    let bytes = CellConfig.encode(values, count)
    guard let link = take() else { return fail(GANTRY_GONE, "its cell is being brought back") }
    defer { give() }
    guard link.put(bytes, deadlineNs: recipe.limits.deadlineNs) == .done else { return ended(link) }
    let nowNs = host.pointee.now(node)
    link.calls.pointee.request.pointee.now_ns = nowNs
    guard link.exchange(link.calls, .apply, deadlineNs: recipe.limits.deadlineNs) == .done else { return ended(link) }
    let status = link.calls.pointee.reply.pointee.status
    guard status == GANTRY_OK else { return status }
    number += 1
    newlyApplied = (number, bytes)
    let entry = CellTail.Entry(
      size: 0, call: CellCall.apply.rawValue, number: number, input: 0, count: 0, stride: 0, answers: 0, arena: UInt64(bytes.count),
      nowNs: nowNs, x: 0, y: 0)
    bytes.withUnsafeBytes { raw in
      if let place = tail.append(entry, contentBytes: raw.count), raw.count > 0 { place.copyMemory(from: raw.baseAddress!, byteCount: raw.count) }
    }
    return status
  }
}
