import GantryBase
import GantryTrace
import TestSupport
import Testing

@testable import GantryChainStore

@Suite struct ChainStoreTests {
  @Test func `a chain that orders is shown from its tick to its fill`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    run.block(256)
    run.order(300, id: 7)
    let store = try ChainStore(directory: scratch.path)
    let tree = try store.tree(ChainKey(origin: 1, sequence: 300))
    #expect(tree.orders == 1 && tree.fills == 1 && tree.errors == 0)
    #expect(tree.instrument == "EURUSD")
    #expect(tree.aliases == [ChainTree.Alias(order: "7", outside: "MT5-7")])
    #expect(path(tree.roots) == ["ticks", "features", "model", "decide", "risk", "broker", "notify"])
    let hops = flat(tree.roots)
    #expect(hops[1].block == 256 && hops[1].isTimed && hops[1].durationNs == 2_560)
    #expect(hops[1].latency?.p50 == 10)
    #expect(hops[3].notes == [ChainTree.Note(key: "rule", text: "cross up")])
    #expect(hops[3].plugin == "threshold" && hops[3].version == "0.3.0" && hops[3].durationNs == 40)
    #expect(hops[3].offsetNs == 100 + 44 * 10_000)
    #expect(hops[3].events.map(\.text) == ["#7 buy 10000 EURUSD limit 1.09221 gtc"])
    #expect(
      hops[5].events.map(\.text) == [
        "#7 accepted", "#7 fill buy 10000 EURUSD at 1.09219 commission 0.20 USD profit -1.05 USD position 10000",
      ])
    #expect(hops[5].events[1].fields["price"] == "1.09219" && hops[5].events[1].fields["profit"] == "-1.05")
    #expect(tree.later.isEmpty)
  }

  @Test func `hops that were not traced are filled in from the graph without times`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    run.order(300, id: 7)
    let tree = try ChainStore(directory: scratch.path).tree(ChainKey(origin: 1, sequence: 300))
    #expect(path(tree.roots) == ["ticks", "features", "model", "decide", "risk", "broker", "notify"])
    #expect(flat(tree.roots).map(\.isTimed) == [false, false, false, true, true, true, true])
  }

  @Test func `what came before an order has its events, and times where its block was timed`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    run.block(256)
    for chain in [300, 700] as [UInt64] {
      run.earlier(chain)
      run.order(chain, id: chain)
    }
    let store = try ChainStore(directory: scratch.path)
    for (chain, isTimed) in [(300, true), (700, false)] as [(UInt64, Bool)] {
      let tree = try store.tree(ChainKey(origin: 1, sequence: chain))
      #expect(path(tree.roots) == ["ticks", "features", "model", "decide", "risk", "broker", "notify"])
      let hops = flat(tree.roots)
      #expect(hops[1].isTimed == isTimed && hops[1].block == (isTimed ? 256 : 1))
      #expect(
        hops[..<3].map { $0.events.map(\.text) } == [
          ["EURUSD bid 1.09213 ask 1.09221"], ["ema_10 1.0915 ema_20 1.25"],
          ["value 0.000123457 probability 0.61 model momentum@3"],
        ])
    }
  }

  @Test func `a fill on a later quote is part of the order's chain`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    run.order(300, id: 7, filledBy: 305)
    let store = try ChainStore(directory: scratch.path)
    let tree = try store.tree(ChainKey(origin: 1, sequence: 300))
    #expect(tree.fills == 1)
    #expect(tree.later.map(\.name) == ["ticks:305"])
    #expect(tree.later.first?.afterNs == 5_000_000_000)
    #expect(tree.later.first?.hops.map(\.node) == ["broker"])
    #expect(tree.later.first?.hops.first?.events.first?.fields["kind"] == "fill")
    // The other chain shows its own hops and says whose order they are about.
    let other = try store.tree(ChainKey(origin: 1, sequence: 305))
    #expect(other.orders == 0 && other.later.isEmpty && other.about.map(\.name) == ["ticks:300"])
  }

  @Test func `lists are filtered by orders, errors, node, time and length`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    run.block(0)
    run.block(4_096)
    run.order(10, id: 1)
    run.order(20, id: 2, fails: true)
    run.order(30, id: 3, filledBy: 5_000)
    let store = try ChainStore(directory: scratch.path)
    func names(_ change: (inout ChainFilter) -> Void) throws -> [String] {
      var filter = ChainFilter()
      change(&filter)
      return try store.list(filter).map(\.name)
    }
    #expect(try names { _ in } == ["ticks:5000", "ticks:4096", "ticks:30", "ticks:20", "ticks:10", "ticks:0"])
    #expect(try names { $0.withOrders = true } == ["ticks:30", "ticks:20", "ticks:10"])
    #expect(try names { $0.withErrors = true } == ["ticks:20"])
    #expect(try names { $0.node = "notify" } == ["ticks:5000", "ticks:30", "ticks:10"])
    #expect(try names { $0.since = .lastNs(10_000_000) } == ["ticks:5000", "ticks:4096"])
    #expect(try names { $0.since = .eventNs(SyntheticRun.firstEventNs + 5_000_000_000_000) } == ["ticks:5000"])
    #expect(
      try names {
        $0.slowest = true; $0.limit = 2
      } == ["ticks:0", "ticks:4096"])
    #expect(try names { $0.limit = 1 } == ["ticks:5000"])
    let lines = try store.list(ChainFilter())
    #expect(lines[1].span == 256 && lines[2].orders == 1 && lines[2].fills == 1 && lines[3].errors == 1)
    #expect(lines[2].instrument == "EURUSD" && lines[2].durationNs == 180)
    let error = #expect(throws: GantryError.self) { try names { $0.node = "brocker" } }
    #expect(error?.diagnostics[0].help == ["did you mean broker?"])
  }

  @Test func `what is new is added, also to a hop whose details came later`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    run.order(10, id: 1, filledBy: nil)
    #expect(try ChainStore(directory: scratch.path).list(ChainFilter()).map(\.fills) == [1])
    run.hop(run.log.orders, 40, "decide", at: 0, took: 1, hop: 3)
    #expect(try ChainStore(directory: scratch.path).list(ChainFilter()).count == 2)
    Array("why".utf8).withUnsafeBytes { run.log.orders.appendNote(chain: 40, key: $0, text: $0) }
    run.hop(run.log.orders, 40, "risk", at: 5, took: 1, hop: 4)
    let store = try ChainStore(directory: scratch.path)
    let tree = try store.tree(ChainKey(origin: 1, sequence: 40))
    #expect(flat(tree.roots).filter(\.isTimed).map(\.notes) == [[ChainTree.Note(key: "why", text: "why")], []])
    // An order that is filled between two looks.
    run.order(50, id: 5, filledBy: 51)
    _ = try ChainStore(directory: scratch.path)
    run.order(60, id: 6, filledBy: 61)
    #expect(try ChainStore(directory: scratch.path).list(ChainFilter()).filter { $0.orders > 0 }.map(\.fills) == [1, 1, 1])
    #expect(try ChainStore(directory: scratch.path).list(ChainFilter()).count == 6)
  }

  @Test func `ids are found whole, by their beginning, and by source and number`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    for chain in [0x1111, 0x1112, 0x2222_2222] as [UInt64] { run.order(chain, id: chain) }
    let store = try ChainStore(directory: scratch.path)
    let key = ChainKey(origin: 1, sequence: 0x2222_2222)
    let id = ChainID(origin: SyntheticRun.origin, sequence: key.sequence).description
    #expect(store.id(key) == id)
    #expect(try store.find(id) == key)
    #expect(try store.find(id.uppercased()) == key)
    #expect(try store.find("ticks:\(key.sequence)") == key)
    #expect(try store.find(String(id.dropLast(4))) == key)
    #expect(try store.find(String(id.dropLast(7))) == key)
    func code(_ text: String) -> String? {
      do throws(GantryError) {
        _ = try store.tree(store.find(text))
        return nil
      } catch { return error.diagnostics[0].code }
    }
    #expect(code(String(id.dropLast(9))) == "chain.ambiguous")
    #expect(code(String(id.prefix(8))) == "chain.ambiguous")
    #expect(code("ffff") == "chain.not-found")
    #expect(code("ticks:99") == "chain.not-found")
    #expect(code("tick:99") == "chain.not-found")
    #expect(code("xyz") == "chain.bad-id")
    #expect(code(ChainID(origin: 5, sequence: 1).description) == "chain.not-found")
  }

  @Test func `prefixes of every length cover exactly the ids that begin with them`() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    for _ in 0..<300 {
      let id = ChainID(origin: random.next(), sequence: random.next() >> UInt64.random(in: 0...63, using: &random))
      let digits = id.description.filter { $0 != "-" }
      for length in 1...32 {
        let prefix = String(digits.prefix(length))
        let range = ChainStore.sequences(prefix: prefix, origin: id.origin)
        #expect(range?.contains(id.sequence) == true, "seed \(seed) \(id) \(prefix)")
        guard let range, range.upperBound < 0x3FFF_FFFF_FFFF_FFFF else { continue }
        let next = ChainID(origin: id.origin, sequence: range.upperBound + 1).description.filter { $0 != "-" }
        #expect(!next.hasPrefix(prefix), "seed \(seed) \(id) \(prefix)")
      }
    }
  }

  @Test func `an index that is damaged, foreign or of another version is made again`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path)
    run.order(10, id: 1)
    let path = scratch.path + "/chains.sqlite"
    for content in [[], Array("no database at all, but long enough to look like one".utf8), [UInt8](repeating: 0, count: 8192)] {
      writeBytes(content, to: path)
      #expect(try ChainStore(directory: scratch.path).list(ChainFilter()).count == 1)
    }
    // Another run in the same folder: its log and its index are new.
    let again = try SyntheticRun(scratch.path)
    var meta = again.meta
    meta.startedWallNs += 1
    try meta.write(to: scratch.path)
    again.order(77, id: 1)
    #expect(try ChainStore(directory: scratch.path).list(ChainFilter()).map(\.name) == ["ticks:77"])
  }

  @Test func `records that were overwritten are counted and their details left out`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path, options: HopLog.Options(ordersBytes: 64 << 10))
    for number in 0..<400 as Range<UInt64> { run.order(number, id: number + 1) }
    let store = try ChainStore(directory: scratch.path)
    #expect(store.lost > 1_000)
    let chains = try store.list(ChainFilter())
    #expect(chains.first?.name == "ticks:399")
    for chain in chains { _ = try store.tree(store.find(chain.id)) }
  }

  @Test func `many hops are indexed in seconds`() throws {
    let scratch = Scratch()
    let run = try SyntheticRun(scratch.path, options: HopLog.Options(hopsBytes: 16 << 20))
    for number in 0..<20_000 as Range<UInt64> { run.block(number * 256) }
    let clock = ContinuousClock()
    var hops = 0
    let took = try clock.measure {
      hops = try ChainStore(directory: scratch.path).list(ChainFilter()).reduce(0) { $0 + $1.hops }
    }
    #expect(hops == 60)
    // 60,000 of them here, in a debug build on a busy machine.
    #expect(took < .seconds(20), "took \(took)")
  }
}

func flat(_ hops: [ChainTree.Hop]) -> [ChainTree.Hop] { hops.flatMap { [$0] + flat($0.children) } }

/// The nodes of a tree without branches.
func path(_ hops: [ChainTree.Hop]) -> [String] {
  #expect(hops.count <= 1)
  return hops.first.map { [$0.node] + path($0.children) } ?? []
}
