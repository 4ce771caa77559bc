import CLinux
import GantryBase
import GantryRuntime
import Glibc

/// `tap`: events of a port as they flow.
extension LiveHost {
  /// One event on its way to a client.
  public struct TapEvent: Codable, Sendable {
    /// For `gantry chain show`.
    public var chain: String
    public var fields: [Field]

    public struct Field: Codable, Sendable {
      public var name: String
      public var value: String
    }
  }

  /// How a tap ended.
  public struct TapAnswer: Codable, Sendable {
    public var port: String
    /// Events the port emitted, those that passed the filters, and those that could not be shown.
    public var seen: UInt64
    public var shown: UInt64
    public var dropped: UInt64
    public var reason: String
  }

  func tap(_ request: ControlRequest, _ reply: ControlReply) throws(GantryError) {
    var filters: [TapFilter] = []
    for text in request.texts("where") { filters.append(try TapFilter(text)) }
    let every = request.number("sample") ?? 1
    guard (1...1_000_000).contains(every) else { throw GantryError("tap.bad-sample", "--sample takes 1/1 to 1/1000000", exit: .usage) }
    let count = request.number("count").map { UInt64(max($0, 0)) } ?? .max
    let answer = try use { (run) throws(GantryError) -> TapAnswer in
      let tap = try run.tap(request.text("port") ?? "", every: Int(every))
      defer { tap.end() }
      var shown: UInt64 = 0
      var refused: UInt64 = 0
      var reason = "count"
      var followedNs = clinux_monotonic_ns()
      loop: while shown < count {
        if reply.isGone { break }
        while let event = tap.next() {
          guard filters.allSatisfy({ $0.passes(event.fields) }) else { continue }
          let line = TapEvent(chain: event.chain.description, fields: event.fields.map { .init(name: $0.name, value: $0.text) })
          if reply.progress(line) { shown += 1 } else { refused += 1 }
          if shown >= count || reply.isGone { break loop }
        }
        let nowNs = clinux_monotonic_ns()
        if nowNs - followedNs > 200_000_000 {
          followedNs = nowNs
          guard isRunning else {
            reason = "the run has ended"
            break
          }
          guard tap.follow() else {
            reason = "the port is gone"
            break
          }
        }
        // Whoever looks on comes to the events, not the events to them: the lane wakes nobody.
        waitBriefly()
      }
      return TapAnswer(port: "\(tap.node).\(tap.port)", seen: tap.seen, shown: shown, dropped: tap.dropped + refused, reason: reason)
    }
    reply.done(answer)
  }

  /// 10 ms, or until the run ends.
  private func waitBriefly() {
    _ = phase.wait(forNs: 10_000_000) { phase -> Bool? in
      if case .running = phase.stage { nil } else { true }
    }
  }
}
