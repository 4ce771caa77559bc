import CGantry
import GantryBase
import GantryGraph
@testable import GantryRuntime
import Glibc
import Synchronization
import Testing

/// What carries events and lines between threads.
struct QueueTests {
  private func tick(_ number: Int, instrument: UInt32 = 1) -> gantry_tick {
    var tick = gantry_tick()
    tick.header.event_ns = Int64(number)
    tick.header.receive_ns = Int64(number)
    tick.header.chain = UInt64(number)
    tick.header.instrument = instrument
    tick.bid = Double(number)
    return tick
  }

  private func push(_ queue: EdgeQueue, _ ticks: [gantry_tick]) {
    ticks.withUnsafeBytes { queue.push($0.baseAddress!, count: ticks.count, stride: 64, arena: nil, arenaCount: 0) }
  }

  /// All that the consumer's end holds now.
  private func take(_ queue: EdgeQueue) -> [gantry_tick] {
    var ticks: [gantry_tick] = []
    while let block = queue.ring.front() {
      for index in 0..<block.pointee.count {
        ticks.append(UnsafeRawPointer(block.pointee.rows + index * 64).load(as: gantry_tick.self))
      }
      queue.ring.release()
      queue.drain()
    }
    return ticks
  }

  private func queue(_ size: Int, _ policy: QueuePolicy.WhenFull) -> EdgeQueue {
    EdgeQueue(policy: QueuePolicy(size: size, whenFull: policy), stride: 64, type: .tick, bell: Bell())
  }

  @Test func `block loses nothing and keeps the order`() throws {
    let queue = queue(4, .block)
    let received = Mutex<[Double]>([])
    let consumer = LaneThread()
    try consumer.start(name: "consumer") {
      while true {
        guard let block = queue.ring.front() else {
          sched_yield()
          continue
        }
        if block.pointee.status == GANTRY_END, block.pointee.count == 0 { return queue.ring.release() }
        received.withLock { list in
          for index in 0..<block.pointee.count {
            list.append(UnsafeRawPointer(block.pointee.rows + index * 64).load(as: gantry_tick.self).bid)
          }
        }
        queue.ring.release()
      }
    }
    var random = Seeded(3)
    var number = 1
    while number <= 20_000 {
      let count = min(Int.random(in: 1...300, using: &random), 20_001 - number)
      push(queue, (number..<(number + count)).map { tick($0) })
      while queue.mustWait(.live) {
        queue.ring.waitForRoom()
        queue.drain()
      }
      number += count
    }
    while !queue.tryFinish() { queue.ring.waitForRoom() }
    consumer.join()
    #expect(received.withLock { $0 } == (1...20_000).map(Double.init))
    #expect(queue.dropped == 0)
  }

  @Test func `drop_oldest takes out the oldest that wait, and counts them`() {
    let queue = queue(4, .dropOldest)
    for number in 1...100 { push(queue, [tick(number)]) }
    // The ring's eight blocks have been handed over; of the rest the newest four wait.
    let handed = Set(1...BlockRing.blocks)
    let got = take(queue).map { Int($0.bid) }
    #expect(got == handed.sorted() + [97, 98, 99, 100])
    #expect(queue.dropped == UInt64(100 - got.count))
  }

  @Test func `conflate keeps the newest of each instrument, and counts`() {
    let queue = queue(4, .conflate)
    for number in 1...100 { push(queue, [tick(number, instrument: UInt32(number % 2 + 1))]) }
    let got = take(queue)
    #expect(queue.dropped == UInt64(100 - got.count))
    for instrument: UInt32 in 1...2 {
      let own = got.filter { $0.header.instrument == instrument }.map { Int($0.bid) }
      #expect(own.last == (instrument == 1 ? 100 : 99))
      #expect(own == own.sorted())
    }
  }

  @Test(arguments: Seeded.seeds(8))
  func `conflate keeps the order of time`(seed: UInt64) {
    var random = Seeded(seed)
    let size = Int.random(in: 2...20, using: &random)
    let queue = queue(size, .conflate)
    var newest: [UInt32: Int] = [:]
    let instruments = UInt32.random(in: 1...30, using: &random)
    for number in 1...2000 {
      let instrument = UInt32.random(in: 1...instruments, using: &random)
      newest[instrument] = number
      push(queue, [tick(number, instrument: instrument)])
    }
    let got = take(queue).map { Int($0.bid) }
    #expect(got == got.sorted(), "seed \(seed)")
    #expect(queue.dropped == UInt64(2000 - got.count), "seed \(seed)")
    // What waits at the end is the newest of each instrument, as many as there is room for.
    let waiting = got.dropFirst(BlockRing.blocks)
    #expect(Array(waiting.suffix(min(size, newest.count))) == newest.values.sorted().suffix(min(size, newest.count)), "seed \(seed)")
  }

