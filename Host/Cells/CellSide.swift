import CGantry
import CLinux
import Glibc

/// The child's end of one conversation. Used by one thread.
final class CellSide: @unchecked Sendable {  // handed to its thread once
  let request: UnsafeMutablePointer<clinux_cell_request>
  let reply: UnsafeMutablePointer<clinux_cell_reply>
  let payload: UnsafeMutableRawPointer
  let payloadBytes: Int
  private let asked: UnsafeMutablePointer<UInt32>
  private let answered: UnsafeMutablePointer<UInt32>
  private let cellSleeps: UnsafeMutablePointer<UInt32>
  private let hostSleeps: UnsafeMutablePointer<UInt32>
  private let spins: UInt32
  private var seen: UInt32 = 0
  private var sent: UInt32 = 0
  /// Bytes of calls that want no answer, waiting in the deferred area.
  var deferred = 0

  init(channel: UnsafeMutablePointer<clinux_cell_channel>, payload: UnsafeMutableRawPointer, payloadBytes: Int, spins: UInt32) {
    let base = UnsafeMutableRawPointer(channel)
    request = base.assumingMemoryBound(to: clinux_cell_request.self)
    reply = (base + 64).assumingMemoryBound(to: clinux_cell_reply.self)
    asked = base.assumingMemoryBound(to: UInt32.self)
    answered = (base + 64).assumingMemoryBound(to: UInt32.self)
    cellSleeps = (base + 128).assumingMemoryBound(to: UInt32.self)
    hostSleeps = (base + 192).assumingMemoryBound(to: UInt32.self)
    self.payload = payload
    self.payloadBytes = payloadBytes
    self.spins = spins
  }

  /// Waits for the host's next message.
  @inline(__always)
  func await() {
    while clinux_cell_await(asked, cellSleeps, seen, spins, 1_000_000_000) != 0 {}
    seen &+= 1
  }

  @inline(__always)
  func post(_ word: CellWord) {
    reply.pointee.op = word.rawValue
    reply.pointee.deferred = UInt64(deferred)
    deferred = 0
    sent &+= 1
    clinux_cell_post(answered, hostSleeps, sent)
  }

  /// Asks the host for something; the answer stands in `request`.
  func ask(_ word: CellWord) {
    post(word)
    self.await()
  }
}

/// The child's end of the conversation that all its other threads share: one at a time, behind a lock.
final class CellOthers: @unchecked Sendable {  // `mutex` guards the conversation
  let side: CellSide
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init(_ memory: CellMemory) {
    side = CellSide(channel: memory.others, payload: memory.othersPayload, payloadBytes: CellMemory.Area.others, spins: 0)
    pthread_mutex_init(mutex, nil)
  }

  /// Runs `body` with the conversation; inside, `ask` rings the host's watcher.
  func use<Value>(_ body: (CellSide) -> Value) -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(side)
  }

  func ask(_ word: CellWord) {
    side.post(word)
    clinux_ring_bell(CellProcess.bellDescriptor)
    side.await()
  }
}

/// Saving a state in the child.
enum CellStates {
  /// Where bytes go.
  private final class Target {
    let memory: UnsafeMutableRawPointer
    let capacity: Int
    var used = 0
    let side: CellSide?
    init(_ memory: UnsafeMutableRawPointer, _ capacity: Int, _ side: CellSide?) {
      self.memory = memory
      self.capacity = capacity
      self.side = side
    }

    /// Hands over what has gathered.
    func send() -> gantry_status {
      guard let side, used > 0 else { return GANTRY_OK }
      side.reply.pointee.bytes = UInt64(used)
      side.ask(.stateBytes)
      used = 0
      return side.request.pointee.status
    }

    func write(_ bytes: UnsafeRawPointer, _ length: Int) -> gantry_status {
      var done = 0
      while done < length {
        if used == capacity {
          guard side != nil else { return GANTRY_FULL }
          let status = send()
          if status != GANTRY_OK { return status }
        }
        let part = min(length - done, capacity - used)
        (memory + used).copyMemory(from: bytes + done, byteCount: part)
        used += part
        done += part
      }
      return GANTRY_OK
    }
  }

