import CGantry
import CLinux
import GantryBase
import GantryGraph

/// What happens to rows after a plugin has committed them.
extension Lane {
  /// Stamps the rows committed in the last call: chain, origin, times and hop come from the row's
  /// cause. Rows caused by inputs at or after `consumed` are discarded.
  ///
  /// - Parameters:
  ///   - base: the batch's first event
  ///   - ordinals: of the batch's events; nil when all belong to the running chain
  ///   - batchCount: how many events the batch had
  func publish(
    _ node: UnsafeMutablePointer<LaneNode>, _ base: UnsafePointer<UInt8>, _ stride: Int,
    ordinals: UnsafePointer<UInt32>?, count batchCount: Int, consumed: Int
  ) {
    let outputs = node.pointee.outputs
    guard outputs.pointee.committed != 0 else { return }
    outputs.pointee.committed = 0
    for index in 0..<node.pointee.portCount {
      let port = node.pointee.ports + index
      let output = port.pointee.output
      let count = Int(output.pointee.count)
      guard count > 0 else { continue }
      guard isSound(node, output) else { return }
      output.pointee.count = 0
      let rowStride = port.pointee.stride
      var row = UnsafeMutableRawPointer(output.pointee.base.unsafelyUnwrapped)
      let causes = output.pointee.cause.unsafelyUnwrapped
      let target = port.pointee.ordinals + port.pointee.published
      var kept = count
      if let ordinals, count <= consumed, isOneToOne(causes, count) {
        var cause = base
        for _ in 0..<count {
          stamp(row, from: cause)
          row += rowStride
          cause += stride
        }
        target.update(from: ordinals, count: count)
      } else {
        kept = stampByCause(row, rowStride, causes, count, base, stride, consumed: consumed, ordinals, target)
        if kept < count, causes[kept] >= batchCount || kept > 0 && causes[kept] < causes[kept - 1] {
          return namedWrongCause(node, causes[kept], after: kept > 0 ? causes[kept - 1] : 0, of: batchCount)
        }
      }
      node.pointee.statistics.pointee.outputs &+= UInt64(kept)
      let first = port.pointee.published
      port.pointee.published = first + kept
      output.pointee.base = output.pointee.base + kept &* rowStride
      output.pointee.cause = output.pointee.cause + kept
      output.pointee.capacity &-= UInt32(truncatingIfNeeded: kept)
      if !port.pointee.uses.isEmpty, kept > 0 { use(node, port, first, kept) }
    }
  }

  /// Whether row i was caused by input i, as most nodes have it.
  private func isOneToOne(_ causes: UnsafePointer<UInt32>, _ count: Int) -> Bool {
    var differences: UInt32 = 0
    for index in 0..<count { differences |= causes[index] ^ UInt32(truncatingIfNeeded: index) }
    return differences == 0
  }

  /// Stamps rows up to the first one that inputs before `consumed` did not cause, in order, and
  /// returns how many those are.
  private func stampByCause(
    _ first: UnsafeMutableRawPointer, _ rowStride: Int, _ causes: UnsafePointer<UInt32>, _ count: Int, _ base: UnsafePointer<UInt8>,
    _ stride: Int, consumed: Int, _ ordinals: UnsafePointer<UInt32>?, _ target: UnsafeMutablePointer<UInt32>
  ) -> Int {
    var row = first
    var last: UInt32 = 0
    for index in 0..<count {
      let cause = causes[index]
      if cause < last || cause >= consumed { return index }
      last = cause
      stamp(row, from: base + Int(truncatingIfNeeded: cause) &* stride)
      target[index] = ordinals.map { $0[Int(truncatingIfNeeded: cause)] } ?? ordinal
      row += rowStride
    }
    return count
  }

