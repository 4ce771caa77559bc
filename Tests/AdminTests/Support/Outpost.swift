import BrokenPlugins
import CGantry
import GantryJournal
import GantryRuntime
import Glibc

/// A folder in which hosts trade at one test exchange, one after the other; see Tests/Fixtures/OrderPlugins.
final class Outpost {
  let folder: String
  private let preload: String
  /// Of the hosts so far, in their order.
  private(set) var journals: [String] = []

  private static let plugins = Result {
    let broker = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/OrderPlugins/plugins.c", as: "liborders.so", flags: "-lpthread")
    let folder = String(broker.dropLast("/liborders.so".count))
    for id in ["outpost", "outpost-dumb"] { link(broker, "\(folder)/lib\(id).so") }
    let lane = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/LanePlugins/plugins.c", as: "liblane.so")
    for id in ["decider", "guard"] { link(lane, "\(folder)/lib\(id).so") }
    return folder
  }
  private static let shim = Result { try Fixture.compile("\(Fixture.root)/Tests/Fixtures/OrderPlugins/fdatasync.c", as: "fdatasync.so", flags: "-ldl") }

  init() throws {
    folder = try Fixture.temporaryFolder()
    preload = try Outpost.shim.get()
    mkdir("\(folder)/exchange", 0o700)
  }

  /// A tick a millisecond, and an order for every second one.
  static func graph(plugin: String = "outpost", fillOneIn: Int = 2) -> String {
    """
    graph: orders
    clock: live
    instruments:
      EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
    nodes:
      ticks: { plugin: synthetic, params: { count: 0, seed: 7, interval: 1ms, speed: real } }
      decide: { plugin: decider, from: [ticks, broker.executions~], params: { one_in: 2 } }
      risk: { plugin: guard, from: decide, on_error: halt }
      broker: { plugin: \(plugin), from: [ticks, risk], params: { exchange: exchange, fill_one_in: \(fillOneIn) } }

    """
  }

  func start(_ graph: String = graph(), _ arguments: String...) throws -> LiveGraph {
    unlink("\(folder)/graph.yaml")
    unlink("\(folder)/stderr")
    let host = try LiveGraph(
      graph, folder: folder, arguments: ["--plugins", Outpost.plugins.get()] + arguments,
      environment: ["LD_PRELOAD=\(preload)", "GANTRY_TEST_HOLD=\(folder)/hold", "GANTRY_TEST_FAIL=\(folder)/fail"])
    journals.append("\(folder)/\(host.runFolder)/journal")
    return host
  }

  /// Ends the host as a power cut would, but for the disk.
  func kill(_ host: LiveGraph) throws {
    Glibc.kill(host.pid, SIGKILL)
    _ = try host.end()
    set("hold", false)
  }

  // MARK: the exchange

  /// Ids that reached it, in their order.
  var seen: [UInt64] { lines("seen").compactMap { $0.first } }

  /// What its fills come to, for orders of which every second one is filled.
  var position: Int64 {
    lines("seen").filter { $0[0] % 2 == 0 }.reduce(0) { $0 + ($1[2] == UInt64(GANTRY_BUY) ? Int64($1[3]) : -Int64($1[3])) }
  }

  /// For each time the broker was asked: the open orders it was given.
  var asked: [[UInt64]] { lines("asked").map { Array($0.dropFirst()) } }

  private func lines(_ name: String) -> [[UInt64]] {
    LiveGraph.read("\(folder)/exchange/\(name)").split(separator: "\n").map { $0.split(separator: " ").compactMap { UInt64($0) } }
  }

  /// Makes one of the files that tell the exchange or the disk what to do, or removes it.
  func set(_ name: String, _ on: Bool) {
    let path = name == "hold" || name == "fail" ? "\(folder)/\(name)" : "\(folder)/exchange/\(name)"
    if on { close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)) } else { unlink(path) }
  }

  // MARK: journals, read by what their format says and nothing that the host makes of it

  struct Journaled {
    /// On their way to the broker, in their order.
    var bound: [UInt64] = []
    var refused: Set<UInt64> = []
    var inherited: [UInt64] = []
    /// By order: the kinds of its executions.
    var told: [UInt64: [UInt32]] = [:]
    var reasons: [UInt64: UInt32] = [:]
    var positions = 0
    /// By order: the kinds of executions that came to the lane which sends orders.
    var heard: [UInt64: [UInt32]] = [:]

    /// Of what is on its way to the broker: what the nodes have heard no end of.
    var openToNodes: Set<UInt64> {
      Set(bound).filter { id in !(heard[id] ?? []).contains { $0 == GANTRY_EXEC_FILL || $0 == GANTRY_EXEC_REJECTED } }
    }

    /// What no execution has ended.
    var open: Set<UInt64> {
      Set(inherited + bound).subtracting(refused).filter { id in
        !(told[id] ?? []).contains { $0 == GANTRY_EXEC_FILL || $0 == GANTRY_EXEC_REJECTED }
      }
    }
  }

  static func read(_ journal: String) throws -> Journaled {
    let reader = try JournalReader(directory: journal)
    var result = Journaled()
    var refusedByHost: Set<UInt64> = []
    while let record = try reader.next() {
      let bytes = record.payload
      func orders(from start: Int, _ count: UInt32) -> [UInt64] {
        (0..<Int(count)).map { bytes.loadUnaligned(fromByteOffset: start + $0 * MemoryLayout<gantry_order>.stride, as: gantry_order.self).order_id }
      }
      switch RecordKind(rawValue: record.kind) {
      case .bound: result.bound += orders(from: 8, bytes.loadUnaligned(as: BoundRecord.self).count)
      case .broker:
        let head = bytes.loadUnaligned(as: BrokerRecord.self)
        result.inherited += orders(from: MemoryLayout<BrokerRecord>.size + Int(head.nameBytes), head.count)
      case .decision:
        let decision = bytes.loadUnaligned(as: DecisionRecord.self)
        if decision.what == Decision.orderRefused.rawValue { refusedByHost.insert(UInt64(bitPattern: decision.value)) }
      case .output:
        let head = bytes.loadUnaligned(as: EventsRecord.self)
        guard head.node == 3, head.port == 0 else { continue }
        for row in 0..<Int(head.count) {
          let execution = bytes.loadUnaligned(fromByteOffset: MemoryLayout<EventsRecord>.size + row * Int(head.stride), as: gantry_execution.self)
          if UInt32(execution.kind) == GANTRY_EXEC_POSITION { result.positions += 1 }
          result.told[execution.order_id, default: []].append(UInt32(execution.kind))
          if execution.reason != 0 { result.reasons[execution.order_id] = execution.reason }
        }
      case .events:
        let head = bytes.loadUnaligned(as: EventsRecord.self)
        guard head.node == 3, head.port & 0xFFFF == 0 else { continue }
        for row in 0..<Int(head.count) {
          let execution = bytes.loadUnaligned(fromByteOffset: MemoryLayout<EventsRecord>.size + row * Int(head.stride), as: gantry_execution.self)
          result.heard[execution.order_id, default: []].append(UInt32(execution.kind))
        }
      default: break
      }
    }
    result.refused = refusedByHost
    return result
  }

  var last: Journaled { get throws { try Outpost.read(journals.last!) } }
}
