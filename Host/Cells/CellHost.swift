import CGantry
import CLinux
import GantryBase
import GantryLoader
import GantryRuntime
import Glibc

/// What stands behind the `gantry_node` handle in a cell.
struct CellNode {
  /// Set before the plugin is created, never freed.
  var server: Unmanaged<CellServer>?
  var isAlive = true
  /// The chain's time, while a call of the lane runs.
  var nowNs: Int64 = 0
  var isOnLane = false
  /// Instruments, currencies and models asked for so far; their texts live as long as the instance.
  var instruments: [UInt32: gantry_instrument] = [:]
  var currencies: [UInt32: gantry_currency] = [:]
  /// By position of the parameter.
  var models: [UInt32: gantry_model_info] = [:]
  var texts = CellStructures()
}

/// The host's functions as a plugin in a cell sees them. Those that want no answer are gathered and go
/// with the next message; the others are asked of the host, which makes them on the thread that the
/// running call belongs to.
enum CellHost {
  /// The conversation of the calling thread; nil on threads that the plugin has made.
  static var current: CellSide? {
    let tag = clinux_thread_tag()
    guard tag != 0, let pointer = UnsafeRawPointer(bitPattern: UInt(tag)) else { return nil }
    return Unmanaged<CellSide>.fromOpaque(pointer).takeUnretainedValue()
  }

  /// The calling thread serves `side` from now on.
  static func enter(_ side: CellSide) { clinux_set_thread_tag(UInt64(UInt(bitPattern: Unmanaged.passRetained(side).toOpaque()))) }

  private static func node(_ handle: OpaquePointer?) -> UnsafeMutablePointer<CellNode>? {
    guard let handle else { return nil }
    let node = UnsafeMutablePointer<CellNode>(handle)
    return node.pointee.isAlive ? node : nil
  }

  /// Asks the host, from whatever thread: `fill` prepares the message, `take` reads the answer.
  private static func ask<Value>(
    _ node: UnsafeMutablePointer<CellNode>, _ word: CellWord, fill: (CellSide) -> Void, take: (CellSide) -> Value
  ) -> Value {
    if let side = current {
      fill(side)
      side.ask(word)
      return take(side)
    }
    let others = node.pointee.server.unsafelyUnwrapped.takeUnretainedValue().side
    return others.use { side in
      fill(side)
      others.ask(word)
      return take(side)
    }
  }

  /// A call that wants no answer.
  private static func tell(
    _ node: UnsafeMutablePointer<CellNode>, _ word: CellWord, a: UInt64 = 0, b: UInt64 = 0, _ first: gantry_string = gantry_string(),
    _ second: gantry_string = gantry_string(), limit: UInt64 = 4096
  ) {
    let server = node.pointee.server.unsafelyUnwrapped.takeUnretainedValue()
    if let side = current, side === server.calls {
      write(side, server.memory.deferred, CellMemory.Area.deferred, word, a, b, first, second, limit)
      return
    }
    server.side.use { side in
      write(side, side.payload, side.payloadBytes, word, a, b, first, second, limit)
      server.side.ask(.relieve)
    }
  }

  private static func write(
    _ side: CellSide, _ area: UnsafeMutableRawPointer, _ capacity: Int, _ word: CellWord, _ a: UInt64, _ b: UInt64, _ first: gantry_string,
    _ second: gantry_string, _ limit: UInt64
  ) {
    let header = MemoryLayout<CellDeferred>.stride
    let firstBytes = first.data == nil ? 0 : Int(min(first.length, limit))
    let secondBytes = second.data == nil ? 0 : Int(min(second.length, limit))
    let size = (header + firstBytes + secondBytes + 7) & ~7
    if side.deferred + size > capacity { side.ask(.relieve) }
    let place = area + side.deferred
    place.storeBytes(
      of: CellDeferred(word: word.rawValue, size: UInt32(size), a: a, b: b, c: 0, first: UInt32(firstBytes), second: UInt32(secondBytes)),
      as: CellDeferred.self)
    if firstBytes > 0 { (place + header).copyMemory(from: first.data!, byteCount: firstBytes) }
    if secondBytes > 0 { (place + header + firstBytes).copyMemory(from: second.data!, byteCount: secondBytes) }
    side.deferred += size
  }

