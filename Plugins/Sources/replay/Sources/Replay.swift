import CGantry
import CPosix
import GantrySDK

/// Reads market data files and gives out their rows as events, at the host's pace.
///
/// The events of one instance are of one kind and one instrument, in the order of the files' names and
/// lines, and never go back in time. The same files and parameters give the same events on every machine.
struct Replay: Plugin {
  static var abilities: Abilities { [.pull, .cursor, .state] }

  private let host: Host
  private var settings: Settings?
  private var reader: RowReader?
  private var store: RowStore?
  private var metrics: Metrics

  // Rows that have been decoded and not yet given out: `slots` words each.
  private let staging: UnsafeMutablePointer<UInt64>
  private var rows: UnsafePointer<UInt64>?
  private var rowsLeft = 0
  private var slots = RowLayout.slotsMax

  private var pace = Pace.unlimited
  private var passesLeft: Int64 = 1
  private var eventsLeft = Int64.max
  private var events: UInt64 = 0
  /// What is added to the times of this pass.
  private var shiftNs: Int64 = 0
  /// The first and last time of the files; the next pass begins one second after the last.
  private var firstNs: Int64?
  private var lastNs: Int64 = 0
  private var isEnded = false
  private var hasChecked = false
  private var hasFinished = false
  /// Whether the rows in memory have been given out in this pass.
  private var isPassDone = false
  /// What the first pass came to, once there is a second.
  private var counts: RowCounts?
  private var instrument: UInt32 = 0
  /// The time of the last event.
  private var givenNs = Int64.min
  /// Where another instance was, and this one is to go on.
  private var place: Place?

  /// Rows decoded at a time.
  private static var stagingRows: Int { 1024 }

