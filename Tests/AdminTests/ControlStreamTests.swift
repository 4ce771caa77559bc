import GantryAdmin
import Testing

@Suite struct ControlStreamTests {
  @Test func `lines come out whole however the bytes come in`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SplitMix(seed)
    for _ in 0..<200 {
      let lines = (0..<Int(random.next() % 20)).map { _ in (0..<Int(random.next() % 300)).map { _ in UInt8(random.next() % 9 + 65) } }
      var bytes = Array(lines.joined(separator: [10])) + (lines.isEmpty ? [] : [10])
      var stream = ControlStream(nowNs: 0)
      var found: [[UInt8]] = []
      while !bytes.isEmpty {
        let count = min(bytes.count, Int(random.next() % 100 + 1))
        stream.received(bytes[..<count], nowNs: 0)
        bytes.removeFirst(count)
        while case .line(let line) = stream.next(nowNs: 0) { found.append(line) }
      }
      #expect(found == lines)
      #expect(stream.next(nowNs: 0) == .wait)
      stream.endReceived()
      #expect(stream.next(nowNs: 0) == .ended)
    }
  }

  @Test func `a line without an end costs no more than the longest one allowed`() {
    var stream = ControlStream(nowNs: 0)
    let chunk = [UInt8](repeating: 120, count: 65_536)
    var refusals = 0
    for _ in 0..<1600 {
      #expect(stream.wantsBytes)
      stream.received(chunk, nowNs: 0)
      if stream.next(nowNs: 0) == .tooLong { refusals += 1 }
    }
    #expect(refusals == 1)
    stream.received([10], nowNs: 0)
    #expect(stream.next(nowNs: 0) == .wait)
  }

  @Test func `silence, half a line and a trickle are given up at their time`() {
    var limits = ControlStream.Limits()
    limits.firstNs = 10
    limits.idleNs = 100
    limits.writeNs = 5
    var silent = ControlStream(limits: limits, nowNs: 0)
    #expect(silent.deadlineNs(isBusy: false, writingSinceNs: nil) == 10)
    silent.received([65], nowNs: 9)
    #expect(silent.deadlineNs(isBusy: false, writingSinceNs: nil) == 10)
    silent.received([66, 10], nowNs: 9)
    #expect(silent.next(nowNs: 9) == .line([65, 66]))
    #expect(silent.deadlineNs(isBusy: false, writingSinceNs: nil) == 109)
    silent.received([65], nowNs: 50)
    #expect(silent.deadlineNs(isBusy: false, writingSinceNs: nil) == 150)
    silent.received([65], nowNs: 140)
    #expect(silent.deadlineNs(isBusy: false, writingSinceNs: nil) == 150)
    #expect(silent.deadlineNs(isBusy: true, writingSinceNs: nil) == .max)
    #expect(silent.deadlineNs(isBusy: true, writingSinceNs: 200) == 205)
  }
}
