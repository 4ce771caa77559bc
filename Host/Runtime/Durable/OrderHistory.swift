import CGantry
import GantryBase
import GantryJournal

/// What is known of orders at brokers outside when a run begins: which ids were used, and which orders may
/// work there.
///
/// A client order id names one order for ever. Each run that sends orders out has an *epoch* of its own,
/// which stands in the upper 16 bits of every id; below it are the node's number and a count, so that the
/// same events give the same ids in a replay with the same epoch.
public struct OrderHistory: Sendable {
  /// 1 and up; 0 for runs that send nothing out, whose ids are the same in every run.
  public var epoch: UInt16 = 0
  /// By broker: what it is asked about before any order passes, oldest first.
  var open: [String: [gantry_order]] = [:]
  /// Of a journal that is followed: how many orders went this way.
  var journaled: [Way: Int] = [:]

  /// From a lane to a broker, by their numbers.
  struct Way: Hashable {
    var lane: Int
    var broker: Int
  }

  public init() {}

  /// How many orders have no known end, by broker.
  public var openCounts: [(broker: String, count: Int)] {
    open.filter { !$0.value.isEmpty }.map { ($0.key, $0.value.count) }.sorted { $0.0 < $1.0 }
  }

  func firstID(node: Int) -> UInt64 {
    epoch == 0 ? UInt64(node + 1) * 1_000_000_000_000 : UInt64(epoch) << 48 | UInt64(node + 1) << 32
  }

  var canaryRange: UInt64 { epoch == 0 ? 1 << 37 : 1 << 29 }

  /// Who has to have heard that an order has come to its end.
  public enum Hearer: Sendable {
    /// The host, which has written the broker's word down.
    case host
    /// The nodes that a journal taught what they know when it is followed: what was on its way to them
    /// is told again.
    case nodes
  }

  /// What the journal of a run that has ended, or was killed, says of its orders.
  public struct Journaled: Sendable {
    /// Some order was on its way out: the run's epoch is used up.
    public var hasOrders = false
    public fileprivate(set) var open: [String: [gantry_order]] = [:]
    fileprivate var journaled: [Way: Int] = [:]
    /// Bytes of an unfinished frame at its end: those of a host that was killed.
    public var tornBytes = 0
  }

  /// Reads a journal to its end.
  ///
  /// Open is what was on its way to a broker outside, or inherited by it, was not refused by the gate, and
  /// has no execution that ends it. What the journal lacks of its last moment was never sent: a broker sees
  /// an order after its record is on the disk. Its executions may be missing: the broker is asked for them.
  public static func read(journal: String, heardBy hearer: Hearer = .host) throws(GantryError) -> Journaled {
    var result = Journaled()
    let reader = try JournalReader(directory: journal)
    var brokers: [UInt32: Known] = [:]
    while let record = try reader.next() {
      let payload = record.payload
      switch RecordKind(rawValue: record.kind) {
      case .broker:
        guard payload.count >= MemoryLayout<BrokerRecord>.size else { throw damaged(journal, "a broker record") }
        let head = payload.loadUnaligned(as: BrokerRecord.self)
        let nameEnd = MemoryLayout<BrokerRecord>.size + Int(head.nameBytes)
        guard payload.count == nameEnd + Int(head.count) * MemoryLayout<gantry_order>.stride else { throw damaged(journal, "a broker record") }
        let name = String(decoding: payload[MemoryLayout<BrokerRecord>.size..<nameEnd], as: UTF8.self)
        if brokers[head.node] == nil { brokers[head.node] = Known() }
        brokers[head.node]!.name = name
        brokers[head.node]!.executions = head.executions
        if head.isFirst != 0 { brokers[head.node]!.orders = OpenOrders() }
        for index in 0..<Int(head.count) {
          brokers[head.node]!.orders.reserve(1)
          brokers[head.node]!.orders.insert(payload.loadUnaligned(fromByteOffset: nameEnd + index * MemoryLayout<gantry_order>.stride, as: gantry_order.self))
        }
      case .bound:
        let size = MemoryLayout<BoundRecord>.size
        guard payload.count >= size else { throw damaged(journal, "a record of orders on their way") }
        let head = payload.loadUnaligned(as: BoundRecord.self)
        guard payload.count == size + Int(head.count) * MemoryLayout<gantry_order>.stride else {
          throw damaged(journal, "a record of orders on their way")
        }
        // What was followed comes before the broker's own record.
        let broker = brokers[head.broker] ?? Known()
        brokers[head.broker] = broker
        result.hasOrders = true
        result.journaled[Way(lane: record.lane, broker: Int(head.broker)), default: 0] += Int(head.count)
        for index in 0..<Int(head.count) {
          let order = payload.loadUnaligned(fromByteOffset: size + index * MemoryLayout<gantry_order>.stride, as: gantry_order.self)
          broker.orders.reserve(1)
          broker.orders.insert(order)
        }
      case .decision where hearer == .nodes: break
      case .decision:
        guard payload.count == MemoryLayout<DecisionRecord>.size else { throw damaged(journal, "a decision record") }
        let decision = payload.loadUnaligned(as: DecisionRecord.self)
        if decision.what == Decision.orderRefused.rawValue { brokers[UInt32(bitPattern: Int32(truncatingIfNeeded: Int(decision.node)))]?.orders.remove(UInt64(bitPattern: decision.value)) }
      // The broker's own record, and what another lane has taken of it.
      case hearer == .host ? .output : .events:
        let size = MemoryLayout<EventsRecord>.size
        guard payload.count >= size else { throw damaged(journal, "an events record") }
        let head = payload.loadUnaligned(as: EventsRecord.self)
        guard let broker = brokers[head.node], head.port & 0xFFFF == broker.executions else { continue }
        if hearer == .nodes {
          guard broker.lane ?? record.lane == record.lane else {
            throw GantryError(
              "recover.broker-lanes", "\(broker.name) answers nodes of several lanes, which do not stand at the same answer",
              help: ["place them on one lane"], exit: .failed)
          }
          brokers[head.node]!.lane = record.lane
        }
        guard Int(head.stride) == MemoryLayout<gantry_execution>.stride, payload.count >= size + Int(head.count) * Int(head.stride) else {
          throw damaged(journal, "an events record")
        }
        for index in 0..<Int(head.count) {
          broker.orders.saw(payload.loadUnaligned(fromByteOffset: size + index * Int(head.stride), as: gantry_execution.self))
        }
      default: break
      }
    }
    for broker in brokers.values where !broker.name.isEmpty { result.open[broker.name, default: []] += broker.orders.inOrder }
    result.tornBytes = reader.tornBytes
    return result
  }

  private struct Known {
    var name = ""
    var executions = UInt32.max
    var orders = OpenOrders()
    /// Where its answers are heard.
    var lane: Int?
  }

  /// What an earlier run left behind.
  public mutating func inherit(_ journaled: Journaled) {
    open = journaled.open
    self.journaled = journaled.journaled
  }

  private static func damaged(_ journal: String, _ what: String) -> GantryError {
    GantryError("orders.journal-damaged", "\(journal) holds \(what) that cannot be read", help: ["restore the journal from a copy"], exit: .failed)
  }
}
