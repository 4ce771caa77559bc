import CGantry
import CLinux
import GantryBase
import GantryLoader
import Glibc
import Synchronization

/// The host's end of one living child: its memory, its process, and the conversations with it. A link
/// is used once: when the child ends, a restart makes another.
///
/// A conversation is used by one thread at a time: `calls` under the cell's turn, `feed` by the feed's
/// thread, `others` by the watcher.
final class CellLink: @unchecked Sendable {  // see above; `hasEnded` and `process` are for all
  enum Outcome { case done, ended, late, broken }

  /// One side's counts of a channel, kept where the child cannot reach them.
  struct Conversation {
    let channel: UnsafeMutablePointer<clinux_cell_channel>
    let payload: UnsafeMutableRawPointer
    let payloadBytes: Int
    var sent: UInt32 = 0
    var seen: UInt32 = 0

    @inline(__always) var request: UnsafeMutablePointer<clinux_cell_request> {
      UnsafeMutableRawPointer(channel).assumingMemoryBound(to: clinux_cell_request.self)
    }
    @inline(__always) var reply: UnsafeMutablePointer<clinux_cell_reply> {
      (UnsafeMutableRawPointer(channel) + 64).assumingMemoryBound(to: clinux_cell_reply.self)
    }
    @inline(__always) var cellSleeps: UnsafeMutablePointer<UInt32> {
      (UnsafeMutableRawPointer(channel) + 128).assumingMemoryBound(to: UInt32.self)
    }
    @inline(__always) var hostSleeps: UnsafeMutablePointer<UInt32> {
      (UnsafeMutableRawPointer(channel) + 192).assumingMemoryBound(to: UInt32.self)
    }
  }

  let memory: CellMemory
  let process: CellProcess
  /// Rung by the child's other threads and by the host; the cell's own.
  let bell: Int32
  let host: UnsafePointer<gantry_host>
  let node: OpaquePointer?
  let calls: UnsafeMutablePointer<Conversation>
  let feed: UnsafeMutablePointer<Conversation>
  let others: UnsafeMutablePointer<Conversation>
  var answers = CellAnswers()
  /// While `configure` runs.
  var config: UnsafePointer<gantry_config>?
  /// While a state is being saved.
  var writer: UnsafeMutablePointer<gantry_state_writer>?
  /// While a feed runs.
  var feedHost: UnsafeMutablePointer<gantry_feed>?
  /// The child goes through calls whose outcome the host has already: nothing it says is heard again.
  var isMuted = false
  /// What the node was doing when it ended, was late or broke the protocol.
  var lastCall = CellCall.boot
  /// Bytes printed so far that are no whole line yet, and the last whole line.
  var printed: [UInt8] = []
  var lastWords = ""
  private let ended = Atomic<Bool>(false)
  /// Set when we ended it ourselves, with the reason.
  private let verdict = Mutex<String?>(nil)
  /// The watcher's own thread serves other threads' calls while it waits.
  var servesOthers = false

  init(memory: CellMemory, process: CellProcess, bell: Int32, host: UnsafePointer<gantry_host>, node: OpaquePointer?) {
    self.memory = memory
    self.process = process
    self.bell = bell
    self.host = host
    self.node = node
    func conversation(
      _ channel: UnsafeMutablePointer<clinux_cell_channel>, _ payload: UnsafeMutableRawPointer, _ bytes: Int
    ) -> UnsafeMutablePointer<Conversation> {
      let pointer = UnsafeMutablePointer<Conversation>.allocate(capacity: 1)
      pointer.initialize(to: Conversation(channel: channel, payload: payload, payloadBytes: bytes))
      return pointer
    }
    calls = conversation(memory.calls, memory.payload, CellMemory.Area.payload)
    feed = conversation(memory.feed, memory.feedPayload, CellMemory.Area.feed)
    others = conversation(memory.others, memory.othersPayload, CellMemory.Area.others)
  }

  deinit {
    process.kill()
    _ = process.waitForEnd()
    answers.deallocate()
    for conversation in [calls, feed, others] { conversation.deallocate() }
  }

  @inline(__always) var hasEnded: Bool { ended.load(ordering: .acquiring) }

  /// Looks whether the child lives. When it does not, everybody who waits for it is told.
  @discardableResult
  func noticeEnd() -> Bool {
    if hasEnded { return true }
    guard process.ending() != nil else { return false }
    if ended.exchange(true, ordering: .acquiringAndReleasing) { return true }
    // Nobody writes there any more: a changed word wakes whoever sleeps on it. See `hasAnswered`.
    for conversation in [calls, feed] {
      let turn = UnsafeMutableRawPointer(conversation.pointee.reply).assumingMemoryBound(to: UInt32.self)
      clinux_store32(turn, clinux_load32(turn) &+ CellLink.endMark)
      clinux_shared_futex_wake(turn)
    }
    return true
  }

  /// What is added to the number of a message when the child is there no more.
  private static let endMark: UInt32 = 0x8000_0000

  /// Whether the message after `seen` stands there: what a child said before it ended was said.
  @inline(__always)
  private func hasAnswered(_ answered: UnsafePointer<UInt32>, after seen: UInt32) -> Bool {
    let number = clinux_load32(answered)
    return number == seen &+ 1 || hasEnded && number == seen &+ 1 &+ CellLink.endMark
  }

