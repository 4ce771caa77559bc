import CGantry
import CLinux
import GantryBase
import GantryRuntime
import Glibc

/// A call of a host function that wants no answer, as it stands in the deferred area; its texts follow.
struct CellDeferred {
  var word: UInt32
  /// Bytes with the texts, a multiple of 8.
  var size: UInt32
  var a: UInt64
  var b: UInt64
  var c: UInt64
  var first: UInt32
  var second: UInt32
}

/// What the child asks of the host's functions: made here, on the thread that the child's call serves, so
/// that they see the same thread, the same state and the same order as calls in process.
extension CellLink {
  /// Makes the calls that wanted no answer, in their order. What does not fit together is left out: it
  /// comes from the child.
  func makeDeferredCalls(_ area: UnsafeMutableRawPointer, _ length: UInt64) {
    var place = 0
    let header = MemoryLayout<CellDeferred>.stride
    while place + header <= Int(length) {
      let call = (area + place).load(as: CellDeferred.self)
      guard call.size >= UInt32(header), place + Int(call.size) <= Int(length),
        header + Int(call.first) + Int(call.second) <= Int(call.size)
      else { return }
      let texts = UnsafeRawPointer(area + place + header).assumingMemoryBound(to: CChar.self)
      if !isMuted {
        make(
          call, gantry_string(data: texts, length: UInt64(call.first)),
          gantry_string(data: texts + Int(call.first), length: UInt64(call.second)))
      }
      place += Int(call.size + 7) & ~7
    }
  }

  private func make(_ call: CellDeferred, _ first: gantry_string, _ second: gantry_string) {
    switch CellWord(rawValue: call.word) {
    case .log: host.pointee.log(node, UInt32(truncatingIfNeeded: call.a), first)
    case .fail:
      _ = host.pointee.fail(node, gantry_status(truncatingIfNeeded: Int64(bitPattern: call.a)), UInt32(truncatingIfNeeded: call.b), first)
    case .metric: host.pointee.update_metric(node, UInt32(truncatingIfNeeded: call.a), Double(bitPattern: call.b))
    case .note: chain?.pointee.note(node, UInt32(truncatingIfNeeded: call.a), first, second)
    case .alias: chain?.pointee.alias(node, call.a, first)
    case .endDependency:
      chain?.pointee.end_dependency(node, call.a, gantry_status(truncatingIfNeeded: Int64(bitPattern: call.b)))
    default: return
    }
  }

  private var chain: UnsafePointer<gantry_chain_host>? {
    host.pointee.get_extension(node, gantry_string(CellLink.chainName))?.assumingMemoryBound(to: gantry_chain_host.self)
  }

  static let chainName: StaticString = "gantry.chain/1"

  /// Answers one call of the child, by filling in the request. False when it makes no sense.
  func answer(_ word: CellWord, _ conversation: UnsafeMutablePointer<Conversation>) -> Bool {
    let reply = conversation.pointee.reply.pointee
    let request = conversation.pointee.request
    request.pointee.status = GANTRY_OK
    switch word {
    case .relieve: return true
    case .random: request.pointee.x = stateful { UInt64(host.pointee.random(node)) }
    case .nextID: request.pointee.x = stateful { host.pointee.next_id(node) }
    case .now: request.pointee.x = UInt64(bitPattern: host.pointee.now(node))
    case .setTimer:
      let status = stateful { UInt64(bitPattern: Int64(host.pointee.set_timer(node, Int64(bitPattern: reply.x), reply.y))) }
      request.pointee.status = gantry_status(truncatingIfNeeded: Int64(bitPattern: status))
    case .cancelTimer:
      let status = stateful { UInt64(bitPattern: Int64(host.pointee.cancel_timer(node, reply.y))) }
      request.pointee.status = gantry_status(truncatingIfNeeded: Int64(bitPattern: status))
    case .instrument: tellInstrument(reply, conversation)
    case .currency: tellCurrency(reply, conversation)
    case .modelReference:
      request.pointee.x = UInt64(host.pointee.model_ref(node, text(conversation, at: 0, reply.x), text(conversation, at: Int(clamping: reply.x), reply.y)))
    case .model: tellModel(reply, conversation)
    case .secret: tellSecret(reply, conversation)
    case .library: tellLibrary(reply, conversation)
    case .defineMetric:
      let second = Int(clamping: reply.x)
      let third = second + Int(clamping: min(reply.y, 1 << 30))
      request.pointee.x = UInt64(
        host.pointee.define_metric(
          node, reply.a, text(conversation, at: 0, reply.x), text(conversation, at: second, reply.y), text(conversation, at: third, reply.z)))
    case .hasExtension:
      request.pointee.status = host.pointee.get_extension(node, text(conversation, at: 0, reply.x)) == nil ? GANTRY_NOT_FOUND : GANTRY_OK
    case .beginDependency: request.pointee.x = chain?.pointee.begin_dependency(node, text(conversation, at: 0, reply.x)) ?? 0
    case .setColumns: request.pointee.status = setColumns(reply, conversation)
    case .stateBytes:
      guard let writer else { return false }
      let bytes = payload(conversation, at: 0, reply.bytes)
      request.pointee.status = writer.pointee.write(writer, bytes.baseAddress, UInt64(bytes.count))
    case .emit:
      guard let feedHost else { return false }
      let rows = payload(conversation, at: 0, reply.bytes)
      let arena = payload(conversation, at: CellMemory.Area.feed / 2, reply.y)
      request.pointee.status = feedHost.pointee.emit(
        feedHost, reply.a, rows.baseAddress, UInt32(clamping: reply.x),
        gantry_bytes(data: arena.baseAddress?.assumingMemoryBound(to: UInt8.self), length: UInt64(arena.count)))
    case .wait:
      guard let feedHost else { return false }
      request.pointee.status = feedHost.pointee.wait(feedHost, Int64(bitPattern: reply.x))
    case .done, .log, .fail, .note, .metric, .alias, .endDependency: return false
    }
    return true
  }