  /// `publish` for a single node's call with one event, which caused all of its rows.
  @inline(__always)
  func publishOne(_ node: UnsafeMutablePointer<LaneNode>, _ cause: UnsafePointer<UInt8>) {
    node.pointee.outputs.pointee.committed = 0
    // Nearly always it is one row of the only port.
    guard node.pointee.portCount == 1 else { return publishAll(node, cause) }
    let port = node.pointee.ports
    let output = port.pointee.output
    guard output.pointee.count == 1, output.pointee.cause.unsafelyUnwrapped.pointee == 0, output.pointee.capacity != 0,
      output.pointee.arena_count <= output.pointee.arena_capacity
    else { return publishAll(node, cause) }
    output.pointee.count = 0
    let first = port.pointee.published
    let row = output.pointee.base.unsafelyUnwrapped
    stamp(UnsafeMutableRawPointer(row), from: cause)
    port.pointee.ordinals[first] = ordinal
    port.pointee.published = first &+ 1
    output.pointee.base = row + port.pointee.stride
    output.pointee.cause = output.pointee.cause.unsafelyUnwrapped + 1
    output.pointee.capacity &-= 1
    node.pointee.statistics.pointee.outputs &+= 1
    arrived(node, port, first, 1)
  }

  @inline(never)
  private func publishAll(_ node: UnsafeMutablePointer<LaneNode>, _ cause: UnsafePointer<UInt8>) {
    for index in 0..<node.pointee.portCount {
      let port = node.pointee.ports + index
      let output = port.pointee.output
      let count = Int(output.pointee.count)
      if count == 0 { continue }
      guard isSound(node, output), areCaused(node, output, count) else { return }
      output.pointee.count = 0
      let stride = port.pointee.stride
      let first = port.pointee.published
      var row = UnsafeMutableRawPointer(output.pointee.base.unsafelyUnwrapped)
      for kept in 0..<count {
        stamp(row, from: cause)
        port.pointee.ordinals[first &+ kept] = ordinal
        row += stride
      }
      port.pointee.published = first &+ count
      output.pointee.base = row.assumingMemoryBound(to: UInt8.self)
      output.pointee.cause += count
      output.pointee.capacity &-= UInt32(truncatingIfNeeded: count)
      node.pointee.statistics.pointee.outputs &+= UInt64(truncatingIfNeeded: count)
      arrived(node, port, first, count)
    }
  }

  /// Whether what a plugin says it wrote fits into what it was lent; otherwise the run ends.
  @inline(__always)
  private func isSound(_ node: UnsafeMutablePointer<LaneNode>, _ output: UnsafeMutablePointer<gantry_output>) -> Bool {
    if output.pointee.count <= output.pointee.capacity, output.pointee.arena_count <= output.pointee.arena_capacity { return true }
    claimedTooMuch(node, output)
    return false
  }

  private func claimedTooMuch(_ node: UnsafeMutablePointer<LaneNode>, _ output: UnsafeMutablePointer<gantry_output>) {
    let what =
      output.pointee.count > output.pointee.capacity
      ? "committed \(output.pointee.count) rows where there was room for \(output.pointee.capacity)"
      : "claims \(output.pointee.arena_count) bytes of arena where there are \(output.pointee.arena_capacity)"
    broke(node, what, code: "runtime.wrote-behind")
  }

  /// Whether all rows name the only event there was; otherwise the run ends.
  private func areCaused(_ node: UnsafeMutablePointer<LaneNode>, _ output: UnsafeMutablePointer<gantry_output>, _ count: Int) -> Bool {
    for index in 0..<count where output.pointee.cause[index] != 0 {
      namedWrongCause(node, output.pointee.cause[index], after: 0, of: 1)
      return false
    }
    return true
  }

  private func namedWrongCause(_ node: UnsafeMutablePointer<LaneNode>, _ cause: UInt32, after last: UInt32, of batchCount: Int) {
    if cause < last {
      broke(node, "named cause \(cause) after cause \(last); causes never decrease", code: "runtime.cause-decreased")
    } else {
      broke(node, "named cause \(cause) in a batch of \(batchCount)", code: "runtime.cause-unknown")
    }
  }

