import CGantry

/// A run of events of one edge, oldest first. Borrowed: it cannot be kept.
public struct Batch: ~Copyable {
  @usableFromInline let raw: UnsafePointer<gantry_batch>

  @inline(__always)
  init(_ raw: UnsafePointer<gantry_batch>) { self.raw = raw }

  /// The index of the input port, in the order of the descriptor.
  @inline(__always) public var port: Int { Int(raw.pointee.port) }
  /// Which of the edges into that port.
  @inline(__always) public var edge: Int { Int(raw.pointee.edge) }
  @inline(__always) public var count: Int { Int(raw.pointee.count) }
  @inline(__always) public var type: UInt32 { raw.pointee.type }
  @inline(__always) public var schema: Schema { Schema(raw.pointee.schema) }

  /// Return after the event that made the call commit a row, with `setConsumed` counting it. Asked of
  /// plugins whose descriptor has the flag `stops`.
  @inline(__always) public var untilOutput: Bool { gantry_until_output(raw) != 0 }

  /// The header of event `index`. Valid until the call returns.
  @inline(__always)
  public func header(_ index: Int) -> UnsafePointer<gantry_header> {
    event(index, as: gantry_header.self)
  }

  /// Event `index` as the payload type of the port. Valid until the call returns.
  @inline(__always)
  public func event<Payload>(_ index: Int, as type: Payload.Type) -> UnsafePointer<Payload> {
    UnsafeRawPointer(raw.pointee.base.unsafelyUnwrapped)
      .advanced(by: index &* Int(raw.pointee.stride))
      .assumingMemoryBound(to: Payload.self)
  }

  /// The columns of a features row.
  @inline(__always)
  public func columns(_ index: Int) -> UnsafePointer<Double> {
    UnsafeRawPointer(raw.pointee.base.unsafelyUnwrapped)
      .advanced(by: index &* Int(raw.pointee.stride) &+ MemoryLayout<gantry_header>.size)
      .assumingMemoryBound(to: Double.self)
  }

  /// Bytes of the arena, checked against its length.
  public func bytes(offset: UInt64, length: UInt64) -> UnsafeRawBufferPointer {
    let arena = raw.pointee.arena
    guard length > 0, offset <= arena.length, length <= arena.length - offset, let base = arena.data else {
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeRawBufferPointer(start: base + Int(offset), count: Int(length))
  }
}

/// The shape of one port's events.
public struct Schema {
  let raw: UnsafePointer<gantry_schema>?
  init(_ raw: UnsafePointer<gantry_schema>?) { self.raw = raw }

  public var type: UInt32 { raw?.pointee.type ?? 0 }
  public var columnCount: Int { Int(raw?.pointee.column_count ?? 0) }
  public func column(_ index: Int) -> TextView {
    guard index >= 0, index < columnCount, let columns = raw?.pointee.columns else {
      return TextView(gantry_string(data: nil, length: 0))
    }
    return TextView(columns[index])
  }
  /// The index of a column by name, or nil.
  public func index(of name: TextView) -> Int? {
    for index in 0..<columnCount where column(index) == name { return index }
    return nil
  }
}

/// The writable outputs of one call. Borrowed: it cannot be kept.
public struct Outputs: ~Copyable {
  @usableFromInline let raw: UnsafeMutablePointer<gantry_outputs>

  @inline(__always)
  init(_ raw: UnsafeMutablePointer<gantry_outputs>) { self.raw = raw }

  /// Reserves one row of `port` caused by input `cause`; write all of its payload, then `commit`.
  /// The header is zeroed. Nil when the host has no more room: throw `Failure.full`.
  @inline(__always)
  public func reserve<Payload>(
    _ port: Int, cause: Int, as type: Payload.Type
  ) -> UnsafeMutablePointer<Payload>? {
    gantry_reserve(raw, UInt32(truncatingIfNeeded: port), UInt32(truncatingIfNeeded: cause))?
      .assumingMemoryBound(to: Payload.self)
  }

  /// Reserves one features row and lends its columns.
  @inline(__always)
  public func reserveColumns(_ port: Int, cause: Int) -> UnsafeMutablePointer<Double>? {
    gantry_reserve(raw, UInt32(truncatingIfNeeded: port), UInt32(truncatingIfNeeded: cause))?
      .advanced(by: MemoryLayout<gantry_header>.size)
      .assumingMemoryBound(to: Double.self)
  }