  /// Puts texts into the payload, one behind the other; returns their lengths, cut to what fits.
  private static func put(_ side: CellSide, _ texts: gantry_string...) -> [UInt64] {
    var place = 0
    return texts.map { text in
      guard let data = text.data else { return 0 }
      let length = min(Int(clamping: text.length), side.payloadBytes - place, 65_537)
      (side.payload + place).copyMemory(from: data, byteCount: length)
      place += length
      return UInt64(length)
    }
  }

  /// The one table of this process. Constant after its first use.
  nonisolated(unsafe) static let table: UnsafePointer<gantry_host> = {
    let table = UnsafeMutablePointer<gantry_host>.allocate(capacity: 1)
    table.initialize(to: gantry_host())
    table.pointee.size = UInt32(MemoryLayout<gantry_host>.size)
    table.pointee.abi_major = GANTRY_ABI_MAJOR
    table.pointee.abi_minor = GANTRY_ABI_MINOR
    let texts = Unmanaged.passRetained(CellStructures()).takeUnretainedValue()
    table.pointee.name = texts.text("gantry")
    table.pointee.version = texts.text(gantryVersion)
    table.pointee.get_extension = { handle, id in
      guard let node = node(handle) else { return nil }
      let status = ask(node, .hasExtension, fill: { $0.reply.pointee.x = put($0, id)[0] }, take: { $0.request.pointee.status })
      guard status == GANTRY_OK else { return nil }
      switch String(decoding: [UInt8](id), as: UTF8.self) {
      case "gantry.chain/1": return UnsafeRawPointer(chain)
      case "gantry.library/1": return UnsafeRawPointer(library)
      case "gantry.model/1": return UnsafeRawPointer(model)
      default: return nil
      }
    }
    table.pointee.log = { handle, severity, text in
      guard let node = node(handle) else { return }
      tell(node, .log, a: UInt64(severity), text)
    }
    table.pointee.fail = { handle, status, retryable, text in
      guard let node = node(handle) else { return GANTRY_GONE }
      tell(node, .fail, a: UInt64(bitPattern: Int64(status)), b: UInt64(retryable), text, limit: 1024)
      return status
    }
    table.pointee.now = { handle in
      guard let node = node(handle) else { return 0 }
      if node.pointee.isOnLane, current != nil { return node.pointee.nowNs }
      return ask(node, .now, fill: { _ in }, take: { Int64(bitPattern: $0.request.pointee.x) })
    }
    table.pointee.random = { handle in
      guard let node = node(handle) else { return 0 }
      return ask(node, .random, fill: { _ in }, take: { $0.request.pointee.x })
    }
    table.pointee.next_id = { handle in
      guard let node = node(handle) else { return 0 }
      return ask(node, .nextID, fill: { _ in }, take: { $0.request.pointee.x })
    }
    table.pointee.set_timer = { handle, due, tag in
      guard let node = node(handle) else { return GANTRY_GONE }
      return ask(
        node, .setTimer,
        fill: {
          $0.reply.pointee.x = UInt64(bitPattern: due)
          $0.reply.pointee.y = tag
        }, take: { $0.request.pointee.status })
    }
    table.pointee.cancel_timer = { handle, tag in
      guard let node = node(handle) else { return GANTRY_GONE }
      return ask(node, .cancelTimer, fill: { $0.reply.pointee.y = tag }, take: { $0.request.pointee.status })
    }
    table.pointee.instrument = { handle, id, out in
      guard let node = node(handle) else { return GANTRY_GONE }
      guard let out else { return GANTRY_MISUSE }
      return copy(instrument(node, id), to: out)
    }
    table.pointee.currency = { handle, index, out in
      guard let node = node(handle) else { return GANTRY_GONE }
      guard let out else { return GANTRY_MISUSE }
      return copy(currency(node, index), to: out)
    }
    table.pointee.model_ref = { handle, name, version in
      guard let node = node(handle) else { return 0 }
      return ask(
        node, .modelReference,
        fill: {
          let lengths = put($0, name, version)
          $0.reply.pointee.x = lengths[0]
          $0.reply.pointee.y = lengths[1]
        }, take: { UInt32(truncatingIfNeeded: $0.request.pointee.x) })
    }
    table.pointee.secret = { handle, name, buffer, capacity, length in
      guard let node = node(handle) else { return GANTRY_GONE }
      guard let length else { return GANTRY_MISUSE }
      return ask(
        node, .secret,
        fill: {
          $0.reply.pointee.x = put($0, name)[0]
          $0.reply.pointee.y = buffer == nil ? 0 : capacity
        },
        take: { side in
          let status = side.request.pointee.status
          if status == GANTRY_OK || status == GANTRY_FULL { length.pointee = side.request.pointee.bytes }
          if status == GANTRY_OK, let buffer {
            let count = Int(min(side.request.pointee.bytes, capacity, UInt64(side.payloadBytes)))
            UnsafeMutableRawPointer(buffer).copyMemory(from: side.payload, byteCount: count)
            explicit_bzero(side.payload, count)
          }
          return status
        })
    }
    table.pointee.define_metric = { handle, kind, name, unit, help in
      guard let node = node(handle) else { return 0 }
      return ask(
        node, .defineMetric,
        fill: {
          let lengths = put($0, name, unit, help)
          $0.reply.pointee.a = kind
          $0.reply.pointee.x = lengths[0]
          $0.reply.pointee.y = lengths[1]
          $0.reply.pointee.z = lengths[2]
        }, take: { UInt32(truncatingIfNeeded: $0.request.pointee.x) })
    }
    table.pointee.update_metric = { handle, metric, value in
      guard let node = node(handle) else { return }
      tell(node, .metric, a: UInt64(metric), b: value.bitPattern)
    }
    return UnsafePointer(table)
  }()