  /// Writes the host's part of a header. What the plugin left 0 is the cause's.
  ///
  /// The third and fourth word of a header are read and written as the pieces that plugin and host
  /// have stored: a load that spans several fresh stores waits for all of them.
  @inline(__always)
  private func stamp(_ row: UnsafeMutableRawPointer, from cause: UnsafePointer<UInt8>) {
    let from = UnsafeRawPointer(cause).assumingMemoryBound(to: gantry_header.self)
    let header = row.assumingMemoryBound(to: gantry_header.self)
    if header.pointee.event_ns == 0 { header.pointee.event_ns = from.pointee.event_ns }
    header.pointee.receive_ns = from.pointee.receive_ns
    header.pointee.chain = from.pointee.chain
    // instrument 4, origin 2, flags 1, hop 1: one word, lowest byte first.
    var word = UnsafeRawPointer(from).load(fromByteOffset: 24, as: UInt64.self) &+ 1 &<< 56
    word |= UInt64(header.pointee.flags) &<< 48
    let instrument = header.pointee.instrument
    if instrument != 0 { word = word & ~0xFFFF_FFFF | UInt64(instrument) }
    row.storeBytes(of: word, toByteOffset: 24, as: UInt64.self)
  }

  /// Rows that do more than wait for their readers.
  func use(
    _ node: UnsafeMutablePointer<LaneNode>, _ port: UnsafeMutablePointer<PortBuffer>, _ first: Int, _ count: Int
  ) {
    let uses = port.pointee.uses
    if uses.contains(.order) { keepChain() }
    if uses.contains(.arena) { isFull = true }
    if uses.contains(.feedback) {
      for row in first..<(first + count) {
        guard feedbackTail < feedbackCapacity else { break }
        (feedback + feedbackTail).initialize(to: FeedbackEntry(port: port, row: Int32(truncatingIfNeeded: row)))
        feedbackTail += 1
      }
    }
    let rows = UnsafeRawPointer(port.pointee.rows + first &* port.pointee.stride)
    if uses.contains(.execution) {
      gate.sawExecutions(rows, count, port.pointee.stride)
      if let durable = node.pointee.durable {
        for row in 0..<count {
          let execution = (rows + row &* port.pointee.stride).assumingMemoryBound(to: gantry_execution.self)
          durable._withUnsafeGuaranteedRef { _ = $0.open.saw(execution.pointee) }
        }
      }
    }
    if uses.contains(.account) { gate.sawAccount(rows + (count - 1) &* port.pointee.stride) }
    if uses.contains(.journaled) || uses.contains(.captured) {
      recorder.outputs(
        port: port, rows: rows, count: count, arena: port.pointee.arena,
        arenaCount: Int(port.pointee.output.pointee.arena_count))
    }
    if uses.contains(.queued) { forward(node, port, first, count) }
    if uses.contains(.followed) { recorder.followed(port: port, rows: rows, count: count) }
    if uses.contains(.tapped) { offer(port, rows, count) }
  }

  /// Rows that go to other lanes say how often feedback had come round in their chains.
  private func forward(
    _ node: UnsafeMutablePointer<LaneNode>, _ port: UnsafeMutablePointer<PortBuffer>, _ first: Int, _ count: Int
  ) {
    let rows = UnsafeRawPointer(port.pointee.rows + first &* port.pointee.stride)
    if !node.pointee.isSingle, let blockRounds {
      recorder.forward(port: port, rows: rows, count: count) { blockRounds[Int(port.pointee.ordinals[first &+ $0])] }
    } else {
      recorder.forward(port: port, rows: rows, count: count) { _ in round }
    }
  }

  func publishIngress(_ port: UnsafeMutablePointer<PortBuffer>, _ count: Int) {
    let rows = UnsafeRawPointer(port.pointee.rows)
    if port.pointee.uses.contains(.captured) {
      recorder.outputs(
        port: port, rows: rows, count: count, arena: port.pointee.arena,
        arenaCount: Int(port.pointee.output.pointee.arena_count))
    }
    if port.pointee.uses.contains(.queued) { recorder.forward(port: port, rows: rows, count: count) { _ in 0 } }
    if port.pointee.uses.contains(.tapped) { offer(port, rows, count) }
  }

