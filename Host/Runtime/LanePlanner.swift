import GantryBase
import GantryGraph
import Synchronization

/// All lanes of a run, the layout they run on, and what is counted for each node. Lanes and counters
/// are added while the run goes on, and none is taken away.
final class LanePlanner: @unchecked Sendable {  // guarded by `state`; the layout's memory by the lanes' rules
  private struct State: @unchecked Sendable {  // its pointers are to counters that one lane writes
    var lanes: [Lane] = []
    var statistics: [UnsafeMutablePointer<NodeStatistics>] = []
    var layout: LaneLayout
    /// What queues dropped that are there no more, by `from -> to`.
    var dropped: [(from: String, to: String, count: UInt64)] = []
  }

  private let state: Mutex<State>

  init(layout: LaneLayout) {
    state = Mutex(State(layout: layout))
  }

  /// By lane number.
  var lanes: [Lane] { state.withLock { $0.lanes } }
  var layout: LaneLayout { state.withLock { $0.layout } }
  var queues: [(from: String, to: String, queue: EdgeQueue)] { layout.queues }
  /// By node number.
  var statistics: StatisticsTable { StatisticsTable(pointers: state.withLock { $0.statistics }) }

  func add(_ lane: Lane) { state.withLock { $0.lanes.append(lane) } }

  /// Counters for nodes up to this number.
  func reserve(nodes: Int) {
    state.withLock {
      while $0.statistics.count < nodes {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<NodeStatistics>.stride, alignment: 64)
        let statistics = memory.bindMemory(to: NodeStatistics.self, capacity: 1)
        statistics.initialize(to: NodeStatistics())
        $0.statistics.append(statistics)
      }
    }
  }

  /// The lanes run on another layout from now on. Returns the old one, whose memory the caller frees.
  func take(_ layout: LaneLayout) -> LaneLayout {
    state.withLock {
      let old = $0.layout
      for queue in old.queues where queue.queue.dropped > 0 {
        if let place = $0.dropped.firstIndex(where: { $0.from == queue.from && $0.to == queue.to }) {
          $0.dropped[place].count += queue.queue.dropped
        } else {
          $0.dropped.append((queue.from, queue.to, queue.queue.dropped))
        }
      }
      $0.layout = layout
      return old
    }
  }

  /// What each queue of the run has dropped, those of earlier graphs included.
  var drops: [(from: String, to: String, dropped: UInt64)] {
    state.withLock {
      var list = $0.layout.queues.map { (from: $0.from, to: $0.to, dropped: $0.queue.dropped) }
      for old in $0.dropped {
        if let place = list.firstIndex(where: { $0.from == old.from && $0.to == old.to }) {
          list[place].dropped += old.count
        } else {
          list.append((old.from, old.to, old.count))
        }
      }
      return list
    }
  }

  /// After all lanes have ended.
  func deallocate() {
    state.withLock {
      for lane in $0.lanes {
        lane.trace.deallocate()
        lane.deallocate()
      }
      $0.lanes = []
      $0.layout.deallocate()
      for statistics in $0.statistics { statistics.deallocate() }
      $0.statistics = []
    }
  }
}

/// Counters of all nodes, by node number.
struct StatisticsTable: @unchecked Sendable {  // each counter is one lane's; others read for display
  let pointers: [UnsafeMutablePointer<NodeStatistics>]
  subscript(number: Int) -> NodeStatistics { pointers[number].pointee }
}