  /// `gantry.chain/1`. Constant after its first use.
  nonisolated(unsafe) private static let chain: UnsafePointer<gantry_chain_host> = {
    let table = UnsafeMutablePointer<gantry_chain_host>.allocate(capacity: 1)
    table.initialize(to: gantry_chain_host())
    table.pointee.size = UInt32(MemoryLayout<gantry_chain_host>.size)
    table.pointee.note = { handle, cause, key, value in
      guard let node = node(handle) else { return }
      tell(node, .note, a: UInt64(cause), key, value, limit: 256)
    }
    table.pointee.begin_dependency = { handle, target in
      guard let node = node(handle) else { return 0 }
      return ask(node, .beginDependency, fill: { $0.reply.pointee.x = put($0, target)[0] }, take: { $0.request.pointee.x })
    }
    table.pointee.end_dependency = { handle, call, status in
      guard let node = node(handle) else { return }
      tell(node, .endDependency, a: call, b: UInt64(bitPattern: Int64(status)))
    }
    table.pointee.alias = { handle, order, outside in
      guard let node = node(handle) else { return }
      tell(node, .alias, a: order, outside, limit: 256)
    }
    return UnsafePointer(table)
  }()

  /// `gantry.model/1`. Constant after its first use.
  nonisolated(unsafe) private static let model: UnsafePointer<gantry_model_host> = {
    let table = UnsafeMutablePointer<gantry_model_host>.allocate(capacity: 1)
    table.initialize(to: gantry_model_host())
    table.pointee.size = UInt32(MemoryLayout<gantry_model_host>.size)
    table.pointee.describe = { handle, parameter, out in
      guard let node = node(handle) else { return GANTRY_GONE }
      guard let out else { return GANTRY_MISUSE }
      return copy(modelInfo(node, parameter), to: out)
    }
    return UnsafePointer(table)
  }()

  /// `gantry.library/1`: the host says which file to map, and it is mapped here. Constant after its first use.
  nonisolated(unsafe) private static let library: UnsafePointer<gantry_library_host> = {
    let table = UnsafeMutablePointer<gantry_library_host>.allocate(capacity: 1)
    table.initialize(to: gantry_library_host())
    table.pointee.size = UInt32(MemoryLayout<gantry_library_host>.size)
    table.pointee.open = { handle, path, flags, opened, reason, capacity, length in
      guard let node = node(handle) else { return GANTRY_GONE }
      guard let opened, current != nil, !node.pointee.isOnLane else { return GANTRY_MISUSE }
      var (status, text) = ask(
        node, .library, fill: { $0.reply.pointee.x = put($0, path)[0] },
        take: { side in
          let count = Int(min(side.request.pointee.bytes, UInt64(side.payloadBytes)))
          return (side.request.pointee.status, String(decoding: UnsafeRawBufferPointer(start: side.payload, count: count), as: UTF8.self))
        })
      if status == GANTRY_OK {
        do throws(GantryError) {
          opened.pointee = try Loader.openLibraryInCell(
            file: text, named: String(decoding: [UInt8](path), as: UTF8.self), isAlone: flags & GANTRY_LIBRARY_ALONE != 0)
          return GANTRY_OK
        } catch {
          status = GANTRY_IO
          text = LibraryRefusal.text(error)
        }
      }
      LibraryRefusal.write(text, to: reason, capacity, length)
      return status
    }
    return UnsafePointer(table)
  }()

