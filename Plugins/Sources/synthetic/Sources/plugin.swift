import CGantry
import CPosix
import GantrySDK

/// Makes up quotes, at the host's pace: for demonstrations, for tests, and for measuring.
///
/// Same parameters and instruments, same quotes, bit for bit, on every machine.
struct Synthetic: Plugin {
  static var abilities: Abilities { [.pull, .cursor] }

  private let host: Host
  private var settings: Settings?
  private var maker: QuoteMaker?
  private var pace = Pace.unlimited
  private var quotesLeft = Int64.max
  private var quotes: UInt64 = 0

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    settings = try Settings(configuration, host)
  }

  mutating func start() throws(Failure) {
    guard let settings else { throw Failure.invalid("configure was not called") }
    var parameters = settings.maker
    if settings.startsNow { parameters.startNs = host.now }
    maker = QuoteMaker(parameters, settings.markets)
    pace = settings.pace
    if settings.count > 0 { quotesLeft = settings.count }
  }

  mutating func pull(max: Int, _ outputs: borrowing Outputs) throws(Failure) -> PullResult {
    guard var maker else { return .end }
    let wanted = Int(min(Int64(max), quotesLeft))
    guard wanted > 0, let events = outputs.reserve(0, count: wanted, cause: 0, as: gantry_tick.self) else {
      return try end(wanted)
    }
    let due = dueNs(maker.nextNs)
    var count = 0
    while count < wanted, maker.nextNs <= due {
      let quote = maker.next()
      events[count] = gantry_tick(
        header: gantry_header(
          event_ns: quote.timeNs, receive_ns: 0, chain: 0, instrument: quote.instrument, origin: 0, flags: 0, hop: 0),
        bid: quote.bid, ask: quote.ask, bid_size: quote.bidSize, ask_size: quote.askSize)
      count += 1
    }
    self.maker = maker
    outputs.commit(0, count: count)
    quotes += UInt64(count)
    quotesLeft -= Int64(count)
    if maker.nextNs > Synthetic.lastNs {
      throw Failure.invalid("the quotes run beyond the year 2261; start earlier, or set a smaller interval or count")
    }
    if quotesLeft == 0 { return .end }
    return count == 0 ? .again : .more
  }

  func cursor() -> (contentHash: UInt64, row: UInt64) { (settings?.hash ?? 0, quotes) }

  mutating func destroy() { maker?.deallocate() }

  /// A thousand of the longest gaps (10 days each) before the last time that 64 bits count.
  private static var lastNs: Int64 { 8_200_000_000_000_000_000 }

  private func end(_ wanted: Int) throws(Failure) -> PullResult {
    if wanted > 0 { throw Failure.full }
    return .end
  }

  /// The time up to which quotes are due.
  private mutating func dueNs(_ firstNs: Int64) -> Int64 {
    if pace.isUnlimited { return .max }
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let nowNs = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
    if !pace.hasBegun { pace.begin(firstNs: firstNs, nowNs: nowNs) }
    return pace.dueNs(at: nowNs)
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Synthetic.self, request)
}
