import CLinux
import GantryBase
import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Who asks: as the kernel knew the other end when it connected.
public struct ControlPeer: Sendable, Equatable, Codable {
  public var uid: UInt32
  public var pid: Int32
  public var origin: String

  public init(uid: UInt32, pid: Int32, origin: String = "control socket") {
    self.uid = uid
    self.pid = pid
    self.origin = origin
  }

  /// As audit entries, journals and reports name it.
  public var text: String { "uid \(uid), pid \(pid), \(origin)" }
}

/// The answer to one request: any number of progress lines, then `done` or `failed`, once. Any thread.
public final class ControlReply: Sendable {
  public let id: Int64
  /// Nil for what the host asks of itself.
  private let output: ControlOutput?

  /// Nobody waits for the answer.
  static let silent = ControlReply(id: 0, output: nil)

  init(id: Int64, output: ControlOutput?) {
    self.id = id
    self.output = output
  }

  /// Sends one line on the way to the answer.
  ///
  /// - Returns: false when it was left out: the client is gone, or does not keep up
  @discardableResult
  public func progress(_ value: some Encodable) -> Bool {
    output?.append("{\"gantry\":1,\"id\":\(id),\"progress\":\(JSONLine.text(value))}", isLast: false) ?? false
  }

  public func done(_ value: some Encodable) {
    output?.append("{\"gantry\":1,\"id\":\(id),\"ok\":true,\"result\":\(JSONLine.text(value))}", isLast: true)
  }

  public func failed(_ error: GantryError) {
    output?.append(JSONLine.failure(id: id, error), isLast: true)
  }

  /// The client has closed its connection or was given up.
  public var isGone: Bool { output?.isGone ?? false }
}

/// JSON on one line, keys sorted: the same value is always the same bytes.
public enum JSONLine {
  public static func text(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else { return "null" }
    return String(decoding: data, as: UTF8.self)
  }

  static func failure(id: Int64, _ error: GantryError) -> String {
    "{\"gantry\":1,\"id\":\(id),\"ok\":false,\"exit\":\(error.exitCode.rawValue),\"diagnostics\":\(text(error.diagnostics))}"
  }
}

/// Bytes on their way to one client, from any thread; the server's thread sends them.
final class ControlOutput: Sendable {
  struct State {
    var bytes: [UInt8] = []
    var sent = 0
    var isGone = false
    /// A request is being worked on: the next one waits.
    var isBusy = false
  }

  private let state = Mutex(State())
  private let bytesMax: Int
  private let wakeDescriptor: Int32

  init(bytesMax: Int, wakeDescriptor: Int32) {
    self.bytesMax = bytesMax
    self.wakeDescriptor = wakeDescriptor
  }

  /// What is last always goes; a line of progress only while there is room.
  @discardableResult
  func append(_ line: String, isLast: Bool) -> Bool {
    let isTaken = state.withLock { state in
      if isLast { state.isBusy = false }
      guard !state.isGone, isLast || state.bytes.count - state.sent < bytesMax else { return false }
      state.bytes += line.utf8
      state.bytes.append(0x0A)
      return true
    }
    clinux_event_signal(wakeDescriptor)
    return isTaken
  }

  var isGone: Bool { state.withLock { $0.isGone } }
  var isBusy: Bool { state.withLock { $0.isBusy } }
  var isEmpty: Bool { state.withLock { $0.sent == $0.bytes.count } }
  func begin() { state.withLock { $0.isBusy = true } }

  /// Nothing more goes to this client.
  func close() {
    state.withLock { state in
      state.isGone = true
      state.bytes = []
      state.sent = 0
    }
  }

  enum Sent { case nothing, some, failed }

  /// Sends what the socket takes now. The server's thread only.
  func send(to descriptor: Int32) -> Sent {
    state.withLock { state in
      var result = Sent.nothing
      while state.sent < state.bytes.count {
        let count = state.bytes.withUnsafeBytes { clinux_send(descriptor, $0.baseAddress! + state.sent, UInt64($0.count - state.sent)) }
        if count == -4 { continue }
        if count == -11 { return result }
        if count < 0 { return .failed }
        state.sent += Int(count)
        result = .some
      }
      state.bytes.removeAll(keepingCapacity: state.bytes.capacity <= 65_536)
      state.sent = 0
      return result
    }
  }
}
