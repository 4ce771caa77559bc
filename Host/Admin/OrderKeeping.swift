import GantryBase
import GantryGraph
import GantryRuntime
import Glibc

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a state folder keeps of orders at brokers outside, from one run to the next: the epoch that is in
/// their ids, and the journal that knows how they stood.
///
/// The file `orders` names a journal only once that holds all that was open before it, on the disk. So a host
/// that is killed at any moment leaves one journal that knows everything.
public struct OrderKeeping: Codable, Sendable, Equatable {
  public var epoch: UInt16
  /// An absolute path; empty when nothing is to be taken from it.
  public var journal: String

  static let file = "orders"

  public init(epoch: UInt16, journal: String) {
    self.epoch = epoch
    self.journal = journal
  }

  /// Whether a graph sends orders to the world outside.
  public static func isNeeded(_ graph: Graph) -> Bool {
    graph.nodes.contains { $0.plugin.kind == .broker && $0.plugin.effects == .external }
  }

  /// What the next run begins with, from the state folder and the journal of the run before.
  ///
  /// Throws `orders.no-state`, `orders.no-journal`, `orders.unreadable`, `orders.no-epoch`, and what reading a
  /// damaged journal throws.
  public static func history(_ state: StateFolder?) throws(GantryError) -> OrderHistory {
    guard let state else {
      throw GantryError(
        "orders.no-state", "a graph that sends orders to the world outside keeps track of them in a state folder, and this run has none",
        help: ["name one with --state FOLDER; keep it as long as the account"], exit: .usage)
    }
    var history = OrderHistory()
    history.epoch = 1
    guard let last = try OrderKeeping(state) else { return history }
    history.epoch = last.epoch
    guard !last.journal.isEmpty else { return try advanced(history) }
    guard access(last.journal + "/journal-000001.lz4", F_OK) == 0 else {
      throw GantryError(
        "orders.no-journal", "\(last.journal) is gone, and it knew which orders were open when the last run ended",
        help: [
          "bring the folder back",
          "or compare positions and working orders with the broker, then write \"journal\":\"\" in \(state.path)/\(file)",
        ], exit: .failed)
    }
    let journaled = try OrderHistory.read(journal: last.journal)
    history.inherit(journaled)
    return journaled.hasOrders ? try advanced(history) : history
  }

  /// Reads what the folder keeps; nil when no run of the graph has sent anything out yet.
  public init?(_ state: StateFolder) throws(GantryError) {
    let path = "\(state.path)/\(OrderKeeping.file)"
    if access(path, F_OK) != 0, errno == ENOENT { return nil }
    guard let bytes = state.read(OrderKeeping.file), let kept = try? JSONDecoder().decode(OrderKeeping.self, from: Data(bytes)) else {
      throw GantryError(
        "orders.unreadable", "\(path) cannot be read, and it says which order ids are used up", help: ["restore it from a copy"], exit: .failed)
    }
    self = kept
  }

  public func keep(in state: StateFolder) throws(GantryError) {
    try state.write(OrderKeeping.file, Array((JSONLine.text(self) + "\n").utf8))
  }

  private static func advanced(_ history: OrderHistory) throws(GantryError) -> OrderHistory {
    guard history.epoch < .max else {
      throw GantryError(
        "orders.no-epoch", "\(UInt16.max) runs of this graph have sent orders out, and there are no ids left for another",
        help: ["begin a state folder anew with --state FOLDER, for another account at the broker"], exit: .failed)
    }
    var next = history
    next.epoch += 1
    return next
  }
}