  @Test func `an event that finds no other of its instrument takes the oldest's place`() {
    let queue = queue(2, .conflate)
    for number in 1...50 { push(queue, [tick(number, instrument: UInt32(number))]) }
    #expect(take(queue).map { Int($0.bid) } == Array(1...8) + [49, 50])
    #expect(queue.dropped == 40)
  }

  @Test func `a closed consumer does not hold its producer up`() {
    let queue = queue(2, .block)
    queue.ring.close()
    for number in 1...100 { push(queue, [tick(number)]) }
    #expect(queue.tryFinish())
    #expect(queue.dropped > 0)
  }

  @Test func `longer texts than the queue carries are cut and counted`() {
    let queue = EdgeQueue(policy: QueuePolicy(size: 8), stride: MemoryLayout<gantry_alert>.stride, type: .alert, bell: Bell())
    let arena = [UInt8](repeating: 0x61, count: 2000)
    var alert = gantry_alert()
    alert.offset = 100
    alert.length = 600
    withUnsafeBytes(of: alert) { row in
      arena.withUnsafeBufferPointer { queue.push(row.baseAddress!, count: 1, stride: row.count, arena: $0.baseAddress, arenaCount: 2000) }
    }
    let block = queue.ring.front()
    #expect(block?.pointee.arenaCount == EdgeQueue.arenaPerEvent)
    #expect(block.map { UnsafeRawPointer($0.pointee.rows).load(as: gantry_alert.self).length } == UInt32(EdgeQueue.arenaPerEvent))
    #expect(queue.cutTexts == 1)
  }

  @Test func `blocks are handed over whole and in order`() throws {
    let ring = BlockRing(rows: 16, stride: 64, arena: 0, bell: Bell())
    let wrong = Mutex<[Int]>([])
    let consumer = LaneThread()
    try consumer.start(name: "consumer") {
      var seen = 0
      while seen < 20_000 {
        guard let block = ring.front() else {
          sched_yield()
          continue
        }
        let count = block.pointee.count
        let rows = (0..<count).map { UnsafeRawPointer(block.pointee.rows + $0 * 64).load(as: Int.self) }
        if rows != Array(repeating: seen, count: seen % 16 + 1) { wrong.withLock { $0.append(seen) } }
        ring.release()
        seen += 1
      }
    }
    for number in 0..<20_000 {
      let block = try #require(ring.acquire())
      block.pointee.count = number % 16 + 1
      for row in 0..<block.pointee.count { UnsafeMutableRawPointer(block.pointee.rows + row * 64).storeBytes(of: number, as: Int.self) }
      ring.publish()
    }
    consumer.join()
    #expect(wrong.withLock { $0 } == [])
    #expect(ring.depth == 0)
  }

  @Test func `closing a ring ends the producer's wait`() throws {
    let ring = BlockRing(rows: 1, stride: 64, arena: 0, bell: Bell())
    for _ in 0..<BlockRing.blocks {
      #expect(ring.acquire() != nil)
      ring.publish()
    }
    #expect(ring.tryAcquire() == nil)
    let closer = LaneThread()
    try closer.start(name: "closer") { ring.close() }
    #expect(ring.acquire() == nil)
    closer.join()
  }

  @Test func `log lines of many threads arrive once each, or are counted as lost`() throws {
    let ring = LogRing(slots: 64)
    let producers = (0..<4).map { _ in LaneThread() }
    let done = Atomic<Int>(0)
    for (producer, thread) in producers.enumerated() {
      try thread.start(name: "log:\(producer)") {
        for number in 0..<5000 {
          var text = "\(number)"
          text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
              ring.write(node: Int32(producer), severity: 2, chain: 0, gantry_string(data: $0.baseAddress, length: UInt64($0.count)))
            }
          }
        }
        done.add(1, ordering: .releasing)
      }
    }
    var last = [Int](repeating: -1, count: 4)
    var received = 0
    var isOrdered = true
    while true {
      let hasEnded = done.load(ordering: .acquiring) == 4
      while let line = ring.next() {
        received += 1
        guard let number = Int(line.text), number > last[line.node] else {
          isOrdered = false
          continue
        }
        last[line.node] = number
      }
      if hasEnded { break }
    }
    for thread in producers { thread.join() }
    #expect(isOrdered)
    #expect(received + Int(ring.lostLines) == 20_000)
  }
}