  /// Ends the child, for `reason`.
  func end(_ reason: String) {
    verdict.withLock { if $0 == nil { $0 = reason } }
    process.kill()
    _ = process.waitForEnd()
    noticeEnd()
  }

  /// What became of the child, for a person.
  var epitaph: String {
    let said = lastWords.isEmpty ? "" : "; its last words: \(lastWords)"
    if let reason = verdict.withLock({ $0 }) { return reason + said }
    switch process.ending() {
    case .signalled(let signal): return "ended by \(ChildProcess.describe(signal: signal)) in \(lastCall.text)\(said)"
    case .exited(let code): return "exited with code \(code) in \(lastCall.text)\(said)"
    case nil: return "lives"
    }
  }

  // MARK: conversation

  /// Sends the request that stands in the channel and serves the child's own calls until it is done.
  func exchange(_ conversation: UnsafeMutablePointer<Conversation>, _ call: CellCall, deadlineNs: Int64) -> Outcome {
    if hasEnded { return .ended }
    if call != .feed { lastCall = call }
    let request = conversation.pointee.request
    let reply = conversation.pointee.reply
    let asked = UnsafeMutableRawPointer(request).assumingMemoryBound(to: UInt32.self)
    let answered = UnsafeMutableRawPointer(reply).assumingMemoryBound(to: UInt32.self)
    request.pointee.op = call.rawValue
    while true {
      conversation.pointee.sent &+= 1
      clinux_cell_post(asked, conversation.pointee.cellSleeps, conversation.pointee.sent)
      let seen = conversation.pointee.seen
      if clinux_cell_await(answered, conversation.pointee.hostSleeps, seen, CellMemory.Spins.host, 5_000_000) != 0 {
        if let outcome = awaitLong(conversation, answered, deadlineNs) { return outcome }
      }
      guard hasAnswered(answered, after: seen) else {
        if noticeEnd() { return .ended }
        end("broke the protocol of cells in \(call.text)")
        return .broken
      }
      conversation.pointee.seen = seen &+ 1
      let word = reply.pointee.op
      // A question that nobody waits for an answer to. A result stands, whatever became of the child since.
      if word != CellWord.done.rawValue, hasEnded { return .ended }
      let deferred = reply.pointee.deferred
      if deferred != 0 { makeDeferredCalls(memory.deferred, min(deferred, UInt64(CellMemory.Area.deferred))) }
      if word == CellWord.done.rawValue { return .done }
      guard let word = CellWord(rawValue: word), answer(word, conversation) else {
        end("broke the protocol of cells in \(call.text)")
        return .broken
      }
      request.pointee.op = CellCall.answer.rawValue
    }
  }

  /// The answer takes its time: sleep, look whether the child lives, mind the deadline (negative: none).
  private func awaitLong(
    _ conversation: UnsafeMutablePointer<Conversation>, _ answered: UnsafeMutablePointer<UInt32>, _ deadlineNs: Int64
  ) -> Outcome? {
    let began = clinux_monotonic_ns()
    while clinux_load32(answered) == conversation.pointee.seen {
      // It may have answered and ended between two looks.
      if noticeEnd() { return nil }
      if servesOthers { serveOthers() }
      if deadlineNs >= 0, clinux_monotonic_ns() - began > deadlineNs {
        end("did not return from \(lastCall.text) within \(CellLink.duration(deadlineNs)) and was ended")
        return .late
      }
      _ = clinux_cell_await(answered, conversation.pointee.hostSleeps, conversation.pointee.seen, 0, 10_000_000)
    }
    return nil
  }

  static func duration(_ ns: Int64) -> String { ns % 1_000_000_000 == 0 ? "\(ns / 1_000_000_000) s" : "\(ns / 1_000_000) ms" }

  /// Hands `bytes` over as the payload of the next call.
  func put(_ bytes: UnsafeRawBufferPointer, deadlineNs: Int64) -> Outcome {
    var done = 0
    repeat {
      let part = min(bytes.count - done, calls.pointee.payloadBytes)
      if part > 0 { calls.pointee.payload.copyMemory(from: bytes.baseAddress! + done, byteCount: part) }
      calls.pointee.request.pointee.bytes = UInt64(part)
      calls.pointee.request.pointee.x = done == 0 ? 1 : 0
      let outcome = exchange(calls, .put, deadlineNs: deadlineNs)
      if outcome != .done { return outcome }
      done += part
    } while done < bytes.count
    return .done
  }

  func put(_ bytes: [UInt8], deadlineNs: Int64) -> Outcome { bytes.withUnsafeBytes { put($0, deadlineNs: deadlineNs) } }

  // MARK: what it prints

  /// Takes what the child has printed; each whole line becomes a log line of the node.
  func listen() {
    for byte in process.printed() {
      if byte != 10 {
        if printed.count < 1024 { printed.append(byte) }
        continue
      }
      say(printed)
      printed = []
    }
    if process.ending() != nil, !printed.isEmpty {
      say(printed)
      printed = []
    }
  }

  private func say(_ line: [UInt8]) {
    guard line.contains(where: { $0 > 32 }) else { return }
    let text = String(decoding: line.map { $0 < 32 || $0 == 127 ? 32 : $0 }, as: UTF8.self)
    lastWords = text
    log(GANTRY_LOG_WARNING, "its cell printed: \(text)")
  }

  func log(_ severity: UInt32, _ text: String) {
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        host.pointee.log(node, severity, gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
      }
    }
  }
}
