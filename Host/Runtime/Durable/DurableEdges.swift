import CGantry
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// The durable edges of a run: those that carry orders into brokers outside.
///
/// The lane that emits an order appends it to its journal and asks for a sync; the queue to the broker's
/// lane holds the order back until the journal's thread has synced it. Orders that come meanwhile share the
/// next sync. When the journal fails, what is held back goes on, and the order gate refuses it: it comes to
/// its sender as a rejection, and nothing is sent any more.
final class DurableEdges: Sendable {
  /// The journal takes no more.
  let hasFailed = Atomic<Bool>(false)
  private let bells = Mutex<[Bell]>([])
  private let brokers = Mutex<[Int: DurableBroker]>([:])
  private let log: LogRing

  init(log: LogRing) { self.log = log }

  /// Whether orders into this node are on the disk before it sees them. With the live clock only: a graph
  /// of recorded quotes that would act on the outside is refused.
  static func isDurable(_ node: GraphNode) -> Bool {
    node.plugin.kind == .broker && node.plugin.effects == .external && node.shadows == nil
  }

  func follow(_ journal: JournalWriter) { journal.onSync { [self] in synced($0) } }

  /// A lane waits for the journal.
  func add(_ bell: Bell) { bells.withLock { if !$0.contains(where: { $0 === bell }) { $0.append(bell) } } }

  /// Of a node's number; made when it is asked for first.
  func broker(_ number: Int) -> DurableBroker {
    brokers.withLock {
      if let broker = $0[number] { return broker }
      let broker = DurableBroker(number: number, edges: self)
      $0[number] = broker
      return broker
    }
  }

  /// Brokers that have not said yet how things stand, by number.
  var unsettled: [Int] { brokers.withLock { $0.filter { !$0.value.isSettled.load(ordering: .acquiring) }.keys.sorted() } }

  /// Nothing is sent to the outside.
  var isEmpty: Bool { brokers.withLock { $0.isEmpty } }

  /// On the journal's thread.
  private func synced(_ failure: GantryError?) {
    if let failure, !hasFailed.exchange(true, ordering: .acquiringAndReleasing) {
      guard !isEmpty else { return }
      let reason = failure.diagnostics.first?.text ?? "it gave no reason"
      log.say(
        .error, node: -1,
        "the order gate is closed: the journal cannot be written, and no order goes to a broker outside before it is on the disk: \(reason) Mend that and restart the host"
      )
    }
    for bell in bells.withLock({ $0 }) { bell.ring() }
  }
}