  private static func save(_ state: UnsafePointer<gantry_state>, _ instance: OpaquePointer?, _ target: Target) -> gantry_status {
    var writer = gantry_state_writer()
    writer.size = UInt32(MemoryLayout<gantry_state_writer>.size)
    writer.context = Unmanaged.passUnretained(target).toOpaque()
    writer.write = { writer, bytes, length in
      guard let context = writer?.pointee.context else { return GANTRY_MISUSE }
      guard let bytes, length > 0 else { return GANTRY_OK }
      return Unmanaged<Target>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.write(bytes, Int(clamping: length)) }
    }
    return state.pointee.save(instance, &writer)
  }

  /// Saves into memory; the length, or nil when it does not fit or fails.
  static func save(_ state: UnsafePointer<gantry_state>, _ instance: OpaquePointer?, into memory: UnsafeMutableRawPointer, capacity: Int) -> Int? {
    let target = Target(memory, capacity, nil)
    return save(state, instance, target) == GANTRY_OK ? target.used : nil
  }

  /// Saves through the payload area, piece by piece.
  static func save(_ state: UnsafePointer<gantry_state>, _ instance: OpaquePointer?, through side: CellSide) -> gantry_status {
    let target = Target(side.payload, side.payloadBytes, side)
    let status = save(state, instance, target)
    return status == GANTRY_OK ? target.send() : status
  }
}

/// `gantry_feed` in the child.
final class CellFeed: @unchecked Sendable {  // the feed thread's
  private let side: CellSide
  private let stride: (Int) -> Int

  init(_ side: CellSide, stride: @escaping (Int) -> Int) {
    self.side = side
    self.stride = stride
  }

  func run(_ body: (UnsafeMutablePointer<gantry_feed>) -> gantry_status) -> gantry_status {
    var feed = gantry_feed()
    feed.size = UInt32(MemoryLayout<gantry_feed>.size)
    feed.context = Unmanaged.passUnretained(self).toOpaque()
    feed.emit = { feed, port, events, count, arena in
      guard let context = feed?.pointee.context, let events else { return GANTRY_MISUSE }
      return Unmanaged<CellFeed>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.emit(port, events, Int(count), arena) }
    }
    feed.wait = { feed, due in
      guard let context = feed?.pointee.context else { return GANTRY_MISUSE }
      return Unmanaged<CellFeed>.fromOpaque(context)._withUnsafeGuaranteedRef { feed in
        feed.side.reply.pointee.x = UInt64(bitPattern: due)
        feed.side.ask(.wait)
        return feed.side.request.pointee.status
      }
    }
    return body(&feed)
  }

  private func emit(_ port: UInt32, _ events: UnsafeRawPointer, _ count: Int, _ arena: gantry_bytes) -> gantry_status {
    guard CellHost.current === side else { return GANTRY_MISUSE }
    let stride = stride(Int(port))
    guard stride > 0 else { return GANTRY_MISUSE }
    let half = CellMemory.Area.feed / 2
    guard arena.length <= UInt64(half) else { return GANTRY_FULL }
    var done = 0
    while done < count {
      let part = min(count - done, half / stride)
      side.payload.copyMemory(from: events + done * stride, byteCount: part * stride)
      if let data = arena.data, arena.length > 0 { (side.payload + half).copyMemory(from: data, byteCount: Int(arena.length)) }
      side.reply.pointee.a = port
      side.reply.pointee.x = UInt64(part)
      side.reply.pointee.bytes = UInt64(part * stride)
      side.reply.pointee.y = arena.length
      side.ask(.emit)
      if side.request.pointee.status != GANTRY_OK { return side.request.pointee.status }
      done += part
    }
    return GANTRY_OK
  }
}