  /// An answer on which the plugin's state may depend: kept, or read back.
  private func stateful(_ make: () -> UInt64) -> UInt64 {
    if answers.isScripted { return answers.scripted() }
    let value = make()
    answers.record(value)
    return value
  }

  private func payload(_ conversation: UnsafeMutablePointer<Conversation>, at offset: Int, _ length: UInt64) -> UnsafeRawBufferPointer {
    let room = max(conversation.pointee.payloadBytes - offset, 0)
    return UnsafeRawBufferPointer(
      start: conversation.pointee.payload + min(offset, conversation.pointee.payloadBytes), count: Int(min(length, UInt64(room))))
  }

  private func text(_ conversation: UnsafeMutablePointer<Conversation>, at offset: Int, _ length: UInt64) -> gantry_string {
    let bytes = payload(conversation, at: offset, length)
    return gantry_string(data: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), length: UInt64(bytes.count))
  }

  private func tell(_ bytes: [UInt8], _ conversation: UnsafeMutablePointer<Conversation>) {
    let count = min(bytes.count, conversation.pointee.payloadBytes)
    bytes.withUnsafeBytes { if count > 0 { conversation.pointee.payload.copyMemory(from: $0.baseAddress!, byteCount: count) } }
    conversation.pointee.request.pointee.bytes = UInt64(count)
  }

  private func tellInstrument(_ reply: clinux_cell_reply, _ conversation: UnsafeMutablePointer<Conversation>) {
    var value = gantry_instrument()
    value.size = UInt32(MemoryLayout<gantry_instrument>.size)
    let status = host.pointee.instrument(node, reply.a, &value)
    conversation.pointee.request.pointee.status = status
    guard status == GANTRY_OK else { return }
    var writer = CellWriter()
    writer.add(value.id)
    writer.add(value.price_digits)
    writer.add(value.quantity_digits)
    writer.add(value.tick_size)
    writer.add(value.lot_size)
    writer.add(value.contract_units)
    writer.add(value.quote_currency)
    writer.add(value.base_currency)
    for text in [value.symbol, value.base, value.quote] { writer.add(text) }
    tell(writer.bytes, conversation)
  }

  private func tellCurrency(_ reply: clinux_cell_reply, _ conversation: UnsafeMutablePointer<Conversation>) {
    var value = gantry_currency()
    value.size = UInt32(MemoryLayout<gantry_currency>.size)
    let status = host.pointee.currency(node, reply.a, &value)
    conversation.pointee.request.pointee.status = status
    guard status == GANTRY_OK else { return }
    var writer = CellWriter()
    writer.add(value.digits)
    writer.add(value.code)
    tell(writer.bytes, conversation)
  }

  private func tellModel(_ reply: clinux_cell_reply, _ conversation: UnsafeMutablePointer<Conversation>) {
    var info = gantry_model_info()
    info.size = UInt32(MemoryLayout<gantry_model_info>.size)
    let table = host.pointee.get_extension(node, gantry_string("gantry.model/1"))?.assumingMemoryBound(to: gantry_model_host.self)
    let status = table?.pointee.describe(node, reply.a, &info) ?? GANTRY_NOT_FOUND
    conversation.pointee.request.pointee.status = status
    guard status == GANTRY_OK else { return }
    var writer = CellWriter()
    for text in [info.name, info.version, info.format, info.sha256, info.training_data, info.library] { writer.add(text) }
    writer.add(UInt32(clamping: info.column_count))
    for index in 0..<Int(info.column_count) { writer.add(info.columns[index]) }
    guard writer.bytes.count <= conversation.pointee.payloadBytes else {
      conversation.pointee.request.pointee.status = GANTRY_FULL
      return
    }
    tell(writer.bytes, conversation)
  }

  /// The file to map, or the reason why not.
  private func tellLibrary(_ reply: clinux_cell_reply, _ conversation: UnsafeMutablePointer<Conversation>) {
    let bytes = [UInt8](payload(conversation, at: 0, reply.x))
    let path = String(validating: bytes, as: UTF8.self) ?? ""
    let (status, text) = CellLibraries.admit(host: host, node: node, path: path)
    tell(Array(text.utf8), conversation)
    conversation.pointee.request.pointee.status = status
  }

  /// The secret passes through the shared memory; the cell wipes it there.
  private func tellSecret(_ reply: clinux_cell_reply, _ conversation: UnsafeMutablePointer<Conversation>) {
    let name = [CChar](text(conversation, at: 0, reply.x))
    var length: UInt64 = 0
    let capacity = min(reply.y, UInt64(conversation.pointee.payloadBytes))
    conversation.pointee.request.pointee.status = name.withUnsafeBufferPointer {
      host.pointee.secret(
        node, gantry_string(data: $0.baseAddress, length: UInt64($0.count)),
        conversation.pointee.payload.assumingMemoryBound(to: UInt8.self), capacity, &length)
    }
    conversation.pointee.request.pointee.bytes = length
  }

  private func setColumns(_ reply: clinux_cell_reply, _ conversation: UnsafeMutablePointer<Conversation>) -> gantry_status {
    // A cell that is brought back names them again; the run knows them already.
    guard let config else { return GANTRY_OK }
    var reader = CellReader(Array(payload(conversation, at: 0, reply.bytes)))
    let structures = CellStructures()
    let count = reader.number(UInt32.self)
    guard count <= 65_536 else { return GANTRY_INVALID }
    let names = structures.array(Int(count), of: gantry_string.self)
    for index in 0..<Int(count) { names[index] = structures.text(reader.raw()) }
    guard !reader.isDamaged else { return GANTRY_INVALID }
    return withExtendedLifetime(structures) { config.pointee.set_columns(config, reply.a, names, UInt64(count)) }
  }

  /// Serves the child's own threads. The watcher only.
  func serveOthers() {
    let conversation = others
    let answered = UnsafeMutableRawPointer(conversation.pointee.reply).assumingMemoryBound(to: UInt32.self)
    while !hasEnded, clinux_load32(answered) != conversation.pointee.seen {
      conversation.pointee.seen = clinux_load32(answered)
      let reply = conversation.pointee.reply.pointee
      if reply.deferred != 0 {
        makeDeferredCalls(conversation.pointee.payload, min(reply.deferred, UInt64(conversation.pointee.payloadBytes)))
      } else if let word = CellWord(rawValue: reply.op), CellLink.isForAll(word) {
        // Those that belong to a lane are refused by the thread's tag, as in process.
        answerOthers(word, conversation)
      } else {
        return end("broke the protocol of cells on a thread of its own")
      }
      conversation.pointee.sent &+= 1
      let asked = UnsafeMutableRawPointer(conversation.pointee.request).assumingMemoryBound(to: UInt32.self)
      clinux_cell_post(asked, conversation.pointee.cellSleeps, conversation.pointee.sent)
    }
  }

  /// What only the lane may ask changes nothing here, so that it neither enters nor uses up what is kept
  /// for a restart.
  private func answerOthers(_ word: CellWord, _ conversation: UnsafeMutablePointer<Conversation>) {
    let request = conversation.pointee.request
    let reply = conversation.pointee.reply.pointee
    switch word {
    case .random: request.pointee.x = host.pointee.random(node)
    case .nextID: request.pointee.x = host.pointee.next_id(node)
    case .setTimer: request.pointee.status = host.pointee.set_timer(node, Int64(bitPattern: reply.x), reply.y)
    case .cancelTimer: request.pointee.status = host.pointee.cancel_timer(node, reply.y)
    default: _ = answer(word, conversation)
    }
  }

  private static func isForAll(_ word: CellWord) -> Bool {
    switch word {
    case .relieve, .random, .nextID, .now, .setTimer, .cancelTimer, .instrument, .currency, .modelReference, .model, .secret, .defineMetric,
      .hasExtension, .beginDependency:
      true
    default: false
    }
  }
}

extension gantry_string {
  init(_ text: StaticString) {
    self.init(data: UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self), length: UInt64(text.utf8CodeUnitCount))
  }
}

extension [CChar] {
  init(_ text: gantry_string) {
    self = text.data.map { Array(UnsafeBufferPointer(start: $0, count: Int(text.length))) } ?? []
  }
}