  /// `gantry_outputs.grow` of lane nodes: doubles a port's memory. Exceptional, and the only
  /// allocation on a lane; a node that needs it keeps the larger buffer.
  static let grow: @convention(c) (UnsafeMutablePointer<gantry_outputs>?, UInt32, UInt32, UInt64) -> gantry_status = {
    outputs, index, rows, arena in
    guard let outputs, let context = outputs.pointee.context, index < outputs.pointee.port_count else { return GANTRY_MISUSE }
    let node = context.assumingMemoryBound(to: LaneNode.self)
    let port = node.pointee.ports + Int(index)
    guard !port.pointee.isBorrowed else { return GANTRY_FULL }
    let output = port.pointee.output
    let used = port.pointee.published + Int(output.pointee.count)
    if rows > 0, used + Int(rows) > port.pointee.capacity {
      let capacity = max(port.pointee.capacity * 2, used + Int(rows))
      guard capacity <= 65_536 else { return GANTRY_FULL }
      growRows(port, to: capacity, used: used)
    }
    let arenaNeeded = Int(output.pointee.arena_count) + Int(min(arena, 1 << 30))
    if arenaNeeded > port.pointee.arenaCapacity {
      let capacity = max(port.pointee.arenaCapacity * 2, arenaNeeded, 4096)
      guard capacity <= 16 << 20 else { return GANTRY_FULL }
      let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
      if let old = port.pointee.arena {
        UnsafeMutableRawPointer(memory).copyMemory(from: old, byteCount: Int(output.pointee.arena_count))
        old.deallocate()
      }
      port.pointee.arena = memory
      port.pointee.arenaCapacity = capacity
      output.pointee.arena = memory
      output.pointee.arena_capacity = UInt64(capacity)
    }
    return GANTRY_OK
  }

  private static func growRows(_ port: UnsafeMutablePointer<PortBuffer>, to capacity: Int, used: Int) {
    let stride = port.pointee.stride
    let memory = allocateRows(capacity: capacity, stride: stride)
    UnsafeMutableRawPointer(memory).copyMemory(from: port.pointee.rows, byteCount: used * stride)
    let causes = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
    UnsafeMutableRawPointer(causes).copyMemory(from: port.pointee.causes, byteCount: used * 4)
    let ordinals = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
    UnsafeMutableRawPointer(ordinals).copyMemory(from: port.pointee.ordinals, byteCount: used * 4)
    if port.pointee.uses.contains(.feedback) {
      let retired = UnsafeMutablePointer<RetiredRows>.allocate(capacity: 1)
      retired.initialize(to: RetiredRows(rows: port.pointee.rows, next: port.pointee.retired))
      port.pointee.retired = retired
    } else {
      port.pointee.rows.deallocate()
    }
    port.pointee.causes.deallocate()
    port.pointee.ordinals.deallocate()
    port.pointee.rows = memory
    port.pointee.causes = causes
    port.pointee.ordinals = ordinals
    port.pointee.capacity = capacity
    let output = port.pointee.output
    output.pointee.base = memory + port.pointee.published * stride
    output.pointee.cause = causes + port.pointee.published
    output.pointee.capacity = UInt32(capacity - port.pointee.published)
  }
}

/// Copies a row into one of another width: columns that it has not are NaN there.
@inline(__always)
func copyRow(_ target: UnsafeMutableRawPointer, _ width: Int, from row: UnsafeRawPointer, _ stride: Int) {
  target.copyMemory(from: row, byteCount: min(width, stride))
  var offset = stride
  while offset < width {
    target.storeBytes(of: Double.nan, toByteOffset: offset, as: Double.self)
    offset &+= 8
  }
}

/// Memory for `capacity` rows with the guard behind them.
func allocateRows(capacity: Int, stride: Int) -> UnsafeMutablePointer<UInt8> {
  let bytes = capacity * stride + guardBytes
  let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
  memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
  for offset in Swift.stride(from: 0, to: guardBytes, by: 8) {
    (memory + capacity * stride + offset).storeBytes(of: guardPattern, as: UInt64.self)
  }
  return memory.assumingMemoryBound(to: UInt8.self)
}
