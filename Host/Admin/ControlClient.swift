import CLinux
import GantryBase
import Glibc

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The other end of the control socket: asks a running host and reads its answers. One thread.
public final class ControlClient {
  /// One line that the host sent.
  public struct Answer {
    /// As it came, without its end.
    public var line: [UInt8]
    /// A line on the way to the answer; otherwise it is the answer, and the last line of its request.
    public var isProgress: Bool

    /// The progress or the result.
    public func decode<Value: Decodable>(_ type: Value.Type) throws(GantryError) -> Value {
      do {
        let envelope = try JSONDecoder().decode(Envelope<Value>.self, from: Data(line))
        if let value = envelope.progress ?? envelope.result { return value }
      } catch {}
      throw GantryError(
        "control.bad-answer", "the host's answer is not one that this version understands", help: ["use the gantry that runs the host"], exit: .failed)
    }

    public var text: String { String(decoding: line, as: UTF8.self) }
  }

  private struct Envelope<Value: Decodable>: Decodable {
    var progress: Value?
    var result: Value?
  }

  private let descriptor: Int32
  private let path: String
  private var buffer: [UInt8] = []
  private var searched = 0
  private var nextID: Int64 = 1
  /// Readable when an answer may have come, for those who poll.
  public var readDescriptor: Int32 { descriptor }

  public init(path: String) throws(GantryError) {
    let descriptor = clinux_unix_connect(path)
    guard descriptor >= 0 else {
      let reason = String(cString: strerror(-descriptor))
      if descriptor == -EACCES || descriptor == -EPERM {
        throw GantryError("control.not-allowed", "you may not ask the host at \(path): \(reason)", help: ["ask as the user that runs it, or as root"], exit: .notAllowed)
      }
      throw GantryError(
        "control.no-host", "no host answers at \(path): \(reason)", help: ["start one with `gantry run FILE`"], exit: .noHost)
    }
    self.descriptor = descriptor
    self.path = path
  }

  deinit { close(descriptor) }

  /// Sends a request. Its id is the client's own count.
  public func send(_ verb: ControlVerb, _ arguments: [String: JSONValue] = [:]) throws(GantryError) {
    let request = ControlRequest(verb, id: nextID, arguments)
    nextID += 1
    let bytes = Array((request.line + "\n").utf8)
    guard bytes.count <= ControlRequest.bytesMax else {
      throw GantryError("control.line-too-long", "the request is longer than the \(ControlRequest.bytesMax) bytes that a host takes", exit: .usage)
    }
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { clinux_send(descriptor, $0.baseAddress! + sent, UInt64($0.count - sent)) }
      if count == Int64(-EINTR) { continue }
      // The host may have said why before it closed.
      guard count >= 0 else { return }
      sent += Int(count)
    }
  }

  /// The next answer of the host. A refusal is thrown, with the host's exit code.
  ///
  /// - Parameter timeoutNs: nil = as long as it takes
  public func receive(timeoutNs: Int64? = nil) throws(GantryError) -> Answer {
    let deadlineNs = timeoutNs.map { clinux_monotonic_ns() + $0 }
    while true {
      if let answer = try take() { return answer }
      var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let leftMs = deadlineNs.map { max(0, ($0 - clinux_monotonic_ns()) / 1_000_000 + 1) } ?? -1
      let ready = Glibc.poll(&polled, 1, Int32(clamping: leftMs))
      if ready < 0, errno == EINTR { continue }
      guard ready != 0 else {
        throw GantryError("control.no-answer", "the host at \(path) did not answer in time", help: ["`top -H` shows whether its thread `control` is busy"], exit: .failed)
      }
      try fill()
    }
  }

  /// An answer that is here already, or nil. Call it after `readDescriptor` was readable, and again
  /// until it gives nil.
  public func answerIfAny() throws(GantryError) -> Answer? {
    if let answer = try take() { return answer }
    var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard Glibc.poll(&polled, 1, 0) > 0 else { return nil }
    try fill()
    return try take()
  }

  /// The next whole line, if there is one.
  private func take() throws(GantryError) -> Answer? {
    guard let end = buffer[searched...].firstIndex(of: 0x0A) else {
      searched = buffer.count
      return nil
    }
    let line = Array(buffer[..<end])
    buffer.removeFirst(end + 1)
    searched = 0
    guard let head = try? Head(line) else {
      throw GantryError("control.bad-answer", "what answers at \(path) is no gantry host", exit: .failed)
    }
    if head.ok == false {
      throw GantryError(head.diagnostics ?? [], head.exit.flatMap(ExitCode.init(rawValue:)) ?? .failed)
    }
    return Answer(line: line, isProgress: head.hasProgress)
  }

  private struct Head: Decodable {
    var gantry: Int
    var ok: Bool?
    var exit: Int32?
    var diagnostics: [Diagnostic]?
    var hasProgress = false

    enum CodingKeys: String, CodingKey { case gantry, ok, exit, diagnostics, progress }

    init(_ line: [UInt8]) throws { self = try JSONDecoder().decode(Head.self, from: Data(line)) }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      gantry = try values.decode(Int.self, forKey: .gantry)
      ok = try values.decodeIfPresent(Bool.self, forKey: .ok)
      exit = try values.decodeIfPresent(Int32.self, forKey: .exit)
      diagnostics = try values.decodeIfPresent([Diagnostic].self, forKey: .diagnostics)
      hasProgress = values.contains(.progress)
    }
  }

  private func fill() throws(GantryError) {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = read(descriptor, &chunk, chunk.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return }
    guard count > 0 else {
      throw GantryError("control.closed", "the host at \(path) closed the connection without an answer", help: ["see its log for why"], exit: .noHost)
    }
    buffer += chunk[..<count]
  }
}