  private static func modelInfo(_ node: UnsafeMutablePointer<CellNode>, _ parameter: UInt32) -> gantry_model_info? {
    if let known = node.pointee.models[parameter] { return known }
    guard var reader = ask(node, .model, fill: { $0.reply.pointee.a = parameter }, take: answer) else { return nil }
    var value = gantry_model_info()
    value.size = UInt32(MemoryLayout<gantry_model_info>.size)
    value.name = node.pointee.texts.text(reader.raw())
    value.version = node.pointee.texts.text(reader.raw())
    value.format = node.pointee.texts.text(reader.raw())
    value.sha256 = node.pointee.texts.text(reader.raw())
    value.training_data = node.pointee.texts.text(reader.raw())
    value.library = node.pointee.texts.text(reader.raw())
    let count = reader.number(UInt32.self)
    guard count <= 65_536, !reader.isDamaged else { return nil }
    let columns = node.pointee.texts.array(Int(count), of: gantry_string.self)
    for index in 0..<Int(count) { columns[index] = node.pointee.texts.text(reader.raw()) }
    guard !reader.isDamaged else { return nil }
    value.columns = UnsafePointer(columns)
    value.column_count = UInt64(count)
    node.pointee.models[parameter] = value
    return value
  }

  private static func answer(_ side: CellSide) -> CellReader? {
    guard side.request.pointee.status == GANTRY_OK else { return nil }
    let count = Int(min(side.request.pointee.bytes, UInt64(side.payloadBytes)))
    return CellReader(Array(UnsafeRawBufferPointer(start: side.payload, count: count)))
  }

  private static func instrument(_ node: UnsafeMutablePointer<CellNode>, _ id: UInt32) -> gantry_instrument? {
    if let known = node.pointee.instruments[id] { return known }
    guard var reader = ask(node, .instrument, fill: { $0.reply.pointee.a = id }, take: answer) else { return nil }
    var value = gantry_instrument()
    value.size = UInt32(MemoryLayout<gantry_instrument>.size)
    value.id = reader.number()
    value.price_digits = reader.number()
    value.quantity_digits = reader.number()
    value.tick_size = reader.number()
    value.lot_size = reader.number()
    value.contract_units = reader.number()
    value.quote_currency = reader.number()
    value.base_currency = reader.number()
    value.symbol = node.pointee.texts.text(reader.raw())
    value.base = node.pointee.texts.text(reader.raw())
    value.quote = node.pointee.texts.text(reader.raw())
    node.pointee.instruments[id] = value
    return value
  }

  private static func currency(_ node: UnsafeMutablePointer<CellNode>, _ index: UInt32) -> gantry_currency? {
    if let known = node.pointee.currencies[index] { return known }
    guard var reader = ask(node, .currency, fill: { $0.reply.pointee.a = index }, take: answer) else { return nil }
    var value = gantry_currency()
    value.size = UInt32(MemoryLayout<gantry_currency>.size)
    value.digits = reader.number()
    value.code = node.pointee.texts.text(reader.raw())
    node.pointee.currencies[index] = value
    return value
  }

  /// A sized struct to a caller whose own may be shorter.
  private static func copy<Value: BitwiseCopyable>(_ source: Value?, to target: UnsafeMutablePointer<Value>) -> gantry_status {
    guard let source else { return GANTRY_NOT_FOUND }
    let size = UnsafeRawPointer(target).load(as: UInt32.self)
    guard size >= 8 else { return GANTRY_MISUSE }
    let length = min(Int(size), MemoryLayout<Value>.size)
    withUnsafeBytes(of: source) { UnsafeMutableRawPointer(target).copyMemory(from: $0.baseAddress!, byteCount: length) }
    UnsafeMutableRawPointer(target).storeBytes(of: UInt32(length), as: UInt32.self)
    return GANTRY_OK
  }
}