  init(host: Host) {
    self.host = host
    metrics = Metrics()
    staging = .allocate(capacity: Replay.stagingRows * RowLayout.slotsMax)
  }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    settings = try Settings(configuration)
  }

  mutating func start() throws(Failure) {
    guard let settings else { throw Failure.invalid("configure was not called") }
    metrics.define(host)
    let zone = try Zones.load(settings.timeZone)
    var files = try DataFile.list(settings.path)
    if settings.format == .lean { files = LeanFile.choose(files, trades: settings.events == .trades) }
    var reader = RowReader(settings, try Catalog(files), zone)
    if let from = settings.from { reader.parser.fromNs = Replay.instant(from, zone) }
    if let to = settings.to { reader.parser.toNs = Replay.instant(to, zone) }
    self.reader = reader
    instrument = settings.instrument
    pace = settings.pace
    passesLeft = settings.repeats
    eventsLeft = settings.limit > 0 ? settings.limit : .max
    if settings.preload { try preload() }
    try goOn()
  }

  /// The instant of `from` or `to`, in the zone of the files where it does not say.
  private static func instant(_ time: ISOTime, _ zone: ZoneTable) -> Int64 {
    time.hasOffset ? time.ns : zone.resolve(localNs: time.ns, lastNs: .min).utcNs
  }

  /// Decodes everything, so that a pull only copies.
  private mutating func preload() throws(Failure) {
    while true {
      let count = try reader!.next(into: staging, capacity: Replay.stagingRows)
      if count == 0 { break }
      if store == nil { store = RowStore(slots: reader!.slots, rows: 1 << 16) }
      try store!.append(staging, count: count)
      if Int64(store!.count) >= eventsLeft { break }
    }
    rewind()
  }

  mutating func pull(max: Int, _ outputs: borrowing Outputs) throws(Failure) -> PullResult {
    var room = max
    while room > 0, !isEnded {
      if rowsLeft == 0 {
        try refill()
        if rowsLeft == 0 { break }
      }
      var count = Swift.min(room, rowsLeft)
      if Int64(count) > eventsLeft { count = Int(eventsLeft) }
      if !pace.isUnlimited {
        count = due(count)
        if count == 0 { return room < max ? .more : .again }
      }
      try emit(count, outputs)
      room -= count
      eventsLeft -= Int64(count)
      events += UInt64(count)
      if eventsLeft == 0 { isEnded = true }
    }
    metrics.update(host, reader!.parser, events: events)
    guard isEnded else { return .more }
    finish()
    return .end
  }

  func cursor() -> (contentHash: UInt64, row: UInt64) { (reader?.contentHash ?? 0, events) }

  mutating func stop() throws(Failure) { reader?.rewind() }

  mutating func destroy() {
    reader?.deallocate()
    store?.deallocate()
    staging.deallocate()
  }

  // MARK: Where another instance was

  var current: Place { place ?? Place(events: events, contentHash: reader?.contentHash ?? 0, givenNs: givenNs) }

  /// Goes on there, at once where the files are open already.
  mutating func begin(at place: Place) throws(Failure) {
    self.place = place
    if reader != nil { try goOn() }
  }

  /// Leaves out what another instance has given: of the same files as many rows, of others all up to its
  /// last event's time.
  private mutating func goOn() throws(Failure) {
    guard let place else { return }
    self.place = nil
    givenNs = place.givenNs
    let isSame = place.contentHash == reader!.contentHash
    while !isEnded, !isSame || events < place.events {
      if rowsLeft == 0 { try refill() }
      if rowsLeft == 0 { break }
      var count = rowsLeft
      if isSame {
        if UInt64(count) > place.events - events { count = Int(place.events - events) }
      } else {
        count = 0
        while count < rowsLeft, time(count) &+ shiftNs <= place.givenNs { count += 1 }
        if count == 0 { break }
      }
      if Int64(count) > eventsLeft { count = Int(eventsLeft) }
      rows = rows.unsafelyUnwrapped + count &* slots
      rowsLeft -= count
      eventsLeft -= Int64(count)
      events += UInt64(count)
      if eventsLeft == 0 { isEnded = true }
    }
  }

  // MARK: Rows

  /// Gets more rows of this pass or the next, from memory or from the files; sets `isEnded` after the last.
  private mutating func refill() throws(Failure) {
    while true {
      if let store {
        rows = UnsafePointer(store.base)
        rowsLeft = isPassDone ? 0 : store.count
        isPassDone = true
      } else {
        rows = UnsafePointer(staging)
        rowsLeft = try reader!.next(into: staging, capacity: Replay.stagingRows)
      }
      slots = reader!.slots
      if rowsLeft > 0 {
        if firstNs == nil { firstNs = time(0) }
        lastNs = time(rowsLeft - 1)
        return
      }
      passesLeft -= 1
      guard passesLeft > 0, let firstNs else {
        isEnded = true
        return
      }
      if counts == nil { counts = RowCounts(reader!.parser) }
      shiftNs = try shifted(shiftNs, by: lastNs - firstNs + 1_000_000_000)
      rewind()
    }
  }

  private mutating func rewind() {
    reader!.rewind()
    isPassDone = false
  }

  private func shifted(_ shift: Int64, by step: Int64) throws(Failure) -> Int64 {
    let (next, isTooFar) = shift.addingReportingOverflow(step)
    if isTooFar || lastNs.addingReportingOverflow(next).overflow {
      throw Failure.invalid("repeat: the shifted times run beyond the year 2262; repeat fewer times, or set limit")
    }
    return next
  }

  /// The event time of a row that has not been given out, before the shift.
  @inline(__always)
  private func time(_ index: Int) -> Int64 { Int64(bitPattern: rows.unsafelyUnwrapped[index &* slots]) }

  /// How many of the next `count` rows are due.
  private mutating func due(_ count: Int) -> Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let nowNs = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
    if !pace.hasBegun { pace.begin(firstNs: time(0) &+ shiftNs, nowNs: nowNs) }
    let dueNs = pace.dueNs(at: nowNs)
    var index = 0
    while index < count, time(index) &+ shiftNs <= dueNs { index += 1 }
    return index
  }

  /// Gives out the next `count` rows.
  private mutating func emit(_ count: Int, _ outputs: borrowing Outputs) throws(Failure) {
    let kind = reader!.kind ?? .ticks
    if !hasChecked {
      hasChecked = true
      let port = kind == .ticks ? 0 : kind == .trades ? 1 : 2
      if !outputs.isConnected(port) {
        let name: StaticString = kind == .ticks ? "ticks" : kind == .trades ? "trades" : "bars"
        host.log(.warning, "the files hold \(name), but no node reads the port \(name)")
      }
    }
    givenNs = time(count - 1) &+ shiftNs
    let emitter = Emitter(rows: rows.unsafelyUnwrapped, slots: slots, count: count, shiftNs: shiftNs, instrument: instrument)
    let isDone =
      switch kind {
      case .ticks: emitter.ticks(outputs, hasSizes: reader!.hasSizes)
      case .trades: emitter.trades(outputs)
      case .bars, .quoteBars: emitter.bars(outputs)
      }
    if !isDone { throw Failure.full }
    rows = rows.unsafelyUnwrapped + count &* slots
    rowsLeft -= count
  }

  /// Says once what the rows came to.
  private mutating func finish() {
    guard !hasFinished else { return }
    hasFinished = true
    let counts = self.counts ?? RowCounts(reader!.parser)
    host.log(counts.hasFaults ? .warning : .info, Summary.text(counts, reader!, events: events))
  }
}
