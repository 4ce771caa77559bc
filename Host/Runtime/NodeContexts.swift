import Synchronization

/// The handles of a run's instances: what stands behind each `gantry_node`.
///
/// A handle outlives its instance, so that a late call through it finds a dead one and is refused. It is
/// given to another instance only once `quietMax` others of the same node have gone after it, so what a
/// run keeps does not grow with the number of its swaps; a call as late as that is one of its own node.
final class NodeContexts: Sendable {
  /// One handle's memory, or where a new one's is. Addresses are constant for the life of the run.
  struct Memory: @unchecked Sendable {  // pointers only; what they point to belongs to the instance
    let context: UnsafeMutablePointer<NodeContext>
    let failText: UnsafeMutablePointer<UInt8>
    let metrics: UnsafeMutablePointer<Double>
    let heldNote: UnsafeMutablePointer<UInt8>
  }

  private struct State {
    var all: [Memory] = []
    /// By node number, those whose instance is gone, oldest first: places in `all`.
    var quiet: [Int32: [Int]] = [:]
    /// By node number, of handles that were given to another instance: calls that were refused.
    var misuse: [Int32: UInt32] = [:]
  }

  /// How many handles of one node whose instances are gone are kept as they are.
  static let quietMax = 32
  private let state = Mutex(State())

  /// A handle for an instance of `node`, which `fill` describes.
  func make(node: Int32, _ fill: (Memory) -> NodeContext) -> UnsafeMutablePointer<NodeContext> {
    state.withLock { state in
      let memory: Memory
      if let quiet = state.quiet[node], quiet.count > NodeContexts.quietMax {
        memory = state.all[quiet[0]]
        state.quiet[node]?.removeFirst()
        state.misuse[node, default: 0] &+= memory.context.pointee.misuse
      } else {
        memory = Memory(
          context: .allocate(capacity: 1), failText: .allocate(capacity: failTextCapacity), metrics: .allocate(capacity: metricsPerNode),
          heldNote: .allocate(capacity: noteKeyCapacity + noteTextCapacity))
        state.all.append(memory)
      }
      memory.metrics.initialize(repeating: 0, count: metricsPerNode)
      memory.context.initialize(to: fill(memory))
      return memory.context
    }
  }

  /// The instance of a handle was destroyed, or never came to be.
  func retire(_ context: UnsafeMutablePointer<NodeContext>) {
    state.withLock { state in
      guard let place = state.all.lastIndex(where: { $0.context == context }) else { return }
      state.quiet[context.pointee.node, default: []].append(place)
    }
  }

  /// How many there are, those of instances that are gone included.
  var count: Int { state.withLock { $0.all.count } }

  /// By node number, in its order: host calls that were refused because of the thread they came from.
  var misuse: [(node: Int32, calls: UInt32)] {
    state.withLock { state in
      var calls = state.misuse
      for memory in state.all { calls[memory.context.pointee.node, default: 0] &+= memory.context.pointee.misuse }
      return calls.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
  }

  /// After the last instance was destroyed.
  func deallocate() {
    state.withLock { state in
      for memory in state.all {
        memory.failText.deallocate()
        memory.metrics.deallocate()
        memory.heldNote.deallocate()
        memory.context.deallocate()
      }
      state = State()
    }
  }
}