  /// Reserves `count` features rows at once, row i caused by input `first` + i, and lends the columns
  /// of the first; each next row's are `stride` bytes further. For nodes that give a row an input:
  /// cheaper than one by one. Nil when the host has no more room: nothing is reserved then.
  @inline(__always)
  public func reserveRows(_ port: Int, first: Int, count: Int) -> (columns: UnsafeMutableRawPointer, stride: Int)? {
    let output = raw.pointee.ports + port
    if Int(output.pointee.capacity &- output.pointee.count) < count,
      raw.pointee.grow(raw, UInt32(truncatingIfNeeded: port), UInt32(truncatingIfNeeded: count), 0) != 0
    {
      return nil
    }
    let stride = Int(output.pointee.stride)
    let rows = UnsafeMutableRawPointer(output.pointee.base.unsafelyUnwrapped) + Int(output.pointee.count) &* stride
    let causes = output.pointee.cause.unsafelyUnwrapped + Int(output.pointee.count)
    for index in 0..<count {
      (rows + index &* stride).storeBytes(of: gantry_header(), as: gantry_header.self)
      causes[index] = UInt32(truncatingIfNeeded: first &+ index)
    }
    return (rows + MemoryLayout<gantry_header>.size, stride)
  }

  /// Commits the first `count` of the rows that `reserveRows` gave.
  @inline(__always)
  public func commitRows(_ port: Int, count: Int) {
    raw.pointee.ports[port].count &+= UInt32(truncatingIfNeeded: count)
    raw.pointee.committed &+= UInt32(truncatingIfNeeded: count)
  }

  /// Commits the row reserved last.
  @inline(__always)
  public func commit(_ port: Int) { gantry_commit(raw, UInt32(truncatingIfNeeded: port)) }

  /// Lends the next `count` rows of `port` at once, all caused by input `cause`: write every byte of them,
  /// headers too, then `commit(port, count:)`. Nil when the host has no more room.
  @inline(__always)
  public func reserve<Payload>(
    _ port: Int, count: Int, cause: Int, as type: Payload.Type
  ) -> UnsafeMutablePointer<Payload>? {
    let output = raw.pointee.ports + port
    guard Int(output.pointee.stride) == MemoryLayout<Payload>.stride else { return nil }
    if Int(output.pointee.capacity &- output.pointee.count) < count,
      raw.pointee.grow(raw, UInt32(truncatingIfNeeded: port), UInt32(truncatingIfNeeded: count), 0) != 0
    {
      return nil
    }
    let first = Int(output.pointee.count)
    (output.pointee.cause + first).update(repeating: UInt32(truncatingIfNeeded: cause), count: count)
    return UnsafeMutableRawPointer(output.pointee.base + first &* Int(output.pointee.stride))
      .assumingMemoryBound(to: Payload.self)
  }

  /// Commits the `count` rows reserved last.
  @inline(__always)
  public func commit(_ port: Int, count: Int) {
    raw.pointee.ports[port].count &+= UInt32(truncatingIfNeeded: count)
    raw.pointee.committed &+= UInt32(truncatingIfNeeded: count)
  }

  /// Copies `text` into the port's arena, for the row committed next, and returns its offset.
  public func append(_ text: UnsafeRawBufferPointer, to port: Int) -> UInt64? {
    var offset: UInt64 = 0
    guard let target = gantry_reserve_bytes(raw, UInt32(truncatingIfNeeded: port), UInt64(text.count), &offset)
    else { return nil }
    if let source = text.baseAddress { UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: text.count) }
    return offset
  }

  /// How many rows there is room for without the host growing the port.
  @inline(__always)
  public func room(_ port: Int) -> Int {
    Int(raw.pointee.ports[port].capacity &- raw.pointee.ports[port].count)
  }

  /// Whether anything reads the port.
  @inline(__always)
  public func isConnected(_ port: Int) -> Bool { raw.pointee.ports[port].connected != 0 }

  /// Whether the call has committed a row.
  @inline(__always) public var hasRows: Bool { raw.pointee.committed != 0 }

  /// Says which input ports' events cause no output from now on, one bit each, until an event of
  /// another port, a timer, a state or live parameters come. A node in a feedback loop is given runs of
  /// such events. A row written for one ends the run.
  @inline(__always) public func setIdle(_ ports: UInt64) { gantry_set_idle(raw, ports) }

  /// Says that only inputs before `count` were handled. Set it before throwing from `onBatch`.
  @inline(__always)
  public func setConsumed(_ count: Int) { raw.pointee.consumed = UInt32(truncatingIfNeeded: count) }
}
